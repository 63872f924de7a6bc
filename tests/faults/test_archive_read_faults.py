"""Faults met while reading an archive: hostile names, damaged blobs, planted links, names that are one on a disk."""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etiket_gui.destinations.api import FetchReport, FileVerification, RestoreMethod
from etiket_gui.destinations.archive import restoring
from etiket_gui.destinations.archive.foldertree import FolderTree, quoted_name
from etiket_gui.destinations.archive.restoring import fetch
from etiket_gui.domain.errors import DestinationDamaged, EtiketError, NameTooLong, UnsafeName, UsageError
from etiket_gui.domain.names import from_portable, is_windows_safe, to_portable
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.stored_archive import StoredArchive, sha256_of, tree_of

#: Refused whatever system this runs on.
REFUSED = (
    "../x", "/etc/x", "C:\\x", "c:/x", "\\\\h\\s\\x", "\\x", "..\\x", "a\\..\\..\\x", "a/../../b", "a/..", "..", ".",
    "a//b", "a\x00b", "a/", "./a", "‛2e‛2e/x", "a/‛2e./b", "‛2fetc/x", "a‛00", "",
)  # fmt: skip
#: Honest file names on this system, which must stay inside the folder all the same.
HARMLESS = ("~", "~root/x", "x:y", "x:y:$DATA", "con", "a;b", "%2e%2e/x", "..../x")
#: Which entries of a record carry the name.
PLACES = ("file", "nested", "link", "folder")


@pytest.fixture
def archive(tmp_path: Path) -> StoredArchive:
    """An empty archive in a folder of its own."""
    return StoredArchive(tmp_path / "deep" / "archive")


def rename_in_record(archive: StoredArchive, name: str, place: str) -> None:
    """Make a record that carries any name, as no writer of ours would."""
    archive.add("run", {"file": b"evil"}, links={"link": "target"}, folders=("folder",))
    path = archive.record_path("run", "1.0.0")
    record: dict[str, Any] = json.loads(path.read_bytes())
    project = record["project"]
    match place:
        case "file":
            project[name] = project.pop("file")
            project[name]["/path/"] = name
        case "nested":
            here = project
            *above, last = name.split("/")
            for part in above:
                here = here.setdefault(part, {"/path/": part, "/item/": "Directory"})
            here[last] = project.pop("file")
        case "link":
            record["etiket"]["links"] = [[name, "target", 0]]
        case "folder":
            record["etiket"]["empty_folders"] = [[name, 0]]
    path.write_bytes(json.dumps(record).encode())


def restore(archive: StoredArchive, target: Path) -> FetchReport:
    remote = archive.remote("run")
    return fetch(archive.reader, remote, "", target, RestoreMethod.COPY, NoProgress(), StopToken())


def everything_but(archive: StoredArchive, *targets: Path) -> dict[bytes, bytes]:
    top = archive.root.parent.parent
    outside = [os.fsencode(target.relative_to(top)) for target in targets]
    return {name: content for name, content in tree_of(top).items() if not name.startswith(tuple(outside))}


@pytest.mark.fault("F74", guard="check-names")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_name_in_a_record_is_refused_before_anything_is_joined(
    archive: StoredArchive, tmp_path: Path, name: str, place: str
) -> None:
    if place in {"file", "nested"} and name.startswith("/"):
        place = "link"  # a key that starts with a slash is no name in a record
    rename_in_record(archive, name, place)
    before = everything_but(archive)
    remote, target = archive.remote("run"), tmp_path / "deep" / "back"
    for method in RestoreMethod:
        with pytest.raises(UnsafeName):
            fetch(archive.reader, remote, "", target, method, NoProgress(), StopToken())
    assert everything_but(archive) == before
    with pytest.raises(UnsafeName):
        archive.browse().derive(remote, "", StopToken())
    assert everything_but(archive, archive.root) == {}


@pytest.mark.parametrize("name", HARMLESS)
def test_name_that_only_looks_hostile_stays_inside(archive: StoredArchive, tmp_path: Path, name: str) -> None:
    rename_in_record(archive, name, "nested")
    restore(archive, tmp_path / "back")
    assert tree_of(tmp_path / "back")[os.fsencode(name)] == b"evil"


_PIECES = st.sampled_from(
    [".", "..", "/", "\\", "\x00", "~", ":", "C:", "a", "‛", "2e", "2f", " ", "con", "é", "\udcff"]
)
_NAMES = st.lists(_PIECES, max_size=8).map("".join)


@settings(max_examples=150)
@given(name=_NAMES, place=st.sampled_from(PLACES))
def test_no_name_whatever_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str, place: str) -> None:
    top = tmp_path_factory.mktemp("names")
    archive = StoredArchive(top / "deep" / "archive")
    rename_in_record(archive, name, place)
    target = top / "deep" / "back"
    before = everything_but(archive, target)
    try:
        restore(archive, target)
    except EtiketError:
        assert not target.exists()
    assert everything_but(archive, target) == before


def test_link_in_a_record_is_never_a_way_for_files_below_it(archive: StoredArchive, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    rename_in_record(archive, "way/file", "nested")
    path = archive.record_path("run", "1.0.0")
    record = json.loads(path.read_bytes())
    record["etiket"]["links"] = [["way", str(outside), 0]]
    path.write_bytes(json.dumps(record).encode())
    with pytest.raises(EtiketError):
        fetch(
            archive.reader, archive.remote("run"), "", tmp_path / "back", RestoreMethod.COPY, NoProgress(), StopToken()
        )
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "back").exists()


@pytest.mark.fault("F75", guard="no-follow")
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_link_planted_in_the_browse_tree_is_not_followed(archive: StoredArchive, tmp_path: Path, depth: int) -> None:
    remote = archive.add("run", {"a": b"1"})
    outside = tmp_path / "outside"
    outside.mkdir()
    parts = ("browse", "fridge", "2024", "2024-03-01")[:depth]
    archive.root.joinpath(*parts[:-1]).mkdir(parents=True, exist_ok=True)
    os.symlink(outside, archive.root.joinpath(*parts))
    with pytest.raises(DestinationDamaged, match="symbolic link"):
        archive.browse().derive(remote, "", StopToken())
    assert list(outside.iterdir()) == []


@pytest.mark.fault("F75", guard="no-follow")
def test_link_planted_in_a_browsed_dataset_is_not_followed(archive: StoredArchive, tmp_path: Path) -> None:
    remote = archive.add("run", {"sub/a": b"1"})
    archive.browse().derive(remote, "", StopToken())
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "gone").write_bytes(b"3")
    (outside / "gone").chmod(0o444)
    folder = archive.root / "browse" / "fridge" / "2024" / "2024-03-01" / "run"
    (folder / "sub" / "a").unlink()
    (folder / "sub").rmdir()
    os.symlink(outside, folder / "sub")
    sums = folder / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes() + f"{sha256_of(b'3')}  sub/gone\n{sha256_of(b'3')}  ../../gone\n".encode())
    archive.add("run", {"sub/b": b"2"}, version="1.1.0")
    archive.browse().derive(remote, "", StopToken())
    assert tree_of(outside) == {b"gone": b"3"}
    assert os.path.islink(folder / "sub")
    assert "something else in this folder has its name" in (folder / "index.html").read_text()


@pytest.mark.fault("F110", guard="hash-on-verify")
def test_blob_edited_through_its_browsable_link_is_found_by_verify(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"measured", "b": b"other"})
    archive.browse().derive(remote, "", StopToken())
    edited = archive.root / "browse" / "fridge" / "2024" / "2024-03-01" / "run" / "a"
    edited.chmod(0o644)
    edited.write_bytes(b"MEASURED")
    found = archive.reader.verify(remote, "1.0.0", "", StopToken())
    assert found.differences == (FileVerification("a", "differs: its content was changed"),)


@pytest.mark.fault("F110", guard="hash-on-restore")
@pytest.mark.parametrize("method", list(RestoreMethod))
def test_edited_blob_is_never_restored_as_good(archive: StoredArchive, tmp_path: Path, method: RestoreMethod) -> None:
    remote = archive.add("run", {"a": b"measured", "b": b"other"})
    blob = archive.blob(remote, b"measured")
    blob.chmod(0o644)
    blob.write_bytes(b"MEASURED")
    with pytest.raises(DestinationDamaged, match="content was changed") as caught:
        fetch(archive.reader, remote, "", tmp_path / "back", method, NoProgress(), StopToken())
    assert "etiket-sync verify" in caught.value.advice
    assert [item.name for item in tmp_path.iterdir()] == ["deep"]


def _restore_to_blind_disk(archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def one_name(folder: Path, first: str, second: str) -> bool:
        asked.append((first, second))
        return True

    monkeypatch.setattr(restoring, "is_one_name", one_name)
    with pytest.raises(UsageError, match="takes them for one"):
        fetch(
            archive.reader, archive.remote("run"), "", tmp_path / "back", RestoreMethod.COPY, NoProgress(), StopToken()
        )
    assert asked
    assert [item.name for item in tmp_path.iterdir()] == ["deep"]


@pytest.mark.fault("F17", guard="no-twins")
def test_composed_twins_on_a_disk_that_joins_them_are_refused_and_kept_apart_elsewhere(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"n\u0303.dat": b"1", "ñ.dat": b"2"}
    archive.add("run", files)
    restore(archive, tmp_path / "apart")
    (tmp_path / "apart").rename(tmp_path / "deep" / "apart")
    assert tree_of(tmp_path / "deep" / "apart") == {name.encode(): content for name, content in files.items()}
    _restore_to_blind_disk(archive, tmp_path, monkeypatch)


@pytest.mark.fault("F18", guard="no-twins")
@pytest.mark.parametrize("names", [("A.dat", "a.dat"), ("Data/x", "data/y"), ("up/Ä", "UP/ä")])
def test_case_twins_on_a_case_insensitive_disk_are_refused(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    archive.add("run", dict(zip(names, (b"1", b"2"), strict=True)))
    _restore_to_blind_disk(archive, tmp_path, monkeypatch)


def test_whether_a_disk_joins_two_names_is_tried_out(tmp_path: Path) -> None:
    assert restoring.is_one_name(tmp_path, "same", "same")
    assert not restoring.is_one_name(tmp_path, "one", "other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("F20", guard="quote-names")
@pytest.mark.parametrize("name", ["nul.txt", "CON", "a:b", "a.", "a ", "tab\there", "q?", "x‛y:", "\udcff.dat"])
def test_name_the_disk_cannot_hold_is_quoted_reversibly(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    create = FolderTree.create_file

    def strict(tree: FolderTree, parts: tuple[str, ...], mode: int = 0o666) -> int:
        if not is_windows_safe(parts[-1]) or "\udcff" in parts[-1]:
            raise OSError(22, "Invalid argument", parts[-1])
        return create(tree, parts, mode)

    monkeypatch.setattr(FolderTree, "create_file", strict)
    archive.add("run", {name: b"1", "plain": b"2"})
    report = restore(archive, tmp_path / "back")
    found = {from_portable(item.name) for item in (tmp_path / "back").iterdir()}
    assert found == {name, "plain"}
    assert "cannot exist on this disk" in report.notes[0]


@given(st.text(st.characters(exclude_characters="/\x00"), min_size=1).filter(lambda name: name not in {".", ".."}))
def test_quoted_names_are_safe_everywhere_and_turn_back(name: str) -> None:
    quoted = quoted_name(name)
    assert is_windows_safe(quoted)
    assert from_portable(quoted) == name
    assert set(quoted).isdisjoint('<>:"/\\|?*')


def test_name_longer_than_the_disk_holds_is_said_and_not_cut(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"x" * 300: b"1"})
    with pytest.raises(NameTooLong, match="longer than the disk"):
        fetch(
            archive.reader, archive.remote("run"), "", tmp_path / "back", RestoreMethod.COPY, NoProgress(), StopToken()
        )
    assert [item.name for item in tmp_path.iterdir()] == ["deep"]


def test_names_of_a_shell_and_a_spreadsheet_are_only_names(archive: StoredArchive, tmp_path: Path) -> None:
    names = [
        "$(touch x)",
        "`id`",
        "=1+1",
        "a;b",
        "-rf",
        "x'y",
        'x"y',
        "&& true",
        *(set(string.punctuation) - set("/.\\")),
    ]
    archive.add("run", {name: name.encode() for name in names})
    restore(archive, tmp_path / "back")
    assert tree_of(tmp_path / "back") == {name.encode(): name.encode() for name in names}
    assert to_portable("$(touch x)") == "$(touch x)"
