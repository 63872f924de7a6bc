"""The built-in converters keep the contract of converters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.core.sync import cleanup_resources

from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5
from etiket_gui.converters.zarr_to_netcdf4 import ZarrToNetcdf4
from etiket_gui.converters.zarr_to_zip import ZarrToZip
from tests.contract.converter_contract import ConverterBench, ConverterContract


@pytest.fixture(autouse=True)
def _no_zarr_threads() -> Iterator[None]:
    """zarr keeps threads for its work; here they end with the test that made them."""
    yield
    cleanup_resources()


class _CsvBench(ConverterBench):
    converter_class = CsvToHdf5

    def make(self, path: Path) -> None:
        path.write_text("time (s),voltage (V),note\n0.0,1.5,a\n0.5,2.5,µ\n", encoding="utf-8")

    def make_nonsense(self, path: Path) -> None:
        path.write_bytes(bytes(range(256)))


class _ZarrBench(ConverterBench):
    def make(self, path: Path) -> None:
        group = zarr.open_group(str(path), mode="w", zarr_format=3)
        group.attrs["operator"] = "A. Person"
        array = group.create_array("signal", shape=(5, 3), chunks=(2, 3), dtype="f8", dimension_names=("time", "x"))
        array[:] = np.arange(15.0).reshape(5, 3)
        array.attrs["units"] = "V"

    def make_nonsense(self, path: Path) -> None:
        path.mkdir()
        (path / "readme.txt").write_text("no zarr")


class _ZarrToNetcdfBench(_ZarrBench):
    converter_class = ZarrToNetcdf4


class _ZarrToZipBench(_ZarrBench):
    converter_class = ZarrToZip


class TestCsvToHdf5(ConverterContract):
    """CSV tables."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> ConverterBench:
        """A table."""
        return _CsvBench(tmp_path)


class TestZarrToNetcdf4(ConverterContract):
    """zarr folders, as one file."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> ConverterBench:
        """A group with an array."""
        return _ZarrToNetcdfBench(tmp_path)


class TestZarrToZip(ConverterContract):
    """zarr folders, as a zip."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> ConverterBench:
        """A group with an array."""
        return _ZarrToZipBench(tmp_path)
