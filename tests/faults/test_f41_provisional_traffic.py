"""F41: little goes of a running measurement, also where the final file is compressed and the first are small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.events import ProvisionalStored
from etiket_gui.engine import live
from tests.support.engine_driver import EngineDriver
from tests.support.qcodes_database import QCoDeSFile

#: Below the size from which a final file is compressed, and far above it.
FEW_POINTS, ALL_POINTS = 7000, 12_000


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    """An engine whose provisional versions come every half second."""
    monkeypatch.setattr(live, "SHORTEST_INTERVAL_S", 0.5)
    monkeypatch.setattr(live, "SEND_TIMES", 2.0)
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


@pytest.mark.fault("F41", guard="provisional-is-no-larger")
def test_provisional_versions_of_data_that_compress_well_are_together_at_most_twice_the_final_one(
    driver: EngineDriver, tmp_path: Path
) -> None:
    (tmp_path / "lab").mkdir()
    file = QCoDeSFile(tmp_path / "lab" / "experiments.db")
    run_id = file.start("flat")
    file.add(run_id, [{"x": number, "y": 0.5} for number in range(FEW_POINTS)])
    driver.add_source("qcodes", "fridge", {"database_path": str(tmp_path / "lab" / "experiments.db"), "set_up": "T1"})
    with driver:
        driver.until(lambda: driver.told(ProvisionalStored), "a provisional version")
        file.add(run_id, [{"x": number, "y": 0.5} for number in range(FEW_POINTS, ALL_POINTS)])
        file.finish(run_id)
        driver.until_archived()
        sent = sum(row["new_bytes"] for row in driver.rows("SELECT new_bytes FROM receipts WHERE is_provisional = 1"))
        (record,) = driver.versions(str(driver.rows("SELECT identifier FROM datasets")[0]["identifier"]))
    file.close()
    final = sum(size_bytes for _, size_bytes in record.files.values())
    assert 0 < sent <= 2 * final, (sent, final)
