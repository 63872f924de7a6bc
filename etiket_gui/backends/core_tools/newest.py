"""The newest points of a run that is being measured."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from etiket_gui.backends.core_tools.arrays import Floats, LargeObjects
from etiket_gui.backends.core_tools.rows import Parameter
from etiket_gui.domain.live import LiveColumn, LiveSlice

#: Points of one slice; the rest comes with the next question.
MOST_POINTS = 200_000


def newest_points(parameters: Sequence[Parameter], objects: LargeObjects, since: Mapping[str, Any]) -> LiveSlice | None:
    """The points since the cursor, of all measured arrays of the shape that most of them have.

    None when the run has no array yet.
    """
    measured = [parameter for parameter in parameters if parameter.is_measured]
    if not measured:
        return None
    shapes = [parameter.shape for parameter in measured]
    shape = max(dict.fromkeys(shapes), key=shapes.count)
    measured = [parameter for parameter in measured if parameter.shape == shape]
    total = math.prod(shape)
    written = min(total, *(parameter.valid_count for parameter in measured))
    first = _place(since)
    if first > written or list(since.get("shape", shape)) != list(shape):
        first = 0
    count = min(MOST_POINTS, written - first)
    by_id = {parameter.id: parameter for parameter in parameters}
    columns: dict[str, LiveColumn] = {}
    for parameter in measured:
        axes = [by_id[axis] for axis in parameter.axes if axis in by_id]
        swept = sorted((axis for axis in axes if not axis.is_local), key=lambda axis: axis.axis)
        local = sorted((axis for axis in axes if axis.is_local), key=lambda axis: axis.axis)
        names = []
        for place, axis in enumerate([*swept, *local]):
            names.append(axis.name)
            if axis.name not in columns:
                values = _axis_values(axis, shape, place, len(swept), first, count, objects)
                columns[axis.name] = LiveColumn(axis.name, axis.label, axis.unit, (), _floats(values))
        values = objects.values(parameter, first, count)
        name = parameter.name if parameter.name not in columns else f"{parameter.name} ({parameter.index})"
        columns[name] = LiveColumn(name, parameter.label, parameter.unit, tuple(names), _floats(values))
    return LiveSlice(
        columns=tuple(columns.values()),
        cursor={"points": first + count, "shape": list(shape)},
        first_point=first,
        point_count=first + count,
        expected_count=total,
        shape=shape,
    )


def _place(since: Mapping[str, Any]) -> int:
    place = since.get("points", 0)
    return place if isinstance(place, int) and place >= 0 else 0


def _axis_values(
    axis: Parameter,
    shape: tuple[int, ...],
    place: int,
    swept_count: int,
    first: int,
    count: int,
    objects: LargeObjects,
) -> Floats:
    """The axis' value at each of ``count`` points from ``first`` on."""
    numbers = np.arange(first, first + count)
    if count == 0:
        return np.empty(0)
    if axis.shape == shape[place : place + 1]:
        stride = math.prod(shape[place + 1 :])
        return objects.values(axis, 0, shape[place])[(numbers // stride) % shape[place]]
    if not axis.is_local and math.prod(axis.shape) == math.prod(shape[:swept_count]):
        traces = math.prod(shape[swept_count:])
        from_step, to_step = first // traces, (first + count - 1) // traces + 1
        steps = objects.values(axis, from_step, to_step - from_step)
        return steps[numbers // traces - from_step]
    if axis.is_local and math.prod(axis.shape) == math.prod(shape[swept_count:]):
        return objects.values(axis, 0, math.prod(axis.shape))[numbers % math.prod(axis.shape)]
    return np.full(count, np.nan)


def _floats(values: Floats) -> array[float]:
    found = array("d")
    found.frombytes(np.ascontiguousarray(values, np.float64).tobytes())
    return found
