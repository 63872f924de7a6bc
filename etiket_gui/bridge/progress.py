"""How long what is being sent still takes: told only when the recent past says it well enough."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable
from dataclasses import dataclass
from operator import attrgetter

#: The rate is looked at over the last seconds, over a longer time, and over everything since the begin.
_SHORT_S = 6.0
_LONG_S = 30.0
#: Before so many seconds and looks nothing is told.
_SURE_AFTER_S = 4.0
_SURE_AFTER_LOOKS = 5
#: The rates must agree within this factor; the truth then lies between them, and the middle is off by its root at most.
_AGREE = 2.0
#: A file costs as much time as so many bytes beside its own, at most.
_MOST_BYTES_PER_FILE = 200_000.0
_LEAST_STEP_S = 0.2
_STANDSTILL_S = 5.0
_AT_S = attrgetter("at_s")


@dataclass(frozen=True, slots=True)
class Estimate:
    """``rest_s`` is None while it cannot be told ("estimating"). Rates are of the recent past."""

    rest_s: float | None
    rate_bytes_per_s: float
    rate_files_per_s: float


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    done_bytes: int
    done_files: int


class RestEstimator:
    """One row: a file, a dataset, a source or all of it. Times are monotonic seconds.

    Both bytes and files cost time. Nobody knows how fast it will go on: somewhere between as fast as just now and as
    fast as on the whole. The rest is told, from the middle of both, where these do not differ much; else it is not.
    """

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._looks = [_Look(begun_s, 0, 0)]
        self._size_bytes = 0
        self._file_count = 0

    def update(
        self, now_s: float, *, done_bytes: int, size_bytes: int, done_files: int = 0, file_count: int = 0
    ) -> None:
        """So much is done by now, of so much. A total that grows is taken over; going back begins anew."""
        self._size_bytes, self._file_count = max(size_bytes, done_bytes), max(file_count, done_files)
        last = self._looks[-1]
        if done_bytes < last.done_bytes or done_files < last.done_files:
            self._begun_s = now_s
            self._looks = [_Look(now_s, done_bytes, done_files)]
            return
        if now_s - last.at_s < _LEAST_STEP_S and len(self._looks) > 1:
            self._looks[-1] = _Look(last.at_s, done_bytes, done_files)
            return
        self._looks.append(_Look(now_s, done_bytes, done_files))
        # The very first look stays: it is what "on the whole" counts from.
        while len(self._looks) > 3 and self._looks[2].at_s <= now_s - _LONG_S:
            del self._looks[1]

    def estimate(self, now_s: float) -> Estimate:
        """How long it still takes, as far as can be told now."""
        last = self._looks[-1]
        rest_bytes, rest_files = self._size_bytes - last.done_bytes, self._file_count - last.done_files
        passed_s = now_s - self._begun_s
        short = self._since(now_s - _SHORT_S)
        rates = self._rates(short, now_s)
        if rest_bytes <= 0 and rest_files <= 0:
            return Estimate(0.0, *rates)
        if passed_s < _SURE_AFTER_S or len(self._looks) < _SURE_AFTER_LOOKS or now_s - last.at_s > _STANDSTILL_S:
            return Estimate(None, *rates)
        windows = (_SHORT_S, _LONG_S, passed_s)
        rests = [self._rest_s(self._since(now_s - window_s), rest_bytes, rest_files) for window_s in windows]
        told = [rest for rest in rests if rest is not None]
        if len(told) < len(rests) or max(told) > _AGREE * min(told):
            return Estimate(None, *rates)
        return Estimate(max(0.0, math.sqrt(max(told) * min(told)) - (now_s - last.at_s)), *rates)

    def _since(self, at_s: float) -> _Look:
        """The last look before that moment, the first one when all are later."""
        return self._looks[max(0, bisect_right(self._looks, at_s, key=_AT_S) - 1)]

    def _rates(self, since: _Look, now_s: float) -> tuple[float, float]:
        last = self._looks[-1]
        passed_s = max(now_s, last.at_s) - since.at_s
        if passed_s <= 0:
            return 0.0, 0.0
        return (last.done_bytes - since.done_bytes) / passed_s, (last.done_files - since.done_files) / passed_s

    def _rest_s(self, since: _Look, rest_bytes: int, rest_files: int) -> float | None:
        last = self._looks[-1]
        passed_s = last.at_s - since.at_s
        cost = self._bytes_per_file()
        moved = last.done_bytes - since.done_bytes + cost * (last.done_files - since.done_files)
        if moved <= 0 or passed_s <= 0:
            return None
        return (rest_bytes + cost * rest_files) * passed_s / moved

    def _bytes_per_file(self) -> float:
        """What one file costs beside its bytes: as much again as the mean file has, where it has little."""
        if not self._file_count:
            return 0.0
        return min(_MOST_BYTES_PER_FILE, max(1.0, self._size_bytes / self._file_count))


class ProgressBoard:
    """An estimator for each row that moves; rows are named by the caller, and forgotten when they are over."""

    def __init__(self) -> None:
        self._rows: dict[Hashable, RestEstimator] = {}

    def note(
        self, row: Hashable, now_s: float, *, done_bytes: int, size_bytes: int, done_files: int = 0, file_count: int = 0
    ) -> Estimate:
        """Take over where a row is now, and say how long it still takes."""
        estimator = self._rows.get(row)
        if estimator is None:
            estimator = self._rows[row] = RestEstimator(now_s)
        estimator.update(
            now_s, done_bytes=done_bytes, size_bytes=size_bytes, done_files=done_files, file_count=file_count
        )
        return estimator.estimate(now_s)

    def estimate(self, row: Hashable, now_s: float) -> Estimate | None:
        """What is known of a row, None when it does not move."""
        estimator = self._rows.get(row)
        return None if estimator is None else estimator.estimate(now_s)

    def forget(self, row: Hashable) -> None:
        """The row is over."""
        self._rows.pop(row, None)

    def keep_only(self, rows: set[Hashable]) -> None:
        """Forget every row but these."""
        for row in self._rows.keys() - rows:
            del self._rows[row]
