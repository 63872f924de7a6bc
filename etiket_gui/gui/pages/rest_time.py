"""How long something still takes, or that it cannot be told: two averages of the rate have to agree first."""

from __future__ import annotations

import math

_FAST_S, _SLOW_S = 5.0, 20.0
_SURE_AFTER_S = 5.0
_AGREE_WITHIN = 1.35


class RestTime:
    """Fed with the rate of every moment (monotonic seconds, bytes per second); forgets when nothing comes for long."""

    def __init__(self) -> None:
        self._started_s: float | None = None
        self._last_s = 0.0
        self._fast = 0.0
        self._slow = 0.0

    def add(self, now_s: float, rate_bytes_per_s: float) -> None:
        """The rate is this now."""
        if self._started_s is None or now_s - self._last_s > _SLOW_S:
            self._started_s = now_s
            self._fast = self._slow = rate_bytes_per_s
        else:
            passed_s = max(0.0, now_s - self._last_s)
            self._fast += (1 - math.exp(-passed_s / _FAST_S)) * (rate_bytes_per_s - self._fast)
            self._slow += (1 - math.exp(-passed_s / _SLOW_S)) * (rate_bytes_per_s - self._slow)
        self._last_s = now_s

    def forget(self) -> None:
        """Nothing is under way any more."""
        self._started_s = None

    def rest_s(self, rest_bytes: int | None) -> float | None:
        """Seconds for so many bytes; None while the rate is too young or changes too much to tell."""
        if rest_bytes is None or self._started_s is None or self._last_s - self._started_s < _SURE_AFTER_S:
            return None
        low, high = sorted((self._fast, self._slow))
        if low <= 0 or high / low > _AGREE_WITHIN:
            return None
        return rest_bytes / self._fast
