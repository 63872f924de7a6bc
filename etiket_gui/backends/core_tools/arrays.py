"""The arrays of a run, read from large objects in slices, and how they become variables on common axes."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etiket_gui.backends.core_tools.rows import Parameter
from etiket_gui.converters.netcdf import Variable, safe_name
from etiket_gui.domain.stopping import StopToken

if TYPE_CHECKING:
    from etiket_gui.backends.core_tools.connection import Connection

Floats = npt.NDArray[np.float64]

ITEM_BYTES = 8
SLICE_BYTES = 1 << 20
#: Values along one axis that are compared in memory at once; longer axes are kept as the full grid.
_LONGEST_COMPARED_AXIS = 4_000_000


class LargeObjects:
    """Reads arrays from the database, one slice of at most 1 MiB at a time; outside of any transaction."""

    def __init__(self, connection: Connection, stop: StopToken) -> None:
        self._connection = connection
        self._stop = stop

    def measured(self, parameter: Parameter) -> int:
        """How many of the values that the parameter's cursor names are really in its object.

        Costs one small question where all are there, and some twenty where not.
        """
        told = min(parameter.valid_count, math.prod(parameter.shape))
        if parameter.oid is None or told <= 0:
            return 0
        if self._has_value(parameter, told - 1):
            return told
        low, high = 0, told - 1
        while low < high:
            middle = (low + high) // 2
            if self._has_value(parameter, middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _has_value(self, parameter: Parameter, place: int) -> bool:
        self._stop.check()
        row = self._connection.execute(
            "SELECT octet_length(lo_get(%s, %s, %s)) AS size_bytes", (parameter.oid, place * ITEM_BYTES, ITEM_BYTES)
        ).fetchone()
        return row is not None and row["size_bytes"] == ITEM_BYTES

    def values(self, parameter: Parameter, first: int, count: int) -> Floats:
        """``count`` values from the flat position ``first`` on; NaN where nothing is written."""
        return np.concatenate([np.empty(0), *self.blocks(parameter, first, count)])

    def blocks(self, parameter: Parameter, first: int = 0, count: int | None = None) -> Iterator[Floats]:
        """The same in flat blocks; everything from ``first`` on without ``count``."""
        end = math.prod(parameter.shape) if count is None else first + count
        written = min(parameter.valid_count, end) if parameter.oid is not None else 0
        step = SLICE_BYTES // ITEM_BYTES
        while first < end:
            self._stop.check()
            size = min(step, end - first)
            block = np.full(size, np.nan)
            wanted = min(size, written - first)
            if wanted > 0:
                row = self._connection.execute(
                    "SELECT lo_get(%s, %s, %s) AS data",
                    (parameter.oid, first * ITEM_BYTES, wanted * ITEM_BYTES),
                ).fetchone()
                data = b"" if row is None else bytes(row["data"])
                read = np.frombuffer(data, "<f8", len(data) // ITEM_BYTES)
                block[: read.size] = read
            yield block
            first += size


@dataclass(frozen=True, slots=True)
class Short:
    """An array that holds only ``held`` of the ``told`` values its cursor names; the rest is filled with NaN."""

    name: str
    held: int
    told: int


def as_held(parameters: Sequence[Parameter], objects: LargeObjects) -> tuple[tuple[Parameter, ...], tuple[Short, ...]]:
    """The parameters with the number of values that are really there, and those that lack some."""
    found, short = [], []
    for parameter in parameters:
        told = min(parameter.valid_count, math.prod(parameter.shape))
        held = objects.measured(parameter)
        if held < told:
            short.append(Short(parameter.full_name or parameter.name, held, told))
            found.append(dataclasses.replace(parameter, valid_count=held, told_count=told))
        else:
            found.append(parameter)
    return tuple(found), tuple(short)


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of the file, with its coordinate's values where one value stands for each step."""

    name: str
    size: int


@dataclass(slots=True)
class Layout:
    """The dimensions and variables of one run's file."""

    dims: dict[str, int] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)


class LayoutMaker:
    """Puts every array of a run on axes that arrays with the same setpoints share; nothing of the data is left out.

    A swept parameter whose array repeats the same values along all other axes becomes the coordinate of its axis;
    any other keeps its full grid beside the data.
    """

    def __init__(self, objects: LargeObjects) -> None:
        self._objects = objects
        self._layout = Layout()
        self._names: set[str] = set()
        #: What is in the file already, by the content of the coordinate.
        self._axes: dict[tuple[str, int, str], Axis] = {}
        self._grids: dict[tuple[str, tuple[str, ...], str], str] = {}
        self._digests: dict[int, str] = {}

    def make(self, parameters: Sequence[Parameter]) -> Layout:
        """The layout of a whole run."""
        by_id = {parameter.id: parameter for parameter in parameters}
        used: set[int] = set()
        for parameter in parameters:
            if parameter.is_measured:
                axes = [by_id[axis] for axis in parameter.axes if axis in by_id]
                used.update(axis.id for axis in axes)
                self._add_measured(parameter, axes)
        for parameter in parameters:
            if not parameter.is_measured and parameter.id not in used:
                # Nothing depends on it, but it was recorded.
                self._add_measured(parameter, [])
        return self._layout

    def _add_measured(self, parameter: Parameter, axes: Sequence[Parameter]) -> None:
        swept = sorted((axis for axis in axes if not axis.is_local), key=lambda axis: axis.axis)
        local = sorted((axis for axis in axes if axis.is_local), key=lambda axis: axis.axis)
        dims: list[str] = []
        coordinates: list[str] = []
        for group, shape in zip(
            (swept, local), (parameter.shape[: len(swept)], parameter.shape[len(swept) :]), strict=True
        ):
            self._add_axes(group, shape, dims, coordinates)
        name = self._free(parameter.name)
        attributes = _attributes(parameter)
        if coordinates:
            attributes["coordinates"] = " ".join(coordinates)
        self._layout.variables.append(
            Variable(name, tuple(dims), np.dtype("<f8"), attributes, partial(self._objects.blocks, parameter))
        )

    def _add_axes(
        self, group: Sequence[Parameter], shape: tuple[int, ...], dims: list[str], coordinates: list[str]
    ) -> None:
        """Dimensions of one part of an array's shape, and the coordinates that are no dimension themselves."""
        steps = [self._steps(axis, shape, place) if place < len(shape) else None for place, axis in enumerate(group)]
        own: list[str] = []
        for place, size in enumerate(shape):
            parameter = group[place] if place < len(group) else None
            values = steps[place] if place < len(steps) else None
            taken = (*dims, *own)
            if parameter is not None and values is not None:
                own.append(self._axis(parameter, values, taken).name)
            else:
                label = "point" if parameter is None else f"{parameter.name}_point"
                own.append(self._bare_axis(label, size, taken).name)
        for place, axis in enumerate(group):
            if place >= len(shape) or steps[place] is None:
                grid = self._grid(axis, shape, tuple(own))
                if grid is not None:
                    coordinates.append(grid)
        dims.extend(own)

    def _steps(self, axis: Parameter, shape: tuple[int, ...], place: int) -> Floats | None:
        """The one value of each step along an axis, or None where the array says more than that."""
        size = shape[place]
        if size > _LONGEST_COMPARED_AXIS:
            return None
        if axis.shape == (size,):
            return self._objects.values(axis, 0, size)
        if math.prod(axis.shape) != math.prod(shape):
            return None
        stride = math.prod(shape[place + 1 :])
        steps = np.full(size, np.nan)
        first = 0
        for block in self._objects.blocks(axis):
            written = np.arange(first, first + block.size) < axis.valid_count
            numbers = (np.arange(first, first + block.size) // stride) % size
            first += block.size
            unknown = written & np.isnan(steps[numbers])
            # The last of equal numbers wins below, so an unequal one is seen by the comparison.
            steps[numbers[unknown]] = block[unknown]
            if not np.array_equal(steps[numbers[written]], block[written], equal_nan=False):
                return None
        return steps

    def _axis(self, parameter: Parameter, values: Floats, taken: tuple[str, ...]) -> Axis:
        key = (parameter.name, values.size, hashlib.sha256(values.tobytes()).hexdigest())
        known = self._axes.get(key)
        if known is not None and known.name not in taken:
            return known
        axis = Axis(self._free(parameter.name), values.size)
        self._axes[key] = axis
        self._layout.dims[axis.name] = axis.size
        self._layout.variables.append(
            Variable(axis.name, (axis.name,), np.dtype("<f8"), _attributes(parameter), lambda: iter((values,)))
        )
        return axis

    def _bare_axis(self, label: str, size: int, taken: tuple[str, ...]) -> Axis:
        key = (label, size, "")
        known = self._axes.get(key)
        if known is not None and known.name not in taken:
            return known
        axis = Axis(self._free(label), size)
        self._axes[key] = axis
        self._layout.dims[axis.name] = size
        return axis

    def _grid(self, parameter: Parameter, shape: tuple[int, ...], dims: tuple[str, ...]) -> str | None:
        """A setpoint array that is no axis, as a coordinate over the axes it fits; its name in the file."""
        attributes = _attributes(parameter)
        digest = self._digest(parameter)
        own_dims: tuple[str, ...] = dims
        if math.prod(parameter.shape) != math.prod(shape):
            bare: list[str] = []
            for size in parameter.shape:
                bare.append(self._bare_axis(f"{parameter.name}_point", size, tuple(bare)).name)
            own_dims = tuple(bare)
        key = (parameter.name, own_dims, digest)
        if key not in self._grids:
            self._grids[key] = self._free(parameter.name)
            self._layout.variables.append(
                Variable(
                    self._grids[key], own_dims, np.dtype("<f8"), attributes, partial(self._objects.blocks, parameter)
                )
            )
        return self._grids[key] if own_dims == dims else None

    def _digest(self, parameter: Parameter) -> str:
        if parameter.id not in self._digests:
            digest = hashlib.sha256()
            for block in self._objects.blocks(parameter):
                digest.update(block.tobytes())
            self._digests[parameter.id] = digest.hexdigest()
        return self._digests[parameter.id]

    def _free(self, wanted: str) -> str:
        base = safe_name(wanted.replace(" ", "_"))
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name


def _attributes(parameter: Parameter) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "name": parameter.name,
        "long_name": parameter.label or parameter.name,
        "units": parameter.unit,
        "full_name": parameter.full_name,
        "param_id": str(parameter.id),
        "nth_set": parameter.number,
    }
    if parameter.valid_count != math.prod(parameter.shape):
        attributes["valid_count"] = parameter.valid_count
    if parameter.told_count is not None:
        attributes["write_cursor"] = parameter.told_count
    return attributes


def parameter_to_json(parameter: Parameter) -> Mapping[str, Any]:
    """What is known of an array beside its values."""
    return {
        "name": parameter.name,
        "full_name": parameter.full_name,
        "label": parameter.label,
        "unit": parameter.unit,
        "param_id": parameter.id,
        "param_id_m_param": parameter.measured_by,
        "nth_set": parameter.number,
        "nth_dim": parameter.axis,
        "setpoint": parameter.is_setpoint,
        "setpoint_local": parameter.is_local,
        "dependencies": list(parameter.axes),
        "shape": list(parameter.shape),
        "valid_count": parameter.valid_count,
        **({} if parameter.told_count is None else {"write_cursor": parameter.told_count}),
    }
