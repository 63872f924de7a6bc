"""Which converters there are, and what becomes of plug-ins that do not work or have a name that is taken."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from etiket_gui.converters.api import Converter, pair_of, type_matches
from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5
from etiket_gui.converters.registry import GROUP, ConverterRegistry, canonical_name, load_converter
from etiket_gui.domain.errors import PluginFailed, UsageError

GOOD = (
    "from etiket_gui.converters.api import Converter\n"
    "class Kind(Converter):\n"
    "    input_type, output_type, version = 'dat', 'csv', '0.1'\n"
    "    def convert(self, input_path, output_dir): return output_dir / 'x.csv'\n"
)
PLUGINS = {
    "dat_to_csv": GOOD,
    "csv_to_hdf5": GOOD.replace("'dat', 'csv'", "'csv', 'hdf5'"),
    "raises": "raise RuntimeError('no licence')",
    "rubbish": "Kind = 7",
    "half": "from etiket_gui.converters.api import Converter\nclass Kind(Converter): pass",
    "nameless": GOOD.replace("'dat'", "'.dat/'"),
    "timeless": GOOD.replace("'0.1'", "1"),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConverterRegistry:
    """A registry that finds these plug-ins."""
    found = []
    for name, code in PLUGINS.items():
        (tmp_path / f"converter_{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, f"converter_{name}", raising=False)
        found.append(EntryPoint(name, f"converter_{name}:Kind", GROUP))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)
    return ConverterRegistry()


@pytest.mark.parametrize(
    "name", ["csv_to_hdf5", "csv-to-hdf5", "CSV_to_HDF5", "csv_to_hdf5_converter", " csv to hdf5 "]
)
def test_names_as_people_and_description_files_write_them(name: str) -> None:
    assert canonical_name(name) == "csv_to_hdf5"
    assert load_converter(name) is CsvToHdf5


def test_unknown_name_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="zarr_to_zip"):
        load_converter("nothing")


def test_installed_converter_is_used_in_place_of_the_built_in_one_and_that_is_told(
    installed: ConverterRegistry,
) -> None:
    assert installed.get("csv_to_hdf5").version == "0.1"
    (info,) = [plugin for plugin in installed.plugins() if plugin.name == "csv_to_hdf5"]
    assert info.shadows == ("built-in",)
    assert info.is_loaded


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "no licence"),
        ("rubbish", "7 is not a converter class"),
        ("half", "does not say how to do: convert"),
        ("nameless", "its input_type is"),
        ("timeless", "its version is 1"),
    ],
)
def test_bad_converter_is_disabled_with_a_reason_and_the_rest_works(
    installed: ConverterRegistry, name: str, why: str
) -> None:
    with pytest.raises(PluginFailed, match=why):
        installed.get(name)
    reasons = {plugin.name: plugin.disabled_because for plugin in installed.plugins()}
    assert why in reasons[name]
    pairs = {pair_of(kind) for kind in installed.usable()}
    assert pairs == {"dat_to_csv", "csv_to_hdf5", "zarr_to_netcdf4", "zarr_to_zip"}


def test_listing_imports_nothing(installed: ConverterRegistry) -> None:
    assert "dat_to_csv" in installed.names()
    assert "converter_dat_to_csv" not in sys.modules


@pytest.mark.parametrize(
    ("name", "kind", "is_so"),
    [
        ("a.csv", "csv", True), ("A.CSV", "csv", True), ("a.b.Csv", "CSV", True), ("csv", "csv", False),
        (".csv", "csv", False), ("a.csvx", "csv", False), ("a.tar.gz", "tar.gz", True), ("a.csv.gz", "csv", False),
    ],
)  # fmt: skip
def test_endings_of_names(name: str, kind: str, is_so: bool) -> None:
    assert type_matches(name, kind) is is_so


def test_pair_is_written_in_lower_case() -> None:
    kind = type("Odd", (Converter,), {"input_type": "CSV", "output_type": "netCDF4", "version": "1"})
    assert pair_of(kind) == "csv_to_netcdf4"


def test_what_built_in_converters_read_is_known_without_importing_them() -> None:
    registry = ConverterRegistry()
    told = {name: registry.built_in_input_type(name) for name in registry.names()}
    assert told == {name: load_converter(name).input_type for name in registry.names()}
    assert registry.built_in_input_type("nobody") is None
