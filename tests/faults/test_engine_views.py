"""Pictures and browsable folders are made when nothing else wants the worker, and never hold up a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.tasks import TaskKind
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.manifest import take_manifest

_SLOW_VIEWS = """
import time
from etiket_gui.destinations.archive import destination
from etiket_gui.worker import handlers
real = destination.ArchiveDestination.derive
def slowly(self, remote, scope, stop):
    for _ in range(4):
        time.sleep(0.05)
        stop.check()
    real(self, remote, scope, stop)
destination.ArchiveDestination.derive = slowly
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    """One worker that takes 0.2 s to make the view of a dataset."""
    patch_workers(tmp_path / "plugins", _SLOW_VIEWS, monkeypatch)
    made = EngineDriver(tmp_path)
    made.add_archive()
    made.add_folder(tmp_path / "runs")
    yield made
    made.stop()


@pytest.mark.fault("I8", guard="views-make-way")
def test_a_new_dataset_does_not_wait_for_the_pictures_of_those_before_it(driver: EngineDriver, tmp_path: Path) -> None:
    for number in range(40):
        write_dataset(tmp_path / "runs", f"run {number}")
    with driver:
        pool = driver.coordinator.desk.pool
        driver.until(lambda: set(driver.states().values()) == {"archived"}, "everything is archived", timeout_s=30)
        driver.until(lambda: pool.running(TaskKind.DERIVE), "views are being made")
        write_dataset(tmp_path / "runs", "urgent")
        # All views of the forty together take eight seconds.
        driver.until(lambda: driver.states().get("urgent") == "archived", "the new one is archived", timeout_s=5)
        driver.until_archived(timeout_s=40)
        shown = driver.rows("SELECT count(*) AS missing FROM transfers WHERE derived_version IS NOT version")
        assert shown[0]["missing"] == 0, "all views are made in the end"
    driver.check(take_manifest(tmp_path / "runs"))
