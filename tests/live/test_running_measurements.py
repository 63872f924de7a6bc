"""Running measurements of every kind of source: seen at once, provisional meanwhile, final at the end."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import pytest

from etiket_gui.domain.events import ProvisionalStored
from etiket_gui.store.live_points import read_points
from tests.live.conftest import PRODUCERS, TELLING, LiveLab
from tests.live.producers import PLANNED, kept_values, value_at
from tests.support.command_line import CommandLineRunner
from tests.support.patience import patient_s

pytestmark = pytest.mark.timeout(300)

INTERRUPTED_AFTER_S = 5.0


@pytest.mark.parametrize("kind", TELLING)
def test_the_newest_points_of_a_run_are_here_within_two_seconds(
    kind: str, lab: LiveLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    producer = lab.add(PRODUCERS[kind](tmp_path / "source"))
    with lab.driver:
        lab.driver.until(lambda: lab.driver.coordinator.is_drained, "the first look")
        run = producer.begin("sweep")
        run.measure(2)
        waits_s = [lab.until_told(run)]
        for _ in range(6):
            lab.driver.for_a_while(0.3)
            run.measure(2)
            waits_s.append(lab.until_told(run))
        with capsys.disabled():
            print(f" {kind}: median {statistics.median(waits_s):.2f} s, worst {max(waits_s):.2f} s ", end="")
        assert statistics.median(waits_s) < patient_s(2.0)

        kept = read_points(lab.driver.home.live, lab.row("sweep")["uuid"])
        assert kept is not None
        assert kept_values(kept.columns) == [value_at(place) for place in range(run.count)]
        assert kept.expected_count == PLANNED
        (told,) = CommandLineRunner(capsys)("--home", lab.driver.home.root, "datasets", "--json").json
        assert told["run_state"] == "live"
        assert (told["progress"]["points"], told["progress"]["expected_points"]) == (run.count, PLANNED)


@pytest.mark.parametrize("kind", PRODUCERS)
def test_a_provisional_version_stands_meanwhile_and_only_the_final_one_at_the_end(
    kind: str, lab: LiveLab, tmp_path: Path
) -> None:
    producer = lab.add(PRODUCERS[kind](tmp_path / "source"))
    with lab.driver:
        lab.driver.until(lambda: lab.driver.coordinator.is_drained, "the first look")
        run = producer.begin("sweep")
        run.measure(2)

        def measured_until_stored() -> bool:
            lab.driver.for_a_while(0.4)
            if run.count < PLANNED - 4:
                run.measure(2)
            return bool(lab.driver.told(ProvisionalStored))

        lab.driver.until(measured_until_stored, "a provisional version", 20)
        assert lab.row("sweep")["transfer_state"] == "held", "what is provisional is not archived"
        assert lab.stored(run)[-1].startswith("1.0.0-live.")
        run.finish()
        lab.until_archived(run)
        assert lab.stored(run) == ["1.0.0"]
        provisional = lab.driver.rows("SELECT new_bytes FROM receipts WHERE is_provisional = 1")
        (final,) = lab.driver.rows("SELECT size_bytes FROM receipts WHERE is_provisional = 0")
        assert sum(row["new_bytes"] for row in provisional) <= 2 * final["size_bytes"]
        assert not list(lab.driver.home.live.glob("*")), "the points of a finished run are not kept"


@pytest.mark.parametrize("kind", TELLING)
def test_two_runs_in_one_source_and_one_in_another_are_followed_at_once(
    kind: str, lab: LiveLab, tmp_path: Path
) -> None:
    producer = lab.add(PRODUCERS[kind](tmp_path / "source"))
    other = lab.add(PRODUCERS["native"](tmp_path / "other"), "bench")
    with lab.driver:
        runs = [producer.begin("first"), producer.begin("second"), other.begin("third")]
        for _ in range(3):
            for run in runs:
                run.measure(2)
            for run in runs:
                lab.until_told(run)

        def all_stored() -> bool:
            lab.driver.for_a_while(0.3)
            for run in runs:
                if run.count < PLANNED - 4:
                    run.measure(2)
            return {event.name for event in lab.driver.told(ProvisionalStored)} >= {run.name for run in runs}

        lab.driver.until(all_stored, "a provisional version of each", 30)
        for run in runs:
            run.finish()
        for run in runs:
            lab.until_archived(run)
            assert lab.stored(run) == ["1.0.0"]


@pytest.mark.parametrize("kind", TELLING)
def test_a_run_that_was_left_is_archived_as_interrupted_and_reopened_when_content_appears(
    kind: str, lab: LiveLab, tmp_path: Path
) -> None:
    producer = lab.add(PRODUCERS[kind](tmp_path / "source"), interrupted_after_s=INTERRUPTED_AFTER_S)
    with lab.driver:
        run = producer.begin("sweep")
        measured_s = time.monotonic()
        run.measure(4)
        lab.until_told(run)
        # A pause shorter than the limit is no end; a machine that was busy for longer cannot show it.
        lab.driver.for_a_while(1.0)
        is_live = lab.row("sweep")["run_state"] == "live"
        assert is_live or time.monotonic() - measured_s > INTERRUPTED_AFTER_S
        run.measure(2)
        lab.until_told(run)
        run.leave()
        lab.until_state(run, "interrupted")
        lab.until_archived(run)
        # A busy machine may have taken the pause for an end as well.
        left = lab.stored(run)
        assert left[0] == "1.0.0"
        assert len(left) == 1 or time.monotonic() - measured_s > 2 * INTERRUPTED_AFTER_S
        *_, record = lab.driver.versions(lab.row("sweep")["identifier"])
        assert json.loads(record.path.read_bytes())["etiket"]["description"]["run_state"] == "interrupted"

        run.measure(2)
        lab.until_state(run, "live")
        lab.until_told(run)
        run.finish()
        lab.until_state(run, "complete")
        lab.until_archived(run)
        assert lab.stored(run)[:-1] == left


def test_a_run_that_tells_no_size_gets_several_provisional_versions_and_no_more_traffic_than_twice_its_own(
    lab: LiveLab, tmp_path: Path
) -> None:
    producer = lab.add(PRODUCERS["qcodes-wal"](tmp_path / "source"))
    with lab.driver:
        run = producer.begin("sweep")
        run.measure(2)

        def stored_twice() -> bool:
            run.measure(min(run.count, 4000))
            lab.driver.for_a_while(0.3)
            return len(lab.driver.told(ProvisionalStored)) >= 2

        lab.driver.until(stored_twice, "two provisional versions", 30)
        lab.driver.for_a_while(3.0)
        run.finish()
        lab.until_archived(run)
        provisional = lab.driver.rows("SELECT new_bytes FROM receipts WHERE is_provisional = 1")
        (final,) = lab.driver.rows("SELECT size_bytes FROM receipts WHERE is_provisional = 0")
        assert sum(row["new_bytes"] for row in provisional) <= 2 * final["size_bytes"]
