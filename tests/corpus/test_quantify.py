"""Real Quantify measurements reach a verified archive by the command line, as an independent listing says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray

from etiket_gui.backends.quantify.backend import QuantifyBackend
from etiket_gui.domain.stopping import StopToken
from tests.support.engine_runs import PROJECT, Lab
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest

SAMPLES = [("generated", 8, ["aborted half way"]), ("quantify_core_test_data", 14, [])]


def expected(root: Path) -> list[dict[str, Any]]:
    """What an independent script says is to be found."""
    script = PROJECT / "tests" / "support" / "expected_quantify.py"
    ran = subprocess.run([sys.executable, script, root], capture_output=True, text=True, check=True)
    return list(json.loads(ran.stdout))


@pytest.mark.parametrize(("sample", "count", "interrupted"), SAMPLES)
def test_everything_that_is_there_is_archived_and_nothing_else(
    samples: Path, tmp_path: Path, sample: str, count: int, interrupted: list[str]
) -> None:
    root = samples / "quantify" / sample
    wanted = expected(root)
    before = take_manifest(root)
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    lab.ask("add-source", "quantify", "fridge", f"data_directory={root}", "set_up=fridge 1")
    lab.run_once()
    rows = sorted(lab.json("datasets", "--files"), key=lambda row: row["identifier"])
    assert len(rows) == len(wanted) == count
    assert [[row["identifier"], row["name"], row["state"]] for row in rows] == [
        [row["identifier"], row["name"], "archived"] for row in wanted
    ]
    for row, want in zip(rows, wanted, strict=True):
        sent = sorted([file["name"], file["size_bytes"], file["sha256"]] for file in row["files"])
        assert [file for file in sent if file[0] != "measurement.h5"] == want["files"]
        assert ("measurement.h5" in [file[0] for file in sent]) == want["has_data"]
    assert [row["name"] for row in rows if row["run_state"] == "interrupted"] == interrupted
    assert lab.json("problems") == []
    check_invariants(home=lab.home, sources=[before], archives=[archive])
    with_data = next(row for row in rows if any(file["name"] == "measurement.h5" for file in row["files"]))
    lab.ask("restore", with_data["uuid"], "--to", tmp_path / "back")
    (made,) = (tmp_path / "back").rglob("measurement.h5")
    with xarray.open_dataset(made, engine="h5netcdf") as opened:
        assert opened.attrs["tuid"] == with_data["identifier"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("generated", "Quantify data directory, 8 measurements of 2026-11-21"),
        ("quantify_core_test_data", "Quantify data directory, 14 measurements from 2020-04-30 to 2025-05-22."),
        ("quantify_core_test_data/20210331", "One day of a Quantify data directory with 1 measurement;"),
        ("quantify_core_test_data/20210331/20210331-133734-718-aa9c83 AllXY q0", "A Quantify measurement, 'AllXY q0'"),
        (
            "quantify_core_test_data/20200430/20200430-170837-001-315f36-Cosine test/dataset.hdf5",
            "A Quantify measurement, 'Cosine test' of 2020-04-30 17:08:37",
        ),
    ],
)
def test_path_is_recognised_with_a_sentence(samples: Path, path: str, sentence: str) -> None:
    recognition = QuantifyBackend.recognise(samples / "quantify" / path, StopToken())
    assert recognition is not None
    assert recognition.sentence.startswith(sentence)
    directory = samples / "quantify" / path.split("/", maxsplit=1)[0]
    assert recognition.options == {"data_directory": str(directory)}


@pytest.mark.parametrize("path", ["labber", "folder/generated", "qcodes", "core_tools/ctdata.sql"])
def test_what_is_no_quantify_data_is_not_claimed(samples: Path, path: str) -> None:
    assert QuantifyBackend.recognise(samples / path, StopToken()) is None
