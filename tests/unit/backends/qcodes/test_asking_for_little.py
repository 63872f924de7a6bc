"""Each query of a database in rollback mode costs the measurement a little: what cannot have changed is not asked."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.qcodes import backend as qcodes
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.worker import live
from etiket_gui.worker.lanes import Task
from tests.support.qcodes_database import QCoDeSFile, QCoDeSSource, guid_of

#: One look at the schema, the number of the last row, and one look with the rows.
MOST_QUERIES_OF_A_LIVE_LOOK = 4
#: The schema twice, the newest runs, some of the older ones, and the last row of the open one.
MOST_QUERIES_OF_A_HINT = 5


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every query that databases are asked."""
    asked: list[str] = []
    begun = Reader._begun

    def noted(self: Reader, sql: str, parameters: tuple[object, ...]) -> sqlite3.Cursor:
        asked.append(sql)
        return begun(self, sql, parameters)

    monkeypatch.setattr(Reader, "_begun", noted)
    return asked


@pytest.fixture
def file(tmp_path: Path) -> Iterator[QCoDeSFile]:
    made = QCoDeSFile(tmp_path / "experiments.db")
    made.many(30)
    yield made
    made.close()


@pytest.fixture
def source(file: QCoDeSFile, tmp_path: Path) -> QCoDeSSource:
    return QCoDeSSource(file.path, tmp_path / "work")


def test_newest_points_are_all_there_is_asked_for_while_a_run_goes_on(
    file: QCoDeSFile, source: QCoDeSSource, queries: list[str]
) -> None:
    run_id = file.start("live")
    file.add(run_id, [{"x": 0.0, "y": 0.0}])
    first = source.backend.live(guid_of(run_id), {}, StopToken())
    assert first is not None
    queries.clear()
    file.add(run_id, [{"x": 1.0, "y": 1.0}])
    second = source.backend.live(guid_of(run_id), first.cursor, StopToken())
    assert second is not None
    assert second.is_newest
    assert [column.values[-1] for column in second.columns] == [1.0, 1.0]
    assert len(queries) <= MOST_QUERIES_OF_A_LIVE_LOOK, queries


def test_what_is_known_of_a_live_run_is_read_again_in_time(
    file: QCoDeSFile, source: QCoDeSSource, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qcodes, "_LIVE_HEAD_S", -1.0)
    run_id = file.start("live")
    file.add(run_id, [{"x": 0.0, "y": 0.0}])
    for _ in range(2):
        queries.clear()
        assert source.backend.live(guid_of(run_id), {}, StopToken()) is not None
        assert any("run_description" in sql for sql in queries)


def test_a_hint_asks_for_the_open_run_only_and_a_new_column_is_seen(
    file: QCoDeSFile, source: QCoDeSSource, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A glance at the pages needs a moment without a commit, which a measurement may not leave.
    monkeypatch.setattr("etiket_gui.backends.qcodes.discovery.glance", lambda *_: None)
    run_id = file.start("live")
    source.look()
    for number in range(3):
        queries.clear()
        file.add(run_id, [{"x": float(number), "y": 1.0}])
        assert source.hint()[guid_of(run_id)].run_state is RunState.LIVE
    assert len(queries) <= MOST_QUERIES_OF_A_HINT, queries
    file.annotate(run_id, "operator", "Ada")
    queries.clear()
    assert guid_of(run_id) in source.hint()
    assert any("table_info(runs)" in sql for sql in queries)
    file.finish(run_id)
    assert source.hint()[guid_of(run_id)].run_state is RunState.COMPLETE


def test_who_waits_for_the_writer_lets_others_of_this_program_look(file: QCoDeSFile, tmp_path: Path) -> None:
    access = Access(str(file.path), tmp_path / "copy")
    file.connection.execute("BEGIN EXCLUSIVE")
    file.connection.execute("UPDATE runs SET name = 'renamed' WHERE run_id = 1")
    found: list[Any] = []
    sql = "SELECT name FROM runs WHERE run_id = 1"
    waiting = threading.Thread(target=lambda: found.append(access.look(lambda reader: reader.query(sql), StopToken())))
    waiting.start()
    try:
        for _ in range(3):
            # Held for all of the ten seconds that are waited, the lock would end in FileBusy.
            access.signature()
        assert found == []
    finally:
        file.connection.execute("COMMIT")
        waiting.join(30)
    assert found == [[("renamed",)]]


def test_a_slice_that_is_up_to_date_is_not_asked_for_once_more(
    file: QCoDeSFile, source: QCoDeSSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = file.start("live")
    file.add(run_id, [{"x": float(number), "y": 1.0} for number in range(live._FEW_POINTS)])
    calls: list[object] = []
    points_of = source.backend.live

    def noted(identifier: str, since: Any, stop: StopToken) -> Any:
        calls.append(since)
        return points_of(identifier, since, stop)

    monkeypatch.setattr(source.backend, "live", noted)
    task = Task.__new__(Task)
    task.stop = StopToken()
    told = live.follow(task, source.backend, [("uuid", guid_of(run_id))], tmp_path / "live")
    assert told == {"runs": {"uuid": [live._FEW_POINTS, None]}, "more": []}
    assert len(calls) == 1
