"""Faults of names, trees and volumes that a folder source meets, as far as the backend alone answers them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import (
    SourceGone,
    SourceOffline,
    SourceUnreadable,
)
from etiket_gui.domain.names import from_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path
from tests.support.folder_source import FolderSource, failing_listings

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="the file system of Windows has no such thing")
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="only here any byte may stand in a name")
A_LONG_TIME_AGO_NS = 1_000_000_000 * 10**9


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    root = tmp_path / "measurements"
    root.mkdir()
    return FolderSource(root, tmp_path / "work")


@pytest.fixture
def failing_listing(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Folder path to the errno with which listing it fails."""
    return failing_listings(monkeypatch)


@LINUX_ONLY
@pytest.mark.fault("F17", guard="exact-names")
def test_composed_and_decomposed_twins_are_kept_apart(source: FolderSource) -> None:
    source.write("räume/Messung ü.csv".replace("ü", "u\u0308"), "decomposed")
    source.write("räume/Messung ü.csv", "composed")
    assert source.look()["räume"].file_count == 2
    files = {file.entry.name: Path(file.path).read_text() for file in source.read("räume").files}
    assert files == {"Messung u\u0308.csv": "decomposed", "Messung ü.csv": "composed"}


@LINUX_ONLY
@pytest.mark.fault("F19", guard="exact-names")
def test_undecodable_names_survive_text_and_lead_back_to_their_files(source: FolderSource) -> None:
    folder = os.fsencode(source.root) + b"/r\xffn"
    os.mkdir(folder)
    with open(folder + b"/caf\xe9 \xe2\x80\x9b.csv", "wb") as file:
        file.write(b"x")
    (identifier,) = source.look()
    assert json.loads(json.dumps(identifier).encode("utf-8")) == identifier
    (found,) = source.read(identifier).files
    assert found.entry.name.encode("utf-8")
    assert os.fsencode(from_portable(found.entry.name)) == b"caf\xe9 \xe2\x80\x9b.csv"
    assert os.fsencode(from_portable(identifier)) == b"r\xffn"
    assert Path(found.path).read_bytes() == b"x"


NASTY_NAMES = [
    "CON",
    "nul.txt",
    "a:b",
    "a.",
    "a ",
    " a",
    "tab\tand\nline.csv",
    "back\\slash",
    "%20 100%",
    "‛00",
    "-rf",
    "~$x",
]


@LINUX_ONLY
@pytest.mark.fault("F20", guard="exact-names")
def test_names_that_other_systems_refuse_are_read_as_they_are(tmp_path: Path) -> None:
    source = FolderSource(tmp_path / "measurements", tmp_path / "work", ignore=[])
    for name in NASTY_NAMES:
        source.write(f"ru\nn /{name}", name)
    (identifier,) = source.look()
    files = source.read(identifier).files
    assert sorted(from_portable(file.entry.name) for file in files) == sorted(NASTY_NAMES)
    assert all("\n" not in file.entry.name for file in files)
    assert all(Path(file.path).read_text() == from_portable(file.entry.name) for file in files)


@LINUX_ONLY
@pytest.mark.fault("F21", guard="exact-names")
def test_emoji_direction_changes_and_the_longest_name_are_read_as_they_are(source: FolderSource) -> None:
    names = {"🧊 cold.csv", "\u202egnp.exe", "e\u0301" * 85, "x" * 255}
    for name in names:
        source.write(f"run/{name}")
    assert set(source.names("run") if source.look() else []) == names


@pytest.mark.fault("F22", guard="extended-paths")
def test_windows_paths_beyond_260_characters_are_written_in_the_extended_form() -> None:
    assert extended_path(r"C:\data\2026", "win32") == r"\\?\C:\data\2026"
    assert extended_path("C:/data/./x/..", "win32") == r"\\?\C:\data"
    assert extended_path(r"\\server\share\sub", "win32") == r"\\?\UNC\server\share\sub"
    assert extended_path(r"\\?\C:\data", "win32") == r"\\?\C:\data"
    assert extended_path("relative", "win32") == "relative"
    assert extended_path("/data", "linux") == "/data"


def test_tree_of_hundreds_of_folders_is_read_and_a_deeper_one_than_the_system_allows_is_said(
    source: FolderSource,
) -> None:
    """F22 on this system."""
    deep = "run/" + "/".join(["d" * 40] * 50) + "/x.csv"
    path = source.root / deep
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert source.look()["run"].file_count == 1
    assert source.names("run") == [deep.removeprefix("run/")]
    if sys.platform != "linux":
        return
    here = os.open(path.parent, os.O_RDONLY)
    for _ in range(50):
        os.mkdir("e" * 60, dir_fd=here)
        below = os.open("e" * 60, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    source.look()
    assert not source.summary.missing
    assert [item.path for item in source.summary.unreadable] == ["run"]
    with pytest.raises(SourceUnreadable, match="too long"):
        source.backend.read("run", StopToken())
    subprocess.run(["rm", "-rf", str(source.root)], check=True)


@POSIX_ONLY
@pytest.mark.timeout(90)
@pytest.mark.fault("F24", guard="links-are-entries")
def test_link_loops_end_and_links_are_no_dataset_folders(source: FolderSource) -> None:
    source.write("run/trace.csv")
    (source.root / "run" / "loop").symlink_to("..")
    (source.root / "run" / "self").symlink_to("self")
    assert list(source.look()) == ["run"]
    assert source.names("run") == ["loop", "self", "trace.csv"]
    (source.root / "again").symlink_to("run")
    assert list(source.look()) == []
    assert source.summary.stray_files == 1
    with pytest.raises(SourceGone):
        source.backend.read("again", StopToken())
    # A link alone makes a dataset too.
    (source.root / "link only").mkdir()
    (source.root / "link only" / "x").symlink_to("nowhere")
    assert source.look()["link only"].file_count == 0
    assert source.names("link only") == ["x"]


@POSIX_ONLY
@pytest.mark.fault("F25", guard="links-are-entries")
def test_link_out_of_the_source_is_an_entry_with_its_target_text(source: FolderSource, tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "secret.txt").write_text("not yours")
    source.write("run/trace.csv")
    (source.root / "run" / "out").symlink_to(secret)
    (source.root / "run" / "nowhere").symlink_to("/does/not/exist")
    source.look()
    entries = {file.entry.name: file.entry for file in source.read("run").files}
    assert sorted(entries) == ["nowhere", "out", "trace.csv"]
    assert entries["out"].kind is EntryKind.LINK
    assert entries["out"].link_target == str(secret)
    assert entries["nowhere"].link_target == "/does/not/exist"
    # What happens behind the link is none of this dataset's business.
    (secret / "more.txt").write_text("x")
    assert source.look() == {}


@pytest.mark.fault("F26", guard="sum-not-xor")
def test_hard_linked_twins_are_two_entries_and_do_not_hide_each_other(source: FolderSource) -> None:
    def make_twins(content: str) -> None:
        first = source.write("run/a.dat", content)
        (source.root / "run" / "b.dat").unlink(missing_ok=True)
        os.link(first, source.root / "run" / "b.dat")

    make_twins("one")
    before = source.look()["run"]
    assert before.file_count == 2
    (source.root / "run" / "a.dat").unlink()
    make_twins("another")
    assert source.look()["run"].fingerprint != before.fingerprint
    assert source.names("run") == ["a.dat", "b.dat"]


@pytest.mark.fault("F28", guard="rules-in-fingerprint")
def test_new_ignore_rule_is_applied_to_datasets_that_did_not_change(source: FolderSource, tmp_path: Path) -> None:
    source.write("with/trace.csv")
    source.write("with/scratch.tmp")
    source.write("without/trace.csv")
    source.look()
    for name in ("with", "without"):
        source.read(name)
    stricter = FolderSource(source.root, tmp_path / "work", ignore=[*source.config.ignore, "*.tmp"])
    stricter.known = source.known
    found = stricter.look()
    assert found["with"].is_unchanged is False
    assert found["with"].file_count == 1
    assert found["without"].is_unchanged is True
    assert stricter.names("with") == ["trace.csv"]
    assert stricter.look() == {}


@pytest.mark.fault("F29", guard="manifest-by-name")
def test_rename_into_a_rule_and_out_of_it_is_a_change(source: FolderSource) -> None:
    source.write("run/trace.csv")
    path = source.write("run/notes.part")
    source.look()
    assert [file.entry.name for file in source.read("run").files] == ["trace.csv"]
    os.rename(path, path.with_suffix(".txt"))
    assert source.look()["run"].is_unchanged is False
    assert [file.entry.name for file in source.read("run").files] == ["notes.txt", "trace.csv"]
    # Same entries, other name: only the names tell.
    entries = source.known.manifests["run"]
    os.rename(path.with_suffix(".txt"), path.with_suffix(".md"))
    status = path.with_suffix(".md").stat()
    source.known.manifests["run"] = tuple(
        type(entry).from_row([*entry.to_row()[:4], status.st_ctime_ns, *entry.to_row()[5:]])
        if entry.name == "notes.txt"
        else entry
        for entry in entries
    )
    assert source.look()["run"].is_unchanged is False


def test_change_of_what_is_left_out_is_no_change(source: FolderSource) -> None:
    source.write("run/trace.csv")
    path = source.write("run/copy.part")
    source.look()
    assert source.known.manifests == {}
    path.write_text("more")
    # Nothing was sent yet, so nothing proves that nothing changed.
    assert source.look()["run"].is_unchanged is False
    source.read("run")
    path.write_text("still more")
    assert source.look()["run"].is_unchanged is True
    assert source.look() == {}


@pytest.mark.fault("F33", guard="root-looked-at-twice")
def test_root_that_is_unmounted_during_the_look_loses_nothing(
    source: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        source.write(f"run {number}/trace.csv")
    source.look()
    known = dict(source.known.known)
    real_scandir = os.scandir

    def unmount(path: Any = ".") -> Any:
        if os.fspath(path) == str(source.root):
            monkeypatch.setattr(os, "scandir", real_scandir)
            os.rename(source.root, tmp_path / "the disk, somewhere else")
            source.root.mkdir()
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", unmount)
    with pytest.raises(SourceOffline):
        source.look()
    assert source.known.known == known


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOENT, errno.EHOSTDOWN])
def test_root_that_does_not_answer_is_offline_and_loses_nothing(
    source: FolderSource, failing_listing: dict[str, int], number: int
) -> None:
    """F33, F36."""
    source.write("run/trace.csv")
    source.look()
    failing_listing[str(source.root)] = number
    with pytest.raises(SourceOffline) as offline:
        source.look()
    assert offline.value.concerns_all
    failing_listing.clear()
    shutil.rmtree(source.root)
    for ask in ({}, {"identifiers": ("run",)}, {"paths": (source.root / "run",)}):
        with pytest.raises(SourceOffline):
            source.look(**ask)
    with pytest.raises((SourceOffline, SourceGone)):
        source.backend.read("run", StopToken())
    source.root.write_text("a file where the folder was")
    with pytest.raises(SourceOffline):
        source.look()


def test_empty_folder_where_the_data_was_is_another_place(source: FolderSource, tmp_path: Path) -> None:
    """F34: the engine compares the place of the root."""
    source.write("run/trace.csv")
    source.look()
    place = source.summary.root_place
    os.rename(source.root, tmp_path / "the disk, somewhere else")
    source.root.mkdir()
    source.look()
    assert source.summary.root_place != place


def test_bad_sector_under_one_dataset_is_a_row_of_that_dataset(
    source: FolderSource, failing_listing: dict[str, int]
) -> None:
    """F36: a source whose root still answers is not offline."""
    source.write("bad/sub/trace.csv")
    source.write("good/trace.csv")
    source.look()
    failing_listing[str(source.root / "bad" / "sub")] = errno.EIO
    source.look()
    assert not source.summary.missing
    assert [item.path for item in source.summary.unreadable] == ["bad"]
    with pytest.raises(SourceUnreadable):
        source.backend.read("bad", StopToken())
    assert source.names("good") == ["trace.csv"]


@POSIX_ONLY
@pytest.mark.fault("F88", guard="bounded-times")
def test_times_from_any_year_are_kept_and_fit_the_store(source: FolderSource) -> None:
    second = 10**9
    for year, time_s in (
        ("1901", -(2**31)),
        ("1969", -1),
        ("1970", 0),
        ("2107", 4_323_000_000),
        ("2440", 14_832_000_000),
    ):
        path = source.write(f"run/{year}.dat")
        os.utime(path, ns=(time_s * second, time_s * second))
    found = source.look()["run"]
    entries = {file.entry.name: file.entry for file in source.read("run").files}
    assert entries["1970.dat"].mtime_ns == 0
    assert entries["1969.dat"].mtime_ns == -second
    assert entries["2107.dat"].mtime_ns == 4_323_000_000 * second
    numbers = [number for entry in entries.values() for number in (entry.mtime_ns, entry.ctime_ns, entry.inode)]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in [*numbers, found.newest_change_ns]])
        connection.execute("INSERT INTO numbers VALUES (?)", (found.fingerprint,))
    connection.close()
    assert source.look() == {}
