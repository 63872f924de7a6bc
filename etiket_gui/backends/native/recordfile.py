"""What a recorder's ``record.h5`` holds: its quantities, their axes, its netCDF4 form and its newest points."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.native.growing import Array, text_of
from etiket_gui.converters.netcdf import Variable, write_netcdf
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.domain.stopping import StopToken

CONVERTER, CONVERTER_VERSION = "record_to_netcdf4", "1"
POINT = "point"
MOST_POINTS = 200_000
_BLOCK_BYTES = 1 << 20
_BLOCK_VALUES = 1 << 17


@dataclass(frozen=True, slots=True)
class Quantity:
    """One dataset of a recording. ``axes`` are swept quantities, then ``inner``: the fixed axes of each point."""

    name: str
    unit: str
    label: str
    axes: tuple[str, ...]
    inner: tuple[str, ...]
    data: h5py.Dataset

    @property
    def attributes(self) -> dict[str, Any]:
        """What a file says of it."""
        return {"units": self.unit, "long_name": self.label}


class RecordFile:
    """The open file. ``point_count`` is how many points every quantity has."""

    def __init__(self, file: h5py.File) -> None:
        datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        self.axes = {name: item for name, item in datasets.items() if bool(item.attrs.get("is_axis", False))}
        self.quantities = [_quantity(name, item, self.axes) for name, item in datasets.items() if name not in self.axes]
        self.point_count = min((quantity.data.shape[0] for quantity in self.quantities), default=0)
        swept: list[str] = []
        names = {quantity.name for quantity in self.quantities}
        for quantity in self.quantities:
            swept += [axis for axis in quantity.axes if axis in names and axis not in swept]
        self.swept = tuple(swept)

    def grid(self, shape: Sequence[int] | None, stop: StopToken) -> tuple[tuple[str, ...], dict[str, Array]] | None:
        """The swept quantities as axes of a full grid and their values, or None where the points are no full grid.

        ``shape`` is what the script announced; without it, one swept quantity makes a line.
        """
        sizes = tuple(shape) if shape else (self.point_count,)
        if not self.swept or len(sizes) != len(self.swept) or math.prod(sizes) != self.point_count:
            return None
        by_name = {quantity.name: quantity for quantity in self.quantities}
        steps: dict[str, Array] = {}
        for place, name in enumerate(self.swept):
            quantity = by_name[name]
            if quantity.data.ndim != 1:
                return None
            stride = math.prod(sizes[place + 1 :])
            found = self._steps(quantity.data, sizes[place], stride, stop)
            if found is None:
                return None
            steps[name] = found
        return self.swept, steps

    def _steps(self, data: h5py.Dataset, size: int, stride: int, stop: StopToken) -> Array | None:
        """The values of an axis that changes every ``stride`` points, or None where it does not run like that."""
        steps = np.empty(size, data.dtype)
        for start in range(0, self.point_count, _BLOCK_VALUES):
            stop.check()
            values = data[start : min(start + _BLOCK_VALUES, self.point_count)]
            places = np.arange(start, start + len(values)) // stride
            # The first pass along the axis says what its values are.
            is_first = (places < size) & (np.arange(start, start + len(values)) % stride == 0)
            steps[places[is_first]] = values[is_first]
            if not np.array_equal(values, steps[places % size]):
                return None
        return steps if np.unique(steps).size == size else None


def _quantity(name: str, data: h5py.Dataset, fixed: Mapping[str, Any]) -> Quantity:
    try:
        axes = tuple(str(axis) for axis in json.loads(text_of(data.attrs.get("axes")) or "[]"))
    except ValueError:
        axes = ()
    inner = tuple(axis for axis in axes if axis in fixed)
    return Quantity(
        name,
        text_of(data.attrs.get("unit")),
        text_of(data.attrs.get("label")) or name,
        tuple(axis for axis in axes if axis not in fixed),
        inner if len(inner) == data.ndim - 1 else (),
        data,
    )


def write_measurement(
    record: RecordFile, target: Path, shape: Sequence[int] | None, attributes: Mapping[str, Any], stop: StopToken
) -> None:
    """The recording as netCDF4: on its grid where it is a full one, else along its points."""
    grid = record.grid(shape, stop)
    dims: dict[str, int] = {}
    variables: list[Variable] = []
    taken = {*record.axes, *(quantity.name for quantity in record.quantities)}
    if grid is None:
        outer: tuple[str, ...] = (_free(POINT, taken),)
        dims[outer[0]] = record.point_count
    else:
        outer, steps = grid
        by_name = {quantity.name: quantity for quantity in record.quantities}
        for name in outer:
            dims[name] = steps[name].size
            variables.append(Variable.of(name, (name,), steps[name], by_name[name].attributes))
    for name, data in record.axes.items():
        dims[name] = data.shape[0]
        about = {"units": text_of(data.attrs.get("unit")), "long_name": text_of(data.attrs.get("label")) or name}
        variables.append(Variable.of(name, (name,), data[...], about))
    for quantity in record.quantities:
        if quantity.name in dims:
            continue
        inner = list(quantity.inner)
        for place, size in enumerate(quantity.data.shape[1:]):
            if not quantity.inner:
                inner.append(_free(f"{quantity.name}_{place}", taken))
                dims[inner[-1]] = size
        about = dict(quantity.attributes)
        coordinates = [axis for axis in quantity.axes if axis in record.swept] if grid is None else []
        if coordinates:
            about["coordinates"] = " ".join(coordinates)
        blocks = partial(_blocks, quantity.data, record.point_count)
        variables.append(Variable(quantity.name, (*outer, *inner), quantity.data.dtype, about, blocks))
    write_netcdf(target, dims, variables, attributes, stop)


def _free(wanted: str, taken: set[str]) -> str:
    """A dimension's name that no quantity has."""
    name = wanted
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _blocks(data: h5py.Dataset, count: int) -> Iterator[Array]:
    row_bytes = data.dtype.itemsize * math.prod(data.shape[1:])
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    for first in range(0, count, step):
        yield data[first : min(first + step, count)].reshape(-1)


def newest_points(record: RecordFile, shape: Sequence[int] | None, since: Mapping[str, Any]) -> LiveSlice | None:
    """The points since the cursor: the quantities of one number a point, or those with the largest arrays."""
    shown = [quantity for quantity in record.quantities if quantity.data.dtype.kind in "biuf"]
    if not shown:
        return None
    measured = [quantity for quantity in shown if quantity.name not in record.swept] or shown
    inner_shape = measured[0].data.shape[1:]
    inner_count = math.prod(inner_shape)
    columns = [
        quantity
        for quantity in shown
        if quantity.data.shape[1:] == inner_shape or (quantity.name in record.swept and quantity.data.ndim == 1)
    ]
    place = since.get("points", 0)
    first = place if isinstance(place, int) and 0 <= place <= record.point_count else 0
    last = min(record.point_count, first + max(1, MOST_POINTS // max(1, inner_count)))
    names = {quantity.name for quantity in columns}
    found: dict[str, LiveColumn] = {}
    for quantity in columns:
        values = quantity.data[first:last].astype(float).reshape(last - first, -1)
        if quantity.data.ndim == 1:
            values = np.repeat(values, inner_count, axis=1)
        axes = tuple(axis for axis in quantity.axes if axis in names) + quantity.inner
        found[quantity.name] = _column(quantity.name, quantity.label, quantity.unit, axes, values)
        for number, name in enumerate(quantity.inner):
            data = record.axes[name]
            along = data[...].astype(float).reshape([-1 if axis == number else 1 for axis in range(len(inner_shape))])
            repeated = np.broadcast_to(along, (last - first, *inner_shape))
            label, unit = text_of(data.attrs.get("label")), text_of(data.attrs.get("unit"))
            found.setdefault(name, _column(name, label or name, unit, (), repeated))
    whole = math.prod(shape) * inner_count if shape else None
    sizes = tuple(shape) if shape and len(shape) == len(record.swept) else ()
    return LiveSlice(
        columns=tuple(found.values()),
        cursor={"points": last},
        first_point=first * inner_count,
        point_count=last * inner_count,
        expected_count=whole,
        shape=(*sizes, *inner_shape) if sizes else (),
    )


def _column(name: str, label: str, unit: str, axes: tuple[str, ...], values: Array) -> LiveColumn:
    numbers = array("d")
    numbers.frombytes(np.ascontiguousarray(values, np.float64).tobytes())
    return LiveColumn(name, label, unit, axes, numbers)
