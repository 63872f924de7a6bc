"""zarr folders become one netCDF4 file or one zip, with the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from etiket_gui.converters.zarr_to_netcdf4 import ZarrToNetcdf4
from etiket_gui.converters.zarr_to_zip import ZarrToZip
from etiket_gui.domain.errors import ConversionFailed


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def _example() -> xarray.Dataset:
    return xarray.Dataset(
        {
            "signal": (("time", "x"), np.arange(12.0).reshape(4, 3), {"units": "V"}),
            "iq": ("time", np.arange(4) * (1 + 2j)),
            "count": ("time", np.array([1, 2, 3, 4], "i2")),
            "note": ("time", np.array(["a", "µ", "", "b"], dtype=object)),
        },
        coords={"time": ("time", [0.0, 0.5, 1.0, 1.5], {"units": "s"}), "x": ("x", [1.0, 2.0, 3.0])},
        attrs={"operator": "A. Person", "numbers": [1, 2, 3]},
    )


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not:UserWarning")
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_xarray_writes_as_zarr_it_reads_equal_from_the_netcdf(
    tmp_path: Path, output: Path, zarr_format: int
) -> None:
    example = _example() if zarr_format == 2 else _example().drop_vars("note")
    path = tmp_path / "run.zarr"
    example.to_zarr(path, zarr_format=zarr_format)
    made = ZarrToNetcdf4().convert(path, output)
    assert made.name == "run.nc"
    with xarray.open_dataset(made, engine="h5netcdf") as opened:
        xarray.testing.assert_equal(opened.load(), example)
        assert opened["signal"].attrs["units"] == "V"
        assert opened.attrs["operator"] == "A. Person"


def test_groups_and_arrays_without_dimension_names(tmp_path: Path, output: Path) -> None:
    root = zarr.open_group(str(tmp_path / "run.zarr"), mode="w", zarr_format=2)
    root.create_array("plain", shape=(3,), dtype="i4")[:] = [1, 2, 3]
    below = root.create_group("fridge").create_group("inner")
    below.create_array("temperature", shape=(2, 2), dtype="f4")[:] = [[1, 2], [3, 4]]
    made = ZarrToNetcdf4().convert(tmp_path / "run.zarr", output)
    with xarray.open_dataset(made, engine="h5netcdf") as opened:
        assert opened["plain"].values.tolist() == [1, 2, 3]
    with xarray.open_dataset(made, engine="h5netcdf", group="fridge.inner") as opened:
        assert opened["temperature"].values.tolist() == [[1, 2], [3, 4]]


def test_single_array_is_a_variable(tmp_path: Path, output: Path) -> None:
    array = zarr.create_array(str(tmp_path / "trace.ZARR"), shape=(4,), dtype="f8", zarr_format=3)
    array[:] = [1.0, np.nan, 3.0, 4.0]
    made = ZarrToNetcdf4().convert(tmp_path / "trace.ZARR", output)
    with xarray.open_dataset(made, engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["trace"], [1.0, np.nan, 3.0, 4.0])


def test_zip_holds_every_file_and_zarr_opens_it(tmp_path: Path, output: Path) -> None:
    root = zarr.open_group(str(tmp_path / "run.zarr"), mode="w", zarr_format=3)
    root.create_array("signal", shape=(5,), chunks=(2,), dtype="f8")[:] = np.arange(5.0)
    (tmp_path / "run.zarr" / "a link").symlink_to("/etc/hostname")
    made = ZarrToZip().convert(tmp_path / "run.zarr", output)
    assert made.name == "run.zarr.zip"
    store = zarr.storage.ZipStore(made, mode="r")
    try:
        assert zarr.open_group(store, mode="r")["signal"][:].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    finally:
        store.close()


@pytest.mark.parametrize("kind", [ZarrToNetcdf4, ZarrToZip])
def test_what_is_no_zarr_is_refused(tmp_path: Path, output: Path, kind: type[ZarrToNetcdf4 | ZarrToZip]) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ConversionFailed, match="holds no zarr data"):
        kind().convert(tmp_path / "a.zarr", output)
    (tmp_path / "b.zarr").write_text("text")
    with pytest.raises(ConversionFailed, match="is no folder"):
        kind().convert(tmp_path / "b.zarr", output)


def test_broken_zarr_is_refused_with_the_reason(tmp_path: Path, output: Path) -> None:
    root = zarr.open_group(str(tmp_path / "run.zarr"), mode="w", zarr_format=3)
    root.create_array("signal", shape=(5,), dtype="f8")[:] = np.arange(5.0)
    (tmp_path / "run.zarr" / "signal" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "array"}')
    with pytest.raises(ConversionFailed, match="cannot be read"):
        ZarrToNetcdf4().convert(tmp_path / "run.zarr", output)
    assert list(output.iterdir()) == []
