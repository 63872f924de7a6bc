"""A look at everything is told when it begins and when it ends, however it ends; other looks are not told at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import SourceOffline
from etiket_gui.domain.events import ScanBroken, ScanFinished, ScanStarted
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.status import status_of
from tests.faults.test_engine_time import Played


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def _told(played: Played) -> list[str]:
    kinds = (ScanStarted, ScanBroken, ScanFinished)
    return [type(event).__name__ for event in played.events if isinstance(event, kinds)]


def _source(played: Played) -> Any:
    [source] = played.coordinator.sources.values()
    return source


def test_a_look_at_everything_is_told_from_begin_to_end(played: Played) -> None:
    played.pass_time(5.0)
    assert _told(played) == ["ScanStarted", "ScanFinished"]
    event = next(event for event in played.events if isinstance(event, ScanStarted))
    assert (event.source_id, event.source) == (_source(played).row.id, "fridge")


def test_looks_at_single_datasets_are_not_told(played: Played) -> None:
    played.pass_time(5.0)
    _source(played).look_at(["run 1"])
    played.pass_time(5.0)
    assert _told(played) == ["ScanStarted", "ScanFinished"]


def test_a_look_that_fails_is_told_as_broken_off(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    real = played.pool._script

    def script(kind: TaskKind, body: Any) -> Any:
        if kind is TaskKind.DISCOVER:
            return iter([(0.1, {"event": "error", "error": SourceOffline("the share is away").to_json()})])
        return real(kind, body)

    monkeypatch.setattr(played.pool, "_script", script)
    played.pass_time(3.0)
    assert _told(played)[:2] == ["ScanStarted", "ScanBroken"]
    assert _told(played).count("ScanStarted") == _told(played).count("ScanBroken")


def test_a_source_that_is_removed_is_not_looked_through_any_more(played: Played) -> None:
    source = _source(played)
    for _ in range(20):
        if _told(played):
            break
        played.pass_time(0.02)
    assert _told(played) == ["ScanStarted"]
    assert status_of(played.coordinator)["scans"] == [[source.row.id, pytest.approx(0.0, abs=0.2)]]
    source.retire()
    assert _told(played) == ["ScanStarted", "ScanBroken"]
    assert status_of(played.coordinator)["scans"] == []
