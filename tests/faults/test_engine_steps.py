"""Answers of workers that concern more than one dataset, and work that a hold ends, played on a fake clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import DestinationOffline
from etiket_gui.domain.states import DestinationState, TransferState
from etiket_gui.domain.tasks import TaskKind
from tests.faults.test_engine_time import Played
from tests.support.clock import SECOND_NS


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


@pytest.mark.fault("F52", guard="what-concerns-all-stops-all")
def test_failure_of_one_dataset_that_concerns_all_stops_sending_until_a_probe_goes_well(played: Played) -> None:
    changed_ns = played.begun_ns - 3600 * SECOND_NS
    played.pool.failures["run"] = DestinationOffline("the server is busy").to_json()
    played.pool.look = lambda: [
        Found("run", "run", 1, newest_change_ns=changed_ns, looked_at_ns=played.clock.now_ns(), place="1:run")
    ]
    destination = played.coordinator.destinations[1]
    for _ in range(300):
        played.pass_time(0.2)
        if destination.circuit.failures:
            break
    assert not destination.may_send
    assert destination.row.state is DestinationState.OFFLINE
    assert played.state("run") is TransferState.WAITING
    played.pool.failures.clear()
    played.pass_time(120)
    assert played.state("run") is TransferState.ARCHIVED
    assert played.writer.open_problem_count() == 0


@pytest.mark.fault("F52", guard="fruitless-sending-slows")
def test_where_probes_go_well_and_sending_always_fails_it_is_tried_less_and_less_often(played: Played) -> None:
    changed_ns = played.begun_ns - 3600 * SECOND_NS
    tries: list[int] = []

    class Counted(dict[str, dict[str, object]]):
        def __contains__(self, name: object) -> bool:
            tries.append(played.clock.now_ns())
            return super().__contains__(name)

    played.pool.failures = Counted(run=DestinationOffline("the server is busy").to_json())
    played.pool.look = lambda: [
        Found("run", "run", 1, newest_change_ns=changed_ns, looked_at_ns=played.clock.now_ns(), place="1:run")
    ]
    played.pass_time(3600)
    assert 5 < len(tries) < 60


@pytest.mark.fault("F44", guard="hold-stops-reading-back")
def test_hold_stops_reading_back_what_a_destination_knows(played: Played) -> None:
    played.pool.read_back_s = 3600.0
    played.pass_time(5)
    assert played.pool.running(TaskKind.RECOVER)
    played.writer.set_steering(None, -1)
    played.coordinator.load_steering()
    assert TaskKind.RECOVER in played.pool.cancelled
