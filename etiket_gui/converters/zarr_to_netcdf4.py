"""A zarr folder, format 2 or 3, as one netCDF4 file: arrays, dimensions, attributes and groups; at constant memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from etiket_gui.converters.api import Converter
from etiket_gui.converters.netcdf import TEXT, CannotConvert, Group, Variable, safe_name, write_netcdf
from etiket_gui.converters.zarr_to_zip import check_zarr_folder, is_zarr_node
from etiket_gui.domain.errors import ConversionFailed, EtiketError

_BLOCK_BYTES = 8 << 20
_DIMENSION_NAMES = "_ARRAY_DIMENSIONS"


class ZarrToNetcdf4(Converter):
    """Reads with the zarr library, block by block along the first dimension."""

    input_type: ClassVar[str] = "zarr"
    output_type: ClassVar[str] = "netCDF4"
    version: ClassVar[str] = "1"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """``<name>.nc``. Raises ConversionFailed and CannotConvert."""
        import zarr

        check_zarr_folder(input_path)
        target = output_dir / f"{input_path.stem}.nc"
        try:
            with warnings.catch_warnings():
                # What zarr leaves out with a warning is looked for below, and is an error.
                warnings.simplefilter("ignore")
                opened = zarr.open(str(input_path), mode="r")
                root, groups = self._understood(opened, input_path)
            write_netcdf(target, root.dims, root.variables, root.attributes, self.stop, groups=groups)
        except EtiketError:
            raise
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            if isinstance(error, OSError) and error.filename is None and error.errno:
                raise
            raise ConversionFailed(f"{input_path.name} cannot be read: {error}.", path=str(input_path)) from error
        return target

    def _understood(self, opened: Any, path: Path) -> tuple[Group, dict[str, Group]]:
        import zarr

        if isinstance(opened, zarr.Array):
            dims: dict[str, int] = {}
            return Group(dims, [self._variable(path.stem, opened, dims, "")], {}), {}
        root = self._group(opened, "", path)
        groups = {}
        waiting = [("", opened, path)]
        while waiting:
            above, group, folder = waiting.pop(0)
            for name, below in sorted(group.groups()):
                # A group's own name is its path, so that groups inside groups need no nesting.
                place = f"{above}.{name}" if above else name
                groups[safe_name(place)] = self._group(below, place, folder / name)
                waiting.append((place, below, folder / name))
        return root, groups

    def _group(self, group: Any, path: str, folder: Path) -> Group:
        dims: dict[str, int] = {}
        arrays = dict(group.arrays())
        unread = {item.name for item in folder.iterdir() if item.is_dir() and is_zarr_node(item)}
        unread -= set(arrays) | set(group.group_keys())
        if unread:
            raise ConversionFailed(
                f"{folder / min(unread)} cannot be read: its description is broken.", path=str(folder)
            )
        variables = [self._variable(name, arrays[name], dims, path) for name in sorted(arrays)]
        return Group(dims, variables, _attributes(group.attrs))

    def _variable(self, name: str, array: Any, dims: dict[str, int], path: str) -> Variable:
        self.stop.check()
        attributes = _attributes(array.attrs)
        names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_DIMENSION_NAMES)
        if not names or len(names) != len(array.shape) or len(set(names)) != len(names):
            names = [None] * len(array.shape)
        own = []
        for axis, (dim, size) in enumerate(zip(names, array.shape, strict=True)):
            wanted = safe_name(str(dim)) if dim else safe_name(f"{name}_dim_{axis}")
            if dims.setdefault(wanted, size) != size:
                wanted = safe_name(f"{name}_{wanted}")
                dims[wanted] = size
            own.append(wanted)
        plain = safe_name(name)
        if plain in dims and tuple(own) != (plain,):
            plain = safe_name(f"{plain}_values")
        dtype = np.dtype(array.dtype)
        if dtype.kind in "OUST" or array.dtype.kind not in "biufc":
            if dtype.kind in "Mm":
                raise CannotConvert(f"{path}/{name} holds times, which this conversion does not know.")
            return Variable(plain, tuple(own), TEXT, attributes, self._blocks(array, is_text=True))
        return Variable(plain, tuple(own), dtype.newbyteorder("="), attributes, self._blocks(array, is_text=False))

    def _blocks(self, array: Any, *, is_text: bool) -> Any:
        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            if not array.shape:
                yield _plain(np.asarray(array[()]), is_text=is_text).reshape(-1)
                return
            row_bytes = max(1, int(np.prod(array.shape[1:], dtype=np.int64)) * max(array.dtype.itemsize, 1))
            step = max(1, _BLOCK_BYTES // row_bytes)
            chunk = max(1, array.chunks[0])
            # Whole chunks at a time: none is decompressed twice.
            step = max(chunk, step // chunk * chunk)
            for start in range(0, array.shape[0], step):
                self.stop.check()
                yield _plain(np.asarray(array[start : start + step]), is_text=is_text)

        return blocks


def _plain(values: np.ndarray[Any, Any], *, is_text: bool) -> np.ndarray[Any, Any]:
    if not is_text:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values.flat]
    return np.array(texts, dtype=object).reshape(values.shape)


def _attributes(stored: Any) -> dict[str, Any]:
    """Attributes that netCDF can hold; anything deeper is kept as text."""
    found: dict[str, Any] = {}
    for name in sorted(stored):
        if name == _DIMENSION_NAMES:
            continue
        value = stored[name]
        is_list = isinstance(value, list) and bool(value)
        is_plain_list = is_list and (
            all(isinstance(item, str) for item in value)
            or all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
        )
        if isinstance(value, str | int | float | bool) or is_plain_list:
            found[name] = value
        elif value is not None:
            found[name] = str(value)
    return found
