"""How much the engine may take while a measurement runs; only the user's hold stops it altogether.

While a source is live: one worker, a few megabytes per second, large files last. No dataset is kept waiting by that
for longer than ``safe_within_s``: then it is sent as if nothing were measured. How old the data are is no reason to
hurry: a backlog of years is sent slowly too for that long.
"""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain import guards

#: A source counts as measuring this long after the last sign of life of an unfinished dataset.
SIGN_OF_LIFE_S = 30.0
#: So long at most the engine goes slowly because nobody has looked yet whether a measurement runs.
FIRST_LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be used now. ``rate_bytes_per_s`` None is unlimited; a limit holds for all workers together.

    ``is_gentle``: something is measured, or nobody knows yet, so that no single step may keep the disk for long.
    """

    workers: int
    rate_bytes_per_s: float | None
    large_files: bool
    is_measuring: bool
    is_gentle: bool = False
    is_overdue: bool = False


class Budget:
    """Watches for signs of a running measurement and says what may be used. Times are monotonic seconds."""

    def __init__(
        self,
        *,
        worker_count: int,
        rate_bytes_per_s: float | None,
        measuring_rate_bytes_per_s: float,
        safe_within_s: float,
    ) -> None:
        self.worker_count = worker_count
        self.rate_bytes_per_s = rate_bytes_per_s
        self.measuring_rate_bytes_per_s = measuring_rate_bytes_per_s
        self.safe_within_s = safe_within_s
        self._alive_until_s: dict[int, float] = {}
        self._unknown_until_s: dict[int, float] = {}
        self._slowed_since_s: float | None = None

    def note_sign_of_life(self, source_id: int, monotonic_s: float, *, looks_every_s: float = 0.0) -> None:
        """A dataset of the source that is not finished was seen to change.

        ``looks_every_s``: how often it is looked at; the sign holds until two looks could have seen another.
        """
        lasts_s = SIGN_OF_LIFE_S
        if guards.is_on("signs-outlast-the-looks"):
            lasts_s = max(lasts_s, 2 * looks_every_s)
        self._alive_until_s[source_id] = monotonic_s + lasts_s

    def note_unknown(self, source_id: int, monotonic_s: float) -> float:
        """Whether this source measures is not known yet; returns until when at most that makes the engine go slowly."""
        self._unknown_until_s[source_id] = monotonic_s + FIRST_LOOK_S
        return self._unknown_until_s[source_id]

    def note_known(self, source_id: int) -> None:
        """Somebody looked: what is measured at this source has given its sign of life."""
        self._unknown_until_s.pop(source_id, None)

    def forget(self, source_id: int) -> None:
        """The source is gone or switched off."""
        self._alive_until_s.pop(source_id, None)
        self._unknown_until_s.pop(source_id, None)

    def measuring_sources(self, monotonic_s: float) -> tuple[int, ...]:
        """The sources that are measuring now."""
        return tuple(sorted(key for key, until_s in self._alive_until_s.items() if monotonic_s < until_s))

    def ends_at_s(self, monotonic_s: float) -> float | None:
        """When the last measuring source stops counting as measuring, if nothing more is seen of it."""
        return max((until_s for until_s in self._alive_until_s.values() if monotonic_s < until_s), default=None)

    def allowance(self, monotonic_s: float, *, has_small_waiting: bool, oldest_unsafe_s: float | None) -> Allowance:
        """What may be used now; to be asked again and again, for it keeps since when something has been slowed down.

        ``has_small_waiting``: there is something smaller to send first. ``oldest_unsafe_s``: how long ago the oldest
        complete dataset that is not safe last changed (seconds), None when nothing waits.
        """
        if not self.measuring_sources(monotonic_s):
            self._slowed_since_s = None
            if guards.is_on("wary-before-the-first-look") and any(
                monotonic_s < until_s for until_s in self._unknown_until_s.values()
            ):
                return self._slow(has_small_waiting, is_measuring=False)
            return Allowance(self.worker_count, self.rate_bytes_per_s, large_files=True, is_measuring=False)
        is_overdue = self._waited_slowed_s(monotonic_s, oldest_unsafe_s) >= self.safe_within_s
        if is_overdue and guards.is_on("safe-within"):
            return Allowance(
                self.worker_count,
                self.rate_bytes_per_s,
                large_files=True,
                is_measuring=True,
                is_gentle=True,
                is_overdue=True,
            )
        return self._slow(has_small_waiting, is_measuring=True)

    def _slow(self, has_small_waiting: bool, *, is_measuring: bool) -> Allowance:
        rate = self.measuring_rate_bytes_per_s
        if self.rate_bytes_per_s is not None:
            rate = min(rate, self.rate_bytes_per_s)
        return Allowance(1, rate, large_files=not has_small_waiting, is_measuring=is_measuring, is_gentle=True)

    def _waited_slowed_s(self, monotonic_s: float, oldest_unsafe_s: float | None) -> float:
        """For how long the oldest dataset has been kept waiting by a measurement."""
        if oldest_unsafe_s is None:
            self._slowed_since_s = None
            return 0.0
        if self._slowed_since_s is None:
            self._slowed_since_s = monotonic_s
        if not guards.is_on("backlog-is-no-hurry"):
            return oldest_unsafe_s
        return min(oldest_unsafe_s, monotonic_s - self._slowed_since_s)
