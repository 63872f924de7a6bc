"""Tells that the machine slept, that the wall clock jumped, or that this process stood still, from clocks alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from etiket_gui.domain import guards

_NS = 1_000_000_000
#: Clocks that differ by less than this are one clock: reading them takes time, and time servers slew.
_TOLERANCE_NS = 5 * _NS
#: A process that looks this much later than it meant to was stopped; its connections may be dead.
_STALL_NS = 60 * _NS


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Three clocks at one moment, ns: ``awake`` stands still during sleep, ``elapsed`` goes on, ``wall`` is UTC."""

    awake_ns: int
    elapsed_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What happened between two looks, in ns; a part that did not happen is 0.

    ``wall_jump_ns`` is how far the wall clock moved beside the time that passed (sleep is no jump): due times in
    wall-clock ns are shifted by it. ``stalled_ns`` is how much later than meant this look came while awake.
    """

    slept_ns: int = 0
    wall_jump_ns: int = 0
    stalled_ns: int = 0

    @property
    def is_wake(self) -> bool:
        """Whether connections are to be renewed and everything is to be looked through again."""
        return self.slept_ns > 0 or self.stalled_ns > 0


class SleepWatch:
    """Compares the clocks from look to look; any thread, one at a time."""

    def __init__(self, read: Callable[[], ClockReading] | None = None) -> None:
        self._read = read or read_clocks
        self._last = self._read()

    def look(self, meant_after_s: float = 0.0) -> ClockChange | None:
        """What happened since the last look, None when nothing did.

        ``meant_after_s`` is after how many seconds this look was meant to come; 0: no matter when.
        """
        now, last = self._read(), self._last
        self._last = now
        if not guards.is_on("wake-detection"):
            return None
        awake_ns = now.awake_ns - last.awake_ns
        elapsed_ns = now.elapsed_ns - last.elapsed_ns
        slept_ns = elapsed_ns - awake_ns
        jump_ns = (now.wall_ns - last.wall_ns) - elapsed_ns
        late_ns = awake_ns - round(meant_after_s * _NS) if meant_after_s > 0 else 0
        change = ClockChange(
            slept_ns=slept_ns if slept_ns >= _TOLERANCE_NS else 0,
            wall_jump_ns=jump_ns if abs(jump_ns) >= _TOLERANCE_NS else 0,
            stalled_ns=late_ns if late_ns >= _STALL_NS else 0,
        )
        return None if change == ClockChange() else change


if sys.platform == "win32":

    def read_clocks() -> ClockReading:
        """The three clocks now."""
        import ctypes

        awake, elapsed = ctypes.c_ulonglong(), ctypes.c_ulonglong()
        ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(awake))
        ctypes.windll.kernelbase.QueryInterruptTime(ctypes.byref(elapsed))
        return ClockReading(awake.value * 100, elapsed.value * 100, time.time_ns())

elif sys.platform == "darwin":

    def read_clocks() -> ClockReading:
        """The three clocks now; on macOS CLOCK_MONOTONIC goes on during sleep."""
        return ClockReading(
            time.clock_gettime_ns(time.CLOCK_UPTIME_RAW), time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.time_ns()
        )

else:

    def read_clocks() -> ClockReading:
        """The three clocks now."""
        return ClockReading(time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns())
