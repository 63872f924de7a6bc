"""One source from the engine's side: what is looked at when, and what its state is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.errors import (
    EtiketError,
    ManyChanged,
    SourceEmpty,
    SourceOffline,
    Stopped,
    WorkerLost,
    error_from_json,
)
from etiket_gui.domain.events import DatasetsChanged, ScanBroken, ScanFinished, ScanStarted, SourceStateChanged
from etiket_gui.domain.states import Realm, SourceState
from etiket_gui.domain.tasks import SourceSpec, SourceTraits, TaskKind
from etiket_gui.engine.announced import Announced
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.discovery import Discovery, LookResult
from etiket_gui.engine.mass_change import ANSWER
from etiket_gui.engine.retry import Circuit
from etiket_gui.engine.scan_plan import ScanPlan
from etiket_gui.engine.settle import SettleBook
from etiket_gui.engine.unreadable import Unreadable
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.rows import FoundOutcome, SourceRow

log = logging.getLogger(__name__)

_IDENTIFIERS_PER_LOOK = 500
_MANY_PATHS = 2000
_SAME_FOLDER_SHARE = 0.5
_LOOK_SOON_S = 2.0
#: How often a running measurement is looked at, where its backend can tell the newest points.
_LIVE_LOOK_S = 1.0
_LIVE_LOOK_SHARE_S = 5.0
#: What is wrong with a source, and what is said when it is over.
_RELIEF = {
    SourceState.OFFLINE: "can be reached again",
    SourceState.PROBLEM: "can be read again",
    SourceState.EMPTY: "holds datasets again",
    SourceState.ASKING: "goes on: what changed in it is taken as meant",
}


class SourceDesk:
    """Looks at one source: everything now and then, dirty paths at once, unsettled datasets when they are due."""

    def __init__(
        self,
        desk: Desk,
        row: SourceRow,
        on_change: Callable[[SourceDesk], None],
        on_waiting: Callable[[int], None],
    ) -> None:
        self._desk = desk
        self.row = row
        self.spec = SourceSpec(row.id, row.uuid, row.name, row.backend, row.config)
        self.traits: SourceTraits | None = None
        self.circuit = Circuit(desk.rng)
        #: What a destination remembers of this source is read back first, so that nothing gets a second identity.
        self.is_blocked = False
        self.is_scan_due = True
        self.finished_scans = 0
        self.is_watched = False
        #: Removed, or replaced after an edit: what is still under way for it is nobody's business any more.
        self.is_retired = False
        #: Whether every change of this source is being told just now.
        self.is_watch_sound: Callable[[], bool] = lambda: False
        self._plan = ScanPlan()
        #: A person waits for the next look at everything.
        self._is_asked_for = False
        self._discovery: Discovery | None = None
        self._dirty_paths: set[str] = set()
        self._announced = Announced()
        self._look_now: set[str] = set()
        self._task: RunningTask | None = None
        #: Since when everything is being looked through (monotonic); None while it is not. Listeners know it.
        self.scan_begun_s: float | None = None
        self._result = LookResult()
        self._unreadable = Unreadable(desk, row)
        self._on_change = on_change
        self._on_waiting = on_waiting
        #: Told of every find that was written down, and which of them still change without saying that they run.
        self.on_looked: Callable[[SourceDesk, Sequence[FoundOutcome], frozenset[int]], None] = lambda *told: None
        self.on_gone: Callable[[Iterable[int]], None] = lambda dataset_ids: None
        known_s = desk.budget.note_unknown(row.id, desk.clock.monotonic_s())
        desk.timers.at(("first look", row.id), known_s, lambda: None)

    @property
    def discovery(self) -> Discovery | None:
        """The finds of this source, once its backend described itself."""
        return self._discovery

    @property
    def is_looking(self) -> bool:
        """Whether a look is under way that is worth a word."""
        return self._task is not None and not self._is_resting

    @property
    def _is_resting(self) -> bool:
        """Whether a scan is under way that nobody waits for, and that makes way for anything else."""
        return self._task is not None and self._task.body.get("is_leisurely") is True and not self._task.is_hurried

    @property
    def next_settle_due_s(self) -> float | None:
        """When the next unsettled dataset is worth a look (monotonic), or None when all are settled."""
        if self._discovery is None or not self._discovery.look_again:
            return None
        return min(self._discovery.look_again.values())

    @property
    def wake_at_s(self) -> float | None:
        """When this source wants the coordinator next (monotonic): a settling dataset, or another try."""
        if (self._task is not None and not self._is_resting) or self.is_blocked:
            return None
        if self.circuit.failures:
            return self.circuit.try_at_s
        return self.next_settle_due_s

    @property
    def has_work(self) -> bool:
        """Whether a look is under way or due now; settling datasets, and scans that rest, not counted."""
        if self.circuit.failures or self.is_blocked:
            return self.is_looking
        is_scan_due = self.is_scan_due or self._plan.is_routine_due
        return self.is_looking or is_scan_due or bool(self._dirty_paths or self._look_now)

    def mark_dirty(self, paths: Iterable[str]) -> None:
        """Something was seen to happen at these paths."""
        paths = list(paths)
        self._announced.tell(paths, self._desk.clock.monotonic_s())
        self._dirty_paths.update(paths)
        if len(self._dirty_paths) > _MANY_PATHS:
            self._announced.keep(self._dirty_paths)
            self._dirty_paths.clear()
            self.is_scan_due = True

    def look_at(self, identifiers: Iterable[str]) -> None:
        """Look at these datasets as soon as possible."""
        self._look_now.update(identifiers)

    def look_soon(self, identifier: str) -> None:
        """Look at a dataset that changed under the reader; not at once, for it is being written."""
        if self._discovery is None or self.traits is None:
            return
        due_s = self._desk.clock.monotonic_s() + min(self.traits.settle_time_s, _LOOK_SOON_S)
        self._discovery.look_again.setdefault(self._discovery.name_now(identifier), due_s)

    def request_scan(self) -> None:
        """Look through everything as soon as possible, also a source that was away."""
        self.is_scan_due = self._is_asked_for = True
        self.circuit.try_now(self._desk.clock.monotonic_s())

    def scan_soon(self) -> None:
        """Watching began only now."""
        self._plan.want_soon()
        if self._task is not None:
            self._desk.pool.hurry(self._task)
        elif self.finished_scans:
            self._plan_next_scan(0.0)

    def dispatch(self) -> None:
        """Start the look that is due most, if a worker is free. Called outside of any store transaction."""
        if self._task is not None:
            waits = self.is_scan_due or self._dirty_paths or self._look_now or self._due_identifiers()
            if waits and self._is_resting:
                self._desk.pool.hurry(self._task)
            return
        if not self._may_try():
            return
        if self.traits is None:
            self._start(TaskKind.DESCRIBE_SOURCE, {})
            return
        if self.is_blocked:
            return
        if self.is_scan_due and self.finished_scans == 0:
            self._start_look({"cursor": dict(self.row.cursor)})
        elif self._look_now:
            self._start_look({"identifiers": self._take_some(self._look_now)})
        elif due := self._due_identifiers():
            self._start_look({"identifiers": due})
        elif self._dirty_paths and not self.is_scan_due:
            paths = sorted(self._dirty_paths)
            if self._start_look({"paths": paths}):
                self._dirty_paths.clear()
        elif self.is_scan_due or self._plan.is_routine_due:
            self._start_look({"cursor": dict(self.row.cursor)})

    def _may_try(self) -> bool:
        if self.circuit.is_closed:
            return True
        try_at_s = self.circuit.try_at_s
        return try_at_s is not None and self._desk.clock.monotonic_s() >= try_at_s

    @staticmethod
    def _take_some(identifiers: set[str]) -> list[str]:
        return sorted(identifiers)[:_IDENTIFIERS_PER_LOOK]

    def _due_identifiers(self) -> list[str]:
        if self._discovery is None:
            return []
        now_s = self._desk.clock.monotonic_s()
        due = [name for name, due_s in self._discovery.look_again.items() if due_s <= now_s]
        return sorted(due)[:_IDENTIFIERS_PER_LOOK]

    def _start_look(self, request: Mapping[str, Any]) -> bool:
        is_scan = "identifiers" not in request and "paths" not in request
        may_rest = is_scan and self._may_rest()
        if not self._start(TaskKind.DISCOVER, {"request": request, "is_leisurely": may_rest}, context=request):
            return False
        self._result = LookResult()
        if is_scan:
            self.is_scan_due = self._plan.is_routine_due = False
            self._announced.keep(self._dirty_paths)
            self._dirty_paths.clear()
            if not may_rest:
                self.scan_begun_s = self._desk.clock.monotonic_s()
                self._desk.emit(ScanStarted(self.row.id, self.row.name))
        for identifier in request.get("identifiers", ()):
            self._look_now.discard(identifier)
            if self._discovery is not None:
                self._discovery.look_again.pop(identifier, None)
        return True

    def _may_rest(self) -> bool:
        if self.traits is None or not self.traits.may_rest or self.traits.poll_interval_s is not None:
            return False
        is_sound = self.is_watched and self.is_watch_sound()
        return self._plan.may_rest(is_watch_sound=is_sound, is_wanted=self.is_scan_due or self._is_asked_for)

    def _start(self, kind: TaskKind, body: Mapping[str, Any], context: Any = None) -> bool:
        self._task = self._desk.pool.start_task(
            kind, {"source": self.spec.to_json(), **body}, self._take_message, context
        )
        return self._task is not None

    def cancel(self) -> None:
        """Stop the look that is under way: the engine stops or the user holds."""
        if self._task is not None:
            self._desk.pool.cancel(self._task)

    def retire(self) -> None:
        """Stop what is under way and take no notice of what still comes of it."""
        self.is_retired = True
        self.cancel()
        self._tell_broken_scan()

    def _note_finds(self) -> None:
        """Put into the list of what happened what the look that ended found, also one that broke off."""
        result, self._result = self._result, LookResult()
        for dataset_id, name in result.found.items():
            self._desk.diary.found(self.row.id, self.row.name, dataset_id, name)
        changed = result.rewritten_ids - result.found.keys()
        self._desk.diary.looked(self.row.id, self.row.name, changed=changed, gone_count=result.gone_count)

    def _tell_broken_scan(self) -> None:
        if self.scan_begun_s is not None:
            self.scan_begun_s = None
            self._desk.emit(ScanBroken(self.row.id, self.row.name))

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        event = message["event"]
        if self.is_retired:
            return
        if event == "found":
            self._take_found(task, [Found.from_row(row) for row in message["rows"]])
            return
        if event not in {"done", "error", "lost"}:
            return
        self._task = None
        if event == "done" and task.kind is TaskKind.DESCRIBE_SOURCE:
            self._take_traits(SourceTraits.from_json(message["result"]["traits"]))
        elif event == "done":
            self._take_summary(task, DiscoverySummary.from_json(message["result"]["summary"]))
        elif event == "error":
            self._take_error(task, error_from_json(message["error"]))
        else:
            self._take_error(
                task,
                WorkerLost(
                    f"The process that looked at {self.row.name} {message['reason']}.",
                    advice="If this repeats, look whether the folder or share can be opened at all.",
                ),
            )
        self._tell_broken_scan()
        self._note_finds()
        self._on_change(self)

    def _take_traits(self, traits: SourceTraits) -> None:
        self.traits = traits
        self._announced.folders = traits.folders
        self._announced.are_paths = traits.realm == Realm.SOURCE
        if not traits.live_sync:
            self._desk.budget.note_known(self.row.id)
        is_share = traits.poll_interval_s is not None
        # A database answers in milliseconds; it is polled only because it sends no events.
        is_slow = is_share and "://" not in traits.root
        live_look_s = (_LIVE_LOOK_SHARE_S if is_slow else _LIVE_LOOK_S) if traits.live_sync else None
        book = SettleBook(traits.settle_time_s, is_share=is_share, live_look_s=live_look_s)
        self._discovery = Discovery(self._desk, self.row, Realm(traits.realm), book)
        self._discovery.on_looked = lambda outcomes, growing: self.on_looked(self, outcomes, growing)
        self._discovery.on_gone = self.on_gone
        self._discovery.is_asking = self.row.state is SourceState.ASKING
        self._discovery.on_waiting = lambda: self._on_waiting(self.row.id)
        if self._desk.writer.load_checkpoint(self.row.uuid, ANSWER) is not None:
            # The answer was given while nothing ran, or the scan after it was not finished.
            self._discovery.is_asking = True
            self.accept_mass_change()
        elif not self._discovery.is_asking:
            # A failure that only had to wait for a look lost that look with the program's end.
            self._desk.writer.release_source(self.row.id)
        self._look_now.update(self._desk.writer.unsettled_identifiers(self.row.id))

    def _take_found(self, task: RunningTask, found: list[Found]) -> None:
        if self._discovery is None:
            return
        request: Mapping[str, Any] = task.context
        is_scan = "identifiers" not in request and "paths" not in request
        could_be_missed = is_scan and self.is_watched and self.finished_scans > 0
        was_asking = self._discovery.is_asking
        self._discovery.take(found, self._result, was_announced=not could_be_missed)
        if self._discovery.is_asking and not was_asking:
            self._ask()

    def _take_summary(self, task: RunningTask, summary: DiscoverySummary) -> None:
        discovery = self._discovery
        if discovery is None:
            return
        if summary.is_complete_scan and self._is_another_folder(summary):
            self._take_error(
                task,
                SourceOffline(
                    f"{self._root()} is not the folder it was: another disk or an empty mount point is there now.",
                    advice="Mount or reconnect the right one. Nothing is treated as deleted meanwhile.",
                ),
            )
            return
        self.circuit.close()
        was_asking = discovery.is_asking
        look_now = discovery.finish(summary, self._result)
        if discovery.is_scan_needed:
            discovery.is_scan_needed, self.is_scan_due = False, True
        self._look_now.update(look_now)
        if discovery.is_asking and not was_asking:
            self._ask()
        if summary.is_complete_scan:
            self._finish_scan(summary)
        elif self.row.state is SourceState.EMPTY and self._desk.writer.dataset_count(self.row.id):
            # Found by events: that nothing is there is not true any more, long before the next scan.
            self._set_state(SourceState.OK, "")
            self._desk.writer.close_problem(f"source:{self.row.id}")
        changed = self._result.changed_ids
        if changed:
            self._desk.emit(DatasetsChanged(tuple(sorted(changed)) if len(changed) <= 1000 else ()))

    def _is_another_folder(self, summary: DiscoverySummary) -> bool:
        if not self.row.root_place or summary.root_place == self.row.root_place or not guards.is_on("same-root"):
            return False
        known = self._desk.writer.dataset_count(self.row.id)
        return known > 0 and len(summary.missing) > _SAME_FOLDER_SHARE * known

    def _finish_scan(self, summary: DiscoverySummary) -> None:
        self.finished_scans += 1
        self._desk.budget.note_known(self.row.id)
        now_s = self._desk.clock.monotonic_s()
        missed_count = self._announced.judge(self._result.unannounced, self._dirty_paths, now_s)
        self._plan_doubt()
        writer = self._desk.writer
        if self._discovery is not None and self._discovery.mass_change.is_answered:
            self._discovery.mass_change.end_of_answer()
            writer.clear_checkpoints(self.row.uuid)
        writer.record_scan(self.row.id, summary, missed_count, self._desk.clock.now_ns())
        self._unreadable.take(summary, self._root())
        if self._discovery is not None and self._discovery.is_asking:
            self._ask()
        elif summary.seen_count == 0:
            self._set_state(SourceState.EMPTY, f"{self._root()} holds no dataset.")
            stray = f", but {summary.stray_files} files outside of any dataset" if summary.stray_files else ""
            empty = SourceEmpty(f"{self._root()} holds no dataset{stray}.")
            writer.open_problem("source", f"source:{self.row.id}", empty, source_id=self.row.id)
        else:
            self._set_state(SourceState.OK, "")
            writer.close_problem(f"source:{self.row.id}")
        self.row = writer.source(self.row.id)
        is_watched = self.is_watched and self.is_watch_sound() and self.finished_scans > 1
        is_doubted = bool(missed_count) or self._announced.due_s is not None or self._result.was_missed
        self._plan.judge(is_watched=is_watched, is_doubted=is_doubted)
        self._plan_next_scan(summary.duration_s)
        self._desk.diary.looked_through(
            self.row.id, self.row.name, seen_count=summary.seen_count, duration_s=summary.duration_s,
            is_worth_telling=self.finished_scans == 1 or self._is_asked_for or self._result.has_news,
        )  # fmt: skip
        self._is_asked_for = False
        self.scan_begun_s = None
        self._desk.emit(
            ScanFinished(
                self.row.id, self.row.name, summary.seen_count, len(self._result.changed_ids), self._result.gone_count,
                summary.duration_s,
            )
        )  # fmt: skip

    def _plan_doubt(self) -> None:
        if (due_s := self._announced.due_s) is not None:
            self._desk.timers.at(("missed", self.row.id), due_s, self._end_doubt)

    def _end_doubt(self) -> None:
        """Of some finds no event came, though there was time for it: the watcher is not to be trusted."""
        missed_count = 0 if self.is_retired else self._announced.take_missed(self._desk.clock.monotonic_s())
        if missed_count:
            self._desk.writer.add_missed(self.row.id, missed_count)
            self.row = self._desk.writer.source(self.row.id)
            self._plan.clean_intervals = 0
            self._plan_next_scan(self.row.last_scan_duration_s)
        self._plan_doubt()

    def _plan_next_scan(self, duration_s: float) -> None:
        poll_interval_s = self.traits.poll_interval_s if self.traits is not None else None
        in_s = self._plan.next_in_s(duration_s, self._desk.settings.scan_interval_min_s, poll_interval_s)
        self._desk.timers.at(("scan", self.row.id), self._desk.clock.monotonic_s() + in_s, self._scan_is_due)

    def _scan_is_due(self) -> None:
        if guards.is_on("reconcile"):
            self._plan.is_routine_due = True

    def _take_error(self, task: RunningTask, error: EtiketError) -> None:
        request = task.context if isinstance(task.context, Mapping) else {}
        if task.kind is TaskKind.DISCOVER:
            if "identifiers" in request:
                self._look_now.update(request["identifiers"])
            elif "paths" in request:
                self._dirty_paths.update(request["paths"])
            else:
                self.is_scan_due = True
        if not isinstance(error, Stopped):
            self.take_error(error)

    def take_error(self, error: EtiketError) -> None:
        """The whole source could not be looked at or read: say so and look again later."""
        if self.is_retired:
            return
        now_s, now_ns = self._desk.clock.monotonic_s(), self._desk.clock.now_ns()
        self.circuit.fail(error, now_s, now_ns)
        self.is_scan_due = True
        state = SourceState.OFFLINE if isinstance(error, SourceOffline) else SourceState.PROBLEM
        self._set_state(state, error.reason)
        self._desk.writer.open_problem(
            "source", f"source:{self.row.id}", error, source_id=self.row.id, attempts=self.circuit.failures
        )
        if self.circuit.try_at_s is not None:
            self._desk.timers.at(("look", self.row.id), self.circuit.try_at_s, lambda: None)

    def _set_state(self, state: SourceState, reason: str) -> None:
        if (state, reason) == (self.row.state, self.row.state_reason):
            return
        before = self.row.state
        self._desk.writer.set_source_state(self.row.id, state, reason)
        self._desk.diary.place_changed(
            ("source", self.row.id), state=state.value, source_id=self.row.id,
            trouble=f"{self.row.name}: {reason}" if state in _RELIEF else "",
            relief=f"{self.row.name} {_RELIEF[before]}" if before in _RELIEF else "",
        )  # fmt: skip
        self.row = self._desk.writer.source(self.row.id)
        self._desk.emit(SourceStateChanged(self.row.id, self.row.name, state, reason))

    def _ask(self) -> None:
        discovery = self._discovery
        if discovery is None:
            return
        count = discovery.mass_change.changed_count
        told = f"{count} datasets" if count else "Many datasets"
        reason = f"{told} of {self.row.name} changed or vanished within an hour."
        if self.row.state is not SourceState.ASKING:
            self._set_state(SourceState.ASKING, reason)
            problem = ManyChanged(reason)
            self._desk.writer.open_problem("source", f"source:{self.row.id}", problem, source_id=self.row.id)

    def accept_mass_change(self) -> None:
        """A person said the changes are meant: look at everything again and go on."""
        if self._discovery is None or not self._discovery.is_asking:
            return
        unsettled = self._desk.writer.unsettled_identifiers(self.row.id)
        self._discovery.accept_mass_change(self._desk.writer.dataset_ids(self.row.id, unsettled).values())
        self._set_state(SourceState.OK, "")
        self._desk.writer.close_problem(f"source:{self.row.id}")
        self._look_now.update(unsettled)
        self.is_scan_due = True

    def _root(self) -> str:
        return self.traits.root if self.traits is not None else self.row.name
