"""The newest points of a running Quantify measurement, for the plot in the window."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from etiket_gui.backends.quantify.converting import gettables, settables
from etiket_gui.backends.quantify.datafile import Array, DataFile, open_data
from etiket_gui.backends.quantify.state import point_count
from etiket_gui.domain.errors import ConversionFailed, SourceChanged, SourceGone
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.domain.stopping import StopToken

MOST_POINTS = 200_000


def newest_points(path: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
    """The points after those that ``since`` tells of; all of them again when earlier ones changed (averaging).

    None while there is nothing to plot.
    """
    try:
        with open_data(path, stop) as data:
            return _slice(data, since)
    except (SourceChanged, SourceGone, ConversionFailed):
        # It is being written, or is about to be; the next question comes in a second.
        return None


def _slice(data: DataFile, since: Mapping[str, Any]) -> LiveSlice | None:
    axes, measured = _flat(settables(data)), _flat(gettables(data))
    if not axes or not measured:
        return None
    count = point_count(data)
    expected = axes[0].shape[0]
    values = {item.name: _floats(item, count) for item in (*axes, *measured)}
    begin = since.get("points", 0)
    if begin > count or since.get("check") != _check(values, begin):
        begin = 0
    end = min(count, begin + MOST_POINTS)
    names = tuple(item.name for item in axes)
    columns = [_column(item, (), values[item.name][begin:end]) for item in axes]
    columns += [_column(item, names, values[item.name][begin:end]) for item in measured]
    return LiveSlice(
        columns=tuple(columns),
        cursor={"points": end, "check": _check(values, end)},
        first_point=begin,
        point_count=count,
        expected_count=expected,
        shape=_shape(data, expected),
    )


def _flat(arrays: list[Array]) -> list[Array]:
    return [item for item in arrays if len(item.shape) == 1 and item.dtype.kind in "biufc"]


def _floats(item: Array, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = item.read(0, min(count, item.shape[0]))
    real = np.abs(values) if values.dtype.kind == "c" else values
    return np.ascontiguousarray(real, dtype=np.float64)


def _check(values: Mapping[str, np.ndarray[Any, Any]], count: int) -> int:
    total = 0
    for column in values.values():
        total = zlib.crc32(column[:count].tobytes(), total)
    return total


def _column(item: Array, axes: tuple[str, ...], values: np.ndarray[Any, Any]) -> LiveColumn:
    label = str(item.attributes.get("long_name") or item.attributes.get("name") or item.name)
    unit = str(item.attributes.get("units") or item.attributes.get("unit") or "")
    # Of the settables the first runs fastest, and axes are told from the outermost on.
    return LiveColumn(item.name, label, unit, tuple(reversed(axes)), array("d", values.tobytes()))


def _shape(data: DataFile, expected: int) -> tuple[int, ...]:
    try:
        shape = (int(data.attributes["ylen"]), int(data.attributes["xlen"]))
    except (KeyError, TypeError, ValueError):
        return (expected,)
    return shape if shape[0] * shape[1] == expected else (expected,)
