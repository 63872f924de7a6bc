"""When a dataset has been quiet long enough to be read; decides, remembers the last look, touches nothing.

The rule (DESIGN, "settled"): two equal looks at least the settle time apart, or at the first look the newest of
modification and change time older than it. On a network share the other machine's clock writes those times, so
there the first look alone settles only what has been quiet for :data:`SHARE_CLOCK_MARGIN_S`.
"""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain import guards
from etiket_gui.domain.content import Found
from etiket_gui.domain.states import RunState

SHARE_CLOCK_MARGIN_S = 900.0
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a dataset is settled and, if not, in how many seconds (> 0) another look may find it so."""

    is_settled: bool
    look_again_in_s: float = 0.0


class SettleBook:
    """The last look at each unsettled dataset of one source, by identifier and monotonic time."""

    def __init__(self, settle_time_s: float, *, is_share: bool = False, live_look_s: float | None = None) -> None:
        self.settle_time_s = settle_time_s
        self.is_share = is_share
        #: How often a measurement that says it runs is looked at (seconds).
        self.live_look_s = max(settle_time_s, 1.0) if live_look_s is None else live_look_s
        self._looks: dict[str, tuple[int, float]] = {}

    def judge(self, found: Found, monotonic_s: float, *, is_clock_trusted: bool = True) -> Judgement:
        """Take note of a look and judge it.

        ``is_clock_trusted`` is False after the wall clock jumped: then only two equal looks count.
        """
        if not guards.is_on("settle"):
            return Judgement(is_settled=True)
        if found.run_state in {RunState.LIVE, RunState.ANNOUNCED}:
            self._looks[found.identifier] = (found.fingerprint, monotonic_s)
            return Judgement(is_settled=False, look_again_in_s=self.live_look_s)
        before = self._looks.get(found.identifier)
        if before is not None and before[0] == found.fingerprint:
            quiet_s = monotonic_s - before[1]
            if quiet_s >= self.settle_time_s or found.has_completion_mark:
                del self._looks[found.identifier]
                return Judgement(is_settled=True)
            first_seen_s = before[1]
        else:
            first_seen_s = monotonic_s
            self._looks[found.identifier] = (found.fingerprint, monotonic_s)
        age_s = (found.looked_at_ns - found.newest_change_ns) / _NS
        if is_clock_trusted and age_s >= 0:
            needed_s = max(self.settle_time_s, SHARE_CLOCK_MARGIN_S) if self.is_share else self.settle_time_s
            if age_s >= needed_s:
                self._looks.pop(found.identifier, None)
                return Judgement(is_settled=True)
            rest_s = min(needed_s - age_s, self.settle_time_s - (monotonic_s - first_seen_s))
        else:
            rest_s = self.settle_time_s - (monotonic_s - first_seen_s)
        return Judgement(is_settled=False, look_again_in_s=max(rest_s, 0.01))

    def forget(self, identifier: str) -> None:
        """The dataset is gone or settled by other means."""
        self._looks.pop(identifier, None)

    def forget_all(self) -> None:
        """Looks before a sleep or a clock jump say nothing any more."""
        self._looks.clear()
