"""Rates and remaining times, smoothed, for files, datasets and all of a run."""

from __future__ import annotations

_SMOOTHING_S = 5.0
_SURE_AFTER_S = 2.0


class RateMeter:
    """Bytes per second, as an average that forgets with a time constant of five seconds. Monotonic seconds."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._last_s = started_s
        self._done_bytes = 0
        self._rate = 0.0

    def update(self, done_bytes: int, now_s: float) -> None:
        """So many bytes are done in all."""
        passed_s = now_s - self._last_s
        if passed_s <= 0:
            return
        rate = max(0, done_bytes - self._done_bytes) / passed_s
        weight = min(1.0, passed_s / _SMOOTHING_S) if self._done_bytes else 1.0
        self._rate += weight * (rate - self._rate)
        self._done_bytes = max(done_bytes, self._done_bytes)
        self._last_s = now_s

    @property
    def rate_bytes_per_s(self) -> float:
        """The present rate."""
        return self._rate

    def rest_s(self, size_bytes: int) -> float | None:
        """Seconds until ``size_bytes`` are done, or None while it cannot be told."""
        if self._rate <= 0 or self._last_s - self._started_s < _SURE_AFTER_S:
            return None
        return max(0.0, (size_bytes - self._done_bytes) / self._rate)
