"""Rests within a long look that nobody waits for, so that it takes next to nothing of a processor at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: What such a look takes of one processor: a scan of five seconds lasts half an hour.
SHARE = 0.003
#: It works so long between two rests, and rests so long at most before it tells that it lives.
_WORK_S, _LONGEST_WAIT_S = 0.01, 1.0


class Leisure:
    """Of one task. :meth:`rest_if_due` belongs to the thread that does the work, :meth:`hurry` is for any thread."""

    def __init__(self, share: float = SHARE, used_s: Callable[[], float] = time.thread_time) -> None:
        self._share = share
        self._used_s = used_s
        self._rested_at_s = used_s()
        self._is_over = threading.Event()
        #: How long was rested so far, in seconds.
        self.rested_s = 0.0

    def hurry(self) -> None:
        """Rest no more: somebody waits, or the work is to end."""
        self._is_over.set()

    def rest_if_due(self, tell_life: Callable[[], None]) -> None:
        """Between two steps: rest as long as the processor time since the last rest asks for.

        ``tell_life`` is called once a second meanwhile.
        """
        used_s = self._used_s() - self._rested_at_s
        if used_s < _WORK_S or self._is_over.is_set():
            return
        begun_s = time.monotonic()
        end_s = begun_s + used_s * (1 / self._share - 1)
        while (left_s := end_s - time.monotonic()) > 0 and not self._is_over.wait(min(left_s, _LONGEST_WAIT_S)):
            tell_life()
        self.rested_s += time.monotonic() - begun_s
        self._rested_at_s = self._used_s()
