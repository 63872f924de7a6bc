"""Scans that take their time, with real workers: whatever comes up goes first, and the end of the program waits not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.commands import AddSource
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.manifest import take_manifest
from tests.support.patience import patient_s

#: Each step of a scan is followed by minutes of rest.
_SLOWLY = """
from etiket_gui.worker import leisure
leisure._WORK_S = 0.0
leisure.Leisure.__init__.__defaults__ = (1e-7, *leisure.Leisure.__init__.__defaults__[1:])
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    patch_workers(tmp_path / "slowly", _SLOWLY, monkeypatch)
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    root = driver.add_folder(tmp_path / "measurements")
    for number in range(3):
        write_dataset(root, f"run {number}")
    return root


def _resting(driver: EngineDriver) -> Any:
    """Turn until a scan rests; returns the engine's side of the source."""
    driver.until_archived("run 0", "run 1", "run 2")
    [desk] = driver.coordinator.sources.values()
    driver.until(lambda: desk.is_watched and desk.is_watch_sound() and not desk.has_work, "all is quiet and watched")
    desk._plan.clean_intervals = 3
    desk._scan_is_due()
    driver.until(lambda: desk._is_resting, "the scan rests")
    return desk


def test_new_dataset_does_not_wait_for_a_scan_that_rests(driver: EngineDriver, root: Path) -> None:
    with driver:
        desk = _resting(driver)
        scans = desk.finished_scans
        write_dataset(root, "run 3")
        driver.until_archived("run 0", "run 1", "run 2", "run 3")
        driver.until(lambda: desk.finished_scans > scans, "the scan ends too")
        assert driver.source()["last_scan_duration_s"] < patient_s(2.0), "rests are no work"
    driver.check(take_manifest(root))


def test_other_source_does_not_wait_for_a_scan_that_rests(driver: EngineDriver, root: Path, tmp_path: Path) -> None:
    with driver:
        desk = _resting(driver)
        write_dataset(tmp_path / "others", "another")
        config = {"root_directory": str(tmp_path / "others"), "level": 1, "settle_time": 0.3}
        driver.ask(AddSource("others", "folder", config, (("lab-archive", ""),)))
        driver.until_archived("run 0", "run 1", "run 2", "another")
        assert not desk._is_resting


def test_engine_ends_at_once_while_a_scan_rests(driver: EngineDriver, root: Path) -> None:
    with driver:
        _resting(driver)
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < patient_s(5.0)
