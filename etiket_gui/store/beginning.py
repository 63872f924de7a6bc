"""From when on the datasets of a source count: what is older is ignored until it changes or the date does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, or_, select, update

from etiket_gui.domain.content import Found
from etiket_gui.domain.states import RunState, TransferState
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import TOO_OLD, beginnings, datasets, transfers

_d, _t = datasets.c, transfers.c
_RUNNING = (RunState.LIVE, RunState.ANNOUNCED)

_is_older = and_(
    func.coalesce(_d.collected_ns, _d.newest_change_ns) < bindparam("since_ns"),
    _d.run_state.not_in([state.value for state in _RUNNING]),
)
#: What was sent, or is on its way, is not called too old afterwards.
_was_touched = exists(
    select(_t.id).where(_t.dataset_id == _d.id, or_(_t.remote.is_not(None), _t.state == TransferState.SENDING.value))
).correlate(datasets)
_BEGINNING = select(beginnings.c.since_ns).where(beginnings.c.source_id == bindparam("source"))
_SET = update(datasets).where(_d.id.in_(asked())).values(is_ignored=bindparam("now"))
_NO_LONGER_OLD = select(_d.id).where(_d.source_id == bindparam("source"), _d.is_ignored == TOO_OLD, ~_is_older)
_NO_LONGER_OLD_OF = _NO_LONGER_OLD.where(_d.id.in_(asked()))
_NOW_OLD = select(_d.id).where(_d.source_id == bindparam("source"), _d.is_ignored == 0, _is_older, ~_was_touched)


def beginning_of(connection: Connection, source_id: int) -> int:
    """From when on a source counts (ns since 1970 UTC), 0 for one that begins with its first dataset."""
    return connection.execute(_BEGINNING, {"source": source_id}).scalar() or 0


def is_too_old(found: Found, since_ns: int) -> bool:
    """Whether a dataset is from before the date; its time is when it was collected, else its newest change.

    A measurement that runs is never too old: what it adds is new.
    """
    if since_ns <= 0 or found.run_state in _RUNNING:
        return False
    time_ns = found.newest_change_ns if found.collected_ns is None else found.collected_ns
    return time_ns < since_ns


def set_beginning(connection: Connection, source_id: int, since_ns: int) -> list[int]:
    """Keep from when on a source counts (0: from its first dataset); returns the ids of the datasets concerned."""
    connection.execute(delete(beginnings).where(beginnings.c.source_id == source_id))
    if since_ns > 0:
        connection.execute(insert(beginnings).values(source_id=source_id, since_ns=since_ns))
    which = {"source": source_id, "since_ns": since_ns}
    taken = [row.id for row in connection.execute(_NO_LONGER_OLD, which)]
    left = [row.id for row in connection.execute(_NOW_OLD, which)]
    connection.execute(_SET, {"ids": as_ids(taken), "now": 0})
    connection.execute(_SET, {"ids": as_ids(left), "now": TOO_OLD})
    return [*taken, *left]


def take_renewed(connection: Connection, source_id: int, since_ns: int, dataset_ids: Iterable[int]) -> list[int]:
    """Of these datasets, those that were too old and are not any more count from now on; returns their ids."""
    which: dict[str, Any] = {"source": source_id, "since_ns": since_ns, "ids": as_ids(dataset_ids)}
    renewed = [row.id for row in connection.execute(_NO_LONGER_OLD_OF, which)]
    if renewed:
        connection.execute(_SET, {"ids": as_ids(renewed), "now": 0})
    return renewed
