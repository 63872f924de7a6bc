"""Running measurements of a core-tools database in a real PostgreSQL, through the whole engine."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator

import pytest

from etiket_gui.domain.events import ProvisionalStored
from etiket_gui.store.live_points import read_points
from tests.live.conftest import LiveLab
from tests.live.producers import PLANNED, CoreTools, kept_values, value_at
from tests.support.core_tools_database import CoreToolsDatabase
from tests.support.patience import patient_s
from tests.support.postgresql import Server, running_server

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests here."""
    with running_server() as server:
        server.trust()
        yield server


@pytest.fixture
def producer(server: Server) -> CoreTools:
    """A database of its own."""
    return CoreTools(CoreToolsDatabase(server, f"live_{next(_names)}"))


def test_the_newest_points_are_here_within_two_seconds_and_only_the_final_version_stays(
    producer: CoreTools, lab: LiveLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.add(producer)
    with lab.driver:
        runs = [producer.begin("first"), producer.begin("second")]
        for run in runs:
            run.measure(2)
            lab.until_told(run)
        begun_last = producer.begin("third")
        begun_last.measure(2)
        waits_s = [lab.until_told(begun_last)]
        begun_last.finish()
        for _ in range(6):
            lab.driver.for_a_while(0.3)
            for run in runs:
                run.measure(2)
            waits_s += [lab.until_told(run) for run in runs]
        with capsys.disabled():
            print(f" core_tools: median {statistics.median(waits_s):.2f} s, worst {max(waits_s):.2f} s ", end="")
        assert statistics.median(waits_s) < patient_s(2.0)
        for run in runs:
            kept = read_points(lab.driver.home.live, lab.row(run.name)["uuid"])
            assert kept is not None
            assert kept_values(kept.columns) == [value_at(place) for place in range(run.count)]
            assert kept.expected_count == PLANNED

        def both_stored() -> bool:
            lab.driver.for_a_while(0.4)
            for run in runs:
                if run.count < PLANNED - 4:
                    run.measure(2)
            return {event.name for event in lab.driver.told(ProvisionalStored)} >= {"first", "second"}

        lab.driver.until(both_stored, "a provisional version of both", 20)
        for run in runs:
            run.finish()
        for run in runs:
            lab.until_archived(run)
            assert lab.stored(run) == ["1.0.0"]


def test_a_run_that_was_left_is_archived_as_interrupted_and_reopened_when_content_appears(
    producer: CoreTools, lab: LiveLab
) -> None:
    lab.add(producer, interrupted_after_s=3.0)
    with lab.driver:
        run = producer.begin("sweep")
        run.measure(4)
        lab.until_told(run)
        run.leave()
        lab.until_state(run, "interrupted")
        lab.until_archived(run)
        assert lab.stored(run) == ["1.0.0"]
        run.measure(2)
        lab.until_state(run, "live")
        lab.until_told(run)
        run.finish()
        lab.until_state(run, "complete")
        lab.until_archived(run)
        assert lab.stored(run) == ["1.0.0", "1.1.0"]
