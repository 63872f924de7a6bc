"""HDF5 files that another program writes: never locked, never repaired, and never believed while they change."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etiket_gui.backends.labber.logfile import log_heads, open_log_file
from etiket_gui.backends.native.growing import opened
from etiket_gui.backends.quantify import datafile
from etiket_gui.domain.errors import SourceChanged
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.manifest import changes_since, take_manifest
from tests.support.labber_files import write_simple
from tests.support.quantify_files import write_data


def _write(path: Path, mode: str) -> subprocess.CompletedProcess[str]:
    """A measuring program that opens the file for writing with HDF5's own locking."""
    code = "import h5py, sys\nwith h5py.File(sys.argv[1], sys.argv[2]) as file: file.attrs['comment'] = 'new'\n"
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    return subprocess.run(
        [sys.executable, "-c", code, path, mode], capture_output=True, text=True, env=environment, timeout=60
    )


@pytest.mark.fault("F42", guard="hdf5-without-locks")
@pytest.mark.parametrize("mode", ["r+", "w"])
def test_writer_with_locking_meets_no_lock_of_ours(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "log.hdf5"
    write_simple(path)
    with contextlib.suppress(SourceChanged), open_log_file(str(path), StopToken()) as (file, _):
        assert log_heads(file, str(path))[0].is_completed
        done = _write(path, mode)
    assert done.returncode == 0, done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["log.hdf5"]


def test_file_that_is_open_for_writing_with_a_lock_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    """Quantify and Labber files are complete between two writings; nothing is repaired or cleared."""
    path = tmp_path / "log.hdf5"
    write_simple(path)
    code = (
        "import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as file:\n"
        "    print('open', flush=True)\n    sys.stdin.readline()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    writer = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        before = take_manifest(tmp_path)
        with open_log_file(str(path), StopToken()) as (file, _):
            assert log_heads(file, str(path))[0].entries == 1
        assert changes_since(before) == []
    finally:
        writer.communicate("\n", timeout=20)
    assert writer.returncode == 0


@pytest.mark.fault("F02", guard="whole-file-is-checked")
def test_log_that_changes_while_it_is_open_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "log.hdf5"
    write_simple(path)
    with pytest.raises(SourceChanged), open_log_file(str(path), StopToken()):
        os.utime(path, ns=(1, 1))


@pytest.mark.fault("F02", guard="whole-file-is-checked")
def test_dataset_that_is_rewritten_between_two_looks_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dataset.hdf5"
    write_data(path, [np.arange(3.0)], [np.zeros(3)])
    real = os.fstat
    calls: list[int] = []

    def fstat(descriptor: int) -> Any:
        status = real(descriptor)
        if not calls:
            calls.append(descriptor)
            write_data(path, [np.arange(3.0)], [np.ones(3)])
            os.utime(path, ns=(2_000_000_000, 2_000_000_000))
        return status

    monkeypatch.setattr(datafile.os, "fstat", fstat)
    with datafile.open_data(str(path), StopToken()) as data:
        assert data.arrays["y0"].whole().tolist() == [1.0, 1.0, 1.0]
        assert data.key == (path.stat().st_size, 2_000_000_000)


@pytest.mark.parametrize("mode", ["r+", "w"])
def test_writer_with_locking_meets_no_lock_of_ours_on_a_recording(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "record.h5"
    write_simple(path)
    with contextlib.suppress(SourceChanged), opened(str(path)) as file:
        assert len(file)
        done = _write(path, mode)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["r+", "w"])
def test_writer_with_locking_meets_no_lock_of_ours_on_a_large_dataset(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones are in memory; one that is read where it lies is held open for as long as that takes."""
    monkeypatch.setattr(datafile, "WHOLE_BYTES", 100)
    path = tmp_path / "dataset.hdf5"
    write_data(path, [np.arange(50.0)], [np.arange(50.0)])
    with contextlib.suppress(SourceChanged), datafile.open_data(str(path), StopToken()) as data:
        assert not data.raw
        done = _write(path, mode)
    assert done.returncode == 0, done.stderr
