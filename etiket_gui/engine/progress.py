"""Rates and remaining times, smoothed, for files, datasets and all of a run."""

from __future__ import annotations

from collections import deque

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


#: A rate over everything that moves is that of so many seconds …
RECENT_S = 5.0
#: … and in its beginning never of less than this: what came in one piece did not move infinitely fast.
_LEAST_S = 1.0
_BUCKET_S = 0.25


class RecentRate:
    """Bytes and files per second over the last seconds, summed up from whatever moves. Monotonic seconds."""

    def __init__(self) -> None:
        self._begun_s = 0.0
        #: (since when, bytes, files) of each quarter of a second in which something moved.
        self._buckets: deque[tuple[float, int, int]] = deque()

    def add(self, now_s: float, size_bytes: int, files: int = 0) -> None:
        """So much moved just now."""
        self._forget_old(now_s)
        if not self._buckets:
            self._begun_s = now_s
        if self._buckets and now_s - self._buckets[-1][0] < _BUCKET_S:
            since_s, bytes_before, files_before = self._buckets.pop()
            self._buckets.append((since_s, bytes_before + size_bytes, files_before + files))
        else:
            self._buckets.append((now_s, size_bytes, files))

    def _forget_old(self, now_s: float) -> None:
        while self._buckets and self._buckets[0][0] <= now_s - RECENT_S:
            self._buckets.popleft()

    def rates(self, now_s: float) -> tuple[float, float]:
        """Bytes and files per second; zeros when nothing moved for some seconds."""
        self._forget_old(now_s)
        if not self._buckets:
            return 0.0, 0.0
        passed_s = min(RECENT_S, max(_LEAST_S, now_s - self._begun_s))
        size_bytes = sum(bucket[1] for bucket in self._buckets)
        return size_bytes / passed_s, sum(bucket[2] for bucket in self._buckets) / passed_s
