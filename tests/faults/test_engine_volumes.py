"""Watchers that lose events and volumes that come and go: nothing is missed, nothing is taken for deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.commands import PauseSync, ResumeSync
from etiket_gui.domain.events import DatasetArchived, ScanFinished, TransferFailed
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine import workers
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.manifest import take_manifest


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path, scan_interval_min_s=1.0)
    made.add_archive()
    yield made
    made.stop()


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    return driver.add_folder(tmp_path / "measurements")


def _watched(driver: EngineDriver) -> None:
    """Turn until everything is archived and the watcher is at work."""
    began: list[int] = []
    driver.coordinator.watching._began = began.append
    driver.until_archived()
    driver.until(lambda: began, "the watcher is at work")


@pytest.mark.fault("F30", guard="reconcile")
def test_lost_events_are_found_by_the_next_scan_and_counted(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "before")
    with driver:
        _watched(driver)
        watching = driver.coordinator.watching
        watching._changed = lambda source_id, paths: None
        # The interval is 300 times the last scan's time: make it short whatever this machine did.
        desk = driver.coordinator.sources[driver.source()["id"]]
        desk._plan_next_scan(0.0)
        for number in range(3):
            write_dataset(root, f"unseen {number}")
        shutil.rmtree(root / "before")
        driver.until_archived("unseen 0", "unseen 1", "unseen 2")
        assert driver.states()["before"] == "gone"
        # It is counted once its events are overdue, and the scan that follows counts nothing again.
        driver.until(lambda: sum(_missed(driver)) >= 3, "what was missed is counted")
    driver.check(take_manifest(root))


def _missed(driver: EngineDriver) -> list[int]:
    return [row["missed_by_watcher"] for row in driver.rows("SELECT missed_by_watcher FROM sources")]


_NO_MORE_WATCHES = """
import errno
from etiket_gui.osys import watching
real = watching.WatchServer.__init__

class Refusing:
    daemon = True
    emitters = frozenset()
    def start(self): pass
    def stop(self): pass
    def join(self, timeout=None): pass
    def is_alive(self): return True
    def unschedule_all(self): pass
    def schedule(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

def init(self, *arguments, **options):
    real(self, *arguments, **{**options, "new_observer": Refusing})

watching.WatchServer.__init__ = init
"""


@pytest.mark.fault("F31", guard="watch-limit")
def test_reached_limit_of_watches_is_told_with_its_number_and_scanning_goes_on(
    driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_workers(tmp_path / "patch", _NO_MORE_WATCHES, monkeypatch)
    write_dataset(root, "first")
    with driver:
        driver.until_archived("first")
        driver.until(lambda: [row for row in driver.problems() if row["key"] == "watcher"], "the limit is told")
        [problem] = [row for row in driver.problems() if row["key"] == "watcher"]
        assert any(character.isdigit() for character in problem["reason"] + problem["advice"])
        write_dataset(root, "second")
        driver.coordinator.sources[driver.source()["id"]]._plan_next_scan(0.0)
        driver.until_archived("first", "second")
    driver.check(take_manifest(root))


@pytest.mark.allows_log("The watching process ended")
@pytest.mark.fault("F32", guard="watching-is-restarted")
def test_killed_watcher_is_started_again_and_what_it_missed_is_found(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "first")
    with driver:
        _watched(driver)
        watching = driver.coordinator.watching
        first = watching.process_id
        assert first is not None
        watching._restart_delay_s = 0.5
        os.kill(first, 9)
        driver.until(lambda: watching.process_id is None, "its death is seen")
        write_dataset(root, "meanwhile")
        driver.until_archived("first", "meanwhile")
        driver.until(lambda: watching.process_id not in {None, first}, "it is started again")
        driver.until_archived()
        write_dataset(root, "after")
        driver.until_archived("after")
    driver.check(take_manifest(root))


@pytest.mark.fault("F33", guard="source-away-stops-sending")
def test_share_that_goes_away_is_offline_loses_nothing_and_goes_on_by_itself(driver: EngineDriver, root: Path) -> None:
    for number in range(3):
        write_dataset(root, f"archived {number}")
    away = root.with_name("unmounted")
    with driver:
        driver.until_archived()
        driver.ask(PauseSync())
        write_dataset(root, "queued")
        driver.until(lambda: driver.states().get("queued") == "waiting", "it waits")
        root.rename(away)
        asked: list[object] = []
        driver.before_task(TaskKind.TRANSFER, asked.append, times=10_000)
        driver.ask(ResumeSync())
        driver.until(lambda: driver.source()["state"] == "offline", "the source is offline")
        begun = len(asked)
        driver.for_a_while(1.5)
        assert len(asked) - begun <= 3, "what cannot be read is tried again and again"
        assert sorted(driver.states().values()) == ["archived", "archived", "archived", "waiting"]
        [problem] = driver.problems()
        assert problem["problem_kind"] == "SourceOffline"
        assert str(root) in problem["reason"]
        away.rename(root)
        driver.until_archived("queued", "archived 0", "archived 1", "archived 2", timeout_s=20)
        driver.until(lambda: driver.source()["state"] == "ok", "the source is back")
        assert driver.problems() == []
    assert not driver.told(TransferFailed)
    assert all(event.gone_count == 0 for event in driver.told(ScanFinished))
    assert len(driver.told(DatasetArchived)) == 4
    driver.check(take_manifest(root))


@pytest.mark.fault("F34", guard="same-root")
def test_empty_mount_point_is_offline_and_nothing_is_taken_for_deleted(driver: EngineDriver, root: Path) -> None:
    for number in range(4):
        write_dataset(root, f"run {number}")
    away = root.with_name("the real disk")
    with driver:
        driver.until_archived()
        root.rename(away)
        root.mkdir()
        driver.coordinator.sources[driver.source()["id"]].request_scan()
        driver.until(lambda: driver.source()["state"] == "offline", "the source is offline")
        driver.for_a_while(0.5)
        assert set(driver.states().values()) == {"archived"}
        [problem] = driver.problems()
        assert problem["problem_kind"] == "SourceOffline"
        root.rmdir()
        away.rename(root)
        driver.until(lambda: driver.source()["state"] == "ok", "the source is back", timeout_s=20)
        assert set(driver.states().values()) == {"archived"}
        assert driver.problems() == []
    assert len(driver.told(DatasetArchived)) == 4
    driver.check(take_manifest(root))


_HANGS = """
import os, time
_real = os.scandir

def _scandir(path="."):
    while isinstance(path, str) and path.startswith({folder!r}) and os.path.exists({flag!r}):
        time.sleep(0.05)
    return _real(path)

os.scandir = _scandir
from etiket_gui.worker import process
process._BEAT_EVERY_S = 0.2
"""


@pytest.mark.allows_log("gave no sign of life|Worker .* ended with code")
@pytest.mark.fault("F35", guard="silent-workers-are-replaced")
def test_look_that_hangs_is_ended_and_other_sources_go_on(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "hang"
    dead = tmp_path / "dead share"
    patch_workers(tmp_path / "patch", _HANGS.format(folder=str(dead), flag=str(flag)), monkeypatch)
    monkeypatch.setitem(workers.SILENCE_S, "look", 1.0)
    driver.add_folder(dead, name="share")
    driver.add_folder(tmp_path / "local", name="local")
    write_dataset(dead, "far")
    write_dataset(tmp_path / "local", "near")
    flag.touch()
    with driver:
        driver.until(lambda: driver.states().get("near") == "archived", "the other source is archived")
        driver.until(lambda: driver.source("share")["state"] == "problem", "the hanging one is told")
        [problem] = [row for row in driver.problems() if row["kind"] == "source"]
        assert problem["problem_kind"] == "WorkerLost"
        # Quitting in the middle of a hang takes at most five seconds.
        driver.until(lambda: driver.coordinator.sources[1].is_looking, "it is looked at again")
        assert driver.stop() < 5.0
        flag.unlink()
        driver.start()
        driver.until_archived("near", "far")
        assert driver.problems() == []
    driver.check(take_manifest(dead), take_manifest(tmp_path / "local"))


@pytest.mark.fault("F38", guard="own-writes-excluded")
def test_archive_and_home_inside_a_watched_tree_do_not_wake_the_engine(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path / "tree", scan_interval_min_s=600.0)
    archive = driver.add_archive(tmp_path / "tree" / "lab-archive")
    root = driver.add_folder(tmp_path / "tree", level=2, ignore=["lab-archive/", "home/"])
    write_dataset(root, "day/run")
    told: list[str] = []
    with driver:
        desk = driver.coordinator.sources[driver.source()["id"]]
        mark = desk.mark_dirty

        def note(paths: list[str]) -> None:
            told.extend(paths)
            mark(paths)

        desk.mark_dirty = note  # type: ignore[method-assign,assignment]
        _watched(driver)
        write_dataset(root, "day/another")
        driver.until_archived("day/run", "day/another")
        driver.for_a_while(0.5)
    assert told
    own = (str(archive), str(driver.home.root))
    assert [path for path in told if path.startswith(own)] == []
    driver.check()
