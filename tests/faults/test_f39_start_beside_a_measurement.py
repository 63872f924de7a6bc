"""F39: an engine that starts while somebody measures does not begin with everything it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine_driver import EngineDriver, patch_workers
from tests.support.live_backend import install_lines_backend


@pytest.mark.fault("F39", guard="wary-before-the-first-look")
def test_until_somebody_looked_whether_a_measurement_runs_the_engine_goes_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_lines_backend(tmp_path / "plugins")
    patch_workers(tmp_path / "plugins", "", monkeypatch)
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    (tmp_path / "runs").mkdir()
    driver.add_source("lines", "fridge", {"root_directory": str(tmp_path / "runs")})
    measuring_rate = driver.settings.measuring_rate_bytes_per_s
    with driver:
        allowances = [driver.coordinator.allowance]
        source = next(iter(driver.coordinator.sources.values()))
        while not source.finished_scans:
            driver.turn()
            allowances.append(driver.coordinator.allowance)
        driver.turn()
        afterwards = driver.coordinator.allowance
    driver.stop()
    while_unknown = [each for each in allowances[1:-1] if each.rate_bytes_per_s is not None]
    assert while_unknown
    assert {(each.workers, each.rate_bytes_per_s) for each in while_unknown} == {(1, measuring_rate)}
    assert afterwards.rate_bytes_per_s is None
    assert not afterwards.is_measuring
