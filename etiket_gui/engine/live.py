"""Running measurements: their newest points every second here, and now and then a provisional version at destinations.

A provisional version goes only where the final one will replace it. The first goes half a minute after a run was first
seen; the next ones after max(30 s, 20 × the last send). All provisional traffic of a run together is at most twice its
final size: one goes only while what went before is no more than what there is now. A run that vanishes while it is
measured leaves its last provisional version where it is: it may be the only copy there is.
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
from etiket_gui.domain.states import RunState, TransferState
from etiket_gui.domain.tasks import TaskKind, TransferItem
from etiket_gui.domain.wording import size_text
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
    #: The newest one: how large it was, at how many points (0: nobody counted).
    size_bytes: int = 0
    point_count: int = 0


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
    point_count: int = 0
    copies: dict[int, _Copy] = field(default_factory=dict)
    #: Whether it was there before it was first looked at by this program.
    is_new: bool = True
    early_count: int = 0

    @property
    def named(self) -> tuple[tuple[int, str], tuple[int, str]]:
        """Id and name of its source, and its own."""
        return (self.source.row.id, self.source.row.name), (self.dataset_id, self.name)


class LiveRuns:
    """Keeps every unfinished measurement of every source. Owned by the coordinator's thread."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self._folder = folder
        self._runs: dict[int, Run] = {}
        self._following: RunningTask | None = None
        self._sending: RunningTask | None = None
        self._is_tidy = False
        #: Sources by when they were followed last: none waits for another that always has something new.
        self._followed: dict[int, float] = {}

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
                    self._note_end(run, found.run_state)
                    self._forget(run)
                continue
            if run is None or run.source is not source:
                has_grown = outcome.previous_fingerprint not in {None, found.fingerprint}
                if not is_live and not has_grown:
                    continue
                run = Run(
                    source, outcome.dataset_id, found.identifier, found.name, found.run_state, found.fingerprint,
                    found.size_bytes, now_s, is_new=outcome.is_new,
                )  # fmt: skip
                self._runs[run.dataset_id] = run
                if is_live:
                    self._desk.diary.run_began(*run.named, is_new=run.is_new)
            run.identifier, run.run_state = found.identifier, found.run_state
            run.fingerprint, run.size_bytes = found.fingerprint, found.size_bytes

    def _note_end(self, run: Run, end: RunState) -> None:
        if run.run_state is RunState.LIVE:
            self._desk.diary.run_ended(
                *run.named, end, points=run.point_count, early_count=run.early_count,
                lasted_s=self._desk.clock.monotonic_s() - run.since_s if run.is_new else None,
            )  # fmt: skip

    def finished(self, dataset_ids: Iterable[int]) -> None:
        """These datasets are gone."""
        for dataset_id in dataset_ids:
            run = self._runs.get(dataset_id)
            if run is not None:
                self._forget(run)

    def forget_source(self, source_id: int) -> None:
        """A source was removed, switched off or changed."""
        self._followed.pop(source_id, None)
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
        sources = {run.source.row.id: run.source for run in self._runs.values() if self._has_news(run)}
        if sources:
            source_id = min(sources, key=lambda source_id: self._followed.get(source_id, 0.0))
            self._followed[source_id] = self._desk.clock.monotonic_s()
            self._follow(sources[source_id])

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
        if message["event"] == "error" and isinstance(error_from_json(message["error"]), Stopped):
            # The user holds, or the engine stops: what there is is told afterwards.
            return
        result: Mapping[str, Any] = message["result"] if message["event"] == "done" else {"runs": {}, "more": []}
        told: Mapping[str, list[Any]] = result["runs"]
        for run, fingerprint in task.context:
            if run.uuid not in result["more"]:
                # What could not be told now is asked for again when there is more.
                run.told_fingerprint = fingerprint
            if run.uuid in told and run.dataset_id in self._runs:
                points, expected = told[run.uuid]
                run.point_count = points
                self._desk.emit(LivePointsArrived(run.dataset_id, run.uuid, points, expected))
            elif run.dataset_id not in self._runs and run.uuid:
                forget_points(self._folder, run.uuid)

    # --- provisional versions -------------------------------------------------------------------------------

    def dispatch_provisional(self, routes: Mapping[int, Route]) -> None:
        """Start the provisional version that is due most, if one may go now."""
        if self._sending is not None:
            return
        now_s = self._desk.clock.monotonic_s()
        due: list[tuple[float, Run, Route, _Copy]] = []
        for run in self._runs.values():
            for route in routes.values():
                if route.source is run.source and route.destination.can_replace:
                    copy = run.copies.get(route.row.id) or self._first_copy(run, route)
                    if copy.due_s <= now_s and route.is_open and not self._is_asking(run):
                        due.append((copy.due_s, run, route, copy))
        for _, run, route, copy in sorted(due, key=lambda item: item[0]):
            if self._sending is None:
                self._send_if_right(run, route, copy, now_s)

    @staticmethod
    def _is_asking(run: Run) -> bool:
        """Whether somebody must say first that the source's changes are meant; no newer version replaces a good one."""
        discovery = run.source.discovery
        is_asking = discovery is not None and discovery.is_asking
        return is_asking and guards.is_on("asking-stops-provisional")

    def _first_copy(self, run: Run, route: Route) -> _Copy:
        sent = self._desk.writer.provisional_traffic(run.dataset_id, route.destination.row.id)
        copy = _Copy(run.since_s + SHORTEST_INTERVAL_S, sent.new_bytes, size_bytes=sent.newest_size_bytes)
        run.copies[route.row.id] = copy
        return copy

    @staticmethod
    def _size_bytes(run: Run, copy: _Copy) -> int:
        """How large a run is now, as far as it tells or its points say; 0 where only reading it can tell."""
        if run.size_bytes:
            return run.size_bytes
        if copy.point_count and run.point_count:
            return copy.size_bytes * run.point_count // copy.point_count
        return 0

    def _send_if_right(self, run: Run, route: Route, copy: _Copy, now_s: float) -> None:
        size_bytes = self._size_bytes(run, copy)
        is_too_much = 0 < size_bytes < copy.sent_bytes and guards.is_on("provisional-traffic-is-limited")
        row = None
        if copy.sent_fingerprint != run.fingerprint and not is_too_much:
            row = self._desk.writer.transfer_of(run.dataset_id, route.row.id)
        if row is not None and row.state is TransferState.IGNORED and guards.is_on("ignored-runs-stay-here"):
            row = None
        if row is None:
            copy.due_s = now_s + SHORTEST_INTERVAL_S
            return
        body = {
            "source": run.source.spec.to_json(),
            "destination": route.destination.spec.to_json(),
            "item": self._item(run, route, row, size_bytes).to_json(),
            "sent_bytes": copy.sent_bytes,
            "told_bytes": run.size_bytes,
            "has_files": copy.size_bytes > 0,
            "folder": str(self._folder),
        }
        context = (run, route, copy, run.fingerprint, now_s, run.point_count)
        self._sending = self._desk.pool.start_task(TaskKind.PROVISIONAL, body, self._take_receipt, context)

    def _item(self, run: Run, route: Route, row: TransferRow, size_bytes: int) -> TransferItem:
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
            size_bytes=size_bytes,
            run_state=RunState.LIVE.value,
        )

    def _take_receipt(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        if message["event"] not in {"done", "error", "lost"}:
            return
        run, route, copy, fingerprint, begun_s, point_count = task.context
        self._sending = None
        now_s = self._desk.clock.monotonic_s()
        copy.due_s = now_s + max(SHORTEST_INTERVAL_S, SEND_TIMES * (now_s - begun_s))
        # A final version may have waited for this one.
        if route.is_held_back:
            route.is_held_back = False
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
        if receipt is None:
            # It was read and not sent: too much went already, or it is large now and an earlier part stands there.
            copy.size_bytes, copy.point_count = max(copy.size_bytes, result["size_bytes"]), point_count
            return
        copy.sent_bytes += receipt["new_bytes"]
        copy.size_bytes, copy.point_count = result["size_bytes"], point_count
        if route.destination.is_retired and guards.is_on("moved-is-empty"):
            return
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
        run.early_count += 1
        if run.early_count == 1:
            what = f"What there is of {run.name} in {run.source.row.name} ({size_text(result['size_bytes'])})"
            self._desk.diary.note(
                f"{what} is at {route.destination.row.name} as a provisional version; newer ones take its place "
                "while it is being measured.",
                run.source.row.id,
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
