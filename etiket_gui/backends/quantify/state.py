"""Whether a Quantify measurement is running, finished or was broken off; the files carry no mark of it."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from etiket_gui.backends.quantify.converting import gettables
from etiket_gui.backends.quantify.datafile import Array, DataFile, open_data
from etiket_gui.domain.errors import EtiketError, SourceChanged
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

SHORTEST_LIMIT_S = 60.0
_INTERVALS = 20
_REMEMBERED = 10_000
_NS = 1_000_000_000
_TAIL_ROWS = 1


@dataclass(slots=True)
class _Seen:
    """What is remembered of one dataset file: (size, mtime), whether all points are there, when it last moved."""

    key: tuple[int, int]
    is_finished: bool | None
    declared: str
    moved_at_s: float | None
    points: int = 0
    interval_s: float = 0.0


class RunStates:
    """Judges runs by their newest points; ``interrupted_after_s`` None is Quantify's own rule."""

    def __init__(self, interrupted_after_s: float | None) -> None:
        self._interrupted_after_s = interrupted_after_s
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def judge(self, path: str, key: tuple[int, int], stop: StopToken) -> tuple[RunState, bool]:
        """(state, whether the file itself says that it is finished) of the dataset file at ``path``.

        ``key`` is its (size, mtime in ns). A file that cannot be understood counts as finished: it is sent as it is.
        """
        now_s = time.monotonic()
        seen = self._seen.get(path)
        if seen is None or seen.key != key:
            seen = self._looked_at(path, key, seen, now_s, stop)
        if seen.declared == "done":
            return RunState.COMPLETE, True
        if seen.declared.startswith("interrupted"):
            return RunState.INTERRUPTED, False
        if seen.is_finished and seen.declared != "running":
            return RunState.COMPLETE, False
        # At the first look only the file's own time tells.
        quiet_s = time.time() - key[1] / _NS if seen.moved_at_s is None else now_s - seen.moved_at_s
        limit_s = self._interrupted_after_s
        if limit_s is None:
            limit_s = max(SHORTEST_LIMIT_S, _INTERVALS * seen.interval_s)
        return (RunState.INTERRUPTED if quiet_s >= limit_s else RunState.LIVE), False

    def _looked_at(self, path: str, key: tuple[int, int], before: _Seen | None, now_s: float, stop: StopToken) -> _Seen:
        moved_at_s = None
        if before is not None:
            moved_at_s = now_s
        elif key[1] / _NS > time.time():
            # Another machine's clock is ahead of ours: its times say nothing about how long ago that was.
            moved_at_s = now_s
        declared, is_finished, points = "", None, 0
        try:
            with open_data(path, stop) as data:
                declared = str(data.attributes.get("dataset_state", ""))
                is_finished = not has_open_end(data)
                points = 0 if is_finished else point_count(data)
        except SourceChanged:
            is_finished = False
        except EtiketError as error:
            if error.concerns_all:
                raise
            is_finished = True
        seen = _Seen(key, is_finished, declared, moved_at_s, points)
        if before is not None:
            # Each writing adds a point or more, so the time for a point is at most that between two writings.
            new_points = max(points - before.points, 1)
            seen.interval_s = max(before.interval_s, (key[1] - before.key[1]) / _NS / new_points)
        self._seen.pop(path, None)
        self._seen[path] = seen
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return seen


def has_open_end(data: DataFile) -> bool:
    """Whether the last point of a measured variable is missing: NaN stands where nothing was measured yet."""
    return any(_is_missing(array) for array in gettables(data))


def _is_missing(array: Array) -> bool:
    if array.dtype.kind not in "fc" or not array.shape or not array.shape[0]:
        return False
    last = array.read(array.shape[0] - _TAIL_ROWS, array.shape[0])
    return bool(np.isnan(last).all())


def point_count(data: DataFile) -> int:
    """How many points are there: up to the last one of which any variable has a value."""
    most = 0
    for array in gettables(data):
        values = array.whole()
        if not values.shape:
            continue
        if values.dtype.kind in "fc":
            is_there = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
            places = np.flatnonzero(is_there)
            most = max(most, int(places[-1]) + 1 if len(places) else 0)
        else:
            most = max(most, len(values))
    return most
