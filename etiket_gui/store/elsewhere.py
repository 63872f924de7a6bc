"""Measurements that another source has too: one dataset, so only one of the sources sends it.

A run of QCoDeS keeps its guid when its database is copied or runs are extracted into another one. The one whose run is
complete counts before one that runs, and that before one that was left; of two that are alike the one found first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, exists, or_, select, update

from etiket_gui.domain import guards
from etiket_gui.domain.content import Found
from etiket_gui.domain.identity import dataset_uuid
from etiket_gui.domain.states import Realm, RunState, TransferState
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import ELSEWHERE, LEFT_OUT, datasets, sources, transfers
from etiket_gui.store.resting import facts_of_datasets, rest

_d, _t = datasets.c, transfers.c
_RANK = {RunState.COMPLETE: 2, RunState.LIVE: 1, RunState.ANNOUNCED: 1}
_OTHERS = select(_d.id, _d.uuid, _d.run_state).where(
    _d.uuid.in_(asked("uuids")),
    _d.source_id != bindparam("source"),
    _d.is_gone == 0,
    _d.is_ignored.not_in([LEFT_OUT, ELSEWHERE]),
)
_HERE = (
    select(_d.id, _d.identifier, _d.run_state, sources.c.backend)
    .join(sources, sources.c.id == _d.source_id)
    .where(_d.source_id == bindparam("source"), _d.is_ignored == ELSEWHERE, _d.is_gone == 0)
)
_TAKE = update(datasets).where(_d.id.in_(asked())).values(is_ignored=0)
#: What was sent, or is on its way, stays what it is.
_UNTOUCHED = select(_d.id).where(
    _d.id.in_(asked()),
    ~exists(
        select(_t.id).where(
            _t.dataset_id == _d.id, or_(_t.remote.is_not(None), _t.state == TransferState.SENDING.value)
        )
    ).correlate(datasets),
)
_LEAVE = update(datasets).where(_d.id.in_(asked())).values(is_ignored=ELSEWHERE)


def found_elsewhere(connection: Connection, source_id: int, backend: str, found: Sequence[Found]) -> frozenset[str]:
    """The identifiers of those that another source has at least as complete; identifiers unique in the world only."""
    if not guards.is_on("one-guid-is-one-dataset"):
        return frozenset()
    runs = [(item.identifier, item.run_state) for item in found]
    return _elsewhere(connection, source_id, backend, runs)


def leave_to_the_more_complete(
    connection: Connection, source_id: int, backend: str, found: Sequence[Found]
) -> list[Any]:
    """Other sources leave to this one what it has more completely and they never sent; returns FACTS of that."""
    if not guards.is_on("one-guid-is-one-dataset"):
        return []
    ranks = {dataset_uuid(backend, Realm.WORLD, "", item.identifier): _rank(item.run_state) for item in found}
    others = connection.execute(_OTHERS, {"uuids": as_ids(ranks), "source": source_id})
    lesser = [row.id for row in others if _rank(RunState(row.run_state)) < ranks[row.uuid]]
    left = [row.id for row in connection.execute(_UNTOUCHED, {"ids": as_ids(lesser)})] if lesser else []
    connection.execute(_LEAVE, {"ids": as_ids(left)})
    facts = facts_of_datasets(connection, left)
    rest(connection, facts)
    return facts


def take_what_is_nowhere_else(connection: Connection, source_id: int) -> list[int]:
    """Count what was left to another source that does not have it any more; returns the ids of those datasets."""
    rows = connection.execute(_HERE, {"source": source_id}).all()
    if not rows:
        return []
    runs = [(row.identifier, RunState(row.run_state)) for row in rows]
    still = _elsewhere(connection, source_id, rows[0].backend, runs)
    taken = [row.id for row in rows if row.identifier not in still]
    if taken:
        connection.execute(_TAKE, {"ids": as_ids(taken)})
    return taken


def _elsewhere(
    connection: Connection, source_id: int, backend: str, runs: Iterable[tuple[str, RunState]]
) -> frozenset[str]:
    uuids = {dataset_uuid(backend, Realm.WORLD, "", identifier): (identifier, state) for identifier, state in runs}
    others = connection.execute(_OTHERS, {"uuids": as_ids(uuids), "source": source_id})
    return frozenset(
        uuids[row.uuid][0] for row in others if _rank(RunState(row.run_state)) >= _rank(uuids[row.uuid][1])
    )


def _rank(state: RunState) -> int:
    return _RANK.get(state, 0)
