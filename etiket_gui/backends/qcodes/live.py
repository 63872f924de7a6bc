"""The newest points of a run that is being measured, for a plot on this machine."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etiket_gui.backends.qcodes.cells import Array
from etiket_gui.backends.qcodes.columns import Budget
from etiket_gui.backends.qcodes.interdependencies import Interdependencies, Parameter
from etiket_gui.backends.qcodes.points import Begun, PointReader, Points
from etiket_gui.backends.sqlite_access import Access
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.domain.stopping import StopToken

MOST_POINTS = 200_000
#: Rows of one slice; a run that is further ahead is caught up with in the next ones.
_MOST_ROWS = 20_000
_MOST_ARRAY_ROWS = 200


def newest_points(
    access: Access,
    table: str,
    names: tuple[str, ...],
    found: Interdependencies,
    since: Mapping[str, Any],
    last_id: int,
    scratch: Path,
    stop: StopToken,
) -> LiveSlice:
    """The points after ``since`` (the cursor of the slice before, empty at first) and up to the row ``last_id``.

    ``names`` are the columns of the table. Every column has one value per point; a point is one result row's value,
    rows of one ``add_result`` are one point where their setpoints are the same.
    """
    first = int(since.get("row", 0))
    before = int(since.get("points", 0))
    has_arrays = any(parameter.kind == "array" for parameter in found.parameters.values())
    until = min(last_id, first + (_MOST_ARRAY_ROWS if has_arrays else _MOST_ROWS))
    points = PointReader(access, table, found, Budget(scratch), Begun(names)).read(until, stop, after=first)
    columns = _columns(points, found)
    count = max((len(column.values) for column in columns), default=0)
    shape = next(iter(found.shapes.values()), ())
    return LiveSlice(
        columns=columns,
        cursor={"row": max(points.last_id, first), "points": before + count},
        first_point=before,
        point_count=before + count,
        expected_count=math.prod(shape) if shape else None,
        shape=shape,
        is_newest=until == last_id,
    )


def _columns(points: Points, found: Interdependencies) -> tuple[LiveColumn, ...]:
    count = max((tree.count for tree in points.trees), default=0)
    values: dict[str, Array] = {}
    axes: dict[str, tuple[str, ...]] = {}
    for tree in points.trees:
        if not tree.count:
            continue
        for name in tree.tree.columns:
            column = tree.columns[name].whole()
            if column.dtype.kind == "O" or (name in values and values[name].size >= column.size):
                continue
            values[name] = np.abs(column) if column.dtype.kind == "c" else column.astype(np.float64)
            axes[name] = tree.tree.setpoints if name not in tree.tree.setpoints else ()
    made = []
    for name, column in values.items():
        parameter = found.parameters.get(name, Parameter(name))
        filled = np.full(count, np.nan)
        filled[: column.size] = column
        kept = filled[-MOST_POINTS:]
        made.append(LiveColumn(name, parameter.label, parameter.unit, axes[name], array("d", kept.tobytes())))
    return tuple(made)
