"""How fast a worker moves bytes, and how it tells how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from etiket_gui.domain.stopping import StopToken

_REPORT_EVERY_S = 0.2
#: A limit of bytes may be borrowed for this long, so that small files are not chopped into sleeps.
_BURST_S = 0.25
_LONGEST_SLEEP_S = 0.1


class Pace:
    """A limit in bytes per second, changed from any thread; None is unlimited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rate: float | None = None
        self._ready_s = 0.0

    @property
    def rate_bytes_per_s(self) -> float | None:
        """The limit in force."""
        return self._rate

    def set_rate(self, rate_bytes_per_s: float | None) -> None:
        """Change the limit; work that sleeps under the old one wakes within a tenth of a second."""
        with self._lock:
            self._rate = rate_bytes_per_s
            self._ready_s = time.monotonic()

    def spend(self, size_bytes: int, stop: StopToken) -> None:
        """Account for bytes just moved; sleeps until the limit allows the next. Raises Stopped."""
        if self._rate is None:
            return
        with self._lock:
            rate = self._rate
            now_s = time.monotonic()
            self._ready_s = max(self._ready_s, now_s - _BURST_S) + size_bytes / rate
        while self._rate == rate:
            rest_s = self._ready_s - time.monotonic()
            if rest_s <= 0:
                return
            stop.wait(min(rest_s, _LONGEST_SLEEP_S))
            stop.check()


class PacedProgress:
    """Progress that keeps to a pace and reports at most five times a second.

    ``report`` gets rows [uuid, file name, file bytes done, file size, dataset bytes done, dataset size].
    """

    def __init__(self, pace: Pace, stop: StopToken, report: Callable[[list[list[object]]], None]) -> None:
        self._pace = pace
        self._stop = stop
        self._report = report
        self._reported_at_s = 0.0
        self._datasets: dict[str, list[int]] = {}
        self._file: tuple[str, str] | None = None
        self._file_done = 0

    def begin(self, uuid: str, files: int, size_bytes: int) -> None:
        """A dataset starts."""
        self._datasets[uuid] = [0, size_bytes]

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """Bytes were moved; sleeps as the pace asks, raises Stopped when the task was cancelled.

        A negative number takes back what was told before; the time that took is spent all the same.
        """
        if self._file != (uuid, name):
            self._file = (uuid, name)
            self._file_done = 0
        self._file_done += bytes_done
        totals = self._datasets.setdefault(uuid, [0, size_bytes])
        totals[0] += bytes_done
        now_s = time.monotonic()
        if now_s - self._reported_at_s >= _REPORT_EVERY_S:
            self._reported_at_s = now_s
            self._report([[uuid, name, self._file_done, size_bytes, totals[0], totals[1]]])
        self._stop.check()
        self._pace.spend(max(0, bytes_done), self._stop)

    def finish(self, uuid: str) -> None:
        """The dataset's bytes are all moved."""
        self._datasets.pop(uuid, None)
