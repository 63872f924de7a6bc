"""The faults of the catalogue that a folder source meets, as far as the backend alone answers them."""

from __future__ import annotations

import errno
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

import pytest

from etiket_gui.backends.api import DiscoveryRequest
from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import (
    EtiketError,
    PermissionRefused,
    SourceGone,
    Stopped,
)
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from tests.support.folder_source import FolderSource, failing_listings
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
    return failing_listings(monkeypatch)


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
@pytest.mark.timeout(60)
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
