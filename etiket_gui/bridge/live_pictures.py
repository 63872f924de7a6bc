"""What a running measurement looks like just now: lines or a map, made ready for drawing on a reader's thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etiket_gui.store.live_points import LivePoints, read_points

if TYPE_CHECKING:
    import numpy as np

#: A map of more cells in one direction is shown as coloured dots' means: no screen shows more.
LARGEST_SIDE = 1000


@dataclass(frozen=True, slots=True)
class Axis:
    """What is drawn along one direction: a label for people and a unit, either may be empty."""

    label: str
    unit: str

    @property
    def text(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Line:
    """One measured quantity against the swept one, in the order it was measured; NaN breaks the line."""

    name: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, slots=True)
class Map:
    """Values on a grid: ``values[column, row]`` lies at ``x0 + column * dx``, ``y0 + row * dy``; NaN: not yet."""

    values: np.ndarray
    x0: float
    y0: float
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class LivePicture:
    """One look at a running measurement. Either ``lines`` or ``map`` is drawn; ``quantities`` can be chosen from."""

    uuid: str
    quantities: tuple[str, ...]
    chosen: str
    x: Axis
    y: Axis
    z: Axis | None
    lines: tuple[Line, ...]
    map: Map | None
    point_count: int
    expected_count: int | None
    at_ns: int


def live_picture(folder: Path, uuid: str, chosen: str = "") -> LivePicture | None:
    """The picture of a running measurement; ``chosen`` is the quantity to draw, the first measured one otherwise.

    None when nothing is kept of it. Not for the GUI thread.
    """
    points = read_points(folder, uuid)
    if points is None:
        return None
    measured = [column for column in points.columns if column.axes] or list(points.columns[-1:])
    if not measured:
        return None
    column = next((column for column in measured if column.name == chosen), measured[0])
    by_name = {item.name: item for item in points.columns}
    axes = [by_name[name] for name in column.axes if name in by_name]
    names = tuple(item.name for item in measured)
    if len(axes) >= 2:
        return _as_map(points, names, column.name, axes[-1].name, axes[-2].name)
    return _as_lines(points, names, column.name)


def _array(points: LivePoints, name: str) -> np.ndarray:
    import numpy as np

    values = next(column.values for column in points.columns if column.name == name)
    return np.frombuffer(values, dtype=np.float64) if len(values) else np.empty(0)


def _axis(points: LivePoints, name: str) -> Axis:
    column = next(column for column in points.columns if column.name == name)
    return Axis(column.label or column.name, column.unit)


def _as_lines(points: LivePoints, names: tuple[str, ...], chosen: str) -> LivePicture:
    import numpy as np

    column = next(column for column in points.columns if column.name == chosen)
    swept = column.axes[0] if column.axes and any(item.name == column.axes[0] for item in points.columns) else ""
    y = _array(points, chosen)
    if swept:
        x, x_axis = _array(points, swept), _axis(points, swept)
    else:
        x, x_axis = np.arange(len(y), dtype=np.float64) * points.stride, Axis("Point", "")
    is_measured = ~np.isnan(y) & ~np.isnan(x)
    line = Line(_axis(points, chosen).label, x[is_measured], y[is_measured])
    return LivePicture(
        points.uuid, names, chosen, x_axis, _axis(points, chosen), None, (line,), None, points.point_count,
        points.expected_count, points.at_ns,
    )  # fmt: skip


def _as_map(points: LivePoints, names: tuple[str, ...], chosen: str, fast: str, slow: str) -> LivePicture:
    import numpy as np

    x, y, z = _array(points, fast), _array(points, slow), _array(points, chosen)
    is_there = ~(np.isnan(x) | np.isnan(y))
    x, y, z = x[is_there], y[is_there], z[is_there]
    columns, x0, dx = _places(x)
    rows, y0, dy = _places(y)
    values = np.full((int(columns.max(initial=0)) + 1, int(rows.max(initial=0)) + 1), np.nan)
    # What was measured last at a place is what is shown there.
    values[columns, rows] = z
    picture = Map(values, x0, y0, dx, dy)
    return LivePicture(
        points.uuid, names, chosen, _axis(points, fast), _axis(points, slow), _axis(points, chosen), (), picture,
        points.point_count, points.expected_count, points.at_ns,
    )  # fmt: skip


def _places(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """For each value its place on an even grid, and where that begins and how wide its steps are."""
    import numpy as np

    if not len(values):
        return np.empty(0, dtype=np.intp), 0.0, 1.0
    distinct = np.unique(values)
    low, span = float(distinct[0]), float(distinct[-1] - distinct[0])
    if len(distinct) == 1 or span <= 0:
        return np.zeros(len(values), dtype=np.intp), low, 1.0
    # The usual step, not the smallest: set points come back with rounding errors.
    steps = np.diff(distinct)
    step = float(np.median(steps[steps > span * 1e-9]))
    sides = min(max(round(span / step), 1), LARGEST_SIDE - 1)
    step = span / sides
    return np.rint((values - low) / step).astype(np.intp), low, step
