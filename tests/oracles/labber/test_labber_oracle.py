"""Every value of a converted Labber log is the one that an independent reading finds, in the same bytes always."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.labber.backend import LabberBackend
from etiket_gui.backends.labber.config import LabberConfig
from etiket_gui.domain.content import Found
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import KnownInMemory
from etiket_gui.testing.manifest import changes_since, take_manifest
from tests.support.labber_files import CREATED_S, add_trace, write_log
from tests.support.samples import corpus_folder

PROJECT = Path(__file__).resolve().parents[3]


def made_here(root: Path) -> None:
    """Logs that the samples lack: three steps, single precision, complex traces, several in a file, an open one."""
    chance = np.random.default_rng(7)
    x, y, z = ("Frequency", np.linspace(4e9, 5e9, 7)), ("Flux (a/b)", [3.0, 1.0, 2.0]), ("Power", [-10.0, 0.0])
    with h5py.File(root / "many.hdf5", "w", locking=False) as file:
        iq = chance.normal(size=(2, 3, 7)) + 1j * chance.normal(size=(2, 3, 7))
        write_log(file, [x, y, z], [("S21", iq), ("Level", iq.real)], fixed=[("Gate", 0.25)], name="many")
        second = file.create_group("Log_2")
        write_log(second, [x], [("Signal", chance.normal(size=7))], dtype="f4", name="many", created_s=CREATED_S + 9)
        third = file.create_group("Log_4")
        values = chance.normal(size=(2, 3, 7))
        write_log(third, [x, y, z], [("Signal", values)], entries=4, is_completed=False, name="many")
    with h5py.File(root / "traces.hdf5", "w", locking=False) as file:
        write_log(
            file, [y], [("Mean", chance.normal(size=3)), ("Scope - A", np.zeros(3)), ("IQ", np.zeros(3))], name="t"
        )
        add_trace(file, "Scope - A", [chance.normal(size=size) for size in (5, 9, 2)], t0=1e-6, dt=1e-9)
        add_trace(file, "IQ", [chance.normal(size=4) + 1j * chance.normal(size=4) for _ in range(3)])


def roots(tmp_path: Path) -> list[Path]:
    own = tmp_path / "made here"
    own.mkdir()
    made_here(own)
    samples = corpus_folder()
    return [own] if samples is None else [own, samples / "labber"]


def look(root: Path, work: Path) -> tuple[LabberBackend, dict[str, Found]]:
    config = LabberConfig(log_directory=str(root), is_network_folder=False)
    backend = LabberBackend(config, BackendContext("source", work))
    found: dict[str, Found] = {}
    backend.discover(
        DiscoveryRequest(), KnownInMemory(), lambda item: found.__setitem__(item.identifier, item), StopToken()
    )
    return backend, found


def raw(path: str, number: int, out: Path) -> dict[str, Any]:
    script = Path(__file__).parent / "raw_arrays.py"
    subprocess.run([sys.executable, script, path, str(number), out], check=True, timeout=100)
    with np.load(out) as stored:
        return dict(stored)


def test_every_value_is_the_raw_one(tmp_path: Path) -> None:
    compared = 0
    for root in roots(tmp_path):
        before = take_manifest(root)
        backend, found = look(root, tmp_path / "work")
        for identifier in found:
            content = backend.read(identifier, StopToken())
            assert content.problems == ()
            (log,) = [file.path for file in content.files if not file.is_derived]
            (made,) = [file.path for file in content.files if file.is_derived]
            wanted = raw(log, int(identifier.rpartition("/")[2]), tmp_path / "raw.npz")
            with xarray.open_dataset(made, engine="h5netcdf") as opened:
                data = opened.load()
            labels: dict[str, list[Any]] = {}
            for name, variable in data.variables.items():
                labels.setdefault(variable.attrs.get("long_name", name), []).append(data[name])
            for name, values in wanted.items():
                if name.startswith("trace:"):
                    _, channel, entry = name.rsplit(":", 2)[0], name[6:].rpartition(":")[0], name.rpartition(":")[2]
                    trace = next(item for item in labels[channel] if _has_samples(item))
                    row = trace.values.reshape(-1, trace.shape[-1])[int(entry)]
                    np.testing.assert_array_equal(row[: len(values)], values)
                    assert np.isnan(row[len(values) :]).all()
                else:
                    _compare(data, labels[name], values, name)
                compared += 1
        assert changes_since(before) == []
    assert compared >= 20


def _has_samples(item: Any) -> bool:
    return item.ndim >= 2 and str(item.dims[-1]).startswith(str(item.name).rpartition("_2")[0] or str(item.name))


def _compare(data: Any, candidates: list[Any], values: Any, name: str) -> None:
    """A measured channel on the grid, or a step as coordinate or single value."""
    measured = next(
        (item for item in data.data_vars.values() if not _has_samples(item) and item.size >= len(values)), None
    )
    assert measured is not None
    item = next(each for each in candidates if not _has_samples(each))
    whole = item.broadcast_like(measured).transpose(*measured.dims).values.reshape(-1)
    np.testing.assert_array_equal(whole[: len(values)], values, err_msg=name)
    if item.name in data.data_vars:
        assert np.isnan(whole[len(values) :].real).all()


@pytest.mark.parametrize("seed", ["1", "77"])
def test_same_input_gives_the_same_bytes_in_every_process(tmp_path: Path, seed: str) -> None:
    root = tmp_path / "logs"
    root.mkdir()
    made_here(root)
    script = (
        "import hashlib, sys\nfrom pathlib import Path\n"
        "from tests.oracles.labber.test_labber_oracle import look\nfrom etiket_gui.domain.stopping import StopToken\n"
        "backend, found = look(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for identifier in sorted(found):\n"
        "    for file in backend.read(identifier, StopToken()).files:\n"
        "        print(hashlib.sha256(Path(file.path).read_bytes()).hexdigest())\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script, root, tmp_path / f"work {number}"],
            capture_output=True, text=True, check=True, timeout=100, cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": str(PROJECT)},
        ).stdout
        for number in ("0", seed)
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0].split()) == 8
