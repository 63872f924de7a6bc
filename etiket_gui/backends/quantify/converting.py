"""Turns a dataset file of Quantify into ``measurement.h5``: its variables, gridded where the sweep is a full grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etiket_gui.backends.quantify.datafile import Array, DataFile
from etiket_gui.converters.netcdf import TEXT, Variable, safe_name, write_netcdf
from etiket_gui.domain.stopping import StopToken

CONVERTER = "quantify"
VERSION = "1"
_ROWS = 65_536
_MOST_UNIQUE = 1 << 20
_MOST_CELLS = 200_000_000
_SETTABLE = re.compile(r"x\d+")
_GETTABLE = re.compile(r"y\d+")


@dataclass(frozen=True, slots=True)
class Grid:
    """A sweep that visits every point of a grid once, the last axis fastest: axis names and their values."""

    names: tuple[str, ...]
    values: tuple[np.ndarray[Any, Any], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, outermost first."""
        return tuple(len(values) for values in self.values)


def settables(data: DataFile) -> list[Array]:
    """The swept variables in their order."""
    return _numbered(data, _SETTABLE)


def gettables(data: DataFile) -> list[Array]:
    """The measured variables in their order."""
    return _numbered(data, _GETTABLE)


def _numbered(data: DataFile, pattern: re.Pattern[str]) -> list[Array]:
    found = [array for name, array in data.arrays.items() if pattern.fullmatch(name)]
    return sorted(found, key=lambda array: int(array.name[1:]))


def write_measurement(data: DataFile, target: Path, description: Mapping[str, Any], stop: StopToken) -> None:
    """Write ``target``; ``description`` becomes attributes of the file beside its own.

    Raises CannotConvert, Stopped and OSError.
    """
    axes, measured = settables(data), gettables(data)
    grid = find_grid(axes, stop) if _is_flat(axes, measured) else None
    if grid is not None and len(axes[0].dims) == 1:
        dims, variables = _gridded(data, axes, grid, stop)
    else:
        dims, variables = _as_it_is(data, stop)
    attributes = {str(name): _plain(value) for name, value in data.attributes.items()}
    write_netcdf(target, dims, variables, attributes | dict(description), stop)


def _is_flat(axes: Sequence[Array], measured: Sequence[Array]) -> bool:
    """Whether all of it lies along one dimension, as version 1 of the format has it."""
    arrays = [*axes, *measured]
    return bool(axes) and all(len(array.dims) == 1 and array.dims == arrays[0].dims for array in arrays)


def find_grid(axes: Sequence[Array], stop: StopToken) -> Grid | None:
    """The grid that the setpoints run through, in whichever order the axes are nested; None where there is none."""
    count = axes[0].shape[0]
    if not count or any(array.is_text or array.dtype.kind == "c" for array in axes):
        return None
    unique = []
    for array in axes:
        values = _in_order_of_appearance(array, stop)
        if values is None:
            return None
        unique.append(values)
    if int(np.prod([len(values) for values in unique], dtype=object)) != count or count > _MOST_CELLS:
        return None
    # The axis whose second value comes first is the fastest.
    second = [_first_change(array, values, stop) for array, values in zip(axes, unique, strict=True)]
    order = sorted(range(len(axes)), key=lambda number: -second[number])
    stride = 1
    for number in reversed(order):
        if not _runs_so(axes[number], unique[number], stride, stop):
            return None
        stride *= len(unique[number])
    return Grid(tuple(axes[number].name for number in order), tuple(unique[number] for number in order))


def _pieces(array: Array, stop: StopToken) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    count = array.shape[0] if array.shape else 1
    row = int(np.prod(array.shape[1:], dtype=np.int64)) if array.shape else 1
    rows = max(1, _ROWS // max(1, row))
    for start in range(0, count, rows):
        stop.check()
        yield start, array.read(start, min(start + rows, count))


def _in_order_of_appearance(array: Array, stop: StopToken) -> np.ndarray[Any, Any] | None:
    """The different values, None where one is NaN or there are too many to be an axis worth finding."""
    known = np.empty(0, array.dtype.newbyteorder("="))
    for _, piece in _pieces(array, stop):
        if piece.dtype.kind == "f" and np.isnan(piece).any():
            return None
        values, first = np.unique(piece, return_index=True)
        values = values[np.argsort(first, kind="stable")]
        new = values[~np.isin(values, known)]
        known = np.concatenate([known, new])
        if len(known) > _MOST_UNIQUE:
            return None
    return known


def _first_change(array: Array, values: np.ndarray[Any, Any], stop: StopToken) -> int:
    if len(values) == 1:
        return _MOST_CELLS
    for start, piece in _pieces(array, stop):
        changed = np.flatnonzero(piece != values[0])
        if len(changed):
            return start + int(changed[0])
    return _MOST_CELLS


def _runs_so(array: Array, values: np.ndarray[Any, Any], stride: int, stop: StopToken) -> bool:
    for start, piece in _pieces(array, stop):
        places = (np.arange(start, start + len(piece)) // stride) % len(values)
        if not np.array_equal(piece, values[places]):
            return False
    return True


def _gridded(
    data: DataFile, axes: Sequence[Array], grid: Grid, stop: StopToken
) -> tuple[dict[str, int], list[Variable]]:
    flat_dim = axes[0].dims[0]
    dims = dict(zip(grid.names, grid.shape, strict=True))
    variables = [
        Variable.of(name, (name,), values, _described(data.arrays[name]))
        for name, values in zip(grid.names, grid.values, strict=True)
    ]
    for array in data.arrays.values():
        if array.name in dims:
            continue
        if array.dims == (flat_dim,):
            variables.append(_variable(array, grid.names, _described(array, data), stop))
            continue
        for dim in array.dims:
            dims.setdefault(safe_name(dim), data.dims[dim])
        variables.append(_variable(array, tuple(map(safe_name, array.dims)), _described(array, data), stop))
    return dims, variables


def _as_it_is(data: DataFile, stop: StopToken) -> tuple[dict[str, int], list[Variable]]:
    dims: dict[str, int] = {}
    variables = []
    axes = [array.name for array in settables(data)]
    for array in data.arrays.values():
        own = tuple(safe_name(dim) for dim in array.dims)
        for dim in array.dims:
            dims.setdefault(safe_name(dim), data.dims[dim])
        attributes = _described(array, data)
        along = [name for name in axes if name not in own and data.arrays[name].dims == array.dims]
        if array.name not in axes and along and "coordinates" not in attributes:
            attributes["coordinates"] = " ".join(along)
        variables.append(_variable(array, own, attributes, stop))
    return dims, variables


def _variable(array: Array, dims: tuple[str, ...], attributes: Mapping[str, Any], stop: StopToken) -> Variable:
    def blocks() -> Iterator[np.ndarray[Any, Any]]:
        for _, piece in _pieces(array, stop):
            yield np.asarray(piece, dtype=object) if array.is_text else piece.reshape(-1)

    return Variable(
        safe_name(array.name), dims, TEXT if array.is_text else array.dtype.newbyteorder("="), attributes, blocks
    )


def _described(array: Array, data: DataFile | None = None) -> dict[str, Any]:
    attributes = {str(name): _plain(value) for name, value in array.attributes.items()}
    if "units" not in attributes and "unit" in attributes:
        attributes["units"] = attributes["unit"]
    if data is not None:
        named = str(attributes.pop("coordinates", "")).split()
        # Of a grid the axes are dimensions; what is left are coordinates beside them.
        kept = [name for name in named if name in data.arrays and data.arrays[name].dims == array.dims]
        if kept:
            attributes["coordinates"] = " ".join(map(safe_name, kept))
        if f"{array.name}_u" in data.arrays:
            # The uncertainty of a quantity lies beside it.
            attributes.setdefault("ancillary_variables", safe_name(f"{array.name}_u"))
    return attributes


def _plain(value: Any) -> Any:
    """A value that a netCDF attribute can hold."""
    if isinstance(value, str | int | float | np.generic) or value is None:
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return str(value)
