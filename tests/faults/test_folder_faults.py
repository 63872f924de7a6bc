"""The faults of the catalogue that a folder source meets, as far as the backend alone answers them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import DiscoveryRequest
from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import (
    EtiketError,
    PermissionRefused,
    SourceGone,
    SourceOffline,
    SourceUnreadable,
    Stopped,
)
from etiket_gui.domain.names import from_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path
from tests.support.folder_source import FolderSource
from tests.support.manifest import changes_since, take_manifest
from tests.support.unprivileged import permissions_count

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
    failing: dict[str, int] = {}
    real_scandir = os.scandir

    def scandir(path: Any = ".") -> Any:
        number = failing.get(path) if isinstance(path, str) else None
        if number is not None:
            raise OSError(number, os.strerror(number), path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return failing


@pytest.mark.fault("F01", guard="newest-change")
def test_growing_file_shows_how_fresh_it_is_and_moves_the_fingerprint(source: FolderSource) -> None:
    path = source.write("run/trace.csv")
    os.utime(path, ns=(A_LONG_TIME_AGO_NS, A_LONG_TIME_AGO_NS))
    before = source.look()["run"]
    assert before.newest_change_ns <= before.looked_at_ns
    # The modification time says 2001; what was done to the file a moment ago shows in its change time.
    assert before.looked_at_ns - before.newest_change_ns < 60 * 10**9
    with open(path, "a") as file:
        file.write("more")
    after = source.look()["run"]
    assert after.fingerprint != before.fingerprint
    assert after.newest_change_ns >= before.newest_change_ns


@pytest.mark.fault("F02", guard="fingerprint")
def test_file_growing_during_upload_is_seen_when_the_content_is_confirmed(source: FolderSource) -> None:
    path = source.write("run/trace.csv")
    content = source.read("run")
    assert source.backend.fingerprint("run") == content.fingerprint
    with open(path, "a") as file:
        file.write("more")
    assert source.backend.fingerprint("run") != content.fingerprint


@pytest.mark.fault("F03", guard="change-time")
def test_rewritten_file_with_its_old_size_and_time_is_a_change(source: FolderSource) -> None:
    path = source.write("run/trace.csv", "first")
    source.look()
    before = path.stat()
    content = source.read("run")
    with open(path, "r+") as file:
        file.write("other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert source.backend.fingerprint("run") != content.fingerprint
    found = source.look()
    assert found["run"].is_unchanged is False


@pytest.mark.fault("F04", guard="change-time")
def test_file_rewritten_between_the_look_and_the_reading_has_another_fingerprint(source: FolderSource) -> None:
    path = source.write("run/trace.csv", "first")
    seen = source.look()["run"]
    times = path.stat()
    with open(path, "r+") as file:
        file.write("other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source.read("run").fingerprint != seen.fingerprint


@pytest.mark.fault("F05", guard="fingerprint")
def test_truncated_file_is_seen_when_the_content_is_confirmed(source: FolderSource) -> None:
    path = source.write("run/trace.csv", "a lot")
    content = source.read("run")
    os.truncate(path, 0)
    assert source.backend.fingerprint("run") != content.fingerprint
    assert source.read("run").files[0].entry.size_bytes == 0


@pytest.mark.fault("F06", guard="known-failures")
def test_dataset_deleted_before_and_while_it_is_read_is_gone_and_nothing_else(
    source: FolderSource, failing_listing: dict[str, int]
) -> None:
    source.write("run/trace.csv")
    source.write("other/trace.csv")
    source.look()
    failing_listing[str(source.root / "run")] = errno.ENOENT
    with pytest.raises(SourceGone, match="no longer there"):
        source.backend.read("run", StopToken())
    failing_listing.clear()
    shutil.rmtree(source.root / "run")
    assert source.look() == {}
    assert source.summary.missing == ("run",)
    assert source.summary.unreadable == ()
    with pytest.raises(SourceGone):
        source.backend.read("run", StopToken())
    with pytest.raises(SourceGone):
        source.backend.fingerprint("run")


@pytest.mark.fault("F07", guard="fingerprint")
def test_atomic_replace_by_an_editor_is_one_change_and_no_deletion(source: FolderSource) -> None:
    path = source.write("run/notes.txt", "first")
    source.look()
    source.read("run")
    replacement = source.write("run/.notes.swp", "other")
    os.replace(replacement, path)
    found = source.look()
    assert list(found) == ["run"]
    assert found["run"].is_unchanged is False
    assert not source.summary.missing
    assert source.names("run") == ["notes.txt"]


@pytest.mark.fault("F08", guard="place")
def test_renamed_dataset_is_found_again_by_its_place(source: FolderSource) -> None:
    source.write("run/trace.csv")
    before = source.look()["run"]
    os.rename(source.root / "run", source.root / "renamed run")
    found = source.look()
    assert source.summary.missing == ("run",)
    after = found["renamed run"]
    assert after.place == before.place != ""
    assert after.fingerprint == before.fingerprint
    # A new folder at the old path is another thing.
    source.write("run/trace.csv")
    assert source.look()["run"].place != before.place


@pytest.mark.fault("F09", guard="known-failures")
def test_dataset_folder_that_became_a_file_is_missing_and_counted(
    source: FolderSource, failing_listing: dict[str, int]
) -> None:
    source.write("run/trace.csv")
    source.look()
    failing_listing[str(source.root / "run")] = errno.ENOTDIR
    with pytest.raises(EtiketError):
        source.backend.read("run", StopToken())
    failing_listing.clear()
    shutil.rmtree(source.root / "run")
    source.write("run", "now a file")
    assert source.look() == {}
    assert source.summary.missing == ("run",)
    assert source.summary.stray_files == 1
    with pytest.raises(SourceGone):
        source.backend.read("run", StopToken())
    (source.root / "run").unlink()
    source.write("run/trace.csv")
    assert list(source.look()) == ["run"]
    # The other way about, inside a dataset.
    source.read("run")
    (source.root / "run" / "trace.csv").unlink()
    source.write("run/trace.csv/inner")
    assert source.look()["run"].is_unchanged is False
    assert source.names("run") == ["trace.csv/inner"]


@POSIX_ONLY
@pytest.mark.fault("F11", guard="partial-is-not-complete")
def test_dataset_with_a_part_that_may_not_be_read_is_refused_with_the_exact_path(source: FolderSource) -> None:
    source.write("run/trace.csv")
    closed = source.write("run/raw/points.dat").parent
    source.look()
    closed.chmod(0)
    try:
        with permissions_count():
            with pytest.raises(PermissionRefused) as refused:
                source.backend.read("run", StopToken())
            assert refused.value.path == str(closed)
            assert str(closed) in refused.value.reason
            source.look()
            assert not source.summary.missing
            assert [item.path for item in source.summary.unreadable] == ["run"]
            assert str(closed) in source.summary.unreadable[0].reason
    finally:
        closed.chmod(0o755)
    assert source.names("run") == ["raw/points.dat", "trace.csv"]


@POSIX_ONLY
@pytest.mark.fault("F12", guard="unreadable-is-not-missing")
def test_unreadable_folder_in_the_middle_hides_its_datasets_but_deletes_none(tmp_path: Path) -> None:
    root = tmp_path / "measurements"
    source = FolderSource(root, tmp_path / "work", level=2)
    for name in ("monday/1", "monday/2", "tuesday/1"):
        source.write(f"{name}/trace.csv")
    assert sorted(source.look()) == ["monday/1", "monday/2", "tuesday/1"]
    (root / "monday").chmod(0)
    try:
        with permissions_count():
            source.write("tuesday/2/trace.csv")
            shutil.rmtree(root / "tuesday" / "1")
            assert list(source.look()) == ["tuesday/2"]
            assert source.summary.missing == ("tuesday/1",)
            assert [item.path for item in source.summary.unreadable] == ["monday"]
            # Asking for one of them by name or by path does not make it missing either.
            source.look(identifiers=("monday/1",), paths=(root / "monday" / "2" / "trace.csv",))
            assert not source.summary.missing
            with pytest.raises(PermissionRefused):
                source.backend.read("monday/1", StopToken())
    finally:
        (root / "monday").chmod(0o755)
    assert source.look() == {}
    assert not source.summary.missing


@pytest.mark.fault("F13", guard="empty-files")
def test_empty_file_is_a_file(source: FolderSource) -> None:
    source.write("run/empty.dat", b"")
    assert source.look()["run"].file_count == 1
    (file,) = source.read("run").files
    assert (file.entry.name, file.entry.size_bytes, file.entry.kind) == ("empty.dat", 0, EntryKind.FILE)


@POSIX_ONLY
@pytest.mark.timeout(20)
@pytest.mark.fault("F16", guard="special-files")
def test_pipes_and_sockets_are_counted_by_name_and_never_opened(source: FolderSource, tmp_path: Path) -> None:
    source.write("run/trace.csv")
    os.mkfifo(source.root / "run" / "pipe")
    os.mkfifo(source.root / "run" / "_QH_dataset_info.yaml")
    with socket.socket(socket.AF_UNIX) as listening:
        short = tmp_path / "s"
        short.symlink_to(source.root / "run")
        listening.bind(str(short / "ear"))
        assert source.look()["run"].file_count == 1
        assert source.summary.skipped == {"named pipe": 2, "socket": 1}
        assert source.names("run") == ["trace.csv"]
        # They are counted at every look, also when nothing changed.
        assert source.look() == {}
        assert source.summary.skipped == {"named pipe": 2, "socket": 1}


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
@pytest.mark.timeout(30)
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


def _database_with_rows_in_its_wal(folder: Path) -> None:
    """A database whose writer died: the table and its rows are in the -wal alone."""
    script = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode=WAL'); c.execute('PRAGMA wal_autocheckpoint=0')\n"
        "c.execute('CREATE TABLE points (value)')\n"
        "c.executemany('INSERT INTO points VALUES (?)', [(n,) for n in range(20)])\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(folder / "run.db")], check=True, timeout=30)


@pytest.mark.fault("F114", guard="database-pair")
def test_database_with_its_rows_in_the_wal_travels_as_one_pair(tmp_path: Path) -> None:
    # Even a rule that names the -wal does not tear the pair apart.
    source = FolderSource(tmp_path / "measurements", tmp_path / "work", ignore=["*-wal", "*-shm", "*.lonely-wal"])
    source.write("run/empty.db-wal", b"")
    source.write("run/no database-wal", b"left out")
    _database_with_rows_in_its_wal(source.root / "run")
    before = take_manifest(source.root)
    found = source.look()["run"]
    content = source.read("run")
    assert [file.entry.name for file in content.files] == ["run.db", "run.db-wal"]
    assert content.fingerprint == found.fingerprint
    assert changes_since(before) == []
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in content.files:
        shutil.copy(file.path, copy)
    connection = sqlite3.connect(copy / "run.db")
    assert connection.execute("SELECT count(*) FROM points").fetchone() == (20,)
    connection.close()
    # A row more, in the -wal alone, is a change of the dataset.
    with open(source.root / "run" / "run.db-wal", "ab") as wal:
        wal.write(b"\0" * 32)
    assert source.backend.fingerprint("run") != content.fingerprint
    assert source.look()["run"].is_unchanged is False


def test_rollback_journal_with_content_travels_with_its_database(source: FolderSource) -> None:
    """F114."""
    source.write("run/run.db", b"SQLite format 3\0")
    source.write("run/run.db-journal", b"\xd9\xd5\x05\xf9")
    source.write("run/run.db-shm", b"never")
    assert source.look()["run"].file_count == 2
    assert source.names("run") == ["run.db", "run.db-journal"]


class _CountingStop(StopToken):
    """Says stop at the n-th question, and how often it was asked."""

    def __init__(self, stop_at: int) -> None:
        super().__init__()
        self.asked = 0
        self._stop_at = stop_at

    def check(self) -> None:
        self.asked += 1
        if self.asked >= self._stop_at:
            self.stop()
        super().check()


@pytest.mark.fault("F117", guard="stop-is-asked")
def test_twenty_thousand_files_are_read_in_little_memory_and_stop_at_once(source: FolderSource) -> None:
    folder = source.root / "run"
    folder.mkdir()
    for number in range(20_000):
        os.close(os.open(folder / f"{number:05d}.dat", os.O_CREAT | os.O_WRONLY))
    # Asked at least every few hundred entries, so it ends long before two seconds are over.
    stop = _CountingStop(stop_at=10)
    with pytest.raises(Stopped):
        source.backend.read("run", stop)
    tracemalloc.start()
    try:
        found = source.look()["run"]
        content = source.backend.read("run", StopToken())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.file_count == len(content.files) == 20_000
    assert peak_bytes < 100 * 2**20
    names = [file.entry.name for file in content.files]
    assert names == sorted(names)


def test_stop_from_another_thread_ends_a_look(source: FolderSource) -> None:
    """F117: a look asks at every folder."""
    for number in range(50):
        source.write(f"run {number}/trace.csv")
    stop = StopToken()
    reported: list[Found] = []

    def report(found: Found) -> None:
        reported.append(found)
        thread = threading.Thread(target=stop.stop)
        thread.start()
        thread.join()

    with pytest.raises(Stopped):
        source.backend.discover(DiscoveryRequest(), source.known, report, stop)
    assert len(reported) == 1


def test_looking_and_reading_leave_the_source_as_it_was(source: FolderSource) -> None:
    """I1, with files that only their owner may read and a description."""
    path = source.write("run/_QH_dataset_info.yaml", "dataset_name: cold\nskip: ['*.tmp']\n")
    source.write("run/trace.csv").chmod(stat.S_IRUSR)
    os.utime(path, (time.time() - 100_000, time.time() - 50_000))
    access_time_ns = path.stat().st_atime_ns
    before = take_manifest(source.root, without=[])
    os.utime(path, ns=(access_time_ns, path.stat().st_mtime_ns))
    before = take_manifest(source.root)
    access_time_ns = path.stat().st_atime_ns
    source.look()
    source.read("run")
    source.backend.fingerprint("run")
    source.look(identifiers=("run",))
    assert path.stat().st_atime_ns == access_time_ns or sys.platform != "linux"
    assert changes_since(before) == []
