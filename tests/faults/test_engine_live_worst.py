"""Running measurements in bad company: kills, lost stores, absent archives, deletions, renames, held-back sources."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.commands import EditSource, IgnoreDatasets, RemoveSource
from etiket_gui.domain.events import LivePointsArrived, ProvisionalStored
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine import live
from etiket_gui.osys.sleeping import ClockChange
from tests.support.command_line import CommandLineRunner
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.engine_runs import Lab, kill, wait_until
from tests.support.live_backend import install_lines_backend
from tests.support.manifest import take_manifest

SOURCE_UUID = "6d7c3f8e-6a52-4d6a-9d7b-0f8f6f0f2a11"
_OFTEN = "from etiket_gui.engine import live\nlive.SHORTEST_INTERVAL_S = 0.5\nlive.SEND_TIMES = 2.0\n"
_SLOWLY = """
import time
from etiket_gui.worker import live
real = live._growing_content
def slowly(task, *rest):
    content = real(task, *rest)
    open({mark!r}, "w").close()
    for _ in range(100):
        time.sleep(0.1)
        task.stop.check()
    return content
live._growing_content = slowly
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the measurements are."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def driver(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    """An engine whose provisional versions come every half second."""
    monkeypatch.setattr(live, "SHORTEST_INTERVAL_S", 0.5)
    monkeypatch.setattr(live, "SEND_TIMES", 2.0)
    install_lines_backend(tmp_path / "plugins")
    patch_workers(tmp_path / "plugins", "", monkeypatch)
    made = EngineDriver(tmp_path)
    made.add_archive()
    made.add_source("lines", "fridge", {"root_directory": str(root)}, source_uuid=SOURCE_UUID)
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


def _versions(driver: EngineDriver, name: str) -> list[str]:
    return [record.version for record in driver.versions(name)]


def _measure_until_stored(driver: EngineDriver, run: Run, is_enough: Callable[[], bool] | None = None) -> None:
    def go_on() -> bool:
        run.measure(min(max(run.count, 10), 300))
        driver.for_a_while(0.1)
        return bool(driver.told(ProvisionalStored)) if is_enough is None else is_enough()

    driver.until(go_on, "a provisional version", 20)


# ------------------------------------------------------------------------------------------------ ends in the middle


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as only POSIX does")
@pytest.mark.parametrize("moment", ["while it sends", "while it follows"])
def test_an_engine_killed_beside_a_running_measurement_leaves_one_final_version_in_the_end(
    moment: str, driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "is sending"
    is_sending = moment == "while it sends"
    patch_workers(tmp_path / "plugins", _OFTEN + (_SLOWLY.format(mark=str(mark)) if is_sending else ""), monkeypatch)
    run = Run(root, "sweep")
    run.measure(20)
    lab = Lab(tmp_path / "lab")
    lab.home = driver.home.root
    for _ in range(2):
        mark.unlink(missing_ok=True)
        engine = lab.start("run")
        try:
            if is_sending:
                wait_until(mark.exists, 20, "a provisional version is being sent")
            else:
                run.measure(5)
                wait_until(lambda: bool(list(driver.home.live.glob("*.points"))), 20, "points are kept")
        finally:
            kill(engine)
    patch_workers(tmp_path / "plugins", _OFTEN, monkeypatch)
    with driver:
        _measure_until_stored(driver, run)
        assert _versions(driver, "sweep")[-1].startswith("1.0.0-live.")
        run.finish()
        driver.until_archived("sweep")
        assert _versions(driver, "sweep") == ["1.0.0"]
    driver.check(take_manifest(root))


def test_a_store_lost_beside_a_running_measurement_costs_no_second_dataset(driver: EngineDriver, root: Path) -> None:
    run = Run(root, "sweep")
    with driver:
        _measure_until_stored(driver, run)
        uuid = driver.datasets()["sweep"]["uuid"]
    for ending in ("", "-wal", "-shm"):
        Path(f"{driver.home.store}{ending}").unlink(missing_ok=True)
    shutil.rmtree(driver.home.root / "backups", ignore_errors=True)
    with driver:
        run.measure(10)
        driver.until(lambda: "sweep" in driver.datasets(), "it is found again")
        assert driver.datasets()["sweep"]["uuid"] == uuid
        run.finish()
        driver.until_archived("sweep")
        assert _versions(driver, "sweep") == ["1.0.0"]
        assert len(driver.archive().records) == 1
    driver.check(take_manifest(root))


def test_an_archive_that_is_away_until_the_run_is_over_gets_the_final_version_alone(
    driver: EngineDriver, root: Path
) -> None:
    run = Run(root, "sweep")
    away = driver.archives[0].with_name("taken out")
    with driver:
        _measure_until_stored(driver, run)
        driver.archives[0].rename(away)
        points = len(driver.told(LivePointsArrived))
        run.measure(5)
        driver.until(lambda: len(driver.told(LivePointsArrived)) > points, "points come as before")
        driver.for_a_while(1.5)
        assert not driver.archives[0].exists(), "nothing is made where the archive was"
        run.finish()
        driver.until(
            lambda: driver.rows("SELECT run_state FROM datasets")[0]["run_state"] == "complete", "its end is seen"
        )
        away.rename(driver.archives[0])
        for desk in driver.coordinator.destinations.values():
            desk.request_probe()
        driver.until_archived("sweep", timeout_s=30)
        assert _versions(driver, "sweep") == ["1.0.0"]
    driver.check(take_manifest(root))


# ------------------------------------------------------------------------------------- what a person or a program does


def test_what_is_provisional_never_counts_as_archived(
    driver: EngineDriver, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(root, "sweep")
    command = CommandLineRunner(capsys)
    with driver:
        _measure_until_stored(driver, run)
        assert driver.states() == {"sweep": "held"}
    assert driver.rows("SELECT archived_ns, verified_at_ns, sent_fingerprint FROM transfers") == [
        {"archived_ns": None, "verified_at_ns": None, "sent_fingerprint": None}
    ]
    assert "1 of 1 dataset is not archived yet" in command("--home", driver.home.root, "status").out
    (told,) = command("--home", driver.home.root, "datasets", "--json").json
    assert told["state"] != "archived"
    assert command("--home", driver.home.root, "run", "--once").code == 3, "a live measurement is not archived"


@pytest.mark.fault("F41", guard="ignored-runs-stay-here")
def test_of_an_ignored_measurement_nothing_more_goes(driver: EngineDriver, root: Path) -> None:
    run = Run(root, "sweep")
    with driver:
        _measure_until_stored(driver, run)
        (row,) = driver.rows("SELECT id FROM datasets")
        driver.ask(IgnoreDatasets((row["id"],)))
        driver.until(lambda: not driver.coordinator.live.being_sent, "nothing is on its way")
        before = len(driver.told(ProvisionalStored))
        points = len(driver.told(LivePointsArrived))
        run.measure(run.count)
        driver.until(lambda: len(driver.told(LivePointsArrived)) > points, "its points still come here")
        driver.for_a_while(1.5)
        assert len(driver.told(ProvisionalStored)) == before


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_of_a_source_that_is_switched_off_or_removed_nothing_is_asked_any_more(
    how: str, driver: EngineDriver, root: Path
) -> None:
    run = Run(root, "sweep")
    with driver:
        _measure_until_stored(driver, run)
        driver.ask(EditSource("fridge", is_enabled=False) if how == "disabled" else RemoveSource("fridge"))
        driver.until(lambda: driver.coordinator.desk.pool.is_idle, "what was under way is over")
        before = len(driver.events)
        run.measure(run.count)
        driver.for_a_while(1.5)
        asked = [event for event in driver.events[before:] if isinstance(event, LivePointsArrived | ProvisionalStored)]
        assert asked == []
        assert not list(driver.home.live.glob("*"))
        assert not driver.coordinator.live.dataset_ids
        assert _versions(driver, "sweep")[-1].startswith("1.0.0-live."), "what is there stays there"


def test_a_run_deleted_while_it_is_measured_leaves_what_the_archive_has_of_it(driver: EngineDriver, root: Path) -> None:
    run = Run(root, "sweep")
    with driver:
        _measure_until_stored(driver, run)
        driver.until(lambda: not driver.coordinator.live.being_sent, "nothing is on its way")
        stored = _versions(driver, "sweep")
        run.path.unlink()
        driver.until(lambda: driver.states() == {"sweep": "gone"}, "it is gone")
        assert not driver.coordinator.live.dataset_ids
        driver.for_a_while(1.5)
        assert not list(driver.home.live.glob("*"))
        assert _versions(driver, "sweep") == stored
        assert stored[-1].startswith("1.0.0-live.")
        driver.until(driver.problems, "the next scan says that the source is empty")
        assert [problem["kind"] for problem in driver.problems()] == ["source"], "and nothing else"
        # It comes back, as from a share that was away for long: the same dataset goes on.
        run.count = 0
        run.measure(10)
        run.finish()
        driver.until_archived("sweep")
        assert _versions(driver, "sweep") == ["1.0.0"]


@pytest.mark.fault("F41", guard="asking-stops-provisional")
def test_while_a_person_is_asked_about_many_changes_no_newer_version_replaces_a_good_one(
    driver: EngineDriver, root: Path
) -> None:
    done = [Run(root, f"done-{number:02}") for number in range(55)]
    for finished in done:
        finished.measure(3)
        finished.finish()
    run = Run(root, "sweep")
    with driver:
        driver.until_archived(*(finished.path.stem for finished in done), timeout_s=40)
        _measure_until_stored(driver, run)
        for finished in done:
            finished.path.unlink()
        driver.coordinator.sources[driver.source()["id"]].request_scan()
        driver.until(lambda: driver.source()["state"] == "asking", "the engine asks", 20)
        driver.until(lambda: not driver.coordinator.live.being_sent, "nothing is on its way")
        before = _versions(driver, "sweep")
        points = driver.told(LivePointsArrived)[-1].point_count
        run.measure(run.count)
        driver.until(lambda: driver.told(LivePointsArrived)[-1].point_count > points, "its points still come here")
        driver.for_a_while(2.0)
        assert _versions(driver, "sweep") == before


def test_a_folder_renamed_while_it_grows_stays_one_dataset(driver: EngineDriver, tmp_path: Path) -> None:
    root = driver.add_folder(tmp_path / "folders", name="bench", settle_s=1.5)
    folder = write_dataset(root, "sweep", trace=b"0\n")
    size = 2
    with driver:

        def grow() -> bool:
            nonlocal size
            with open(folder / "trace.dat", "ab") as stream:
                stream.write(b"1\n" * size)
            size *= 2
            driver.for_a_while(0.3)
            return bool(driver.told(ProvisionalStored))

        driver.until(grow, "a provisional version", 20)
        folder = folder.rename(root / "renamed sweep")
        grow()
        driver.until(lambda: "renamed sweep" in driver.datasets(), "its new name is known")
        grow()
        driver.until_archived("renamed sweep", timeout_s=20)
        records = [record for record in driver.archive().records if record.source_uuid != SOURCE_UUID]
        assert len({record.uuid for record in records}) <= 2
        newest = [record for record in records if record.identifier == "renamed sweep"]
        assert [record.version for record in newest] == ["1.0.0"]


def test_a_jump_of_the_clock_neither_hurries_nor_stops_provisional_versions(
    driver: EngineDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SHORTEST_INTERVAL_S", 3.0)
    run = Run(root, "sweep")
    with driver:
        _measure_until_stored(driver, run)
        before = len(driver.told(ProvisionalStored))
        for hours in (5, -9):
            driver.coordinator.upkeep.take_clock_change(ClockChange(wall_jump_ns=hours * 3600 * 10**9))
            run.measure(run.count)
            driver.for_a_while(0.5)
        assert len(driver.told(ProvisionalStored)) <= before + 1
        _measure_until_stored(driver, run, lambda: len(driver.told(ProvisionalStored)) > before)
        run.finish()
        driver.until_archived("sweep")
        assert _versions(driver, "sweep") == ["1.0.0"]


# ---------------------------------------------------------------------------------------------------- what goes early


@pytest.mark.fault("F41", guard="early-part-stays")
def test_what_went_of_a_run_stays_when_the_run_becomes_too_large_to_go_again(
    driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_workers(
        tmp_path / "plugins", "from etiket_gui.worker import live\nlive.LARGEST_GROWING_BYTES = 3000\n", monkeypatch
    )
    run = Run(root, "sweep")
    run.measure(100)
    with driver:
        driver.until(lambda: driver.told(ProvisionalStored), "a provisional version")
        (first,) = driver.versions("sweep")
        assert list(first.files) == ["lines.txt"]
        run.measure(2000)
        driver.until(lambda: driver.told(LivePointsArrived)[-1].point_count == run.count, "its growth is seen")
        driver.for_a_while(6.0)
        assert _versions(driver, "sweep") == [first.version]
        run.finish()
        driver.until_archived("sweep")
        assert _versions(driver, "sweep") == ["1.0.0"]


def test_a_provisional_version_does_not_wait_for_a_large_dataset_on_its_way(
    driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = driver.add_folder(tmp_path / "folders", name="bench")
    write_dataset(large, "large", data=os.urandom(4_000_000))
    driver.settings = type(driver.settings)(worker_count=1, measuring_rate_bytes_per_s=200_000)
    run = Run(root, "sweep")
    with driver:
        run.measure(10)
        driver.until(lambda: driver.coordinator.desk.pool.running(TaskKind.TRANSFER), "the large one is on its way")
        _measure_until_stored(driver, run)
        assert driver.coordinator.desk.pool.running(TaskKind.TRANSFER), "it still is"


def test_two_sources_that_always_have_news_are_followed_in_turns(
    driver: EngineDriver, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    driver.add_source("lines", "bench", {"root_directory": str(other)})
    slow = "import time\nfrom etiket_gui.worker import live\nreal = live.follow\n"
    slow += "def slowly(*given):\n    time.sleep(1.2)\n    return real(*given)\n"
    slow += "from etiket_gui.worker import handlers\nhandlers.follow = slowly\n"
    (tmp_path / "plugins" / "sitecustomize.py").write_text(slow)
    runs = [Run(root, "first"), Run(other, "second")]
    with driver:
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            for run in runs:
                run.measure(1)
            driver.for_a_while(0.2)
        told = [event.uuid for event in driver.told(LivePointsArrived)]
        counts = [told.count(driver.datasets()[name]["uuid"]) for name in ("first", "second")]
        assert min(counts) >= 2
        assert max(counts) - min(counts) <= 1


def test_a_reader_of_the_points_never_sees_half_a_row(driver: EngineDriver, root: Path) -> None:
    from etiket_gui.store.live_points import read_points

    run = Run(root, "sweep")
    run.measure(3000)
    with driver:
        driver.until(lambda: driver.told(LivePointsArrived), "points")
        uuid = driver.datasets()["sweep"]["uuid"]
        for _ in range(20):
            run.measure(500)
            driver.for_a_while(0.1)
            kept = read_points(driver.home.live, uuid)
            assert kept is not None
            assert {len(column.values) for column in kept.columns} == {kept.row_count}
            assert list(kept.columns[1].values) == [0.25 * place for place in range(kept.row_count)]
