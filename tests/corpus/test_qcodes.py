"""Real QCoDeS databases reach a verified archive by the command line; what must be there is QCoDeS' own listing.

``expected_qcodes.json`` was written by ``tests/oracles/qcodes/with_qcodes.py list`` with real QCoDeS.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine_runs import Lab
from tests.support.invariants import check_invariants
from tests.support.manifest import changes_since, take_manifest

EXPECTED: dict[str, Any] = json.loads((Path(__file__).parent / "expected_qcodes.json").read_text(encoding="utf-8"))
SMALL = [name for name, rows in EXPECTED.items() if isinstance(rows, list) and rows]
EMPTY = [name for name, rows in EXPECTED.items() if rows == []]
MANY = "generated/many2000.db.xz"


def _add(lab: Lab, path: Path, name: str) -> None:
    # Samples were copied at some time or other: what is open in them is not measured any more.
    lab.ask("add-source", "qcodes", name, f"database_path={path}", "interrupted_after=1s")


def _seconds(text: str) -> float:
    return round(datetime.fromisoformat(text).timestamp(), 3)


def test_every_run_that_qcodes_lists_is_archived_and_nothing_else(samples: Path, tmp_path: Path) -> None:
    before = take_manifest(samples / "qcodes")
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    wanted = []
    for name in SMALL:
        _add(lab, samples / "qcodes" / name, name.replace("/", " "))
        wanted += [
            [name.replace("/", " "), row["guid"], row["name"], round(row["run_timestamp"], 3), row["files"]]
            for row in EXPECTED[name]
        ]
    lab.run_once()
    rows = lab.json("datasets", "--files")
    listed = [
        [row["source"], row["identifier"], row["name"], _seconds(row["collected"]), [f["name"] for f in row["files"]]]
        for row in rows
    ]
    assert sorted(listed) == sorted(wanted)
    assert {row["state"] for row in rows} == {"archived"}
    complete = {row["guid"]: row["is_completed"] for name in SMALL for row in EXPECTED[name]}
    assert {row["identifier"]: row["run_state"] == "complete" for row in rows} == complete
    assert {row["run_state"] for row in rows} == {"complete", "interrupted"}
    lab.ask("verify")
    check_invariants(home=lab.home, archives=[archive])
    assert changes_since(before) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_thousand_runs_are_all_archived(samples: Path, tmp_path: Path) -> None:
    database = tmp_path / "many2000.db"
    with lzma.open(samples / "qcodes" / MANY) as packed, database.open("wb") as file:
        shutil.copyfileobj(packed, file)
    lab = Lab(tmp_path / "lab")
    # Browsable folders with their pictures are made outside of what is measured here.
    lab.ask("add-destination", "archive", "lab-archive", f"path={tmp_path / 'archive'}", "browse=none")
    _add(lab, database, "many")
    assert "All 2000 datasets are archived and verified" in lab.run_once().stdout
    rows = lab.json("datasets")
    lines = sorted(f"{row['identifier']} {row['name']} {_seconds(row['collected']):.3f}" for row in rows)
    assert len(lines) == EXPECTED[MANY]["count"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == EXPECTED[MANY]["sha256_of_lines"]


@pytest.mark.parametrize("name", EMPTY)
def test_database_without_runs_is_a_problem_and_not_a_success(samples: Path, tmp_path: Path, name: str) -> None:
    lab = Lab(tmp_path / "lab")
    lab.add_archive(tmp_path / "archive")
    _add(lab, samples / "qcodes" / name, "empty")
    lab.run_once(codes=(3,))
    (problem,) = lab.json("problems")
    assert "no dataset" in json.dumps(problem)


@pytest.mark.parametrize("name", [*SMALL, *EMPTY])
def test_detect_says_what_a_sample_is(samples: Path, tmp_path: Path, name: str) -> None:
    told = Lab(tmp_path / "lab").ask("detect", samples / "qcodes" / name).stdout
    count = len(EXPECTED[name])
    runs = "no run" if not count else "1 run," if count == 1 else f"{count} runs"
    assert told.startswith("QCoDeS database, version ")
    assert runs in told


def test_what_is_no_qcodes_database_is_refused_with_a_reason(samples: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    lab.add_archive(tmp_path / "archive")
    _add(lab, samples / "labber" / "nanophysics" / "ServerConfig.hdf5", "no database")
    lab.run_once(codes=(3,))
    assert "cannot be read" in json.dumps(lab.json("problems"))
