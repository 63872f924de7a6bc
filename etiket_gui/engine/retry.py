"""When something that failed is tried again; pure decisions, no clock of their own, no store.

Classes as in docs/architecture.md: now, soon (exponential with full jitter), at a time, on change, on user, never.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, SourceChanged, SourceGone, Stopped
from etiket_gui.domain.states import RetryClass, TransferState

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 900.0
LONGEST_ASKED_DELAY_S = 3600.0
_NS = 1_000_000_000


def backoff_delay_s(attempts: int, rng: random.Random) -> float:
    """Full jitter below 1 s x 2^attempts, at most 15 min, and never below a quarter of a second.

    ``attempts`` counts the failures so far, this one included (1 for the first).
    """
    ceiling = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(max(attempts - 1, 0), 20))
    return max(0.25, rng.uniform(0.0, ceiling))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a failed transfer: its state, when it is due (ns UTC, None: not by itself), and whether the
    failure counts as an attempt of this dataset."""

    state: TransferState
    due_ns: int | None
    counts_as_attempt: bool


def judge(error: EtiketError, attempts: int, now_ns: int, rng: random.Random) -> Verdict:
    """What becomes of a transfer that failed with this error after ``attempts`` earlier failed ones."""
    if isinstance(error, Stopped):
        return Verdict(TransferState.WAITING, None, counts_as_attempt=False)
    if isinstance(error, SourceChanged | SourceGone) and guards.is_on("changed-is-no-failure"):
        return Verdict(TransferState.HELD, None, counts_as_attempt=False)
    if error.concerns_all:
        return Verdict(TransferState.WAITING, None, counts_as_attempt=False)
    retry_class = error.retry_class
    if retry_class is RetryClass.ON_USER and not guards.is_on("on-user-waits-for-the-user"):
        retry_class = RetryClass.NOW
    match retry_class:
        case RetryClass.NOW:
            if attempts < 3:
                return Verdict(TransferState.WAITING, None, counts_as_attempt=True)
            return Verdict(TransferState.FAILED, now_ns + int(backoff_delay_s(attempts + 1, rng) * _NS), True)
        case RetryClass.SOON:
            return Verdict(TransferState.FAILED, now_ns + int(backoff_delay_s(attempts + 1, rng) * _NS), True)
        case RetryClass.AT_TIME:
            latest_ns = now_ns + int(LONGEST_ASKED_DELAY_S * _NS)
            due_ns = min(max(error.due_ns or now_ns, now_ns), latest_ns)
            return Verdict(TransferState.FAILED, due_ns, counts_as_attempt=True)
        case RetryClass.ON_CHANGE | RetryClass.ON_USER | RetryClass.NEVER:
            return Verdict(TransferState.FAILED, None, counts_as_attempt=True)


def not_as_it_looks(attempts: int, now_ns: int, rng: random.Random) -> Verdict:
    """What becomes of a transfer whose source says again and again that it changed, although it looks the same."""
    return Verdict(TransferState.FAILED, now_ns + int(backoff_delay_s(attempts + 5, rng) * _NS), True)


class Circuit:
    """Whether a destination or a source is worth trying; one probe at a time while it is open.

    All times are monotonic seconds.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.failures = 0
        self.try_at_s: float | None = None
        self.waits_for_user = False

    @property
    def is_closed(self) -> bool:
        """Whether work may flow."""
        return self.failures == 0

    def fail(self, error: EtiketError, monotonic_s: float, now_ns: int, *, fruitless: int = 0) -> float | None:
        """Open, or stay open; returns when to probe again (None: only when a person asks, or slowly by itself).

        ``fruitless``: so often it was closed by a probe, and the work itself failed again all the same.
        """
        self.failures += 1
        self.waits_for_user = error.retry_class is RetryClass.ON_USER
        if error.retry_class is RetryClass.AT_TIME and error.due_ns is not None:
            delay_s = min(max(0.0, (error.due_ns - now_ns) / _NS), LONGEST_ASKED_DELAY_S)
        elif self.waits_for_user:
            # What a person must mend is often mended without telling us: a slow look finds out.
            delay_s = LONGEST_DELAY_S / 3
        else:
            delay_s = backoff_delay_s(self.failures + fruitless, self._rng)
        self.try_at_s = monotonic_s + delay_s
        return self.try_at_s

    def try_now(self, monotonic_s: float) -> None:
        """A person asked, or the machine woke up: probe at once."""
        if self.failures:
            self.try_at_s = monotonic_s

    def close(self) -> None:
        """It works again."""
        self.failures = 0
        self.try_at_s = None
        self.waits_for_user = False
