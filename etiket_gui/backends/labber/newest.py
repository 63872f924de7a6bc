"""The newest points of a running Labber log, for the plot in the window."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.labber.layout import Channel, understand
from etiket_gui.backends.labber.logfile import LogHead, log_group
from etiket_gui.domain.live import LiveColumn, LiveSlice

MOST_POINTS = 200_000


def newest_points(file: h5py.File, head: LogHead, since: Mapping[str, Any]) -> LiveSlice | None:
    """The points after those that ``since`` tells of; an entry that is still being filled is told again."""
    group = log_group(file, head.number)
    layout = understand(group, file)
    values = group["Data"]["Data"]
    steps = [channel for channel in layout.channels if not channel.is_measured]
    measured = [channel for channel in layout.channels if channel.is_measured]
    if len(values.shape) != 3 or not measured or not layout.inner:
        return None
    begin = int(since.get("entries", 0))
    if begin > layout.entries:
        begin = 0
    end = min(layout.entries, begin + max(1, MOST_POINTS // layout.inner))
    piece = values[:, :, begin:end]
    count = layout.entries * layout.inner
    whole = end
    if end == layout.entries and end > begin:
        missing = _missing_at_end(piece[:, :, -1], measured)
        count -= missing
        whole -= missing > 0
    names = {id(channel): name for channel, name in zip(layout.channels, _names(layout.channels), strict=True)}
    axes = tuple(names[id(channel)] for channel in reversed(steps))
    points = min(count, end * layout.inner) - begin * layout.inner
    columns = [
        LiveColumn(
            names[id(channel)],
            channel.name,
            channel.unit,
            axes if channel.is_measured else (),
            array("d", _column(piece, channel)[: max(points, 0)].tobytes()),
        )
        for channel in (*steps, *measured)
    ]
    return LiveSlice(
        columns=tuple(columns),
        cursor={"entries": whole},
        first_point=begin * layout.inner,
        point_count=count,
        expected_count=head.expected * layout.inner,
        shape=_shape(head, layout.inner, layout.shape),
    )


def _shape(head: LogHead, inner: int, begun: tuple[int, ...]) -> tuple[int, ...]:
    expected = head.expected * inner
    rest = int(np.prod(begun[1:], dtype=np.int64))
    return (expected // rest, *begun[1:]) if rest and expected % rest == 0 else (expected,)


def _names(channels: tuple[Channel, ...]) -> list[str]:
    found: list[str] = []
    for channel in channels:
        name, number = channel.name, 1
        while name in found:
            number += 1
            name = f"{channel.name} ({number})"
        found.append(name)
    return found


def _column(piece: np.ndarray[Any, Any], channel: Channel) -> np.ndarray[Any, np.dtype[np.float64]]:
    parts = [piece[:, column, :].T.reshape(-1).astype(np.float64) for column in channel.columns]
    return np.ascontiguousarray(np.hypot(*parts) if channel.is_complex else parts[0])


def _missing_at_end(entry: np.ndarray[Any, Any], measured: list[Channel]) -> int:
    """How many points at the end of an entry no measured channel has."""
    columns = [column for channel in measured for column in channel.columns]
    is_there = np.flatnonzero(~np.isnan(entry[:, columns]).all(axis=1))
    return int(len(entry) - 1 - is_there[-1]) if len(is_there) else len(entry)
