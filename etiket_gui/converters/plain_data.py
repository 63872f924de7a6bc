"""Finds in an HDF5 or netCDF4 file of whatever program the arrays that belong together, and what they were set to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from etiket_gui.domain.stopping import StopToken

#: So many entries of a file are looked at, in so many levels of groups.
_MOST_ENTRIES = 500
_DEEPEST = 4
#: A piece that is stored compressed is unpacked whole, however little of it is asked for (bytes).
_LARGEST_PIECE_BYTES = 64 << 20
#: So many values of what may be an axis are looked at.
_LONGEST_AXIS = 200_000
#: What is usually set, not measured, begins like this.
_SET = ("time", "t", "freq", "x", "f", "b", "field", "bias", "gate", "voltage", "v", "angle", "power", "temperature")

Datasets = dict[str, h5py.Dataset]


def first_group(file: h5py.File, stop: StopToken) -> Datasets:
    """The numbers of the outermost group that has any, by name; empty where nothing can be drawn.

    Links to other files are never followed, and nothing is read. Raises Stopped and what h5py raises.
    """
    level: list[h5py.Group] = [file]
    looked_at = 0
    for _ in range(_DEEPEST):
        below: list[h5py.Group] = []
        for group in level:
            found: Datasets = {}
            for name in group:
                stop.check()
                looked_at += 1
                if looked_at > _MOST_ENTRIES:
                    return found
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                item = group[name]
                if isinstance(item, h5py.Group):
                    below.append(item)
                elif isinstance(item, h5py.Dataset) and _can_be_read(item):
                    found[name] = item
            if any(item.size > 1 for item in found.values()):
                return found
        level = below
    return {}


def _can_be_read(item: h5py.Dataset) -> bool:
    """Numbers that lie in the file itself, in pieces that memory holds."""
    if item.dtype.kind not in "biufc" or item.shape is None or item.is_virtual or item.external:
        return False
    piece = math.prod(item.chunks) if item.chunks else 0
    return bool(piece * item.dtype.itemsize <= _LARGEST_PIECE_BYTES)


def with_axes(
    datasets: Mapping[str, h5py.Dataset], dims: Mapping[str, tuple[str, ...]], stop: StopToken
) -> dict[str, tuple[str, ...]]:
    """The dimensions with names: what rises or falls steadily along one is what was set, and names it.

    ``dims`` has a name for every dimension of every dataset; those that say nothing are called ``dim_0``, ``dim_1``…
    """
    named: dict[str, tuple[str, ...]] = {}
    for name, item in datasets.items():
        own: list[str] = []
        for size, dim in zip(item.shape, dims[name], strict=True):
            label = f"{size} points" if dim.startswith("dim_") else dim
            own.append(label if label not in own else f"{label} ({len(own)})")
        named[name] = tuple(own)
    for dim in dict.fromkeys(dim for own in named.values() for dim in own):
        along = [name for name, own in named.items() if own == (dim,)]
        others = [name for name, own in named.items() if dim in own]
        if dim in named or len(others) < 2:
            continue
        steady = [name for name in along if _is_steady(datasets[name], stop)]
        if steady:
            axis = min(steady, key=lambda name: (not name.lower().startswith(_SET), along.index(name)))
            named = {name: tuple(axis if each == dim else each for each in own) for name, own in named.items()}
    return named


def measured_first(names: Sequence[str], datasets: Mapping[str, h5py.Dataset], stop: StopToken) -> list[str]:
    """The names in an order in which what looks like a setting comes last."""
    return sorted(names, key=lambda name: _is_steady(datasets[name], stop))


def _is_steady(item: h5py.Dataset, stop: StopToken) -> bool:
    stop.check()
    if item.dtype.kind not in "iuf" or item.size < 2 or max(item.shape) != item.size:
        return False
    beginning = item[tuple(slice(_LONGEST_AXIS) for _ in item.shape)]
    steps = np.diff(np.asarray(beginning, np.float64).ravel())
    return bool(np.isfinite(steps).all() and ((steps > 0).all() or (steps < 0).all()))
