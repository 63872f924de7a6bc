"""Turns the points of a run into the variables of one netCDF4 file, laid out as QCoDeS itself exports them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etiket_gui.backends.qcodes.cells import Array
from etiket_gui.backends.qcodes.columns import Column
from etiket_gui.backends.qcodes.grids import BAND_VALUES, Axis, Sweep, aligned, lay_out
from etiket_gui.backends.qcodes.interdependencies import Interdependencies, Parameter
from etiket_gui.backends.qcodes.points import Points
from etiket_gui.converters.netcdf import TEXT, Group, Text, Variable, safe_name
from etiket_gui.domain.stopping import StopToken

INDEX = "index"
GATHERED = "multi_index"
ORDER_GROUP = "order"
#: A grid that two sweeps need together may have this many times as many places as points.
_MOST_EMPTY = 4
_SMALL = 1_000_000


@dataclass(slots=True)
class Layer:
    """What goes into the root or a group: dimensions, and variables by name."""

    dims: dict[str, int] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    tables: list[Sweep] = field(default_factory=list)
    gathered: list[Sweep] = field(default_factory=list)

    def takes(self, sweep: Sweep) -> bool:
        """Put a sweep into this layer unless a name would stand for two things."""
        names = set(sweep.points.tree.columns)
        table_names = {name for other in self.tables for name in other.points.tree.columns}
        gathered_names = {name for other in self.gathered for name in other.points.tree.setpoints}
        value_names = {
            name
            for other in (*self.sweeps, *self.gathered)
            for name in (other.points.tree.name, *other.points.tree.inferred)
        }
        setpoints = set(sweep.points.tree.setpoints)
        if (names - setpoints) & value_names or (names - setpoints) & (set(self.axes) | gathered_names | table_names):
            return False
        if sweep.kind == "table":
            return self._takes_table(sweep, value_names | set(self.axes) | gathered_names)
        if setpoints & (value_names | table_names):
            return False
        if sweep.kind == "gathered":
            if setpoints & set(self.axes) or any(not _is_same_place(sweep, other) for other in self.gathered):
                return False
            self.gathered.append(sweep)
            return True
        if setpoints & gathered_names or not self._takes_axes(sweep):
            return False
        self.sweeps.append(sweep)
        return True

    def _takes_table(self, sweep: Sweep, taken: set[str]) -> bool:
        names = set(sweep.points.tree.columns)
        if names & taken:
            return False
        for other in self.tables:
            shared = names & set(other.points.tree.columns)
            if shared and other.points.count != sweep.points.count:
                return False
            if any(not _is_equal(sweep.points.columns[name], other.points.columns[name]) for name in shared):
                return False
        self.tables.append(sweep)
        return True

    def _takes_axes(self, sweep: Sweep) -> bool:
        merged: dict[str, Axis] = {}
        for axis in sweep.axes:
            here = self.axes.get(axis.name)
            if here is None or _same(here.values, axis.values):
                merged[axis.name] = axis if here is None else here
                continue
            users = [other for other in (*self.sweeps, sweep) if axis.name in other.points.tree.setpoints]
            if any(not other.is_exact for other in users) or here.is_text != axis.is_text:
                return False
            if not (_has_all_different(here) and _has_all_different(axis)):
                return False
            codes = here.codes(axis.values)
            merged[axis.name] = Axis(axis.name, np.concatenate((here.values, axis.values[codes < 0])))
        together = {**self.axes, **merged}
        for other in (*self.sweeps, sweep):
            size = math.prod(together[axis.name].values.size for axis in other.axes)
            if size > max(_MOST_EMPTY * other.points.count, _SMALL, math.prod(other.shape)):
                return False
        self.axes.update(merged)
        return True


def lay_out_all(points: Points, found: Interdependencies, stop: StopToken) -> tuple[Layer, dict[str, Layer], bool]:
    """The root, the groups of what the root cannot hold too, and whether every setpoint is exactly in them."""
    root = Layer()
    others: dict[str, Layer] = {}
    is_exact = True
    for tree in points.trees:
        sweep = lay_out(tree, found.shapes.get(tree.tree.name), stop)
        is_exact = is_exact and sweep.is_exact
        if not root.takes(sweep):
            layer = Layer()
            layer.takes(sweep)
            others[safe_name(tree.tree.name)] = layer
    return root, others, is_exact


def variables_of(layer: Layer, found: Interdependencies) -> Group:
    """The dimensions and variables of a layer."""
    writer = _Writer(layer, found)
    writer.write()
    return Group(layer.dims, list(layer.variables.values()))


def order_of(layers: list[Layer]) -> Group | None:
    """For sweeps that were not measured in the order of their grid: the place of each point, as measured."""
    dims: dict[str, int] = {}
    variables = []
    for layer in layers:
        for sweep in layer.sweeps:
            merged = _merged(layer, sweep)
            if merged.is_raster or merged.is_by_order:
                continue
            name = sweep.points.tree.name
            dims[f"{name}_point"] = sweep.points.count
            attributes = {"long_name": "place in the flattened grid of each point in the order of measurement"}
            variables.append(Variable(name, (f"{name}_point",), np.dtype(np.int64), attributes, merged.flat_places))
    return Group(dims, variables) if variables else None


def _merged(layer: Layer, sweep: Sweep) -> Sweep:
    """The sweep with the axes it shares with others."""
    axes = [layer.axes[axis.name] for axis in sweep.axes]
    if all(here is there or _same(here.values, there.values) for here, there in zip(axes, sweep.axes, strict=True)):
        return sweep
    return Sweep(sweep.points, "grid", axes, is_raster=False)


class _Writer:
    """Makes the variables of one layer."""

    def __init__(self, layer: Layer, found: Interdependencies) -> None:
        self._layer = layer
        self._found = found

    def write(self) -> None:
        """Fill the layer's dimensions and variables."""
        layer = self._layer
        for axis in layer.axes.values():
            layer.dims[axis.name] = axis.values.size
            layer.variables[axis.name] = Variable.of(axis.name, (axis.name,), axis.values, self._attributes(axis.name))
        if layer.gathered:
            self._gathered(layer.gathered)
        if layer.tables:
            self._tables(layer.tables)
        for sweep in layer.sweeps:
            self._grid(sweep)

    def _grid(self, sweep: Sweep) -> None:
        sweep = _merged(self._layer, sweep)
        dims = tuple(axis.name for axis in sweep.axes)
        aside: list[str] = []
        for name in (sweep.points.tree.name, *sweep.points.tree.inferred):
            column = sweep.points.columns[name]
            along = None if name == sweep.points.tree.name else self._only_along(sweep, name)
            if along is not None:
                self._layer.variables[name] = Variable.of(name, (along[0],), along[1], self._attributes(name))
                aside.append(name)
                continue
            dtype = _dtype_with_holes(column, is_full=sweep.is_full)
            self._layer.variables[name] = Variable(name, dims, dtype, self._attributes(name), _on_grid(sweep, column))
        if aside:
            main = self._layer.variables[sweep.points.tree.name]
            attributes = {**main.attributes, "coordinates": " ".join(aside)}
            self._layer.variables[main.name] = Variable(main.name, main.dims, main.dtype, attributes, main.blocks)

    def _only_along(self, sweep: Sweep, name: str) -> tuple[str, Array] | None:
        """The one axis that an inferred parameter varies along, and its values there; None when it is not so."""
        if not sweep.is_by_order or len(sweep.axes) < 2:
            return None
        related = self._found.related(name)
        if sweep.points.tree.name in related:
            return None
        axes = [place for place, axis in enumerate(sweep.axes) if axis.name in related]
        if len(axes) != 1:
            return None
        inner, size = math.prod(sweep.shape[axes[0] + 1 :]), sweep.shape[axes[0]]
        column = sweep.points.columns[name]
        values = column.at(0, inner, size)
        start = 0
        for block in column.blocks():
            expected = values[(np.arange(start, start + block.size) // inner) % size]
            if not _same(block, expected):
                return None
            start += block.size
        return sweep.axes[axes[0]].name, values

    def _gathered(self, sweeps: list[Sweep]) -> None:
        first = sweeps[0]
        layer = self._layer
        for axis in first.axes:
            layer.dims[axis.name] = axis.values.size
            layer.variables[axis.name] = Variable.of(axis.name, (axis.name,), axis.values, self._attributes(axis.name))
        layer.dims[GATHERED] = first.points.count
        attributes = {"compress": " ".join(axis.name for axis in first.axes)}
        layer.variables[GATHERED] = Variable(GATHERED, (GATHERED,), np.dtype(np.int64), attributes, first.flat_places)
        for sweep in sweeps:
            for name in (sweep.points.tree.name, *sweep.points.tree.inferred):
                self._plain(name, GATHERED, sweep.points.columns[name], sweep.points.count)

    def _tables(self, sweeps: list[Sweep]) -> None:
        count = max(sweep.points.count for sweep in sweeps)
        self._layer.dims[INDEX] = count
        self._layer.variables[INDEX] = Variable.of(INDEX, (INDEX,), np.arange(count))
        for sweep in sweeps:
            for name in sweep.points.tree.columns:
                if name not in self._layer.variables:
                    self._plain(name, INDEX, sweep.points.columns[name], count)

    def _plain(self, name: str, dim: str, column: Column, count: int) -> None:
        dtype = _dtype_with_holes(column, is_full=column.count == count)

        def blocks() -> Iterator[Array]:
            yield from column.blocks()
            if column.count < count:
                yield _holes(count - column.count, dtype)

        self._layer.variables[name] = Variable(name, (dim,), dtype, self._attributes(name), blocks)

    def _attributes(self, name: str) -> dict[str, Any]:
        parameter = self._found.parameters.get(name, Parameter(name))
        attributes: dict[str, Any] = {
            "name": parameter.name,
            "paramtype": parameter.kind,
            "label": parameter.label,
            "unit": parameter.unit,
            "units": parameter.unit,
            "long_name": parameter.label,
        }
        for key, names in (("depends_on", self._found.depends_on), ("inferred_from", self._found.inferred_from)):
            if names.get(name):
                attributes[key] = list(names[name])
        return attributes


def _dtype_with_holes(column: Column, *, is_full: bool) -> np.dtype[Any] | Text:
    dtype = column.dtype
    if dtype.kind == "O":
        return TEXT
    return dtype if is_full or dtype.kind in "fc" else np.dtype(np.float64)


def _holes(count: int, dtype: np.dtype[Any] | Text) -> Array:
    if isinstance(dtype, Text):
        values = np.empty(count, object)
        values[:] = ""
        return values
    return np.full(count, np.nan, dtype)


def _on_grid(sweep: Sweep, column: Column) -> Callable[[], Iterator[Array]]:
    size = math.prod(sweep.shape)
    dtype = _dtype_with_holes(column, is_full=sweep.is_full)

    def in_order() -> Iterator[Array]:
        yield from column.blocks()
        left = size - column.count
        while left > 0:
            some = min(left, BAND_VALUES)
            yield _holes(some, dtype)
            left -= some

    def scattered() -> Iterator[Array]:
        for start in range(0, size, BAND_VALUES):
            band = _empty(min(BAND_VALUES, size - start), dtype, has_holes=not sweep.is_full)
            for places, values in _pairs(sweep, column):
                is_here = (places >= start) & (places < start + band.size)
                if is_here.all():
                    band[places - start] = values
                elif is_here.any():
                    band[places[is_here] - start] = values[is_here]
            yield band

    return in_order if sweep.is_raster or sweep.is_by_order else scattered


def _empty(count: int, dtype: np.dtype[Any] | Text, *, has_holes: bool) -> Array:
    return _holes(count, dtype) if has_holes or isinstance(dtype, Text) else np.zeros(count, dtype)


def _pairs(sweep: Sweep, column: Column) -> Iterator[tuple[Array, Array]]:
    values = column.blocks()
    rest = np.zeros(0, column.dtype)
    for places in sweep.flat_places():
        while rest.size < places.size:
            rest = np.concatenate((rest, next(values))) if rest.size else next(values)
        yield places, rest[: places.size]
        rest = rest[places.size :]


def _same(here: Array, there: Array) -> bool:
    if here.shape != there.shape:
        return False
    if here.dtype.kind in "fc" and there.dtype.kind in "fc":
        return bool(np.array_equal(here, there, equal_nan=True))
    return bool(np.array_equal(here, there))


def _is_equal(here: Column, there: Column) -> bool:
    if here.count != there.count:
        return False
    return all(_same(one, other) for one, other in aligned([here.blocks(), there.blocks()]))


def _is_same_place(here: Sweep, there: Sweep) -> bool:
    return here.points.tree.setpoints == there.points.tree.setpoints and all(
        _is_equal(here.points.columns[name], there.points.columns[name]) for name in here.points.tree.setpoints
    )


def _has_all_different(axis: Axis) -> bool:
    values = axis.values
    if axis.is_text:
        return len(set(values.tolist())) == values.size
    return np.unique(values).size == values.size
