"""The netCDF4 files: what they hold, that xarray opens them, and that the same input gives the same bytes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from etiket_gui.converters.netcdf import TEXT, CannotConvert, Group, NoRoom, Variable, safe_name, write_netcdf
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.stopping import StopToken
from tests.support.small_disk import small_disk


def _opened(path: Path, **options: Any) -> xarray.Dataset:
    with xarray.open_dataset(path, engine="h5netcdf", **options) as dataset:
        return dataset.load()


def test_xarray_opens_values_coordinates_and_attributes(tmp_path: Path) -> None:
    x, y = np.linspace(-1, 1, 40), np.arange(30) / 3
    z = np.outer(x, y)
    z[3, 4] = np.nan
    write_netcdf(
        tmp_path / "a.nc",
        {"x": 40, "y": 30},
        [
            Variable.of("x", ("x",), x, {"units": "mV", "long_name": "Plunger µ"}),
            Variable.of("y", ("y",), y),
            Variable.of("z", ("x", "y"), z, {"units": "V", "coordinates": "detuning"}),
            Variable.of("detuning", ("x",), x * 2),
        ],
        {"guid": "abc", "count": 3, "factor": 0.5, "is_on": True, "names": ["a", "µ"], "nothing": None},
        StopToken(),
    )
    dataset = _opened(tmp_path / "a.nc")
    np.testing.assert_array_equal(dataset["z"], z)
    np.testing.assert_array_equal(dataset.coords["detuning"], x * 2)
    assert dict(dataset.sizes) == {"x": 40, "y": 30}
    assert set(dataset.data_vars) == {"z"}
    assert dataset["x"].attrs == {"units": "mV", "long_name": "Plunger µ"}
    assert dataset.attrs == {"guid": "abc", "count": 3, "factor": 0.5, "is_on": 1, "names": ["a", "µ"]}


def test_attributes_may_be_views_of_larger_arrays(tmp_path: Path) -> None:
    table = np.arange(12.0).reshape(3, 4)
    attributes = {
        "column": table[:, 1],
        "backwards": np.arange(3)[::-1],
        "turned": table.T,
        "big": table[0].astype(">f8"),
    }
    write_netcdf(tmp_path / "a.nc", {"x": 3}, [Variable.of("x", ("x",), np.arange(3.0), attributes)], {}, StopToken())
    with h5py.File(tmp_path / "a.nc") as file:
        for name, value in attributes.items():
            np.testing.assert_array_equal(file["x"].attrs[name], value)


@pytest.mark.parametrize("values", [(1.0, 2.0), ("x", "y"), (1, "y"), (["x"], 2j)])
def test_attributes_whose_names_become_the_same_are_both_kept(tmp_path: Path, values: tuple[Any, Any]) -> None:
    attributes = dict(zip(("gate/one", "gate_one"), values, strict=True))
    write_netcdf(tmp_path / "a.nc", {}, [], attributes, StopToken())
    with h5py.File(tmp_path / "a.nc") as file:
        kept = [file.attrs["gate_one"], file.attrs["gate_one_"]]
    assert [np.atleast_1d(value).tolist() for value in kept] == [np.atleast_1d(value).tolist() for value in values]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 + 2j, complex(np.nan, 1), 3j]),
        np.array([True, False, True]),
        np.array([2**62, -1, 0]),
        np.array([1, 2, 3], dtype=np.uint16),
        np.array([1.5, np.nan, -np.inf], dtype=np.float32),
        np.array(["up", "", "µ\n down"], dtype=object),
    ],
    ids=["complex", "bool", "int64", "uint16", "float32", "text"],
)
def test_every_type_comes_back(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    write_netcdf(tmp_path / "a.nc", {"n": 3}, [Variable.of("v", ("n",), values)], {}, StopToken())
    back = _opened(tmp_path / "a.nc")["v"].values
    np.testing.assert_array_equal(back, values)
    assert back.dtype.kind == ("U" if values.dtype == object else values.dtype.kind)


def test_dimensions_without_length_scalars_and_groups_are_possible(tmp_path: Path) -> None:
    write_netcdf(
        tmp_path / "a.nc",
        {"x": 0, "n": 2},
        [
            Variable.of("x", ("x",), np.zeros(0)),
            Variable.of("y", ("x", "n"), np.zeros((0, 2))),
            Variable.of("scalar", (), 3.5),
            Variable("t", ("x",), TEXT),
        ],
        {},
        StopToken(),
        groups={"table": Group({"row": 3}, [Variable.of("id", ("row",), [4, 5, 6])], {"why": "all cells"})},
    )
    dataset = _opened(tmp_path / "a.nc")
    assert dict(dataset.sizes) == {"x": 0, "n": 2}
    assert dataset["y"].shape == (0, 2)
    assert float(dataset["scalar"]) == 3.5
    table = _opened(tmp_path / "a.nc", group="table")
    assert table["id"].values.tolist() == [4, 5, 6]
    assert table.attrs == {"why": "all cells"}


@pytest.mark.parametrize("size", [1, 7, 999, 40_000, 1_000_000])
@pytest.mark.parametrize("shape", [(300_000,), (600, 500), (3, 100_000), (2, 3, 50_000)])
def test_flat_blocks_of_any_size_fill_any_shape(tmp_path: Path, shape: tuple[int, ...], size: int) -> None:
    if size < 999:
        shape = tuple(min(length, 23) for length in shape)
    values = np.random.default_rng(1).normal(size=shape)

    def blocks() -> Iterator[np.ndarray[Any, Any]]:
        flat = values.reshape(-1)
        return (flat[start : start + size] for start in range(0, flat.size, size))

    dims = {f"d{axis}": length for axis, length in enumerate(shape)}
    variable = Variable("v", tuple(dims), np.dtype(np.float64), {}, blocks)
    write_netcdf(tmp_path / "a.nc", dims, [variable], {}, StopToken())
    np.testing.assert_array_equal(_opened(tmp_path / "a.nc")["v"], values)


def test_large_variables_are_compressed_and_small_ones_are_not(tmp_path: Path) -> None:
    variables = [Variable.of("large", ("n",), np.zeros(100_000)), Variable.of("small", ("m",), np.zeros(10))]
    write_netcdf(tmp_path / "a.nc", {"n": 100_000, "m": 10}, variables, {}, StopToken())
    with h5py.File(tmp_path / "a.nc", "r", locking=False) as file:
        assert (file["large"].compression, file["large"].shuffle) == ("gzip", True)
        assert file["small"].compression is None
    assert (tmp_path / "a.nc").stat().st_size < 20_000


_SCRIPT = """
    import sys, numpy as np
    from etiket_gui.converters.netcdf import Variable, write_netcdf
    from etiket_gui.domain.stopping import StopToken
    x = np.linspace(0, 1, 50_000)
    variables = [Variable.of("x", ("x",), x), Variable.of("y", ("x",), np.exp(1j * x), {"units": "V"})]
    variables.append(Variable.of("t", ("n",), ["a", "µ"]))
    write_netcdf(sys.argv[1], {"x": 50_000, "n": 2}, variables, {"snapshot": "s" * 200_000, "n": 1}, StopToken())
"""


def test_two_processes_at_different_times_write_the_same_bytes(tmp_path: Path) -> None:
    for name, wait in (("a.nc", "0"), ("b.nc", "1.1")):
        script = f"import time; time.sleep({wait})\n" + textwrap.dedent(_SCRIPT)
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=True, timeout=60)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (Variable("v", ("n",), np.dtype(float), {}, lambda: iter([np.zeros(2)])), "2 of the 3"),
        (Variable("v", ("n",), np.dtype(float), {}, lambda: iter([np.zeros(4)])), "more than the 3"),
        (Variable("v", ("m",), np.dtype(float)), "has no length"),
        (Variable("v", ("n",), np.dtype("datetime64[ns]")), "cannot hold"),
        (Variable("v", ("n",), np.dtype(float), {"a": object()}), "attribute 'a'"),
        (Variable("n", ("n", "n"), np.dtype(float)), "name of a dimension"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_file(tmp_path: Path, variable: Variable, words: str) -> None:
    with pytest.raises(CannotConvert, match=words):
        write_netcdf(tmp_path / "a.nc", {"n": 3}, [variable], {}, StopToken())
    assert list(tmp_path.iterdir()) == []


def test_stop_leaves_no_file(tmp_path: Path) -> None:
    stop = StopToken()

    def blocks() -> Iterator[np.ndarray[Any, Any]]:
        yield np.zeros(10)
        stop.stop()
        yield np.zeros(10)

    with pytest.raises(Stopped):
        write_netcdf(tmp_path / "a.nc", {"n": 20}, [Variable("v", ("n",), np.dtype(float), {}, blocks)], {}, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dmm_v1", "dmm_v1"),
        ("a/b", "a_b"),
        ("", "_"),
        ("..", "_.."),
        ("µ Plunger (mV)", "µ Plunger (mV)"),
        (" x ", "x"),
        ("-x", "_-x"),
        ("a\x00b\n", "a␀b"),
        ("µ" * 300, "µ" * 127),
        ("\ud800", "_\\ud800"),
    ],
)
def test_safe_names_are_near_to_what_was_given(text: str, name: str, tmp_path: Path) -> None:
    assert safe_name(text) == name
    write_netcdf(tmp_path / "a.nc", {"n": 1}, [Variable.of(name, ("n",), [1.0])], {text: "value"}, StopToken())
    assert list(_opened(tmp_path / "a.nc").data_vars) == [name]


def test_text_that_hdf5_cannot_hold_is_written_visibly(tmp_path: Path) -> None:
    values = ["a\x00b", "\ud83d"]
    write_netcdf(tmp_path / "a.nc", {"n": 2}, [Variable.of("t", ("n",), values)], {"x": "\x00"}, StopToken())
    dataset = _opened(tmp_path / "a.nc")
    assert dataset["t"].values.tolist() == ["a␀b", "\\ud83d"]
    assert dataset.attrs == {"x": "␀"}


def test_full_disk_is_said_before_hdf5_meets_it(tmp_path: Path) -> None:
    """HDF5 ends the process some time after a write that failed."""
    values = np.random.default_rng(1).random(4_000_000)
    with small_disk(tmp_path / "disk", 24 << 20) as disk, pytest.raises(NoRoom, match="MiB are left"):
        write_netcdf(disk / "x.nc", {"n": values.size}, [Variable.of("v", ("n",), values)], {}, StopToken())
    assert list((tmp_path / "disk").iterdir()) == []
