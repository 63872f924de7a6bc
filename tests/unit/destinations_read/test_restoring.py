"""What comes back out of a folder archive."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from etiket_gui.destinations.api import FetchReport, RestoreMethod
from etiket_gui.destinations.archive import restoring
from etiket_gui.destinations.archive.foldertree import FolderTree
from etiket_gui.destinations.archive.restoring import fetch
from etiket_gui.domain.errors import DestinationDamaged, PermissionRefused, Stopped, UsageError
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.stored_archive import MTIME_NS, StoredArchive, tree_of
from tests.support.unprivileged import permissions_count
from tests.unit.destinations_read.test_reading import add_foreign

NASTY = (
    "a.txt", "µ b%.dat", "sub/deep/x.bin", "new\nline", "back\\slash", "-", "--help", " lead", "trail ", "a.", "q‛41",
    "‛", "x:y", "~", "con", "*?<>|\"'", "$(rm)", "日本😀", "n\u0303", "ñ", "tab\t", "\u202egnp.exe", "e" * 255, "A.dat",
    "a.dat", ".hidden", "..dots", "SHA256SUMS", "index.html", os.fsdecode(b"\xff.dat"), os.fsdecode(b"d\xe9/\xfe"),
)  # fmt: skip


def restore(archive: StoredArchive, target: Path, *, version: str = "", method: RestoreMethod = RestoreMethod.COPY,
            name: str = "run", stop: StopToken | None = None) -> FetchReport:  # fmt: skip
    return fetch(archive.reader, archive.remote(name), version, target, method, NoProgress(), stop or StopToken())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds every one of these names")
def test_every_name_content_time_and_link_comes_back(archive: StoredArchive, tmp_path: Path) -> None:
    files = {name: os.fsencode(name) * 3 for name in NASTY} | {"empty": b"", "sub/empty": b""}
    links = {
        "up": "../../outside",
        "absolute": "/etc/passwd",
        os.fsdecode(b"l\xff"): os.fsdecode(b"t\xff\n"),
        "sub/in": "x",
    }
    archive.add("run", files, links=links, folders=("hollow/inner",), executable=("a.txt",))
    report = restore(archive, tmp_path / "new" / "back")
    expected = {os.fsencode(name): content for name, content in files.items()}
    expected |= {os.fsencode(name): b"-> " + os.fsencode(text) for name, text in links.items()}
    assert tree_of(tmp_path / "new" / "back") == expected | {b"hollow/inner": b"/"}
    assert (report.file_count, report.notes, report.version) == (len(files), (), "1.0.0")
    for name in (*files, *links, "hollow/inner"):
        assert os.lstat(tmp_path / "new" / "back" / name).st_mtime_ns == MTIME_NS, name
    modes = {name: os.stat(tmp_path / "new" / "back" / name).st_mode & 0o100 for name in files}
    assert {name for name, mode in modes.items() if mode} == {"a.txt"}
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["back"]


def test_each_version_brings_back_what_it_was(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"old", "gone": b"x"})
    archive.add("run", {"a": b"new"}, version="1.1.0")
    archive.add("run", {"a": b"half"}, version="1.2.0-live.1")
    restore(archive, tmp_path / "one", version="1.0.0")
    assert restore(archive, tmp_path / "two").version == "1.1.0"
    assert tree_of(tmp_path / "one") == {b"a": b"old", b"gone": b"x"}
    assert tree_of(tmp_path / "two") == {b"a": b"new"}


def test_a_folder_with_anything_in_it_is_refused_and_untouched(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"1"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    for name in ("full", "file", "link"):
        with pytest.raises(UsageError, match="is there already"):
            restore(archive, tmp_path / name)
    assert tree_of(tmp_path / "full") == {b"mine": b"mine"}
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_folder_is_a_good_target(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"1"})
    (tmp_path / "empty").mkdir()
    restore(archive, tmp_path / "empty")
    assert tree_of(tmp_path / "empty") == {b"a": b"1"}


def test_nothing_is_restored_into_the_archive_itself(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"1"})
    os.symlink(archive.root, tmp_path / "alias")
    for target in (archive.root / "out", archive.root, tmp_path / "alias" / "out"):
        with pytest.raises(UsageError, match="inside the archive"):
            restore(archive, target)


def test_a_missing_or_cut_blob_restores_nothing_and_says_what_to_run(archive: StoredArchive, tmp_path: Path) -> None:
    remote = archive.add("run", {"a": b"1", "b": b"22"})
    blob = archive.blob(remote, b"22")
    blob.chmod(0o644)
    blob.write_bytes(b"2")
    with pytest.raises(DestinationDamaged, match="1 bytes instead of 2") as caught:
        restore(archive, tmp_path / "back")
    assert "etiket-sync verify" in caught.value.advice
    blob.unlink()
    for method in RestoreMethod:
        with pytest.raises(DestinationDamaged, match="missing"):
            restore(archive, tmp_path / "back", method=method)
    os.symlink("/etc/hostname", blob)
    with pytest.raises(DestinationDamaged, match="symbolic link"):
        restore(archive, tmp_path / "back")
    assert {item.name for item in tmp_path.iterdir()} & {"back"} == set()
    assert not [item for item in tmp_path.iterdir() if "etiket-part" in item.name]


@pytest.mark.parametrize("method", RestoreMethod)
def test_what_is_intact_of_a_damaged_version_comes_back_when_asked_for(
    archive: StoredArchive, tmp_path: Path, method: RestoreMethod
) -> None:
    remote = archive.add("run", {"a": b"1", "sub/b": b"22", "c": b"333", "d": b""}, links={"l": "c"})
    for content, other in ((b"22", b"2"), (b"333", b"334")):
        blob = archive.blob(remote, content)
        blob.chmod(0o644)
        blob.write_bytes(other)
    report = fetch(
        archive.reader, remote, "", tmp_path / "back", method, NoProgress(), StopToken(), leaves_out_damaged=True
    )
    assert report.left_out == ("c", "sub/b")
    assert (report.file_count, report.size_bytes) == (2, 1)
    assert any("left out: 2 files (c, sub/b)" in note for note in report.notes)
    assert (tmp_path / "back" / "a").read_bytes() == b"1"
    assert sorted(path.name for path in (tmp_path / "back").rglob("*") if path.name != "sub") == ["a", "d", "l"]


def test_a_version_of_which_nothing_is_intact_is_damaged_whatever_is_asked_for(
    archive: StoredArchive, tmp_path: Path
) -> None:
    archive.blob(archive.add("run", {"a": b"1"}), b"1").unlink()
    with pytest.raises(DestinationDamaged, match="missing"):
        fetch(
            archive.reader, archive.remote("run"), "", tmp_path / "back", RestoreMethod.COPY, NoProgress(), StopToken(),
            leaves_out_damaged=True,
        )  # fmt: skip
    assert not (tmp_path / "back").exists()


def test_links_lead_into_the_archive_and_the_report_says_so(archive: StoredArchive, tmp_path: Path) -> None:
    remote = archive.add("run", {"sub/a": b"1", "empty": b""}, links={"l": "sub/a"}, executable=("sub/a",))
    report = restore(archive, tmp_path / "back", method=RestoreMethod.LINK)
    assert os.readlink(tmp_path / "back" / "sub" / "a") == str(archive.blob(remote, b"1"))
    assert (tmp_path / "back" / "l").read_bytes() == b"1"
    assert (tmp_path / "back" / "empty").read_bytes() == b""
    assert any("read-only" in note for note in report.notes)
    assert any("executable" in note for note in report.notes)


def test_a_disk_without_links_is_said_and_never_filled_with_copies(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(tree: FolderTree, parts: tuple[str, ...], target: str) -> None:
        raise PermissionError(1, "Operation not permitted", parts[-1])

    archive.add("run", {"a": b"1"}, links={"l": "a"})
    monkeypatch.setattr(FolderTree, "make_symlink", refuse)
    with pytest.raises(UsageError, match="No links"):
        restore(archive, tmp_path / "back", method=RestoreMethod.LINK)
    assert not (tmp_path / "back").exists()
    report = restore(archive, tmp_path / "back")
    assert any("l → a" in note for note in report.notes)
    assert tree_of(tmp_path / "back") == {b"a": b"1"}


def test_a_name_this_disk_cannot_hold_is_quoted_and_named(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, make_folder = FolderTree.create_file, FolderTree.make_folder

    def strict_create(tree: FolderTree, parts: tuple[str, ...], mode: int = 0o666) -> int:
        if ":" in parts[-1] or parts[-1] == "con":
            raise OSError(22, "Invalid argument", parts[-1])
        return create(tree, parts, mode)

    def strict_make(tree: FolderTree, parts: tuple[str, ...]) -> None:
        if ":" in parts[-1]:
            raise OSError(22, "Invalid argument", parts[-1])
        make_folder(tree, parts)

    monkeypatch.setattr(FolderTree, "create_file", strict_create)
    monkeypatch.setattr(FolderTree, "make_folder", strict_make)
    archive.add("run", {"12:30.dat": b"1", "cd:/con": b"2", "cd:/ok": b"3"})
    report = restore(archive, tmp_path / "back")
    assert tree_of(tmp_path / "back") == {
        "12‛3a30.dat".encode(): b"1", "cd‛3a/‛63on".encode(): b"2", "cd‛3a/ok".encode(): b"3",
    }  # fmt: skip
    assert "3 name(s)" in report.notes[0]


def test_a_stop_ends_the_restore_and_leaves_nothing(archive: StoredArchive, tmp_path: Path) -> None:
    class StopAfterFirstChunk(NoProgress):
        def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
            stop.stop()

    stop = StopToken()
    archive.add("run", {"a": bytes(3 * 1024 * 1024)})
    with pytest.raises(Stopped):
        fetch(
            archive.reader,
            archive.remote("run"),
            "",
            tmp_path / "back",
            RestoreMethod.COPY,
            StopAfterFirstChunk(),
            stop,
        )
    assert [item.name for item in tmp_path.iterdir()] == ["archive"]


def test_progress_adds_up_to_the_size_of_the_dataset(archive: StoredArchive, tmp_path: Path) -> None:
    class Adding(NoProgress):
        done = 0
        begun: tuple[int, int] = (0, 0)

        def begin(self, uuid: str, files: int, size_bytes: int) -> None:
            self.begun = (files, size_bytes)

        def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
            self.done += bytes_done

    progress = Adding()
    archive.add("run", {"a": bytes(1_500_000), "b": b"12", "empty": b""})
    fetch(archive.reader, archive.remote("run"), "", tmp_path / "back", RestoreMethod.COPY, progress, StopToken())
    assert (progress.done, progress.begun) == (1_500_002, (3, 1_500_002))


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX systems")
def test_a_target_that_may_not_be_written_is_said(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"1"})
    (tmp_path / "closed").mkdir(mode=0o500)
    with permissions_count(), pytest.raises(PermissionRefused, match="may not be written"):
        restore(archive, tmp_path / "closed" / "back")


def test_a_disk_without_space_is_said_before_the_first_byte(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("run", {"a": b"123"})
    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2}))
    with pytest.raises(UsageError, match="2 bytes free; 3 bytes are needed"):
        restore(archive, tmp_path / "back")
    assert [item.name for item in tmp_path.iterdir()] == ["archive"]


def test_what_an_interrupted_restore_left_goes_after_a_day(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a": b"1"})
    old, young, foreign = ".back.etiket-part-99", ".back.etiket-part-98", ".back.etiket-part-mine"
    for name in (old, young, foreign):
        (tmp_path / name).mkdir()
    long_ago = time.time() - 48 * 3600
    for name in (old, foreign):
        os.utime(tmp_path / name, (long_ago, long_ago))
    restore(archive, tmp_path / "back")
    assert {item.name for item in tmp_path.iterdir()} == {"archive", "back", young, foreign}


def test_a_release_of_another_program_comes_back(archive: StoredArchive, tmp_path: Path) -> None:
    remote = add_foreign(archive)
    for number, method in enumerate(RestoreMethod):
        target = tmp_path / str(number)
        report = fetch(archive.reader, remote, "0.2.0", target, method, NoProgress(), StopToken())
        assert {item.name: item.read_bytes() for item in target.iterdir()} == {"data.h5": b"hello", "empty": b""}
        assert any("another program" in note for note in report.notes)
        assert stat.S_ISREG(os.lstat(target / "empty").st_mode)


def test_without_a_whole_disk_sync_every_file_is_synced(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    archive.add("run", {"a": b"1", "sub/b": b"2"}, links={"l": "a"})
    monkeypatch.setattr(archive.reader.files, "sync_all", lambda folder: False)
    monkeypatch.setattr(archive.reader.files, "sync_file", synced.append)
    restore(archive, tmp_path / "back")
    assert len(synced) == 2
