"""The first start looks where measuring programs write down that they keep data, quickly, and says where it looked."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tests.support.patience import patient_s
from tests.support.qcodes_database import QCoDeSFile


def test_a_common_folder_is_found_and_where_was_looked_is_told(
    run_job: Any, data: Path, account_folder: Path, told: list[dict[str, Any]]
) -> None:
    shutil.copytree(data, account_folder / "measurements")
    begun_s = time.monotonic()
    found = run_job("find_sources")
    assert time.monotonic() - begun_s < patient_s(5)
    (item,) = found["found"]
    assert item["path"] == str(account_folder / "measurements")
    assert item["dataset_count"] == 3
    assert told == [{"found": item}]
    assert any("QCoDeS settings in ~/qcodesrc.json" in line for line in found["looked_at"])
    assert Path(found["archive_folder"]).is_relative_to(account_folder)


def test_what_qcodes_writes_down_is_looked_at(run_job: Any, data: Path, account_folder: Path) -> None:
    place = account_folder / "somewhere" / "deep"
    shutil.copytree(data, place)
    (account_folder / "qcodesrc.json").write_text(json.dumps({"core": {"db_location": "~/somewhere/deep"}}))
    (item,) = run_job("find_sources")["found"]
    assert item["path"] == str(place)
    assert "QCoDeS settings name it" in item["why"]
    assert item["is_ticked"]


def test_settings_that_make_no_sense_are_passed_over(run_job: Any, account_folder: Path) -> None:
    (account_folder / "qcodesrc.json").write_text("{")
    (account_folder / "ct_config.yaml").write_text("a: [")
    found = run_job("find_sources")
    assert found["found"] == []
    assert found["is_whole"]


def test_two_places_inside_each_other_are_not_both_ticked(run_job: Any, data: Path, account_folder: Path) -> None:
    shutil.copytree(data, account_folder / "data")
    (account_folder / "qcodesrc.json").write_text(json.dumps({"core": {"db_location": "~/data/run 0"}}))
    found = run_job("find_sources")["found"]
    assert len(found) == 2
    assert sum(item["is_ticked"] for item in found) == 1


def test_the_database_that_qcodes_uses_is_offered_with_its_backend(run_job: Any, account_folder: Path) -> None:
    database = QCoDeSFile(account_folder / "experiments.db")
    database.many(2)
    database.close()
    (item,) = run_job("find_sources")["found"]
    assert (item["backend"], item["dataset_count"], item["is_ticked"]) == ("qcodes", 2, True)
    assert "nothing else is set" in item["why"]
