"""The Python that is copied really runs, and finds the dataset's files or its values."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from etiket_gui.bridge.queries_pages_dataset import CopyFacts, DatasetFacts, FileFact
from etiket_gui.gui.pages.snippets import python_snippet
from tests.support.page_lab import archived_lab

FACTS = DatasetFacts(
    id=1, uuid="7f2fe9fa-f1ae-5183-8806-dc6be6192637", name='Rabi "Q3"\nµ', identifier="a/b", previous_identifiers=(),
    source_id=1, source="F", backend="folder", root="", source_state="ok", source_reason="", shown="archived",
    run_state="complete", is_gone=False, is_ignored=False, collected="", collected_ns=None, newest_change_ns=1,
    found_ns=1, size_bytes=1, file_count=1, text="", attributes=(), keywords=(), copies=(), history=(),
)  # fmt: skip


def _run(code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _file(name: str, size_bytes: int = 10) -> FileFact:
    return FileFact(name, "file", size_bytes, 1, "")


def test_the_files_of_a_folder_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "it's räumlich µ"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "trace 1.csv").write_text("1")
    code = python_snippet(FACTS, (_file("sub/trace 1.csv"),), str(folder), ())
    assert os.path.join("sub", "trace 1.csv") in _run(code)


def test_hdf5_is_opened_with_h5py(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        file["sweep/frequency"] = np.arange(3.0)
    code = python_snippet(FACTS, (_file("data.hdf5", 2000), _file("x.h5", 1)), str(tmp_path), ())
    assert "sweep/frequency" in _run(code)


@pytest.mark.slow
def test_converted_data_are_opened_with_xarray(tmp_path: Path) -> None:
    import xarray

    data = xarray.Dataset({"signal": ("time", [1.0, 2.0])})
    data.to_netcdf(tmp_path / "measurement.h5", engine="h5netcdf")
    code = python_snippet(FACTS, (_file("big.hdf5", 10**6), _file("measurement.h5")), str(tmp_path), ())
    assert "signal" in _run(code)


def test_without_files_at_hand_the_stored_copy_is_restored_by_the_program(tmp_path: Path) -> None:
    driver = archived_lab(tmp_path, 1)
    uuid = str(driver.rows("SELECT uuid FROM datasets")[0]["uuid"])
    copy = CopyFacts(
        1, 1, "lab-archive", "archive", "", "ok", "", "", "archived", "", 0, None, "r", "1.0.0", "", 1, 1, 1
    )
    facts = replace(FACTS, uuid=uuid, is_gone=True, copies=(copy,))
    program = (sys.executable, "-m", "etiket_gui", "--home", str(driver.home.root))
    assert "trace 1.csv" in _run(python_snippet(facts, (), "", program))


def test_a_name_cannot_end_the_comment_it_stands_in() -> None:
    code = python_snippet(FACTS, (), "/nowhere", ())
    assert code.splitlines()[0] == '# Rabi "Q3" µ (7f2fe9fa-f1ae-5183-8806-dc6be6192637)'
    compile(code, "snippet", "exec")
