"""Finds runs in the overview of core-tools, and tells running ones from those nobody writes any more."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etiket_gui.backends.api import DiscoveryRequest, KnownDatasets
from etiket_gui.backends.core_tools.rows import Run, Tables
from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

_ROWS_PER_QUERY = 2000
_NS = 1_000_000_000
_LONG_PASS_S = 0.2
_PASS_TIMES = 100.0
_CLEARED = "data removed from the database"


@dataclass(slots=True)
class _Progress:
    """How many values an unfinished run had, and since when (seconds since 1970 UTC) it has had just as many."""

    written: int
    since_s: float


class OpenRuns:
    """Remembers the progress of unfinished runs between looks, and across restarts in the source's cursor."""

    def __init__(self, interrupted_after_s: float) -> None:
        self._interrupted_after_s = interrupted_after_s
        self._progress: dict[int, _Progress] = {}

    def load(self, cursor: Mapping[str, Any]) -> None:
        """Take over what an earlier process saw; what this one saw itself is newer."""
        for uuid, seen in dict(cursor.get("open", {})).items():
            self._progress.setdefault(int(uuid), _Progress(int(seen[0]), float(seen[1])))

    def cursor(self, still_open: Iterable[int]) -> dict[str, Any]:
        """What the next process needs to know, of the runs that are still open."""
        wanted = sorted(set(still_open) & self._progress.keys())
        self._progress = {uuid: self._progress[uuid] for uuid in wanted}
        return {"open": {str(uuid): [seen.written, round(seen.since_s, 3)] for uuid, seen in self._progress.items()}}

    def is_known(self, run: Run) -> bool:
        """Whether the run was looked at before."""
        return run.uuid in self._progress

    def judge(self, run: Run, written: int, now_s: float, *, is_left: bool) -> tuple[RunState, float]:
        """The state of an unfinished run, and when it changed last.

        ``is_left``: a newer run of its set-up is there, or nobody else is connected. Without an earlier look, the
        start of such a run is the only time that is known of it; any other run is given the whole time from now on.
        """
        seen = self._progress.get(run.uuid)
        if seen is None:
            since_s = run.started_s if is_left and run.started_s is not None else now_s
            seen = self._progress[run.uuid] = _Progress(written, min(since_s, now_s))
        elif seen.written != written:
            seen = self._progress[run.uuid] = _Progress(written, now_s)
        is_quiet = now_s - seen.since_s >= self._interrupted_after_s
        return (RunState.INTERRUPTED if is_quiet else RunState.LIVE), seen.since_s


class Passes:
    """When the whole table was gone through last, what was at its end, and whether that is recent enough.

    A pass that took long is repeated when a hundred times that time is over; meanwhile only the end is looked at.
    """

    def __init__(self) -> None:
        self.last_id = -1
        self.count = 0
        self.still_open: list[int] = []
        self._begun_s = 0.0
        self._next_s = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether only new and open runs need a look."""
        return time.monotonic() < self._next_s

    def begin(self) -> None:
        """A pass begins."""
        self._begun_s = time.monotonic()
        self._next_s = 0.0

    def end(self, last_id: int, count: int, still_open: list[int]) -> None:
        """It ended well."""
        self.last_id, self.count, self.still_open = last_id, count, still_open
        duration_s = time.monotonic() - self._begun_s
        if duration_s >= _LONG_PASS_S:
            self._next_s = time.monotonic() + _PASS_TIMES * duration_s


class Scan:
    """One look at the database."""

    def __init__(
        self,
        tables: Tables,
        open_runs: OpenRuns,
        passes: Passes,
        known: KnownDatasets,
        report: Callable[[Found], None],
        stop: StopToken,
    ) -> None:
        self._tables = tables
        self._open_runs = open_runs
        self._passes = passes
        self._known = known
        self._report = report
        self._stop = stop
        self._newest_ids: dict[str, int] | None = None
        self._has_others = True

    def run(self, request: DiscoveryRequest) -> DiscoverySummary:
        """Report what is new, changed, or asked for. Raises Stopped and the failures of the database."""
        begun_s = time.monotonic()
        self._open_runs.load(request.cursor)
        if request.identifiers is not None:
            seen, missing = self._look_at(request.identifiers)
            return self._summary(seen, missing, begun_s, is_complete=False)
        known = self._known.fingerprints()
        if request.is_everything and self._passes.is_enough:
            return self._look_at_the_end(known, begun_s)
        self._passes.begin()
        there: set[str] = set()
        still_open: list[int] = []
        cleared = 0
        last_id = -1
        while states := self._tables.states_after(last_id, _ROWS_PER_QUERY):
            self._stop.check()
            last_id = states[-1][0]
            moved: list[int] = []
            for _, uuid, is_completed, is_cleared, row_state in states:
                identifier = str(uuid)
                fingerprint = known.get(identifier)
                if is_cleared and fingerprint is None:
                    cleared += 1
                    continue
                there.add(identifier)
                if not is_completed or fingerprint != row_state:
                    moved.append(uuid)
            still_open += self._look(moved, known)
        missing = tuple(sorted(known.keys() - there)) if request.is_everything else ()
        self._passes.end(last_id, len(there), still_open)
        return self._summary(
            len(there),
            missing,
            begun_s,
            is_complete=request.is_everything,
            skipped={_CLEARED: cleared} if cleared else {},
            cursor=self._open_runs.cursor(still_open),
        )

    def _look_at_the_end(self, known: Mapping[str, int], begun_s: float) -> DiscoverySummary:
        """New runs and open ones, between two passes through a long table."""
        passes = self._passes
        still_open = self._look(passes.still_open, known)
        while states := self._tables.states_after(passes.last_id, _ROWS_PER_QUERY):
            self._stop.check()
            passes.last_id = states[-1][0]
            wanted = [uuid for _, uuid, _, is_cleared, _ in states if not is_cleared or str(uuid) in known]
            passes.count += len(wanted)
            still_open += self._look(wanted, known)
        passes.still_open = still_open
        cursor = self._open_runs.cursor(still_open)
        return self._summary(passes.count, (), begun_s, is_complete=True, cursor=cursor)

    def _look(self, uuids: list[int], known: Mapping[str, int]) -> list[int]:
        """Report those of the runs that are not as they are known; returns the ones that are not completed."""
        runs = self._tables.runs(uuids) if uuids else []
        still_open = [run for run in runs if not run.is_completed]
        counts = self._tables.point_counts(still_open)
        for run in runs:
            found = self._found(run, counts.get(run.uuid, (0, 0)))
            if known.get(run.identifier) != found.fingerprint:
                self._report(found)
        return [run.uuid for run in still_open]

    def _look_at(self, identifiers: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
        numbers = {name: int(name) for name in identifiers if is_uuid(name)}
        runs = self._tables.runs(numbers.values())
        counts = self._tables.point_counts([run for run in runs if not run.is_completed])
        for run in runs:
            self._stop.check()
            self._report(self._found(run, counts.get(run.uuid, (0, 0))))
        missing = sorted(set(identifiers) - {run.identifier for run in runs})
        return len(runs), tuple(missing)

    def _summary(
        self, seen: int, missing: tuple[str, ...], begun_s: float, *, is_complete: bool, **more: Any
    ) -> DiscoverySummary:
        return DiscoverySummary(
            seen_count=seen,
            missing=missing,
            root_place=self._tables.place(),
            duration_s=time.monotonic() - begun_s,
            is_complete_scan=is_complete,
            **more,
        )

    def _found(self, run: Run, counts: tuple[int, int]) -> Found:
        written, _ = counts
        now_ns = time.time_ns()
        changed_s = run.stopped_s or run.started_s
        state = RunState.COMPLETE
        if not run.is_completed:
            is_left = not self._open_runs.is_known(run) and self._is_left(run)
            state, changed_s = self._open_runs.judge(run, written, now_ns / _NS, is_left=is_left)
        changed_ns = now_ns if changed_s is None else min(max(int(changed_s * _NS), 1), now_ns)
        return Found(
            identifier=run.identifier,
            name=run.name or run.identifier,
            fingerprint=fingerprint_of(run, written),
            run_state=state,
            newest_change_ns=changed_ns,
            looked_at_ns=now_ns,
            size_bytes=max(run.data_size, written * 8),
            collected_ns=None if run.started_s is None else int(run.started_s * _NS),
            has_completion_mark=run.is_completed,
        )

    def _is_left(self, run: Run) -> bool:
        if self._newest_ids is None:
            self._newest_ids = self._tables.newest_ids()
            self._has_others = self._tables.has_other_sessions()
        return self._newest_ids.get(run.set_up, run.id) > run.id or not self._has_others


def is_uuid(identifier: str) -> bool:
    """Whether an identifier can be a uuid of core-tools: a number that fits the database's column."""
    return identifier.isdecimal() and int(identifier) < 1 << 63


def fingerprint_of(run: Run, written: int) -> int:
    """The fingerprint of a run's row and, as long as it is open, of how far it has been measured."""
    if run.is_completed:
        return run.row_state
    digest = hashlib.blake2b(f"{run.row_state}:{written}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
