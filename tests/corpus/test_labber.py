"""Real and emulated Labber logs reach a verified archive by the command line, as an independent reading says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from etiket_gui.backends.labber.backend import LabberBackend
from etiket_gui.domain.stopping import StopToken
from tests.support.engine_runs import PROJECT, Lab
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest


def expected(root: Path) -> list[dict[str, Any]]:
    """What an independent script says is to be found."""
    script = PROJECT / "tests" / "support" / "expected_labber.py"
    ran = subprocess.run([sys.executable, script, root], capture_output=True, text=True, check=True)
    return list(json.loads(ran.stdout))


@pytest.fixture(scope="module")
def archived(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Path]:
    """All samples archived once, of a copy that looks a day old: a log written just now may still be measured."""
    folder = tmp_path_factory.mktemp("labber")
    root = shutil.copytree(samples / "labber", folder / "labber")
    yesterday_s = time.time() - 86_400
    for path in root.rglob("*"):
        os.utime(path, (yesterday_s, min(yesterday_s, path.stat().st_mtime)))
    lab = Lab(folder / "lab")
    archive = lab.add_archive(folder / "archive")
    lab.ask("add-source", "labber", "vna", f"log_directory={root}", "set_up=vna")
    before = take_manifest(root)
    lab.run_once()
    check_invariants(home=lab.home, sources=[before], archives=[archive])
    return lab, root


def test_every_log_is_archived_and_nothing_else(archived: tuple[Lab, Path]) -> None:
    lab, root = archived
    wanted = expected(root)
    rows = sorted(lab.json("datasets", "--files"), key=lambda row: row["identifier"])
    assert [[row["identifier"], row["name"], row["state"]] for row in rows] == [
        [row["identifier"], row["name"], "archived"] for row in wanted
    ]
    assert len(rows) == 6
    for row, want in zip(rows, wanted, strict=True):
        sent = sorted([file["name"], file["size_bytes"], file["sha256"]] for file in row["files"])
        assert [file for file in sent if file[0] != "measurement.h5"] == want["files"]
        assert sum(file[0] == "measurement.h5" for file in sent) == 1
        assert row["run_state"] == ("complete" if want["is_completed"] else "interrupted")
    assert lab.json("problems") == []


def test_converted_values_are_the_raw_ones(archived: tuple[Lab, Path], tmp_path: Path) -> None:
    lab, root = archived
    uuids = {row["identifier"]: row["uuid"] for row in lab.json("datasets")}
    for number, want in enumerate(expected(root)):
        lab.ask("restore", uuids[want["identifier"]], "--to", tmp_path / str(number))
        (made,) = (tmp_path / str(number)).rglob("measurement.h5")
        with xarray.open_dataset(made, engine="h5netcdf") as opened:
            by_label = {item.attrs.get("long_name", name): item for name, item in opened.variables.items()}
            for channel in want["measured"]:
                values = by_label[channel].values
                if channel in want["traces"]:
                    assert np.isclose(np.nansum(values.astype("f8")), want["traces"][channel], rtol=1e-12)
                    continue
                wanted = want["sums"][channel]
                assert np.isclose(np.nansum(values.real, dtype="f8"), wanted["real"], rtol=1e-12), channel
                if np.iscomplexobj(values):
                    assert np.isclose(np.nansum(values.imag, dtype="f8"), wanted["imag"], rtol=1e-12), channel
                assert values.size == wanted["count"]


@pytest.mark.parametrize(
    ("path", "sentence", "is_source"),
    [
        (".", "A folder of Labber logs, 6 logs in 5 files.", True),
        ("nanophysics/measurement_SPS_03052.hdf5", "Labber log measurement_SPS_03052.hdf5, version 1.7.7", True),
        ("generated/two_logs.hdf5", "Labber log two_logs.hdf5, version 1.8.6, 2 logs in one file", True),
        ("nanophysics/ServerConfig.hdf5", "ServerConfig.hdf5 is a configuration of Labber's instrument server", False),
        ("mfli", "A folder with 1 configuration of Labber's instrument server and no log", False),
    ],
)
def test_path_is_recognised_with_a_sentence(samples: Path, path: str, sentence: str, is_source: bool) -> None:
    recognition = LabberBackend.recognise(samples / "labber" / path, StopToken())
    assert recognition is not None
    assert recognition.sentence.startswith(sentence)
    assert bool(recognition.options) == bool(recognition.confidence) == is_source


@pytest.mark.parametrize("path", ["quantify", "folder", "qcodes", "folder/qfit_00004_twotone_CW_.h5", "core_tools"])
def test_what_is_no_labber_data_is_not_claimed(samples: Path, path: str) -> None:
    assert LabberBackend.recognise(samples / path, StopToken()) is None


def test_server_configuration_alone_is_a_source_that_finds_nothing(samples: Path, tmp_path: Path) -> None:
    root = tmp_path / "configurations"
    shutil.copytree(samples / "labber" / "mfli", root)
    lab = Lab(tmp_path / "lab")
    lab.add_archive(tmp_path / "archive")
    lab.ask("add-source", "labber", "vna", f"log_directory={root}")
    lab.run_once(codes=(3,))
    assert lab.json("datasets") == []
    (problem,) = lab.json("problems")
    assert "no dataset" in json.dumps(problem)
