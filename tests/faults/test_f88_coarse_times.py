"""F88: on file systems whose clock ticks slowly two changes have one time; nothing may be taken for unchanged then."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from etiket_gui.backends import sqlite_access, sqlite_signature
from etiket_gui.backends.quantify import datafile
from etiket_gui.backends.sqlite_access import Access, Reader, Way
from etiket_gui.backends.sqlite_signature import Signature
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.file_looks import FileLooks
from tests.support.engine_runs import wait_until
from tests.support.quantify_files import write_data

NS = 10**9


def _database(path: Path) -> None:
    """Two tables, each on a page of its own, that always hold the same number."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE one (number INTEGER)")
        connection.execute("CREATE TABLE other (number INTEGER)")
        connection.execute("INSERT INTO one VALUES (0)")
        connection.execute("INSERT INTO other VALUES (0)")
    connection.close()


def _commit(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE one SET number = number + 1")
        connection.execute("UPDATE other SET number = number + 1")
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Such a database."""
    made = tmp_path / "experiments.db"
    _database(made)
    return made


@pytest.fixture
def access(path: Path, tmp_path: Path) -> Access:
    """What it is looked into with."""
    return Access(str(path), tmp_path / "copy")


@pytest.fixture
def _coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file has the times of a clock that does not tick during the test."""

    class Coarse:
        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        @staticmethod
        def stat(path: str) -> os.stat_result:
            status = os.stat(path)
            return os.stat_result((*status[:7], 10**9, 10**9, 10**9), {"st_mtime_ns": 10**18, "st_ctime_ns": 10**18})

    monkeypatch.setattr(sqlite_signature, "os", Coarse())


@pytest.mark.fault("F88", guard="changes-are-counted")
@pytest.mark.usefixtures("_coarse_clock")
def test_half_a_transaction_is_never_read_where_two_commits_have_one_time(path: Path, access: Access) -> None:
    looks = 0

    def look(reader: Reader) -> tuple[object, object]:
        nonlocal looks
        looks += 1
        ((one,),) = reader.query("SELECT number FROM one")
        if looks <= 2:
            _commit(path)
        ((other,),) = reader.query("SELECT number FROM other")
        return one, other

    assert access.look(look, StopToken()) == (2, 2)
    assert looks == 3


@pytest.mark.fault("F88", guard="changes-are-counted")
@pytest.mark.usefixtures("_coarse_clock")
def test_a_commit_is_seen_where_it_changed_neither_size_nor_time(path: Path, access: Access) -> None:
    before = access.signature()
    assert before.is_still(access.signature())
    _commit(path)
    assert not before.is_still(access.signature())


@pytest.mark.fault("F88", guard="young-times-are-doubted")
def test_what_was_written_a_moment_ago_is_looked_at_again(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    wal = (7, 4096, now_ns, now_ns)
    old = (7, 4096, now_ns - NS, now_ns - NS)
    young = Signature(old, wal, None, has_shm=True, looked_at_ns=(now_ns, now_ns))
    settled = Signature(old, wal, None, has_shm=True, looked_at_ns=(now_ns + 3 * NS, now_ns + 3 * NS))
    assert not young.is_still(settled), "the -wal may have been written once more at the same time"
    assert settled.is_still(settled)


@pytest.mark.fault("F88", guard="young-times-are-doubted")
def test_a_second_change_of_the_same_time_is_told_when_that_time_is_past(tmp_path: Path) -> None:
    path = tmp_path / "experiments.db"
    second_ns = (time.time_ns() // NS + 2) * NS
    told: list[str] = []

    def changed(path: str, *, is_final: bool) -> None:
        assert not is_final
        told.append(path)

    looks = FileLooks(changed, every_s=0.02)
    try:
        path.write_bytes(b"1")
        os.utime(path, ns=(second_ns, second_ns))
        looks.look_at([str(path)])
        with looks._lock:
            path.write_bytes(b"2")
            os.utime(path, ns=(second_ns, second_ns))
        wait_until(lambda: told == [str(path)], 6, "it is told, though it looks as it did")
        time.sleep(0.2)
        assert told == [str(path)], "once is enough"
    finally:
        looks.stop()


@pytest.mark.fault("F88", guard="young-times-are-doubted")
def test_dataset_file_that_is_rewritten_within_one_tick_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dataset.hdf5"
    second_ns = (time.time_ns() // NS + 2) * NS

    def write(value: float) -> None:
        write_data(path, [np.arange(3.0)], [np.full(3, value)])
        os.utime(path, ns=(second_ns, second_ns))

    write(0.0)
    key = datafile._key
    keys: list[tuple[int, int]] = []

    def written_after_it_was_read(of: str) -> tuple[int, int]:
        keys.append(key(of))
        if len(keys) == 1:
            write(1.0)
        return keys[-1]

    monkeypatch.setattr(datafile, "_key", written_after_it_was_read)
    with datafile.open_data(str(path), StopToken()) as data:
        assert data.arrays["y0"].whole().tolist() == [1.0, 1.0, 1.0]
    assert set(keys) == {data.key}, "size and time said nothing"


@pytest.mark.fault("F40", guard="journal-is-looked-at-twice")
def test_journal_that_goes_while_it_is_met_is_no_reason_to_copy_the_database(
    path: Path, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a writer leaves for a moment: SQLite sees a journal that nobody holds, and may not play it back.
    journal = tmp_path / "experiments.db-journal"
    journal.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(512))
    signature_of = sqlite_access.signature_of
    calls = 0

    def signature(of: str) -> Signature:
        nonlocal calls
        calls += 1
        if calls == 2:
            journal.unlink()
            _commit(path)
        return signature_of(of)

    monkeypatch.setattr(sqlite_access, "signature_of", signature)
    assert access.look(lambda reader: reader.query("SELECT number FROM one"), StopToken()) == [(1,)]
    assert access.last_way is Way.IMMUTABLE
    assert not (tmp_path / "copy").exists()


@pytest.mark.fault("F40", guard="busy-database-is-waited-for")
def test_each_query_waits_for_the_writer_by_itself(path: Path, access: Access) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    looks = 0

    class AtThirdWait(StopToken):
        """Ends the writer's transaction at the third wait."""

        waits = 0

        def wait(self, delay_s: float) -> bool:
            self.waits += 1
            if self.waits == 3:
                writer.execute("COMMIT")
            return False

    def look(reader: Reader) -> list[tuple[object, ...]]:
        nonlocal looks
        looks += 1
        reader.query("SELECT number FROM one")
        writer.execute("BEGIN EXCLUSIVE")
        return reader.query("SELECT number FROM other")

    stop = AtThirdWait()
    # Somebody writes: there is a -journal, so the locks are kept.
    access.way = lambda signature: Way.SHARED  # type: ignore[method-assign]
    try:
        assert access.look(look, stop) == [(0,)]
    finally:
        writer.close()
    assert stop.waits == 3
    assert looks == 1, "what was read before is not read again"
