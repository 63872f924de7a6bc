"""Which converters there are: the built-in ones and installed plug-ins, each loaded when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from etiket_gui.converters.api import Converter, why_not_a_converter
from etiket_gui.osys.plugins import BUILT_IN, IMPORT_LIMIT_S, PluginRegistry, plain_name

GROUP = "etiket_gui.converters"
_BUILT_IN: Mapping[str, str] = {
    "csv_to_hdf5": "etiket_gui.converters.csv_to_hdf5:CsvToHdf5",
    "zarr_to_netcdf4": "etiket_gui.converters.zarr_to_netcdf4:ZarrToNetcdf4",
    "zarr_to_zip": "etiket_gui.converters.zarr_to_zip:ZarrToZip",
}


class ConverterRegistry(PluginRegistry[type[Converter]]):
    """Finds and loads converters; an installed package with the name of a built-in one is used in its place."""

    def __init__(self, plugin_folder: Path | None = None, *, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        super().__init__(
            GROUP,
            "converter",
            _BUILT_IN,
            lambda name, candidate: why_not_a_converter(candidate),
            canonical=canonical_name,
            installed_wins=True,
            plugin_folder=plugin_folder,
            import_limit_s=import_limit_s,
        )

    def built_in_input_type(self, name: str) -> str | None:
        """What a built-in converter reads, in lower case, without importing it; None for all others."""
        is_built_in = any(info.name == name and info.origin == BUILT_IN for info in self.plugins())
        return name.partition("_to_")[0] if is_built_in else None


def canonical_name(name: str) -> str:
    """The converter a name stands for; a trailing ``_converter``, as description files write it, is optional."""
    return plain_name(name).removesuffix("_converter")


_registry: ConverterRegistry | None = None
_registry_lock = threading.Lock()


def registry(plugin_folder: Path | None = None) -> ConverterRegistry:
    """The registry of this process, made at the first call; ``plugin_folder`` counts from the first call with one."""
    global _registry
    with _registry_lock:
        if _registry is None or (plugin_folder is not None and _registry.plugin_folder is None):
            _registry = ConverterRegistry(plugin_folder)
        return _registry


def load_converter(name: str) -> type[Converter]:
    """The converter of that name. Raises UsageError and PluginFailed."""
    return registry().get(name)
