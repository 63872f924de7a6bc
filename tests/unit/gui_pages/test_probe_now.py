"""Asking for a look at a destination finds out at once that it is away, and agrees to nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from etiket_gui.domain.commands import ProbeNow, command_from_json
from tests.support.engine_driver import EngineDriver


def _state(driver: EngineDriver) -> str:
    return str(driver.rows("SELECT state FROM destinations")[0]["state"])


def test_a_look_on_demand_finds_an_archive_that_went_away_and_came_back(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    archive = driver.add_archive()
    driver.add_folder(tmp_path / "data")
    with driver:
        driver.until(lambda: _state(driver) == "ok", "the archive is reachable")
        shutil.move(archive, tmp_path / "away")
        driver.ask(ProbeNow(1))
        driver.until(lambda: _state(driver) == "offline", "the archive is found away")
        shutil.move(tmp_path / "away", archive)
        driver.ask(ProbeNow())
        driver.until(lambda: _state(driver) == "ok", "the archive is found again")


def test_another_destination_is_left_alone(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    with driver:
        driver.until(lambda: _state(driver) == "ok", "the archive is reachable")
        driver.ask(ProbeNow(99))
        assert not driver.coordinator.destinations[1]._is_probe_due


def test_the_command_travels_as_json() -> None:
    assert command_from_json(ProbeNow(3).to_json()) == ProbeNow(3)
