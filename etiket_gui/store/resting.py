"""Which state a transfer is in while nobody works on it: decided here once, from what is known of its dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, select, update

from etiket_gui.domain import guards
from etiket_gui.domain.states import TransferState, VerificationLevel
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import ELSEWHERE, TOO_OLD, datasets, receipts, sources, transfers
from etiket_gui.store.shaping import LARGE_BYTES

STILL_WRITTEN = "still being written"
TOO_OLD_REASON = "from before the date with which this source begins"
ELSEWHERE_REASON = "the same measurement is in another source, which archives it"
#: Why a dataset is ignored, by what ``is_ignored`` is; a person who left it out needs no reason.
IGNORED_BECAUSE = {TOO_OLD: TOO_OLD_REASON, ELSEWHERE: ELSEWHERE_REASON}
NOT_VERIFIED = "stored, but not verified there"

_t, _d = transfers.c, datasets.c

_HAS_RECEIPT = exists(
    select(receipts.c.id).where(
        receipts.c.transfer_id == _t.id,
        receipts.c.version == _t.version,
        receipts.c.level != VerificationLevel.SIZE_ONLY.value,
        receipts.c.is_provisional == 0,
    )
).correlate(transfers)

#: What :func:`resting_state` and the writer need to know of a transfer.
FACTS: Select[Any] = (
    select(
        _t.id,
        _t.dataset_id,
        _t.route_id,
        _t.state,
        _t.reason,
        _t.sent_fingerprint,
        _t.claim_fingerprint,
        _t.digest,
        _t.version,
        _t.attempts,
        _HAS_RECEIPT.label("has_receipt"),
        _d.is_ignored,
        _d.is_gone,
        _d.fingerprint,
        _d.settled_fingerprint,
        _d.manifest_fingerprint,
        _d.newest_change_ns,
        _d.size_bytes,
        _d.source_id,
        sources.c.held_reason,
    )
    .join(datasets, _d.id == _t.dataset_id)
    .join(sources, sources.c.id == _d.source_id)
)
FACTS_OF_TRANSFERS = FACTS.where(_t.id.in_(asked()))
FACTS_OF_DATASETS = FACTS.where(_t.dataset_id.in_(asked()))

_MOVE = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        order_ns=bindparam("order_ns"),
        size_bytes=bindparam("size_bytes"),
        is_large=bindparam("is_large"),
        attempts=bindparam("attempts"),
        due_ns=None,
        claimed_ns=None,
        problem_kind=None,
        retry_class=None,
    )
)


def is_archived(facts: Any) -> bool:
    """Whether a verified receipt names exactly the settled content: nothing else may be called archived."""
    if not guards.is_on("archived-needs-a-receipt"):
        return bool(facts.sent_fingerprint == facts.settled_fingerprint)
    return (
        facts.has_receipt and facts.sent_fingerprint is not None and facts.sent_fingerprint == facts.settled_fingerprint
    )


def resting_state(facts: Any) -> tuple[TransferState, str]:
    """The state and reason of a transfer that nobody works on and that has not failed."""
    if facts.is_ignored:
        return TransferState.IGNORED, IGNORED_BECAUSE.get(facts.is_ignored, "")
    if facts.settled_fingerprint is None or facts.settled_fingerprint != facts.fingerprint:
        return TransferState.HELD, STILL_WRITTEN
    if is_archived(facts):
        return TransferState.ARCHIVED, ""
    if facts.held_reason:
        return TransferState.HELD, facts.held_reason
    return TransferState.WAITING, ""


def rest(connection: Connection, rows: Iterable[Any], *, keep_attempts: bool = False) -> dict[int, TransferState]:
    """Bring transfers (rows of :data:`FACTS`) to their resting state; returns the state of each by transfer id."""
    moves, outcome = [], {}
    for facts in rows:
        state, reason = resting_state(facts)
        outcome[facts.id] = state
        moves.append(
            {
                "which": facts.id,
                "state": state.value,
                "reason": reason,
                "order_ns": facts.newest_change_ns,
                "size_bytes": facts.size_bytes,
                "is_large": int(facts.size_bytes > LARGE_BYTES),
                "attempts": facts.attempts if keep_attempts else 0,
            }
        )
    if moves:
        connection.execute(_MOVE, moves)
    return outcome


def facts_of_transfers(connection: Connection, transfer_ids: Iterable[int]) -> list[Any]:
    """Rows of :data:`FACTS` of these transfers."""
    return list(connection.execute(FACTS_OF_TRANSFERS, {"ids": as_ids(transfer_ids)}))


def facts_of_datasets(connection: Connection, dataset_ids: Iterable[int]) -> list[Any]:
    """Rows of :data:`FACTS` of every transfer of these datasets."""
    return list(connection.execute(FACTS_OF_DATASETS, {"ids": as_ids(dataset_ids)}))


def rest_failed(connection: Connection, dataset_ids: Sequence[int]) -> None:
    """What had failed of datasets that were gone and are back is tried again: its problem was closed when they went."""
    if dataset_ids:
        failed = TransferState.FAILED
        rest(connection, [facts for facts in facts_of_datasets(connection, dataset_ids) if facts.state == failed])
