"""F39: nobody listens to a database that is being measured into, and still everything that happens there is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.engine_driver import EngineDriver
from tests.support.qcodes_database import QCoDeSFile


def _listened_to(process_id: int) -> set[int]:
    """The inode numbers of everything a process listens to (Linux: fdinfo of inotify)."""
    found = set()
    for info in Path(f"/proc/{process_id}/fdinfo").iterdir():
        for line in info.read_text("ascii").splitlines():
            if line.startswith("inotify "):
                fields = dict(part.split(":", 1) for part in line.split()[1:])
                found.add(int(fields["ino"], 16))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what a process listens to")
@pytest.mark.fault("F39", guard="nobody-listens-to-a-database")
def test_nobody_listens_to_the_folder_of_a_database_and_new_runs_are_seen_at_once(tmp_path: Path) -> None:
    lab, plain = tmp_path / "lab", tmp_path / "plain"
    lab.mkdir()
    (plain / "one").mkdir(parents=True)
    (plain / "one" / "data.csv").write_text("1")
    file = QCoDeSFile(lab / "experiments.db", wal=True)
    file.run("first")
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    driver.add_source("folder", "plain", {"root_directory": str(plain), "level": 1, "settle_time": 0.3})
    driver.add_source("qcodes", "fridge", {"database_path": str(lab / "experiments.db"), "set_up": "T1"})
    with driver:
        driver.until_archived()
        process_id = driver.coordinator.watching.process_id
        assert process_id is not None
        listened_to = _listened_to(process_id)
        # The scan that follows the beginning of watching may come in between on a slow machine; then once more.
        for number in range(2, 7):
            scans = [source.finished_scans for source in driver.coordinator.sources.values()]
            file.run(f"run {number}")
            driver.until(lambda: len(driver.states()) == number + 1, "the new run is found")  # noqa: B023
            driver.until_archived()
            if [source.finished_scans for source in driver.coordinator.sources.values()] == scans:
                break
        else:
            raise AssertionError("no new run was found without a scan")
    driver.stop()
    file.close()
    assert plain.stat().st_ino in listened_to
    assert lab.stat().st_ino not in listened_to
