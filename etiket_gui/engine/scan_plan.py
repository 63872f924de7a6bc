"""When a source is looked through next, and whether that look may take its time."""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain import guards

_SCAN_TIMES = 300.0
#: Each interval in which a sound watcher missed nothing makes the next longer, up to this.
_LONGEST_SCAN_TIMES = 1000.0
_LONGEST_TRUST_S = 7200.0
_POLL_TIMES = 30.0
_SCAN_SOON_S = 2.0


@dataclass(slots=True)
class ScanPlan:
    """Of one source; durations are the work of a scan, without its rests, in seconds."""

    #: How many intervals one after the other were watched as a whole without anything missed.
    clean_intervals: int = 0
    #: Events are told only from now on: what happened between the last scan and now is found by another one.
    is_wanted_soon: bool = False
    #: A scan is due because its time has come; one that is due for a reason is known elsewhere.
    is_routine_due: bool = False

    def want_soon(self) -> None:
        """Watching began just now: the interval that the next scan ends was not watched from its beginning."""
        self.is_wanted_soon = True
        self.clean_intervals = -1

    def judge(self, *, is_watched: bool, is_doubted: bool) -> None:
        """A scan ended an interval."""
        self.clean_intervals = self.clean_intervals + 1 if is_watched and not is_doubted else 0

    def next_in_s(self, duration_s: float, least_s: float, poll_interval_s: float | None) -> float:
        """After how long the next scan is due, after one that took ``duration_s``; ``least_s`` is a setting."""
        scan_times = _SCAN_TIMES if guards.is_on("paced-scan") else 0.0
        interval_s = max(least_s, scan_times * duration_s)
        if self.clean_intervals > 0 and scan_times:
            longer = min(_LONGEST_SCAN_TIMES, scan_times * (1 + self.clean_intervals))
            interval_s = max(interval_s, min(longer * duration_s, _LONGEST_TRUST_S))
        if poll_interval_s is not None:
            interval_s = max(poll_interval_s, _POLL_TIMES * duration_s)
        if self.is_wanted_soon:
            self.is_wanted_soon = False
            interval_s = _SCAN_SOON_S
        return interval_s

    def may_rest(self, *, is_watch_sound: bool, is_wanted: bool) -> bool:
        """Whether nobody waits for the scan that is due: a sound watcher has told everything for a while.

        ``is_wanted``: a person asked for it, or something happened of which only a scan can tell.
        """
        return is_watch_sound and self.clean_intervals > 0 and not is_wanted
