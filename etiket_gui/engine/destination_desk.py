"""One destination from the engine's side: whether it can be used, and the work that is not in a hurry."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import (
    DestinationFull,
    DestinationOffline,
    DestinationRefused,
    EtiketError,
    SignInNeeded,
    Stopped,
    WorkerLost,
    error_from_json,
)
from etiket_gui.domain.events import DestinationStateChanged
from etiket_gui.domain.states import DestinationState
from etiket_gui.domain.tasks import DestinationSpec, StoredCopy, TaskKind
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.retry import Circuit
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.rows import DestinationRow, IdentityOutcome

log = logging.getLogger(__name__)

_DERIVE_BATCH = 100
_SWEEP_EVERY_S = 6 * 3600.0
_PROBE_EVERY_S = 1800.0
#: What is wrong with a destination, and what is said when it is over.
_RELIEF = {
    DestinationState.OFFLINE: "can be reached again",
    DestinationState.FULL: "has room again",
    DestinationState.SIGN_IN: "lets the program in again",
    DestinationState.PROBLEM: "can be used again",
}
#: So many of the newest copies are looked for with each probe; after one was missing, all, in steps of the second.
_NEWEST, _STEP = 10, 500


class DestinationDesk:
    """Probes one destination, remembers sources there, and makes its derived views."""

    def __init__(self, desk: Desk, row: DestinationRow, on_change: Callable[[DestinationDesk], None]) -> None:
        self._desk = desk
        self.row = row
        self.spec = DestinationSpec(row.id, row.uuid, row.name, row.kind, row.config)
        self.circuit = Circuit(desk.rng)
        self.is_ready = False
        self.batch_size = 1
        #: Whether a provisional version may go there, for the final one takes its place.
        self.can_replace = False
        self.address = ""
        self.sources_to_remember: dict[int, Mapping[str, Any]] = {}
        self.told_sources: dict[int, Mapping[str, Any]] = {}
        self.remembered: dict[int, bool] = {}
        self.has_views_to_make = True
        self._views_told = 0
        #: So often in a row sending failed for the whole destination, whatever the probes in between said.
        self._fruitless = 0
        self._is_probe_due = True
        #: While all copies are looked for: the last transfer that was asked about, and how many are missing so far.
        self._compared_to: int | None = None
        self._missing = 0
        self._is_sweep_due = True
        self._look_task: RunningTask | None = None
        self._move_task: RunningTask | None = None
        self._on_change = on_change
        #: Removed, or replaced after an edit: what is still under way for it is nobody's business any more.
        self.is_retired = False

    @property
    def may_send(self) -> bool:
        """Whether transfers may go there now."""
        return self.is_ready and self.circuit.is_closed

    @property
    def has_work(self) -> bool:
        """Whether something is under way or due that does not wait for the destination to come back."""
        if self.circuit.failures:
            return self._look_task is not None or self._move_task is not None
        return (
            not self.is_ready
            or self._look_task is not None
            or self._move_task is not None
            or bool(self.sources_to_remember)
            or self.has_views_to_make
        )

    def request_probe(self) -> None:
        """Look at it now: a person asked, or the machine woke up."""
        self._is_probe_due = True
        self.circuit.try_now(self._desk.clock.monotonic_s())

    def dispatch_looks(self) -> None:
        """Start a probe or write down a source, if due and a worker is free."""
        if self._look_task is not None:
            return
        now_s = self._desk.clock.monotonic_s()
        if not self.circuit.is_closed:
            if self.circuit.try_at_s is not None and now_s >= self.circuit.try_at_s:
                self._probe()
        elif self._is_probe_due:
            self._probe()
        elif self.sources_to_remember:
            source_id, stored = next(iter(self.sources_to_remember.items()))
            self._look_task = self._start(TaskKind.REMEMBER, {"stored_source": dict(stored)}, source_id)

    def _probe(self) -> None:
        """Look at it, and at the copies that should be there; nothing else would tell of an older archive put back."""
        copies: list[StoredCopy] = []
        if guards.is_on("newest-copies-are-looked-for"):
            if self._compared_to is None:
                copies = self._desk.writer.newest_copies(self.row.id, _NEWEST)
            else:
                copies = self._desk.writer.copies_after(self.row.id, self._compared_to, _STEP)
        rows = [[copy.transfer_id, copy.remote, copy.version, copy.scope] for copy in copies]
        self._look_task = self._start(TaskKind.PROBE, {"known": rows}, copies)

    def dispatch_views(self) -> None:
        """Start making derived views, or a sweep, when nothing more urgent wants the worker."""
        if self._move_task is not None or not self.may_send:
            return
        if self.has_views_to_make:
            copies = self._desk.writer.copies_to_derive(self.row.id, _DERIVE_BATCH)
            self.has_views_to_make = len(copies) == _DERIVE_BATCH
            if copies:
                rows = [[copy.transfer_id, copy.remote, copy.version, copy.scope] for copy in copies]
                self._views_told = 0
                self._move_task = self._start(TaskKind.DERIVE, {"copies": rows}, copies)
                self.has_views_to_make = self.has_views_to_make or self._move_task is None
        elif self._is_sweep_due:
            self._move_task = self._start(TaskKind.SWEEP, {})
            if self._move_task is not None:
                self._is_sweep_due = False
                due_s = self._desk.clock.monotonic_s() + _SWEEP_EVERY_S
                self._desk.timers.at(("sweep", self.row.id), due_s, self._sweep_is_due)

    def _sweep_is_due(self) -> None:
        self._is_sweep_due = True

    def _probe_is_due(self) -> None:
        self._is_probe_due = True

    def _start(self, kind: TaskKind, body: Mapping[str, Any], context: Any = None) -> RunningTask | None:
        return self._desk.pool.start_task(
            kind, {"destination": self.spec.to_json(), **body}, self._take_message, context
        )

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        event = message["event"]
        if self.is_retired:
            return
        if task.kind is TaskKind.DERIVE and event in {"checked", "failed"}:
            self._take_view(task, message)
            return
        if event not in {"done", "error", "lost"}:
            return
        if task is self._look_task:
            self._look_task = None
        if task is self._move_task:
            self._move_task = None
        if event == "done":
            self._take_result(task, message["result"])
        elif event == "error":
            self._take_failure(task, error_from_json(message["error"]))
        else:
            self._take_failure(task, WorkerLost(f"The process that worked with {self.row.name} {message['reason']}."))
        self._on_change(self)

    def _take_failure(self, task: RunningTask, error: EtiketError) -> None:
        if task.kind is TaskKind.DERIVE:
            self.has_views_to_make = True
            if not error.concerns_all and not isinstance(error, Stopped) and self._views_told < len(task.context):
                # A view is a convenience: the one that cannot be made is left out, and nothing waits for it.
                failed = {"event": "failed", "place": self._views_told, "error": error.to_json()}
                self._take_view(task, failed)
                return
        if not isinstance(error, Stopped):
            self.take_error(error)

    def _take_view(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        self._views_told = message["place"] + 1
        copy: StoredCopy = task.context[message["place"]]
        self._desk.writer.mark_derived([(copy.transfer_id, copy.version)])
        key = f"view:{copy.transfer_id}"
        if message["event"] == "failed":
            error = error_from_json(message["error"])
            self._desk.writer.open_problem("destination", key, error, destination_id=self.row.id)
        else:
            self._desk.writer.close_problem(key)

    def _take_result(self, task: RunningTask, result: Mapping[str, Any]) -> None:
        match task.kind:
            case TaskKind.PROBE:
                self._take_probe(result, task.context)
            case TaskKind.REMEMBER:
                self.sources_to_remember.pop(task.context, None)
                self.remembered.setdefault(task.context, bool(result["was_known"]))
            case TaskKind.DERIVE if not result.get("is_whole", True):
                self.has_views_to_make = True
            case TaskKind.SWEEP if result["removed"]:
                log.info("Removed %d stale temporaries at %s.", result["removed"], self.row.name)

    def _take_probe(self, result: Mapping[str, Any], asked: list[StoredCopy]) -> None:
        problems = [error_from_json(problem) for problem in result["problems"]]
        self.batch_size = int(result["batch_size"])
        self.can_replace = bool(result.get("replaces", False))
        self.address = str(result["address"])
        if problems:
            self.take_error(problems[0])
            return
        match self._desk.writer.keep_identity(self.row.id, str(result.get("identity", ""))):
            case IdentityOutcome.OTHER:
                self.take_error(self._other_one())
                return
            case IdentityOutcome.MOVED:
                self._desk.say(f"{self.row.name} is at another place now: everything that is not there yet is sent.")
        self.circuit.close()
        if not self._compare(asked, [int(transfer_id) for transfer_id in result.get("missing", ())]):
            return
        self.is_ready = True
        self._is_probe_due = False
        due_s = self._desk.clock.monotonic_s() + _PROBE_EVERY_S
        self._desk.timers.at(("probe", self.row.id), due_s, self._probe_is_due)
        self._desk.writer.close_problem(f"destination:{self.row.id}")
        self._set_state(DestinationState.OK, "", free_bytes=result["free_bytes"], total_bytes=result.get("total_bytes"))

    def _compare(self, asked: list[StoredCopy], missing: list[int]) -> bool:
        """Whether all that should be there was looked for as far as needed; nothing is sent before."""
        if missing:
            self._desk.writer.note_missing(missing)
            self._missing += len(missing)
        if self._compared_to is None and not missing:
            return True
        if self._compared_to is not None and not asked:
            self._desk.say(
                f"{self._missing} datasets that were archived at {self.row.name} are not there any more. Was an older "
                "copy of it put back? They are sent again."
            )
            self._compared_to, self._missing = None, 0
            return True
        self.is_ready, self._is_probe_due = False, True
        self._compared_to = 0 if self._compared_to is None else asked[-1].transfer_id
        return False

    def _other_one(self) -> DestinationRefused:
        where = self.address or self.row.name
        return DestinationRefused(
            f"{where} is another archive than the one that {self.row.name} was sent to. Nothing is sent there.",
            advice="Put the right one back (is another disk or share there?). If this one is meant, remove the "
            "destination and add it anew.",
            path=self.address,
        )

    def note_receipt(self) -> None:
        """Something was sent there."""
        self._fruitless = 0

    def take_error(self, error: EtiketError, *, is_from_sending: bool = False) -> None:
        """Something that concerns the whole destination failed: stop sending there and probe again later.

        Where probes go well and sending fails each time, it is tried less and less often.
        """
        if self.is_retired:
            return
        if is_from_sending and self.circuit.is_closed and guards.is_on("fruitless-sending-slows"):
            self._fruitless += 1
        now_s, now_ns = self._desk.clock.monotonic_s(), self._desk.clock.now_ns()
        self.circuit.fail(error, now_s, now_ns, fruitless=max(0, self._fruitless - 1))
        if isinstance(error, DestinationFull):
            state = DestinationState.FULL
        elif isinstance(error, SignInNeeded):
            state = DestinationState.SIGN_IN
        elif isinstance(error, DestinationOffline):
            state = DestinationState.OFFLINE
        else:
            state = DestinationState.PROBLEM
        self._desk.writer.open_problem(
            "destination",
            f"destination:{self.row.id}",
            error,
            destination_id=self.row.id,
            attempts=self.circuit.failures,
        )
        self._set_state(state, error.reason)
        if self.circuit.try_at_s is not None:
            self._desk.timers.at(("probe", self.row.id), self.circuit.try_at_s, self._probe_is_due)

    def _set_state(
        self, state: DestinationState, reason: str, free_bytes: int | None = None, total_bytes: int | None = None
    ) -> None:
        is_news = (state, reason) != (self.row.state, self.row.state_reason)
        if not is_news and free_bytes == self.row.free_bytes:
            return
        before = self.row.state
        self._desk.writer.set_destination_state(
            self.row.id, state, reason, free_bytes=free_bytes, total_bytes=total_bytes
        )  # fmt: skip
        self.row = self._desk.writer.destination(self.row.id)
        if is_news:
            self._desk.diary.place_changed(
                ("destination", self.row.id), state=state.value,
                trouble=f"{self.row.name}: {reason}" if state is not DestinationState.OK else "",
                relief=f"{self.row.name} {_RELIEF[before]}" if before in _RELIEF else "",
            )  # fmt: skip
            self._desk.emit(DestinationStateChanged(self.row.id, self.row.name, state, reason))

    def forget_source(self, source_id: int) -> None:
        """Another source may have this number from now on."""
        for known in (self.sources_to_remember, self.told_sources, self.remembered):
            known.pop(source_id, None)

    def retire(self) -> None:
        """Stop what is under way and take no notice of what still comes of it."""
        self.is_retired = True
        self.cancel()

    def cancel(self) -> None:
        """Stop what is under way."""
        for task in (self._look_task, self._move_task):
            if task is not None:
                self._desk.pool.cancel(task)
