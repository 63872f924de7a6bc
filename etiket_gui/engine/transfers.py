"""Claims what is waiting, has it sent, and writes down what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from etiket_gui.domain import guards
from etiket_gui.domain.content import DatasetReference, FileEntry, RemoteVersion
from etiket_gui.domain.errors import (
    EtiketError,
    SourceChanged,
    SourceGone,
    Stopped,
    WorkerLost,
    error_from_json,
    in_one,
)
from etiket_gui.domain.events import (
    DatasetArchived,
    DatasetProgressed,
    FileProgressed,
    TransferFailed,
    TransferStarted,
)
from etiket_gui.domain.failpoints import fail_here
from etiket_gui.domain.states import TransferState, VerificationLevel
from etiket_gui.domain.tasks import TaskKind, TransferItem
from etiket_gui.engine import retry
from etiket_gui.engine.budget import Allowance
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.destination_desk import DestinationDesk
from etiket_gui.engine.moving import MovingRates
from etiket_gui.engine.progress import RateMeter
from etiket_gui.engine.source_desk import SourceDesk
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.rows import Claim, NotSent, RouteRow, Sent
from etiket_gui.store.writer_problems import flaw_key

log = logging.getLogger(__name__)

_BATCH_BYTES = 64 * 1024 * 1024
#: So often the same content may look quiet and still be found changed when it is read.
_CHANGED_IN_A_ROW = 4


@dataclass(slots=True)
class Route:
    """One route and whether something may be waiting on it."""

    row: RouteRow
    source: SourceDesk
    destination: DestinationDesk
    may_have_small: bool = True
    may_have_large: bool = True
    served_at: int = 0
    #: After a worker died on a batch, this many datasets go one by one, so that only the culprit suffers.
    singly: int = 0
    #: A final version waits until a provisional one of its dataset is no longer on its way.
    is_held_back: bool = False

    @property
    def way(self) -> tuple[int, int]:
        """Ids of its source and its destination."""
        return self.source.row.id, self.destination.row.id

    @property
    def is_open(self) -> bool:
        """Whether its source and its destination are usable now."""
        if not self.source.circuit.is_closed and guards.is_on("source-away-stops-sending"):
            return False
        return self.destination.may_send and self.source.traits is not None and not self.source.is_blocked


@dataclass(slots=True)
class Batch:
    """The claims of one transfer task and what came of each so far."""

    route: Route
    claims: list[Claim]
    is_large: bool
    open_places: set[int]
    begun_places: set[int] = field(default_factory=set)
    rows: dict[int, list[list[Any]]] = field(default_factory=dict)
    meters: dict[str, RateMeter] = field(default_factory=dict)


class BeingSent(Protocol):
    """Who else sends versions of datasets."""

    @property
    def being_sent(self) -> frozenset[int]:
        """The datasets of which something is on its way."""


class _NothingElse:
    """Nobody else does."""

    being_sent: frozenset[int] = frozenset()


class Transfers:
    """The queue's driver: fair between routes, small before large, one large at a time where there is a choice."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.routes: dict[int, Route] = {}
        self._served = 0
        self._sent: list[tuple[Batch, Claim, Sent]] = []
        self._flaws: dict[int, tuple[int, list[EtiketError]]] = {}
        self._not_sent: list[tuple[Batch, Claim, NotSent]] = []
        #: Of transfers whose content changed under the reader: the content that was claimed, and how often in a row.
        self._changed: dict[int, tuple[int, int]] = {}
        self.on_archived: Callable[[DatasetArchived], None] = lambda event: None
        #: What of a running measurement is on its way; the final version must come after it.
        self.provisional: BeingSent = _NothingElse()
        self.rates = MovingRates(desk)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent and no result waits to be written down."""
        return not self._desk.pool.running(TaskKind.TRANSFER) and not self._sent and not self._not_sent

    def is_sending_small_to(self, destination: DestinationDesk) -> bool:
        """Whether a batch of datasets that are not large is under way to a destination."""
        batches: list[Batch] = [task.context for task in self._desk.pool.running(TaskKind.TRANSFER)]
        return any(batch.route.destination is destination and not batch.is_large for batch in batches)

    def note_waiting(self, source_id: int | None = None) -> None:
        """Something of this source, or of any, may be waiting now."""
        for route in self.routes.values():
            if source_id is None or route.row.source_id == source_id:
                route.may_have_small = route.may_have_large = True

    def has_work(self, route_filter: Callable[[Route], bool] = lambda route: route.is_open) -> bool:
        """Whether a usable route may have something waiting."""
        return any(
            route_filter(route) and (route.may_have_small or route.may_have_large) for route in self.routes.values()
        )

    def dispatch(self, allowance: Allowance) -> None:
        """Claim and start as much as may run now. Called outside of any store transaction."""
        while self._desk.pool.can_take(TaskKind.TRANSFER) or self._desk.pool.can_queue_move():
            running_large = any(task.context.is_large for task in self._desk.pool.running(TaskKind.TRANSFER))
            may_large = allowance.large_files and (not running_large or allowance.workers == 1)
            may_large = may_large and self._desk.pool.can_take(TaskKind.TRANSFER)
            if not (self._start_next(large=False) or (may_large and self._start_next(large=True))):
                return

    def _start_next(self, *, large: bool) -> bool:
        candidates = [
            route
            for route in self.routes.values()
            if route.is_open and (route.may_have_large if large else route.may_have_small)
        ]
        for route in sorted(candidates, key=lambda route: route.served_at):
            claims = self._claim(route, large=large)
            if not claims:
                if large:
                    route.may_have_large = False
                else:
                    route.may_have_small = False
                continue
            fail_here("after_claim")
            if self._start(route, claims, large=large):
                self._served += 1
                route.served_at = self._served
                return True
            self._desk.writer.release_claims([claim.transfer_id for claim in claims])
            return False
        return False

    def _claim(self, route: Route, *, large: bool) -> list[Claim]:
        claims = self._claim_some(route, large=large)
        early = self.provisional.being_sent
        if not early or not guards.is_on("final-after-provisional"):
            return claims
        held_back = [claim.transfer_id for claim in claims if claim.dataset_id in early]
        route.is_held_back = route.is_held_back or bool(held_back)
        self._desk.writer.release_claims(held_back)
        return [claim for claim in claims if claim.dataset_id not in early]

    def _claim_some(self, route: Route, *, large: bool) -> list[Claim]:
        limit = 1 if large or route.singly > 0 else max(1, route.destination.batch_size)
        return self._desk.writer.claim(
            route.row.id,
            limit=limit,
            max_bytes=_BATCH_BYTES,
            large=large,
            newest_first=self._desk.settings.backlog_order == "newest",
        )

    def _start(self, route: Route, claims: list[Claim], *, large: bool) -> bool:
        batch = Batch(route, claims, large, set(range(len(claims))))
        body = {
            "source": route.source.spec.to_json(),
            "destination": route.destination.spec.to_json(),
            "items": [_item(route, claim).to_json() for claim in claims],
        }
        task = self._desk.pool.start_task(TaskKind.TRANSFER, body, self._take_message, batch, may_queue=not large)
        return task is not None

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        batch: Batch = task.context
        if batch.route.destination.is_retired and message["event"] == "sent" and guards.is_on("moved-is-empty"):
            # Where it was sent is not where the destination is now: it comes back as waiting at the end of the batch.
            return
        match message["event"]:
            case "started":
                self._take_start(batch, message)
            case "progress":
                self._take_progress(batch, message["rows"])
            case "files":
                batch.rows.setdefault(message["place"], []).extend(message["rows"])
            case "sent":
                self._take_receipt(batch, message)
            case "failed":
                self._take_failure(batch, message["place"], error_from_json(message["error"]))
            case "done":
                self._release_rest(batch)
            case "error":
                self._take_batch_error(batch, error_from_json(message["error"]))
            case "lost":
                self._take_loss(batch, str(message["reason"]))

    def _take_start(self, batch: Batch, message: Mapping[str, Any]) -> None:
        claim = batch.claims[message["place"]]
        batch.begun_places.add(message["place"])
        batch.meters[claim.uuid] = RateMeter(self._desk.clock.monotonic_s())
        self._desk.emit(
            TransferStarted(
                claim.dataset_id, claim.transfer_id, claim.uuid, claim.name, batch.route.destination.row.name,
                message["files"], message["size_bytes"],
            )
        )  # fmt: skip

    def _take_progress(self, batch: Batch, rows: list[list[Any]]) -> None:
        by_uuid = {claim.uuid: claim for claim in batch.claims}
        for uuid, file, file_done, file_size, done, size in rows:
            claim, meter = by_uuid[uuid], batch.meters[uuid]
            meter.update(done, self._desk.clock.monotonic_s())
            self.rates.progressed(batch.route.way, claim.transfer_id, done)
            rate = meter.rate_bytes_per_s
            file_rest_s = None if meter.rest_s(size) is None else max(0.0, (file_size - file_done) / rate)
            self._desk.emit(FileProgressed(claim.transfer_id, uuid, file, file_done, file_size, rate, file_rest_s))
            self._desk.emit(
                DatasetProgressed(claim.transfer_id, uuid, claim.name, done, size, rate, meter.rest_s(size))
            )

    def _take_receipt(self, batch: Batch, message: Mapping[str, Any]) -> None:
        place = message["place"]
        claim, receipt = batch.claims[place], message["receipt"]
        batch.open_places.discard(place)
        batch.route.singly = max(0, batch.route.singly - 1)
        level = VerificationLevel(receipt["level"])
        rows = batch.rows.pop(place, []) + message["rows"]
        if not level.counts_as_verified:
            error = EtiketError(
                f"{claim.name} is stored at {batch.route.destination.row.name}, but nobody checked its content.",
                advice="This destination cannot prove what it stores; choose another one as well.",
            )
            self._fail(batch, claim, error)
            return
        sent = Sent(
            transfer_id=claim.transfer_id,
            dataset_id=claim.dataset_id,
            fingerprint=claim.fingerprint,
            remote=receipt["remote"],
            version=receipt["version"],
            digest=receipt["digest"],
            level=level.value,
            verified_at_ns=receipt["verified_at_ns"],
            is_new=receipt["is_new"],
            is_provisional=receipt["is_provisional"],
            new_bytes=receipt["new_bytes"],
            description=receipt["description"],
            files=tuple(FileEntry.from_row(row) for row in rows),
            notes=tuple(receipt["notes"]),
        )
        self._sent.append((batch, claim, sent))
        if sent.is_new:
            size_bytes = sum(entry.size_bytes for entry in sent.files)
            self.rates.arrived(batch.route.way, claim.transfer_id, size_bytes=size_bytes, files=len(sent.files))
        else:
            self.rates.ended(claim.transfer_id)
        flaws = [error_from_json(flaw) for flaw in message.get("problems", ())]
        self._flaws[claim.dataset_id] = (batch.route.row.source_id, flaws)

    def _take_failure(self, batch: Batch, place: int, error: EtiketError) -> None:
        if error.concerns_all and guards.is_on("what-concerns-all-stops-all"):
            # Said of one dataset, but no other would fare better: it waits, as they do, until a probe goes well.
            self._take_general_error(batch, error)
            return
        batch.open_places.discard(place)
        batch.route.singly = max(0, batch.route.singly - 1)
        self._fail(batch, batch.claims[place], error)

    def _fail(self, batch: Batch, claim: Claim, error: EtiketError) -> None:
        self.rates.ended(claim.transfer_id)
        now_ns = self._desk.clock.now_ns()
        verdict = retry.judge(error, claim.attempts, now_ns, self._desk.rng)
        if isinstance(error, SourceChanged | SourceGone):
            batch.route.source.look_soon(claim.identifier)
            if self._is_said_too_often(claim):
                verdict = retry.not_as_it_looks(claim.attempts, now_ns, self._desk.rng)
        not_sent = NotSent(
            claim.transfer_id, claim.dataset_id, error, verdict.state, verdict.due_ns, verdict.counts_as_attempt
        )
        self._not_sent.append((batch, claim, not_sent))

    def _is_said_too_often(self, claim: Claim) -> bool:
        """Whether every look finds a dataset quiet and every reading finds it changed: that needs time or a person."""
        fingerprint, times = self._changed.get(claim.transfer_id, (claim.fingerprint, 0))
        times = times + 1 if fingerprint == claim.fingerprint else 1
        self._changed[claim.transfer_id] = claim.fingerprint, times
        return times > _CHANGED_IN_A_ROW and guards.is_on("changed-for-ever-is-a-problem")

    def _take_batch_error(self, batch: Batch, error: EtiketError) -> None:
        if error.concerns_all:
            self._release_rest(batch)
            self._take_general_error(batch, error)
        elif isinstance(error, Stopped) or not guards.is_on("bug-has-a-culprit"):
            self._release_rest(batch)
        else:
            self._blame_first(batch, lambda claim: error)

    @staticmethod
    def _take_general_error(batch: Batch, error: EtiketError) -> None:
        if error.kind.startswith("Source"):
            batch.route.source.take_error(error)
        else:
            batch.route.destination.take_error(error, is_from_sending=True)

    def _take_loss(self, batch: Batch, reason: str) -> None:
        """The worker died or hung."""
        self._blame_first(
            batch,
            lambda claim: WorkerLost(f"The process that sent {claim.name} {reason}.", path=claim.identifier),
        )

    def _blame_first(self, batch: Batch, error_of: Callable[[Claim], EtiketError]) -> None:
        """The first open dataset is the suspect; the others go one by one, so that only the culprit suffers."""
        # All are read before the first is sent: while one is not read yet, it is the one.
        suspects = sorted(batch.open_places - batch.begun_places) or sorted(batch.open_places)
        if suspects:
            claim = batch.claims[suspects[0]]
            batch.open_places.discard(suspects[0])
            self._fail(batch, claim, error_of(claim))
        batch.route.singly = max(batch.route.singly, len(batch.open_places))
        self._release_rest(batch)

    def _release_rest(self, batch: Batch) -> None:
        for place in batch.open_places:
            self.rates.ended(batch.claims[place].transfer_id)
        if batch.open_places:
            self._desk.writer.release_claims([batch.claims[place].transfer_id for place in sorted(batch.open_places)])
            batch.open_places.clear()
        batch.route.may_have_small = batch.route.may_have_large = True

    def flush(self) -> None:
        """Write down all results that came in; then tell of them."""
        sent, self._sent = self._sent, []
        not_sent, self._not_sent = self._not_sent, []
        flaws: dict[int, str] = {}
        if sent:
            for _, _, item in sent:
                self._changed.pop(item.transfer_id, None)
            fail_here("before_receipt")
            self._desk.writer.record_sent([item for _, _, item in sent])
            self._desk.writer.close_problems([f"damaged:{item.transfer_id}" for _, _, item in sent])
            flaws = self._note_flaws()
            fail_here("after_receipt")
        if not_sent:
            self._desk.writer.record_not_sent([item for _, _, item in not_sent])
            self._plan_retry()
        for batch, claim, receipt in sent:
            batch.route.destination.has_views_to_make = True
            batch.route.destination.note_receipt()
            event = DatasetArchived(
                claim.dataset_id, claim.transfer_id, claim.uuid, claim.name, batch.route.destination.row.name,
                receipt.version, len(receipt.files), sum(entry.size_bytes for entry in receipt.files), receipt.is_new,
            )  # fmt: skip
            self._desk.emit(event)
            self._desk.diary.archived(
                _named(batch), event.destination, (event.dataset_id, event.name), event.transfer_id,
                file_count=event.file_count, size_bytes=event.size_bytes, is_new=event.is_new,
                has_failed=claim.attempts > 0, flaw=flaws.get(event.dataset_id, ""),
            )  # fmt: skip
            self.on_archived(event)
        for batch, claim, failure in not_sent:
            if failure.state is TransferState.FAILED:
                self._desk.diary.failed(
                    _named(batch), batch.route.destination.row.name, (claim.dataset_id, claim.name), claim.transfer_id,
                    title=failure.error.title, reason=failure.error.reason,
                )  # fmt: skip
                self._desk.emit(
                    TransferFailed(
                        claim.dataset_id, claim.transfer_id, claim.uuid, claim.name,
                        batch.route.destination.row.name, failure.error.title, failure.error.reason, failure.due_ns,
                    )
                )  # fmt: skip

    def _note_flaws(self) -> dict[int, str]:
        """What is to be known of datasets that were sent all the same, such as a file that could not be converted.

        Returns it by dataset.
        """
        flaws, self._flaws = self._flaws, {}
        good = [flaw_key(dataset_id) for dataset_id, (_, found) in flaws.items() if not found]
        self._desk.writer.close_problems(good)
        for dataset_id, (source_id, found) in flaws.items():
            if found:
                self._desk.writer.open_problem(
                    "item", flaw_key(dataset_id), in_one(found), source_id=source_id, dataset_id=dataset_id
                )
        return {dataset_id: in_one(found).reason for dataset_id, (_, found) in flaws.items() if found}

    def _plan_retry(self) -> None:
        due_ns = self._desk.writer.next_due_ns()
        if due_ns is not None:
            delay_s = max(0.0, (due_ns - self._desk.clock.now_ns()) / 1e9)
            self._desk.timers.at("retry", self._desk.clock.monotonic_s() + delay_s, self.release_due)

    def release_due(self) -> None:
        """Put back into the queue what is due again."""
        horizon_ns = int(2 * retry.LONGEST_ASKED_DELAY_S * 1e9)
        if self._desk.writer.release_due(self._desk.clock.now_ns(), horizon_ns):
            self.note_waiting()
        self._plan_retry()

    def cancel(self) -> None:
        """Stop everything that is being sent; claims come back as waiting."""
        for task in self._desk.pool.running(TaskKind.TRANSFER):
            self._desk.pool.cancel(task)


def _named(batch: Batch) -> tuple[int, str]:
    """Id and name of the source of a batch."""
    return batch.route.source.row.id, batch.route.source.row.name


def _item(route: Route, claim: Claim) -> TransferItem:
    source = route.source
    realm = source.traits.realm if source.traits is not None else ""
    previous = None
    if claim.remote and claim.version and claim.digest:
        previous = RemoteVersion(claim.remote, claim.version, claim.digest)
    return TransferItem(
        transfer_id=claim.transfer_id,
        dataset_id=claim.dataset_id,
        reference=DatasetReference(
            uuid=claim.uuid,
            source_uuid=source.row.uuid,
            source_name=source.row.name,
            backend=source.row.backend,
            realm=realm,
            identifier=claim.identifier,
            birth_ordinal=claim.birth_ordinal,
            place=claim.place,
        ),
        scope=claim.scope,
        fingerprint=claim.fingerprint,
        previous=previous,
        previous_identifiers=claim.previous_identifiers,
        size_bytes=claim.size_bytes,
        run_state=claim.run_state.value,
    )
