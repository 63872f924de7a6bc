"""Running measurements: their newest points every second here, and now and then a provisional version at destinations.

A provisional version goes only where the final one will replace it. The first goes half a minute after a run was first
seen; the next ones after max(30 s, 20 × the last send). All provisional traffic of a run together is at most twice its
final size: one goes only while what went before is no more than what there is now.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.content import DatasetReference, RemoteVersion
from etiket_gui.domain.errors import EtiketError, SourceChanged, SourceGone, Stopped, WorkerLost, error_from_json
from etiket_gui.domain.events import LivePointsArrived, ProvisionalStored
from etiket_gui.domain.states import RunState
from etiket_gui.domain.tasks import TaskKind, TransferItem
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.source_desk import SourceDesk
from etiket_gui.engine.transfers import Route
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.live_points import forget_points, kept_uuids
from etiket_gui.store.rows import FoundOutcome, ProvisionalReceipt, TransferRow

log = logging.getLogger(__name__)

SHORTEST_INTERVAL_S = 30.0
#: So many times as long as the last send took is the pause after it.
SEND_TIMES = 20.0
#: What is under way for running measurements must not fill a worker's lane.
_RUNS_PER_LOOK = 20


@dataclass(slots=True)
class _Copy:
    """The provisional versions of one run at one destination."""

    due_s: float
    sent_bytes: int = 0
    sent_fingerprint: int | None = None


@dataclass(slots=True)
class Run:
    """A measurement that is not finished."""

    source: SourceDesk
    dataset_id: int
    identifier: str
    name: str
    run_state: RunState
    fingerprint: int
    size_bytes: int
    since_s: float
    #: Read from the store when it is first needed: most of what changes is over soon.
    uuid: str = ""
    told_fingerprint: int | None = None
    copies: dict[int, _Copy] = field(default_factory=dict)


class LiveRuns:
    """Keeps every unfinished measurement of every source. Owned by the coordinator's thread."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self._folder = folder
        self._runs: dict[int, Run] = {}
        self._following: RunningTask | None = None
        self._sending: RunningTask | None = None
        self._is_tidy = False

    @property
    def dataset_ids(self) -> frozenset[int]:
        """The measurements that are not finished."""
        return frozenset(self._runs)

    @property
    def being_sent(self) -> frozenset[int]:
        """Datasets of which a provisional version is on its way: the final one must wait for it."""
        return frozenset() if self._sending is None else frozenset((self._sending.context[0].dataset_id,))

    @property
    def due_at_s(self) -> float | None:
        """When the next provisional version may be due (monotonic)."""
        if self._sending is not None:
            return None
        return min((copy.due_s for run in self._runs.values() for copy in run.copies.values()), default=None)

    def take(self, source: SourceDesk, outcomes: Iterable[FoundOutcome], growing: frozenset[int]) -> None:
        """Take note of what a look found; ``growing`` are datasets without a mark of their own that still change."""
        now_s = self._desk.clock.monotonic_s()
        for outcome in outcomes:
            found = outcome.found
            run = self._runs.get(outcome.dataset_id)
            is_live = found.run_state is RunState.LIVE
            if not is_live and outcome.dataset_id not in growing:
                if run is not None:
                    self._forget(run)
                continue
            if run is None or run.source is not source:
                has_grown = outcome.previous_fingerprint not in {None, found.fingerprint}
                if not is_live and not has_grown:
                    continue
                run = Run(
                    source, outcome.dataset_id, found.identifier, found.name, found.run_state, found.fingerprint,
                    found.size_bytes, now_s,
                )  # fmt: skip
                self._runs[run.dataset_id] = run
            run.identifier, run.run_state = found.identifier, found.run_state
            run.fingerprint, run.size_bytes = found.fingerprint, found.size_bytes

    def finished(self, dataset_ids: Iterable[int]) -> None:
        """These datasets settled, went, or were archived."""
        for dataset_id in dataset_ids:
            run = self._runs.get(dataset_id)
            if run is not None:
                self._forget(run)

    def forget_source(self, source_id: int) -> None:
        """A source was removed, switched off or changed."""
        for run in [run for run in self._runs.values() if run.source.row.id == source_id]:
            self._forget(run)

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.dataset_id, None)
        if run.uuid:
            forget_points(self._folder, run.uuid)

    def _uuid(self, run: Run) -> str:
        if not run.uuid:
            run.uuid = self._desk.writer.dataset(run.dataset_id).uuid
        return run.uuid

    def cancel(self) -> None:
        """Stop what is under way: the engine stops or the user holds or pauses."""
        if self._following is not None:
            self._desk.pool.cancel(self._following)
        self.cancel_sending()

    def cancel_sending(self) -> None:
        """Stop a provisional version that is under way."""
        if self._sending is not None:
            self._desk.pool.cancel(self._sending)

    # --- points ---------------------------------------------------------------------------------------------

    def dispatch_points(self) -> None:
        """Ask for new points where a look saw that there are some."""
        if not self._is_tidy:
            self._is_tidy = True
            # Of runs that are still live they are asked for again.
            for uuid in list(kept_uuids(self._folder)):
                forget_points(self._folder, uuid)
        if self._following is not None:
            return
        for run in self._runs.values():
            if self._has_news(run):
                self._follow(run.source)
                return

    @staticmethod
    def _has_news(run: Run) -> bool:
        traits = run.source.traits
        can_tell = traits is not None and traits.live_sync and run.run_state is RunState.LIVE
        return can_tell and not run.source.is_retired and run.told_fingerprint != run.fingerprint

    def _follow(self, source: SourceDesk) -> None:
        runs = [run for run in self._runs.values() if run.source is source and self._has_news(run)][:_RUNS_PER_LOOK]
        body = {
            "source": source.spec.to_json(),
            "runs": [[self._uuid(run), run.identifier] for run in runs],
            "folder": str(self._folder),
        }
        context = [(run, run.fingerprint) for run in runs]
        self._following = self._desk.pool.start_task(TaskKind.LIVE, body, self._take_points, context)

    def _take_points(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        if message["event"] not in {"done", "error", "lost"}:
            return
        self._following = None
        for run, fingerprint in task.context:
            # What could not be told now is asked for again when there is more.
            run.told_fingerprint = fingerprint
        if message["event"] != "done":
            return
        told: Mapping[str, list[Any]] = message["result"]["runs"]
        for run, _ in task.context:
            if run.uuid in told and run.dataset_id in self._runs:
                points, expected = told[run.uuid]
                self._desk.emit(LivePointsArrived(run.dataset_id, run.uuid, points, expected))
            elif run.dataset_id not in self._runs and run.uuid:
                forget_points(self._folder, run.uuid)

    # --- provisional versions -------------------------------------------------------------------------------

    def dispatch_provisional(self, routes: Mapping[int, Route]) -> None:
        """Start the provisional version that is due most, if one may go now."""
        if self._sending is not None:
            return
        now_s = self._desk.clock.monotonic_s()
        for run in list(self._runs.values()):
            for route in routes.values():
                if route.source is run.source and route.destination.can_replace:
                    copy = run.copies.get(route.row.id) or self._first_copy(run, route)
                    if copy.due_s <= now_s and route.is_open:
                        self._send_if_right(run, route, copy, now_s)
                    if self._sending is not None:
                        return

    def _first_copy(self, run: Run, route: Route) -> _Copy:
        sent_bytes = self._desk.writer.provisional_bytes(run.dataset_id, route.destination.row.id)
        copy = _Copy(due_s=run.since_s + SHORTEST_INTERVAL_S, sent_bytes=sent_bytes)
        run.copies[route.row.id] = copy
        return copy

    def _send_if_right(self, run: Run, route: Route, copy: _Copy, now_s: float) -> None:
        is_too_much = copy.sent_bytes > run.size_bytes and guards.is_on("provisional-traffic-is-limited")
        if copy.sent_fingerprint == run.fingerprint or is_too_much:
            copy.due_s = now_s + SHORTEST_INTERVAL_S
            return
        row = self._desk.writer.transfer_of(run.dataset_id, route.row.id)
        if row is None:
            copy.due_s = now_s + SHORTEST_INTERVAL_S
            return
        body = {
            "source": run.source.spec.to_json(),
            "destination": route.destination.spec.to_json(),
            "item": self._item(run, route, row).to_json(),
        }
        context = (run, route, copy, run.fingerprint, now_s)
        self._sending = self._desk.pool.start_task(TaskKind.PROVISIONAL, body, self._take_receipt, context)

    def _item(self, run: Run, route: Route, row: TransferRow) -> TransferItem:
        dataset = self._desk.writer.dataset(run.dataset_id)
        source = run.source
        reference = DatasetReference(
            uuid=dataset.uuid,
            source_uuid=source.row.uuid,
            source_name=source.row.name,
            backend=source.row.backend,
            realm=source.traits.realm if source.traits is not None else "",
            identifier=run.identifier,
            birth_ordinal=dataset.birth_ordinal,
            place=dataset.place,
        )
        previous = None
        if row.remote and row.version and row.digest:
            previous = RemoteVersion(row.remote, row.version, row.digest)
        return TransferItem(
            transfer_id=row.id,
            dataset_id=run.dataset_id,
            reference=reference,
            scope=route.row.scope,
            fingerprint=run.fingerprint,
            previous=previous,
            previous_identifiers=dataset.previous_identifiers,
            size_bytes=run.size_bytes,
            run_state=RunState.LIVE.value,
        )

    def _take_receipt(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        if message["event"] not in {"done", "error", "lost"}:
            return
        run, route, copy, fingerprint, begun_s = task.context
        self._sending = None
        now_s = self._desk.clock.monotonic_s()
        copy.due_s = now_s + max(SHORTEST_INTERVAL_S, SEND_TIMES * (now_s - begun_s))
        # A final version may have waited for this one.
        route.may_have_small = route.may_have_large = True
        if message["event"] == "error":
            self._take_failure(run, route, error_from_json(message["error"]))
            return
        if message["event"] == "lost":
            lost = WorkerLost(f"The process that sent what there is of {run.name} {message['reason']}.")
            log.info("%s", lost.reason)
            return
        result = message["result"]
        receipt = result["receipt"]
        copy.sent_fingerprint = fingerprint
        copy.sent_bytes += receipt["new_bytes"]
        self._desk.writer.record_provisional(
            ProvisionalReceipt(
                transfer_id=task.body["item"]["transfer_id"],
                dataset_id=run.dataset_id,
                destination_id=route.destination.row.id,
                version=receipt["version"],
                digest=receipt["digest"],
                level=receipt["level"],
                file_count=result["file_count"],
                size_bytes=result["size_bytes"],
                new_bytes=receipt["new_bytes"],
                description=receipt["description"],
            )
        )
        self._desk.emit(
            ProvisionalStored(
                run.dataset_id,
                self._uuid(run),
                run.name,
                route.destination.row.name,
                receipt["version"],
                result["size_bytes"],
            )
        )

    def _take_failure(self, run: Run, route: Route, error: EtiketError) -> None:
        if isinstance(error, Stopped | SourceChanged | SourceGone):
            log.debug("No provisional version of %s now: %s", run.name, error.reason)
        elif error.concerns_all and not error.kind.startswith("Source"):
            route.destination.take_error(error, is_from_sending=True)
        else:
            # The final version says it if it stays so; nothing of a running measurement is a problem yet.
            log.info("No provisional version of %s could be stored: %s", run.name, error.reason)
