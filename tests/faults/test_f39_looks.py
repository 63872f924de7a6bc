"""F39: a look into a database that is being written costs its writer nothing, and believes nothing half."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, NoReturn

import pytest

from etiket_gui.backends import sqlite_access
from etiket_gui.backends.sqlite_access import Access, Reader, Way
from etiket_gui.domain.stopping import StopToken
from tests.support.qcodes_database import QCoDeSFile, QCoDeSSource, guid_of


@pytest.mark.fault("F39", guard="glance")
def test_new_points_of_a_running_measurement_are_seen_without_opening_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = QCoDeSFile(tmp_path / "live.db", wal=True)
    file.many(5)
    run_id = file.start("live")
    file.add(run_id, [{"x": 0, "y": 0}])
    source = QCoDeSSource(tmp_path / "live.db", tmp_path / "work")
    source.look()
    for place in (1, 2):
        file.add(run_id, [{"x": place, "y": place}])
        source.hint()

    def opened(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("the database is opened")

    monkeypatch.setattr(sqlite_access, "opened", opened)
    for place in range(3, 7):
        file.add(run_id, [{"x": place, "y": place}])
        assert list(source.hint()) == [guid_of(run_id)]
    file.close()


@pytest.mark.fault("F39", guard="immutable-is-checked")
def test_what_changed_during_a_look_without_locks_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "quiet.db"
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.executescript("CREATE TABLE runs (name TEXT); INSERT INTO runs VALUES ('before');")
    names: list[object] = []

    def work(reader: Reader) -> list[tuple[object, ...]]:
        found = reader.query("SELECT name FROM runs")
        if not names:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
                writer.execute("UPDATE runs SET name = 'after'")
        names.append(found)
        return found

    access = Access(str(path), tmp_path / "copies")
    assert access.way(access.signature()) is Way.IMMUTABLE
    assert access.look(work, StopToken()) == [("after",)]
    assert names == [[("before",)], [("after",)]]
