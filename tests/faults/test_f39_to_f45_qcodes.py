"""Faults of databases that are being written, were left by a dead writer, lie on a share, or are no good."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from etiket_gui.backends import sqlite_access as access
from etiket_gui.backends.qcodes.recognising import recognise_database
from etiket_gui.backends.sqlite_access import DatabaseBroken
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.remote import Volume, volumes_from
from tests.support.manifest import changes_since, take_manifest
from tests.support.qcodes_database import QCoDeSFile, QCoDeSSource, guid_of


def _measured(content_path: Path) -> int:
    import h5py

    with h5py.File(content_path, "r", locking=False) as file:
        return int(file["y"].shape[0])


@pytest.mark.fault("F39", guard="never-immutable-beside-a-wal")
def test_points_that_are_only_in_the_wal_are_seen(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "live.db", wal=True)
    run_id = file.start("live")
    file.add(run_id, [{"x": 1, "y": 2}, {"x": 2, "y": 3}])
    source = QCoDeSSource(tmp_path / "live.db", tmp_path / "work")
    assert source.look()[guid_of(1)].run_state is RunState.LIVE
    assert _measured(source.file(guid_of(1))) == 2
    file.close()


@pytest.mark.fault("F39", guard="short-looks")
def test_no_look_reads_more_than_a_part_of_a_large_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = QCoDeSFile(tmp_path / "large.db")
    file.run("large", 60_000)
    file.close()
    rows: list[int] = []
    plain = access.Reader.numbers

    def numbers(self: access.Reader, sql: str, parameters: tuple[object, ...], width: int) -> access.Array | None:
        found = plain(self, sql, parameters, width)
        rows.append(0 if found is None else found.shape[0])
        return found

    monkeypatch.setattr(access.Reader, "numbers", numbers)
    source = QCoDeSSource(tmp_path / "large.db", tmp_path / "work")
    source.look()
    assert _measured(source.file(guid_of(1))) == 60_000
    assert sum(rows) == 60_000
    assert max(rows) <= 50_000


def test_writer_that_closes_after_our_looks_leaves_no_wal(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "live.db", wal=True)
    source = QCoDeSSource(tmp_path / "live.db", tmp_path / "work")
    run_id = file.start("live")
    for place in range(20):
        file.add(run_id, [{"x": place, "y": place}])
        source.hint()
        source.read(guid_of(1))
    file.finish(run_id)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live.db", "work"]
    assert source.hint()[guid_of(1)].run_state is RunState.COMPLETE


@pytest.mark.fault("F40", guard="busy-database-is-waited-for")
def test_busy_database_is_waited_for(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "busy.db")
    file.run("first")
    source = QCoDeSSource(tmp_path / "busy.db", tmp_path / "work")
    source.look()
    file.connection.execute("PRAGMA cache_size=1")
    file.connection.execute("PRAGMA cache_spill=1")
    file.connection.execute("BEGIN EXCLUSIVE")
    file.connection.execute("UPDATE runs SET name = 'renamed'")
    # What the transaction puts aside lies in the journal from here on; its end is what the look waits for.
    assert (tmp_path / "busy.db-journal").stat().st_size > 0
    found: list[dict[str, object]] = []
    failed: list[EtiketError] = []

    def look() -> None:
        try:
            found.append(dict(source.look()))
        except EtiketError as error:
            failed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(0.3)
    file.connection.execute("COMMIT")
    thread.join(30)
    file.close()
    assert failed == []
    assert list(found[0]) == [guid_of(1)]


def test_writer_in_rollback_mode_is_never_told_that_the_database_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    file = QCoDeSFile(path)
    file.run("before", 20_000)
    run_id = file.start("live")
    file.close()
    failures: list[BaseException] = []
    done = threading.Event()

    def write() -> None:
        # Ten times less patient than QCoDeS, which waits 5 s.
        with sqlite3.connect(path, isolation_level=None, timeout=0.5) as writer:
            for place in range(150):
                try:
                    writer.execute(f'INSERT INTO "results-1-{run_id}" (x, y) VALUES (?, 1)', (place,))
                except sqlite3.Error as error:
                    failures.append(error)
        writer.close()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    source = QCoDeSSource(path, tmp_path / "work")
    looks = 0
    while not done.is_set() or looks < 3:
        source.look()
        source.read(guid_of(1))
        looks += 1
    thread.join(30)
    assert failures == []
    source.hint()
    assert _measured(source.file(guid_of(2))) == 150


@pytest.mark.fault("F41", guard="killed-runs-are-interrupted")
def test_killed_run_is_interrupted_after_its_quiet_time_and_opened_again_when_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    file = QCoDeSFile(path, wal=True)
    run_id = file.start("killed")
    file.add(run_id, [{"x": 1, "y": 1}])
    file.close()
    source = QCoDeSSource(path, tmp_path / "work", {"interrupted_after": 600})
    now_ns = path.stat().st_mtime_ns
    source.backend._discovery.now_ns = lambda: now_ns
    assert source.look()[guid_of(1)].run_state is RunState.LIVE
    now_ns += 599 * 10**9
    assert source.hint() == {}
    now_ns += 2 * 10**9
    interrupted = source.hint()[guid_of(1)]
    assert interrupted.run_state is RunState.INTERRUPTED
    assert source.read(guid_of(1)).description.run_state is RunState.INTERRUPTED
    assert source.hint() == {}
    file = QCoDeSFile.again(path)
    file.add(run_id, [{"x": 2, "y": 2}])
    file.close()
    again = source.hint()[guid_of(1)]
    assert again.run_state is RunState.LIVE
    assert again.fingerprint != interrupted.fingerprint


@pytest.mark.fault("F43", guard="copy-from-shares")
def test_database_on_a_share_is_only_read_from_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tmp_path / "share"
    share.mkdir()
    file = QCoDeSFile(share / "experiments.db", wal=True)
    run_id = file.start("live")
    file.add(run_id, [{"x": 1, "y": 2}])
    before = take_manifest(share)
    opened: list[str] = []
    plain = sqlite3.connect

    def connect(name: str, **options: object) -> sqlite3.Connection:
        opened.append(name)
        return plain(name, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(access.sqlite3, "connect", connect)
    source = QCoDeSSource(share / "experiments.db", tmp_path / "work", {"is_network_folder": True})
    assert list(source.look()) == [guid_of(1)]
    assert _measured(source.file(guid_of(1))) == 1
    assert source.backend.watch_plan().poll_interval_s
    assert opened
    assert [name for name in opened if str(share) in name] == []
    monkeypatch.undo()
    assert changes_since(before) == []
    file.close()


@pytest.mark.fault("F43", guard="network-database-is-told")
def test_database_on_a_share_is_warned_of_when_it_is_added(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "experiments.db")
    file.run("one")
    file.close()
    with volumes_from(lambda path: Volume(str(tmp_path), "cifs", is_remote=True, share="//nas/lab")):
        told = recognise_database(tmp_path / "experiments.db", StopToken())
    assert told is not None
    assert "network drive" in " ".join(told.warnings)
    assert "measurement computer" in " ".join(told.warnings)


@pytest.mark.fault("F45", guard="broken-database-is-known")
def test_damaged_database_is_a_known_failure_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    file = QCoDeSFile(path)
    file.many(50)
    file.close()
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    before = take_manifest(tmp_path)
    with pytest.raises(DatabaseBroken, match=r"damaged\.db"):
        QCoDeSSource(path, tmp_path.parent / "work").look()
    assert changes_since(before) == []


@pytest.mark.fault("F45", guard="broken-database-is-known")
@pytest.mark.parametrize("content", ["text", "other tables", "empty"])
def test_what_is_no_qcodes_database_is_refused_and_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.db"
    if content == "other tables":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE calibrations (id INTEGER, value REAL)")
        other.close()
    else:
        path.write_bytes(b"Thumbs.db is no database" * 100 if content == "text" else b"")
    before = take_manifest(tmp_path)
    with pytest.raises(DatabaseBroken):
        QCoDeSSource(path, tmp_path.parent / "work").look()
    assert recognise_database(path, StopToken()) is None
    assert changes_since(before) == []


def test_newer_schema_is_read_and_said_to_be_newer(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    file = QCoDeSFile(path)
    file.run("one")
    file.connection.execute("PRAGMA user_version=12")
    file.connection.execute("ALTER TABLE runs ADD COLUMN tomorrows_idea")
    file.close()
    source = QCoDeSSource(path, tmp_path / "work")
    assert len(source.look()) == 1
    assert _measured(source.file(guid_of(1))) == 5
    told = recognise_database(path, StopToken())
    assert told is not None
    assert "version 12" in told.sentence
    assert "newer than what was tested" in " ".join(told.warnings)


@pytest.mark.skipif(sys.platform == "win32", reason="folders of Windows know no such mode")
def test_dead_writers_wal_without_shm_is_read_from_a_copy(tmp_path: Path) -> None:
    live, dead = tmp_path / "live", tmp_path / "dead"
    live.mkdir()
    dead.mkdir()
    file = QCoDeSFile(live / "a.db", wal=True)
    run_id = file.start("killed")
    file.add(run_id, [{"x": 1, "y": 1}])
    for name in ("a.db", "a.db-wal"):
        shutil.copy(live / name, dead / name)
    file.close()
    os.chmod(dead, 0o555)
    before = take_manifest(dead)
    try:
        source = QCoDeSSource(dead / "a.db", tmp_path / "work")
        assert list(source.look()) == [guid_of(1)]
        assert _measured(source.file(guid_of(1))) == 1
        assert changes_since(before) == []
    finally:
        os.chmod(dead, 0o755)


def test_hot_journal_of_a_dead_writer_is_rolled_back_in_a_copy(tmp_path: Path) -> None:
    live, dead = tmp_path / "live", tmp_path / "dead"
    live.mkdir()
    dead.mkdir()
    file = QCoDeSFile(live / "a.db")
    file.run("finished")
    file.connection.execute("PRAGMA cache_size=1")
    file.connection.execute("BEGIN IMMEDIATE")
    for number in range(200):
        file.connection.execute("UPDATE runs SET name = ?", (f"half {number}" * 300,))
        file.connection.execute('INSERT INTO "results-1-1" (x, y) VALUES (1, ?)', ("y" * 500,))
    for name in ("a.db", "a.db-journal"):
        shutil.copy(live / name, dead / name)
    file.connection.execute("ROLLBACK")
    file.close()
    os.utime(dead / "a.db-journal", (1_700_000_000, 1_700_000_000))
    before = take_manifest(dead)
    source = QCoDeSSource(dead / "a.db", tmp_path / "work")
    assert source.look()[guid_of(1)].name == "finished"
    assert _measured(source.file(guid_of(1))) == 5
    assert changes_since(before) == []
