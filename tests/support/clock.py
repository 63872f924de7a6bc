"""A clock that tests turn by hand: its wall part can jump, its monotonic part only goes forward."""

from __future__ import annotations

import threading
from collections.abc import Callable

SECOND_NS = 1_000_000_000
#: 2026-03-01 12:00:00 UTC, where a new clock starts.
START_NS = 1_772_366_400 * SECOND_NS


class FakeClock:
    """Wall and monotonic time in nanoseconds; nothing passes unless a test says so.

    ``sleep`` passes its time at once. ``call_at`` runs a function when the monotonic time comes, in order, so that
    a file can grow or a server can come back in the middle of a wait.
    """

    def __init__(self, wall_ns: int = START_NS, monotonic_ns: int = 1000 * SECOND_NS) -> None:
        self._lock = threading.RLock()
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.slept_s: list[float] = []

    def now_ns(self) -> int:
        """Wall time, ns since 1970 UTC; like time.time_ns."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Monotonic time in ns; like time.monotonic_ns."""
        return self._monotonic_ns

    def monotonic(self) -> float:
        """Monotonic time in seconds; like time.monotonic."""
        return self._monotonic_ns / SECOND_NS

    def advance(self, seconds: float) -> None:
        """Both parts go forward together; what is due on the way happens on the way."""
        if seconds < 0:
            raise ValueError("time only goes forward; use jump for a clock that is set back")
        with self._lock:
            end_ns = self._monotonic_ns + round(seconds * SECOND_NS)
            while self._due and self._due[0][0] <= end_ns:
                due_ns, _, call = self._due.pop(0)
                self._step_to(due_ns)
                call()
            self._step_to(end_ns)

    def _step_to(self, monotonic_ns: int) -> None:
        passed_ns = max(0, monotonic_ns - self._monotonic_ns)
        self._monotonic_ns += passed_ns
        self._wall_ns += passed_ns

    def jump(self, seconds: float) -> None:
        """Only the wall clock moves: somebody set it, or daylight saving did."""
        with self._lock:
            self._wall_ns += round(seconds * SECOND_NS)

    def suspend(self, seconds: float) -> None:
        """The machine slept: the wall clock moved on, the monotonic one (as on Linux) did not."""
        self.jump(seconds)

    def sleep(self, seconds: float) -> None:
        """Like time.sleep, but the time has passed when it returns; recorded in ``slept_s``."""
        self.slept_s.append(seconds)
        self.advance(max(0.0, seconds))

    def call_at(self, seconds_from_now: float, call: Callable[[], None]) -> None:
        """Run ``call`` when that much monotonic time has passed."""
        with self._lock:
            self._order += 1
            self._due.append((self._monotonic_ns + round(seconds_from_now * SECOND_NS), self._order, call))
            self._due.sort(key=lambda item: item[:2])
