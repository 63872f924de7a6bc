"""How far the time of a file can be believed: two changes shortly one after the other may have the same time.

Linux before 6.13 takes the time from a clock that ticks every 1 to 10 ms, exFAT keeps hundredths of a second, FAT even
seconds, ext3 and small inodes of ext4 whole ones. A file that is as it was has only then not changed meanwhile when
the time it was seen with was past already. (What git calls "racy": Documentation/technical/racy-git.txt.)
"""

from __future__ import annotations

import sys
import time

from etiket_gui.domain import guards

#: A time that is a multiple of the first may have been rounded down by as much as the second; in ns.
_STEPS_NS = ((1_000_000_000, 2_000_000_000), (10_000_000, 10_000_000))
#: clock_gettime(2), where Python has no name for it.
_CLOCK_REALTIME_COARSE = 5
_LEAST_TICK_NS = 2_000_000
#: The clock of Windows ticks 64 times a second; that of macOS ticks finely, and is not slower.
_OTHER_TICK_NS = 16_000_000


def _tick_ns() -> int:
    if sys.platform != "linux":
        return _OTHER_TICK_NS
    return max(_LEAST_TICK_NS, int(time.clock_getres(_CLOCK_REALTIME_COARSE) * 1e9))


_TICK_NS = _tick_ns()


def granularity_ns(time_ns: int) -> int:
    """How much later than ``time_ns``, a time as a file system told it, a change may still be given it; in ns."""
    for step_ns, rounded_ns in _STEPS_NS:
        if time_ns % step_ns == 0:
            return rounded_ns + 2 * _TICK_NS
    return 2 * _TICK_NS


def is_young(newest_ns: int, began_ns: int, ended_ns: int) -> bool:
    """Whether a file that changed at ``newest_ns`` may change after it was looked at and keep that time.

    The look took from ``began_ns`` to ``ended_ns``. A time far in the future is that of another clock: nothing can be
    said of it, so it is believed.
    """
    if not guards.is_on("young-times-are-doubted"):
        return False
    granularity = granularity_ns(newest_ns)
    return began_ns - granularity <= newest_ns <= ended_ns + granularity
