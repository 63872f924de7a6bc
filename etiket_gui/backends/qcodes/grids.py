"""Finds out whether the points of a tree fill a grid, and which: by what was measured before what was announced."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etiket_gui.backends.qcodes.cells import Array
from etiket_gui.backends.qcodes.columns import BLOCK_VALUES, Column
from etiket_gui.backends.qcodes.points import TreePoints
from etiket_gui.domain.stopping import StopToken

#: So many different setpoints of one axis are looked for; a sweep with more is stored as a plain table.
MOST_DIFFERENT = 4_000_000
#: What is put in order at once where points were not measured in the order of the grid.
BAND_VALUES = 4_000_000


@dataclass(slots=True)
class Axis:
    """One setpoint's different values, in the order they were first seen."""

    name: str
    values: Array

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return self.values.dtype.kind == "O"

    def codes(self, values: Array) -> Array:
        """The place on the axis of each value; -1 where there is none."""
        if self.is_text:
            places = {value: place for place, value in enumerate(self.values.tolist())}
            return np.fromiter((places.get(value, -1) for value in values), np.int64, values.size)
        order = np.argsort(self.values, kind="stable")
        ordered = self.values[order]
        found = np.minimum(np.searchsorted(ordered, values), ordered.size - 1)
        return np.where(ordered[found] == values, order[found], -1)


@dataclass(slots=True)
class Sweep:
    """How the points of one tree lie: ``kind`` is "grid", "gathered" or "table".

    grid: ``axes`` span it, and every point has its own place; in row-major order when ``is_raster``, and all places
    are taken when ``is_full``. gathered: each point has its own place, but far from all are taken. table: neither.
    """

    points: TreePoints
    kind: str
    axes: list[Axis] = field(default_factory=list)
    is_raster: bool = True
    #: The points lie in the order of the grid, whatever their setpoints say.
    is_by_order: bool = False
    #: Whether setpoints equal the axes; False where a grid was only announced.
    is_exact: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values along each axis."""
        return tuple(axis.values.size for axis in self.axes)

    @property
    def is_full(self) -> bool:
        """Whether every place of the grid holds a point."""
        return math.prod(self.shape) == self.points.count

    def flat_places(self) -> Iterator[Array]:
        """For each point in order its place in the grid, row-major."""
        if self.is_by_order:
            for start in range(0, self.points.count, BLOCK_VALUES):
                yield np.arange(start, min(start + BLOCK_VALUES, self.points.count))
            return
        blocks = [self.points.columns[axis.name].blocks() for axis in self.axes]
        for pieces in aligned(blocks):
            flat = np.zeros(pieces[0].size, np.int64)
            for axis, piece in zip(self.axes, pieces, strict=True):
                flat = flat * axis.values.size + axis.codes(piece)
            yield flat


def lay_out(points: TreePoints, shape: tuple[int, ...] | None, stop: StopToken) -> Sweep:
    """Find out how a tree's points lie. ``shape`` is the grid that the person announced."""
    setpoints = points.tree.setpoints
    count = points.count
    if not setpoints or not count:
        return Sweep(points, "table" if not setpoints else "grid", [Axis(name, np.zeros(0)) for name in setpoints])
    announced = shape is not None and len(shape) == len(setpoints) and math.prod(shape) == count
    if announced and shape is not None:
        sweep = _as_raster(points, shape, stop)
        if sweep is not None:
            return sweep
    if len(setpoints) == 1:
        column = points.columns[setpoints[0]]
        if _all_different(column):
            return Sweep(points, "grid", [Axis(setpoints[0], column.whole())])
        return _announced(points, shape) if announced and shape is not None else Sweep(points, "table")
    axes = []
    for name in setpoints:
        stop.check()
        axis = _different(name, points.columns[name], count)
        if axis is None:
            return _announced(points, shape) if announced and shape is not None else Sweep(points, "table")
        axes.append(axis)
    size = math.prod(axis.values.size for axis in axes)
    sweep = Sweep(points, "grid", axes)
    limit = math.prod(shape) if shape is not None else count
    if size > max(limit, count):
        sweep.kind = "gathered"
        if announced and shape is not None:
            return _announced(points, shape)
        if size >= 2**62 or count > MOST_DIFFERENT or any(" " in axis.name or axis.is_text for axis in axes):
            return Sweep(points, "table")
    return _checked(sweep, size, announced, shape, stop)


def _checked(sweep: Sweep, size: int, announced: bool, shape: tuple[int, ...] | None, stop: StopToken) -> Sweep:
    """The sweep if each point has a place of its own, else a table."""
    points = sweep.points
    next_place = 0
    is_taken = np.zeros(size, bool) if sweep.kind == "grid" else None
    seen: list[Array] = []
    for places in sweep.flat_places():
        stop.check()
        if sweep.is_raster and np.array_equal(places, np.arange(next_place, next_place + places.size)):
            next_place += places.size
            continue
        if sweep.is_raster:
            sweep.is_raster = False
            if is_taken is not None:
                is_taken[:next_place] = True
            else:
                seen.append(np.arange(next_place))
        if is_taken is not None:
            if is_taken[places].any() or np.unique(places).size != places.size:
                return _announced(points, shape) if announced and shape is not None else Sweep(points, "table")
            is_taken[places] = True
        else:
            seen.append(places)
    if seen:
        every = np.concatenate(seen)
        if np.unique(every).size != every.size:
            return Sweep(points, "table")
    return sweep


def _as_raster(points: TreePoints, shape: tuple[int, ...], stop: StopToken) -> Sweep | None:
    """The announced grid, if every setpoint is what its place in it says (then values may come twice on an axis)."""
    axes = []
    inner = points.count
    for name, size in zip(points.tree.setpoints, shape, strict=True):
        stop.check()
        inner //= size
        column = points.columns[name]
        axis = column.at(0, inner, size)
        start = 0
        for block in column.blocks():
            expected = axis[(np.arange(start, start + block.size) // inner) % size]
            if not _equal(block, expected):
                return None
            start += block.size
        axes.append(Axis(name, axis))
    return Sweep(points, "grid", axes, is_by_order=True)


def _announced(points: TreePoints, shape: tuple[int, ...]) -> Sweep:
    """The announced grid although the setpoints are not exactly on it: the axes are its first lines."""
    axes = []
    inner = points.count
    for name, size in zip(points.tree.setpoints, shape, strict=True):
        inner //= size
        axes.append(Axis(name, points.columns[name].at(0, inner, size)))
    return Sweep(points, "grid", axes, is_by_order=True, is_exact=False)


def _equal(here: Array, there: Array) -> bool:
    if here.dtype.kind in "fc" and there.dtype.kind in "fc":
        return bool(np.array_equal(here, there, equal_nan=True))
    return bool(np.array_equal(here, there))


def _all_different(column: Column) -> bool:
    """Whether no value comes twice (a NaN is no value)."""
    direction = 0
    last: Any = None
    is_monotonic = column.dtype.kind in "iuf"
    if is_monotonic:
        for block in column.blocks():
            joined = block if last is None else np.concatenate(([last], block))
            steps = np.diff(joined)
            last = block[-1]
            sign = 1 if steps.size and steps[0] > 0 else -1
            direction = direction or (sign if steps.size else 0)
            if steps.size and not (steps * direction > 0).all():
                is_monotonic = False
                break
    if is_monotonic:
        return not (column.count == 1 and column.dtype.kind == "f" and bool(np.isnan(column.whole()[0])))
    if column.count > MOST_DIFFERENT:
        return False
    values = column.whole()
    if values.dtype.kind == "O":
        return len(set(values.tolist())) == values.size
    if values.dtype.kind in "fc" and np.isnan(values).any():
        return False
    return bool(np.unique(values).size == values.size)


def _different(name: str, column: Column, limit: int) -> Axis | None:
    """The different values in order of appearance; None when there is a NaN or far too many of them."""
    if column.dtype.kind == "O":
        return Axis(name, _as_objects(list(dict.fromkeys(column.whole().tolist()))))
    ordered = np.zeros(0, column.dtype)
    found: list[Array] = []
    last: Any = None
    for block in column.blocks():
        if block.dtype.kind in "fc" and np.isnan(block).any():
            return None
        is_new = np.empty(block.size, bool)
        is_new[0] = last is None or block[0] != last
        np.not_equal(block[1:], block[:-1], out=is_new[1:])
        last = block[-1]
        values = block[is_new]
        if not values.size:
            continue
        if ordered.size:
            places = np.minimum(np.searchsorted(ordered, values), ordered.size - 1)
            values = values[ordered[places] != values]
        if not values.size:
            continue
        some, first = np.unique(values, return_index=True)
        found.append(values[np.sort(first)])
        ordered = np.sort(np.concatenate((ordered, some)))
        if ordered.size > min(MOST_DIFFERENT, limit):
            return None
    return Axis(name, np.concatenate(found) if found else ordered)


def _as_objects(values: list[Any]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def aligned(columns: list[Iterator[Array]]) -> Iterator[list[Array]]:
    """Blocks of several equally long columns, cut so that those of one step are equally long."""
    rests: list[Array | None] = [None] * len(columns)
    while True:
        for place, rest in enumerate(rests):
            if rest is None or not rest.size:
                rests[place] = next(columns[place], None)
        pieces = [rest for rest in rests if rest is not None]
        if len(pieces) < len(columns):
            return
        size = min(piece.size for piece in pieces)
        yield [piece[:size] for piece in pieces]
        rests = [piece[size:] for piece in pieces]
