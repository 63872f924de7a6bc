"""The newest points of an HDF5 file that an eTiKeT client is writing."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.native.growing import CURSOR, Array, extent, text_of
from etiket_gui.domain.live import LiveColumn, LiveSlice

MOST_POINTS = 200_000


def newest_points(file: h5py.File, since: Mapping[str, Any]) -> LiveSlice | None:
    """The points since the cursor, of the variables of the extent that most of them have; None when there is none."""
    variables = {
        name: item
        for name, item in file.items()
        if isinstance(item, h5py.Dataset) and item.ndim and item.dtype.kind in "biuf" and CURSOR in item.attrs
    }
    if not variables:
        return None
    extents = [extent(item) for item in variables.values()]
    shape = max(dict.fromkeys(extents), key=lambda found: (extents.count(found), math.prod(found)))
    shown = {name: item for name, item in variables.items() if extent(item) == shape}
    inner = math.prod(shape[1:])
    place = since.get("points", 0)
    is_same = since.get("rest", list(shape[1:])) == list(shape[1:])
    first = place if is_same and isinstance(place, int) and 0 <= place <= shape[0] else 0
    last = min(shape[0], first + max(1, MOST_POINTS // max(1, inner)))
    columns: dict[str, LiveColumn] = {}
    for name, item in shown.items():
        axes = _axes(file, item, name)
        for number, axis in enumerate(axes):
            scale = file.get(axis)
            if axis not in shown and isinstance(scale, h5py.Dataset) and scale.shape[:1] >= shape[number : number + 1]:
                start, end = (first, last) if number == 0 else (0, shape[number])
                along = scale[start:end].astype(float)
                sizes = (last - first, *shape[1:])
                repeated = np.broadcast_to(
                    along.reshape([-1 if at == number else 1 for at in range(len(sizes))]), sizes
                )
                columns.setdefault(axis, _column(axis, scale, (), repeated))
        columns[name] = _column(name, item, tuple(axes), item[(slice(first, last), *map(slice, shape[1:]))])
    return LiveSlice(
        columns=tuple(columns.values()),
        cursor={"points": last, "rest": list(shape[1:])},
        first_point=first * inner,
        point_count=last * inner,
        shape=shape if len(shape) > 1 else (),
    )


def _axes(file: h5py.File, item: h5py.Dataset, own_name: str) -> list[str]:
    """The names of a variable's dimensions, where they have numbers of their own."""
    found = []
    for dimension in item.dims:
        if len(dimension):
            name = str(dimension[0].name).lstrip("/")
            if name != own_name and name in file:
                found.append(name)
    return found if len(found) == item.ndim else []


def _column(name: str, item: h5py.Dataset, axes: tuple[str, ...], values: Array) -> LiveColumn:
    numbers = array("d")
    numbers.frombytes(np.ascontiguousarray(values, np.float64).tobytes())
    unit = text_of(item.attrs.get("units")) or text_of(item.attrs.get("unit"))
    return LiveColumn(name, text_of(item.attrs.get("long_name")) or name, unit, axes, numbers)
