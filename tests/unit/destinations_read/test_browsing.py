"""The tree people browse: right for any name, updated in place, never touching what is not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etiket_gui.destinations.archive import browsing
from etiket_gui.destinations.archive.foldertree import FolderTree
from etiket_gui.destinations.archive.layout import staging_owner
from etiket_gui.destinations.archive.linking import links_hold
from etiket_gui.domain.errors import DestinationDamaged, Stopped, UnsafeName
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import Folder
from tests.support.stored_archive import StoredArchive, tree_of
from tests.unit.destinations_read.test_reading import add_foreign
from tests.unit.destinations_read.test_restoring import NASTY

OURS = {b"SHA256SUMS", b"index.html"}


def folder_of(archive: StoredArchive, name: str = "run") -> Path:
    return archive.root / "browse" / "fridge" / "2024" / "2024-03-01" / name


def derive(archive: StoredArchive, name: str = "run", mode: browsing.BrowseMode = "links") -> Path:
    archive.browse(mode).derive(archive.remote(name), "", StopToken())
    return folder_of(archive, name)


def shown(folder: Path) -> dict[bytes, bytes]:
    return {name: content for name, content in tree_of(folder).items() if name not in OURS}


def check_sums(folder: Path, sums: str = "SHA256SUMS") -> None:
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum on this machine")
    done = subprocess.run([tool, "-c", "--strict", "--quiet", sums], cwd=folder, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds every one of these names")
def test_sha256sum_accepts_the_list_for_any_name(archive: StoredArchive) -> None:
    files = {name: os.fsencode(name) * 3 for name in NASTY if name not in {"SHA256SUMS", "index.html"}}
    files |= {"empty": b"", "carriage\r": b"1", "in\rside": b"2", "*": b"3", "#": b"4"}
    archive.add("run", files, links={"l": "../x"}, folders=("hollow",))
    folder = derive(archive)
    check_sums(folder)
    expected = {os.fsencode(name): content for name, content in files.items()}
    assert shown(folder) == expected | {b"l": b"-> ../x", b"hollow": b"/"}
    assert len((folder / "SHA256SUMS").read_bytes().splitlines()) >= len(files)


def test_what_is_browsed_is_the_stored_file_itself_and_read_only(archive: StoredArchive) -> None:
    remote = archive.add("run", {"sub/a": b"1"})
    found = (derive(archive) / "sub" / "a").stat()
    assert found.st_ino == archive.blob(remote, b"1").stat().st_ino
    assert not found.st_mode & 0o222


def test_a_second_look_changes_nothing(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1", "sub/b": b"2"}, links={"l": "a"}, folders=("hollow",))
    folder = derive(archive)
    before = {path: path.lstat().st_ctime_ns for path in folder.rglob("*") if path.name not in {"a", "b"}}
    derive(archive)
    assert {path: path.lstat().st_ctime_ns for path in folder.rglob("*") if path.name not in {"a", "b"}} == before


def test_a_newer_version_is_shown_in_place_and_what_went_is_gone(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1", "gone": b"2", "deep/down/gone": b"3", "was file": b"4", "dir/x": b"5", "same": b"6",
                            "to link": b"l"},
                links={"moved": "a", "went": "a", "to file": "a"}, folders=("hollow", "filled"))  # fmt: skip
    folder = derive(archive)
    archive.add("run", {"a": b"11", "new": b"7", "was file/now": b"8", "dir": b"9", "same": b"6",
                            "to file": b"f", "filled/x": b"x"},
                links={"moved": "new", "to link": "a"}, version="1.1.0")  # fmt: skip
    derive(archive)
    expected = {b"a": b"11", b"new": b"7", b"was file/now": b"8", b"dir": b"9", b"same": b"6", b"moved": b"-> new"}
    expected |= {b"to file": b"f", b"to link": b"-> a", b"filled/x": b"x"}
    assert shown(folder) == expected
    check_sums(folder)
    assert b"1.0.0, 1.1.0" in (folder / "index.html").read_bytes()


def test_what_somebody_else_put_there_is_never_touched(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1", "sub/b": b"2", "edited": b"3"})
    folder = derive(archive)
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / "sub" / "mine").write_bytes(b"mine")
    (folder / "edited").unlink()
    (folder / "edited").write_bytes(b"my own copy")
    (folder / "new").write_bytes(b"I was first")
    (folder / "new folder").write_bytes(b"a file")
    archive.add("run", {"a": b"11", "new": b"7", "new folder/x": b"8", "edited": b"33"}, version="1.1.0")
    derive(archive)
    assert shown(folder) == {
        b"a": b"11", b"notes.txt": b"mine", b"sub/mine": b"mine", b"edited": b"my own copy", b"new": b"I was first",
        b"new folder": b"a file",
    }  # fmt: skip
    check_sums(folder)
    assert (folder / "index.html").read_text().count("something else in this folder has its name") == 3
    assert archive.reader.verify(remote, "1.1.0", "", StopToken()).is_good
    archive.add("run", {"a": b"11"}, version="1.2.0")
    derive(archive)
    assert {b"edited", b"new", b"new folder", b"sub/mine", b"notes.txt"} < set(shown(folder))


def test_a_second_dataset_of_that_name_and_day_gets_its_own_folder(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    other = archive.add("run/", {"a": b"2"})
    path = archive.record_path("run/", "1.0.0")
    path.write_bytes(path.read_bytes().replace(b"2024-03-01/run_", b"2024-03-01/run"))
    first = derive(archive)
    for _ in range(2):
        archive.browse().derive(other, "", StopToken())
    assert shown(first) == {b"a": b"1"}
    assert shown(first.with_name("run -2")) == {b"a": b"2"}
    assert sorted(item.name for item in first.parent.iterdir()) == ["run", "run -2"]


def test_a_folder_of_somebody_else_is_left_alone(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    folder_of(archive).mkdir(parents=True)
    (folder_of(archive) / "a").write_bytes(b"mine")
    derive(archive)
    assert shown(folder_of(archive)) == {b"a": b"mine"}
    assert shown(folder_of(archive, "run -2")) == {b"a": b"1"}


def test_a_file_of_the_dataset_wins_over_ours_of_that_name(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    folder = derive(archive)
    files = {
        "a": b"1",
        "sha256sums": b"theirs",
        "SHA256SUMS": b"their sums",
        "index.html": b"<p>theirs",
        "etiket-index.html/x": b"2",
    }
    archive.add("run", files, version="1.1.0")
    derive(archive)
    for name, content in files.items():
        assert (folder / name).read_bytes() == content
    check_sums(folder, "etiket-SHA256SUMS")
    assert (folder / "etiket-etiket-index.html").is_file()
    archive.add("run", {"a": b"1"}, version="1.2.0")
    derive(archive)
    assert set(tree_of(folder)) == {b"a"} | OURS
    check_sums(folder)


def test_an_unfinished_folder_is_made_anew(archive: StoredArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.add("run", {"a": b"1", "b": b"2"})
    stop = StopToken()
    put = browsing._Derivation._put

    def crash(work: browsing._Derivation, where: tuple[str, ...], entry: browsing.FileEntry) -> None:
        put(work, where, entry)
        raise SystemExit

    monkeypatch.setattr(browsing._Derivation, "_put", crash)
    tree = archive.browse()
    assert tree.mode == "links"
    with monkeypatch.context() as killed:
        killed.setattr(archive.reader.files, "remove_tree", lambda parent, name: None)
        with pytest.raises(SystemExit):
            tree.derive(archive.remote("run"), "", stop)
    assert not folder_of(archive).exists()
    (left,) = (archive.root / ".etiket" / "tmp").iterdir()
    assert staging_owner(left.name) is not None
    shutil.rmtree(left)
    with pytest.raises(SystemExit):
        derive(archive)
    assert list((archive.root / ".etiket" / "tmp").iterdir()) == []
    monkeypatch.undo()
    assert shown(derive(archive)) == {b"a": b"1", b"b": b"2"}
    assert [item.name for item in folder_of(archive).parent.iterdir()] == ["run"]
    stop.stop()
    archive.add("run", {"a": b"3"}, version="1.1.0")
    with pytest.raises(Stopped):
        archive.browse().derive(archive.remote("run"), "", stop)
    assert shown(derive(archive)) == {b"a": b"3"}


def test_copies_are_made_where_asked_and_are_files_of_their_own(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1", "gone": b"2"})
    folder = derive(archive, mode="copies")
    assert (folder / "a").stat().st_ino != archive.blob(remote, b"1").stat().st_ino
    archive.add("run", {"a": b"11"}, version="1.1.0")
    assert shown(derive(archive, mode="copies")) == {b"a": b"11"}
    check_sums(folder)
    blob = archive.blob(remote, b"111")
    blob.chmod(0o644)
    blob.write_bytes(b"bad")
    archive.add("run", {"a": b"111"}, version="1.2.0")
    with pytest.raises(DestinationDamaged, match="damaged in the archive"):
        derive(archive, mode="copies")
    assert shown(folder) == {b"a": b"11"}


def test_no_tree_is_made_where_links_or_modes_do_not_hold(
    archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    archive.add("run", {"a": b"1"})
    assert links_hold(archive.reader.files, str(archive.root))
    assert derive(archive, mode="none") == folder_of(archive)
    monkeypatch.setattr(archive.reader.files, "link", refuse)
    assert not links_hold(archive.reader.files, str(archive.root))
    derive(archive, mode="auto")
    assert not (archive.root / "browse").exists()
    assert list((archive.root / ".etiket" / "tmp").iterdir()) == []
    assert b"Measurement archive" in (archive.root / "index.html").read_bytes()


def test_one_refused_link_leaves_the_others_and_is_said(
    archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FolderTree.link

    def refuse_one(tree: FolderTree, source: str, parts: tuple[str, ...], source_folder: int | None = None) -> None:
        if parts[-1] == "b":
            raise OSError(31, "Too many links")
        link(tree, source, parts, source_folder)

    archive.add("run", {"a": b"1", "b": b"2"})
    monkeypatch.setattr(FolderTree, "link", refuse_one)
    folder = derive(archive)
    assert shown(folder) == {b"a": b"1"}
    check_sums(folder)
    assert "refused a link" in (folder / "index.html").read_text()


def test_the_page_escapes_what_people_typed(archive: StoredArchive) -> None:
    evil = "<script>alert(1)</script>"
    archive.add("run", {"a b#?%.png": b"1", "x:y": b"2", "<img src=x>": b"3", "preview.png": b"png"},
                text=f"{evil}\n\u202egnp", keywords=(evil, '"quoted"'))  # fmt: skip
    text = (derive(archive) / "index.html").read_text()
    assert "<script" not in text
    assert "\u202e" not in text
    assert "<img src=x" not in text
    assert 'href="./a%20b%23%3F%25.png"' in text
    assert 'href="./x%3Ay"' in text
    assert '<img src="./preview.png"' in text
    for wanted in ("2024-03-01 10:00:00", "Bluefors 3", "fridge (folder)", "1.0.0", "&lt;script&gt;"):
        assert wanted in text


def test_the_root_page_is_written_once_and_a_foreign_one_stays(archive: StoredArchive) -> None:
    (archive.root / "index.html").write_text("mine")
    archive.add("run", {"a": b"1"})
    derive(archive)
    assert (archive.root / "index.html").read_text() == "mine"


def test_releases_of_other_programs_and_odd_browse_paths_make_nothing(archive: StoredArchive) -> None:
    archive.browse().derive(add_foreign(archive), "", StopToken())
    archive.add("run", {"a": b"1"})
    path = archive.record_path("run", "1.0.0")
    for bad in (b"browse/../../x", b"/etc", b"browse", b"Global Public Workspace/x", b"browse//x", b"browse/.hidden"):
        text = path.read_bytes()
        path.write_bytes(text.replace(b"browse/fridge/2024/2024-03-01/run", bad))
        with pytest.raises(UnsafeName):
            derive(archive)
        path.write_bytes(text)
    assert not (archive.root / "browse").exists()


def test_a_folder_that_appears_meanwhile_is_left_to_its_owner(
    archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("run", {"a": b"1"})
    publish = archive.reader.files.publish_folder

    def slow(parent: Folder, name: str, target: Folder, target_name: str) -> None:
        folder = folder_of(archive)
        if not folder.exists():
            folder.mkdir()
            (folder / "theirs").write_bytes(b"first")
        publish(parent, name, target, target_name)

    monkeypatch.setattr(archive.reader.files, "publish_folder", slow)
    derive(archive)
    assert shown(folder_of(archive)) == {b"theirs": b"first"}
    assert shown(folder_of(archive, "run -2")) == {b"a": b"1"}
    assert list((archive.root / ".etiket" / "tmp").iterdir()) == []
