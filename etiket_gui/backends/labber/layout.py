"""Understands the layout of one Labber log: its channels, which of them are swept, and the grid they run through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.labber.logfile import channel_names, rows_of, text_of


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity in ``Data/Data``: its columns there (two for a complex one), its unit and where it comes from."""

    name: str
    columns: tuple[int, ...]
    unit: str
    instrument: str
    quantity: str
    is_measured: bool

    @property
    def is_complex(self) -> bool:
        """Whether it has a real and an imaginary column."""
        return len(self.columns) == 2


@dataclass(frozen=True, slots=True)
class Axis:
    """One swept dimension: the step channel that names it (empty where none does) and how many steps it has."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of ``Data/Data``: ``inner`` points by entry, ``entries`` so far; ``axes`` from the outermost on.

    The product of the axes is the whole grid; entries that are not there yet, to the end of the slowest axis' last
    begun step, are NaN. ``is_grid`` is False where the steps say something else than the data: the axes are then
    entries and points.
    """

    inner: int
    entries: int
    axes: tuple[Axis, ...]
    channels: tuple[Channel, ...]
    is_grid: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, outermost first."""
        return tuple(axis.length for axis in self.axes)


def understand(group: h5py.Group, file: h5py.File) -> Layout:
    """The layout of a log. Raises what h5py raises for a part that is missing."""
    data = group["Data"]
    values = data["Data"]
    inner = values.shape[0] if values.shape else 1
    entries = values.shape[2] if len(values.shape) == 3 else 1
    channels = _channels(group, file, values.shape[1] if len(values.shape) > 1 else 1)
    axes = _axes(group, inner, entries)
    if axes is None:
        names = (Axis("entry", entries), Axis("point", inner)) if entries != 1 else (Axis("point", inner),)
        return Layout(inner, entries, names, channels, is_grid=False)
    return Layout(inner, entries, axes, channels, is_grid=True)


def _channels(group: h5py.Group, file: h5py.File, columns: int) -> tuple[Channel, ...]:
    measured = set(channel_names(group["Log list"]))
    described = {}
    table = group.get("Channels", file.get("Channels"))
    if isinstance(table, h5py.Dataset):
        described = {text_of(row.get("name", "")): row for row in rows_of(table)}
    found: dict[tuple[str, bool], list[int]] = {}
    order: list[tuple[str, bool]] = []
    for column, row in enumerate(rows_of(group["Data"]["Channel names"])[:columns]):
        fields = list(row.values())
        name, info = text_of(fields[0]), text_of(fields[1]) if len(fields) > 1 else ""
        key = (name, info in {"Real", "Imaginary"})
        if key not in found:
            order.append(key)
            found[key] = []
        found[key].append(column)
    channels = []
    for name, is_part in order:
        places = found[name, is_part]
        row = described.get(name, {})
        unit, instrument, quantity = (text_of(row.get(part, "")) for part in ("unitPhys", "instrument", "quantity"))
        groups = [tuple(places)] if is_part and len(places) == 2 else [(place,) for place in places]
        channels += [Channel(name, group, unit, instrument, quantity, name in measured) for group in groups]
    return tuple(channels)


def _axes(group: h5py.Group, inner: int, entries: int) -> tuple[Axis, ...] | None:
    """The axes from the outermost on, or None where steps and data do not fit together."""
    data = group["Data"]
    dims = data.attrs.get("Step dimensions", group.attrs.get("Step dimensions"))
    steps = channel_names(group["Step list"]) if "Step list" in group else []
    if dims is None:
        return None
    lengths = [int(length) for length in np.atleast_1d(dims)]
    names = steps + [""] * (len(lengths) - len(steps))
    active = [Axis(name, length) for name, length in zip(names, lengths, strict=False) if length > 1]
    if inner == 1:
        # A single point in each entry: every step is an outer one.
        outer = active
        swept: list[Axis] = []
    elif active and active[0].length == inner:
        swept, outer = [active[0]], active[1:]
    else:
        return None
    if any(axis.length < 1 for axis in outer):
        return None
    wanted = int(np.prod([axis.length for axis in outer], dtype=np.int64))
    if entries > wanted:
        return None
    if outer:
        outer = [*outer[:-1], _cut(outer[:-1], outer[-1], entries)]
    elif entries != 1:
        return None
    return tuple(reversed(swept + outer))


def _cut(faster: Sequence[Axis], slowest: Axis, entries: int) -> Axis:
    """The slowest axis as far as it was begun."""
    row = int(np.prod([axis.length for axis in faster], dtype=np.int64))
    return Axis(slowest.name, min(slowest.length, -(-entries // row)))


def trace_names(group: h5py.Group, file: h5py.File) -> list[str]:
    """The channels that are recorded as traces. A slash in a name makes groups, so every path below is looked at."""
    traces = group.get("Traces")
    if not isinstance(traces, h5py.Group):
        return []
    found: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape) == 3 and not name.endswith("_t0dt"):
            found.append(name)

    traces.visititems(note)
    return found
