"""Running measurements: newest points at once here, provisional versions that the final one replaces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from etiket_gui.domain.commands import HoldSync, PauseSync, ResumeSync
from etiket_gui.domain.events import DatasetArchived, LivePointsArrived, ProvisionalStored
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine import live
from etiket_gui.engine.budget import Budget
from etiket_gui.store.live_points import read_points
from tests.support.engine_driver import EngineDriver, patch_workers
from tests.support.live_backend import install_lines_backend
from tests.support.manifest import take_manifest
from tests.support.patience import patient_s


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    """An engine whose provisional versions come every half second."""
    monkeypatch.setattr(live, "SHORTEST_INTERVAL_S", 0.5)
    monkeypatch.setattr(live, "SEND_TIMES", 2.0)
    install_lines_backend(tmp_path / "plugins")
    patch_workers(tmp_path / "plugins", "", monkeypatch)
    made = EngineDriver(tmp_path)
    made.add_archive()
    (tmp_path / "runs").mkdir()
    made.add_source("lines", "fridge", {"root_directory": str(tmp_path / "runs")})
    yield made
    made.stop()


class Run:
    """A measurement that writes lines."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / f"{name}.run"
        self.count = 0

    def measure(self, lines: int = 1) -> None:
        """Write so many more points."""
        with open(self.path, "ab") as stream:
            for _ in range(lines):
                stream.write(f"{self.count * 0.25:.2f}\n".encode())
                self.count += 1

    def finish(self) -> None:
        """The measurement is over."""
        self.path.with_suffix(".done").touch()


def _uuid(driver: EngineDriver, name: str) -> str:
    return str(driver.datasets()[name]["uuid"])


def _is_told(driver: EngineDriver, point_count: int) -> bool:
    return bool(driver.told(LivePointsArrived)[-1].point_count == point_count)


@pytest.mark.alone
def test_the_newest_points_of_a_running_measurement_are_here_within_two_seconds(
    driver: EngineDriver, tmp_path: Path
) -> None:
    run = Run(tmp_path / "runs", "sweep")
    run.measure(3)
    with driver:
        driver.until(lambda: driver.told(LivePointsArrived), "the first points are told")
        for _ in range(3):
            run.measure(5)
            wanted, begun_s = run.count, time.monotonic()
            driver.until(partial(_is_told, driver, wanted), "the newest points")
            assert time.monotonic() - begun_s < patient_s(2.0)
        kept = read_points(driver.home.live, _uuid(driver, "sweep"))
        assert kept is not None
        assert list(kept.columns[1].values) == [point * 0.25 for point in range(run.count)]
        assert kept.expected_count == 100
        run.finish()
        driver.until_archived("sweep")
        assert not list(driver.home.live.iterdir()), "the plot of a finished run is thrown away"
    driver.check(take_manifest(tmp_path / "runs"))


def test_a_provisional_version_stands_while_a_run_lasts_and_none_is_left_after_the_final_one(
    driver: EngineDriver, tmp_path: Path
) -> None:
    run = Run(tmp_path / "runs", "sweep")
    run.measure(3)
    with driver:
        end_s = time.monotonic() + patient_s(20)
        while len(driver.told(ProvisionalStored)) < 2 and time.monotonic() < end_s:
            run.measure(200)
            driver.for_a_while(0.2)
        stored = driver.told(ProvisionalStored)
        assert len(stored) >= 2
        assert all("-live." in event.version for event in stored)
        assert driver.states() == {"sweep": "held"}, "what is provisional is not archived"
        driver.until(lambda: len(driver.versions("sweep")) == 1, "the newer provisional version replaced the older")
        run.finish()
        driver.until_archived("sweep")
        assert [record.version for record in driver.versions("sweep")] == ["1.0.0"]
    driver.check(take_manifest(tmp_path / "runs"))


@pytest.mark.fault("F41", guard="provisional-traffic-is-limited")
def test_all_provisional_versions_of_a_run_together_are_at_most_twice_its_final_size(
    driver: EngineDriver, tmp_path: Path
) -> None:
    run = Run(tmp_path / "runs", "sweep")
    run.measure(2000)
    with driver:
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + 8 or (
            not driver.told(ProvisionalStored) and time.monotonic() < begun_s + patient_s(12)
        ):
            run.measure(1)
            driver.for_a_while(0.1)
        assert driver.told(ProvisionalStored), "it lasted longer than two intervals"
        sent = sum(row["new_bytes"] for row in driver.rows("SELECT new_bytes FROM receipts WHERE is_provisional = 1"))
        run.finish()
        driver.until_archived("sweep")
        assert sent <= 2 * run.path.stat().st_size
    driver.check(take_manifest(tmp_path / "runs"))


@pytest.mark.fault("F41", guard="final-after-provisional")
def test_the_final_version_waits_for_a_provisional_one_that_is_on_its_way(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = (
        "import time\n"
        "from etiket_gui.worker import live\n"
        "real = live._growing_content\n"
        "def slowly(task, *rest):\n"
        "    content = real(task, *rest)\n"
        "    for _ in range(30):\n"
        "        time.sleep(0.1)\n"
        "        task.stop.check()\n"
        "    return content\n"
        "live._growing_content = slowly\n"
    )
    patch_workers(tmp_path / "plugins", slow, monkeypatch)
    run = Run(tmp_path / "runs", "sweep")
    run.measure(50)
    driver.settings = type(driver.settings)(worker_count=3)
    # As after safe_within: the final version has a worker of its own, although something is measured.
    monkeypatch.setattr(Budget, "measuring_sources", lambda self, monotonic_s: ())
    with driver:
        driver.until(lambda: driver.coordinator.live.being_sent, "a provisional version is on its way")
        pool = driver.coordinator.desk.pool
        run.finish()
        driver.until(lambda: driver.told(DatasetArchived), "the final version is archived", timeout_s=20)
        driver.until(lambda: not pool.running(TaskKind.PROVISIONAL), "nothing more is on its way", timeout_s=20)
        driver.until_archived("sweep")
        assert [record.version for record in driver.versions("sweep")] == ["1.0.0"]
        assert (
            driver.told(ProvisionalStored)[0] in driver.events[: driver.events.index(driver.told(DatasetArchived)[0])]
        )
    driver.check(take_manifest(tmp_path / "runs"))


@pytest.mark.fault("F41", guard="large-runs-wait")
def test_of_a_large_growing_run_only_description_and_preview_go_until_it_is_over(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = "from etiket_gui.worker import live\nlive.LARGEST_GROWING_BYTES = 1000\n"
    patch_workers(tmp_path / "plugins", small, monkeypatch)
    run = Run(tmp_path / "runs", "sweep")
    run.measure(2000)
    with driver:
        drawn: list[int] = []

        def is_drawn() -> bool:
            run.measure(10)
            driver.for_a_while(0.2)
            for record in driver.versions("sweep"):
                assert list(record.files) in ([], ["preview.png"]), "nothing but its newest points, drawn"
                drawn.extend(size_bytes for _, size_bytes in record.files.values())
            return bool(drawn)

        driver.until(is_drawn, "a provisional version with its newest points, drawn")
        # It lies in the archive a moment before that is told.
        driver.until(lambda: drawn[0] in {event.size_bytes for event in driver.told(ProvisionalStored)}, "it is told")
        assert drawn[0] < 100_000
        run.finish()
        driver.until_archived("sweep")
        final = driver.versions("sweep")
        assert [record.version for record in final] == ["1.0.0"]
        assert list(final[0].files) == ["lines.txt"]
    driver.check(take_manifest(tmp_path / "runs"))


def test_nothing_provisional_goes_while_paused_and_nothing_is_even_looked_at_while_held(
    driver: EngineDriver, tmp_path: Path
) -> None:
    run = Run(tmp_path / "runs", "sweep")
    run.measure(3)
    with driver:
        driver.until(lambda: driver.told(LivePointsArrived), "the first points")
        driver.ask(PauseSync())
        driver.coordinator.live.cancel_sending()
        driver.until(lambda: not driver.coordinator.live.being_sent, "nothing is on its way")
        before = len(driver.told(ProvisionalStored))
        run.measure(100)
        driver.until(lambda: driver.told(LivePointsArrived)[-1].point_count == run.count, "points still come")
        driver.for_a_while(1.5)
        assert len(driver.told(ProvisionalStored)) == before
        driver.ask(HoldSync(time.time_ns() + 3600 * 10**9))
        driver.for_a_while(0.5)
        points = len(driver.told(LivePointsArrived))
        run.measure(100)
        driver.for_a_while(1.5)
        assert len(driver.told(LivePointsArrived)) == points
        driver.ask(ResumeSync())
        driver.until(lambda: len(driver.told(ProvisionalStored)) > before, "it goes on after that")


def test_a_run_that_was_killed_is_archived_as_interrupted_and_reopened_when_it_goes_on(
    driver: EngineDriver, tmp_path: Path
) -> None:
    driver.stop()
    (tmp_path / "old").mkdir()
    config = {"root_directory": str(tmp_path / "old"), "interrupted_after": 1.5}
    driver.add_source("lines", "killed", config)
    run = Run(tmp_path / "old", "killed")
    run.measure(10)
    with driver:
        driver.until(lambda: driver.states().get("killed") == "archived", "it is archived", timeout_s=20)
        record = driver.versions("killed")[-1]
        assert record.version == "1.0.0"
        assert driver.rows("SELECT run_state FROM datasets WHERE identifier = 'killed'") == [
            {"run_state": "interrupted"}
        ]
        run.measure(5)
        driver.until(
            lambda: driver.rows("SELECT run_state FROM datasets WHERE identifier = 'killed'")[0]["run_state"] == "live",
            "it is live again",
        )
        run.finish()
        driver.until_archived("killed", timeout_s=20)
        assert [record.version for record in driver.versions("killed")] == ["1.0.0", "1.1.0"]
    driver.check(take_manifest(tmp_path / "old"))
