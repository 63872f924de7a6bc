"""Measurements that another source has too: one dataset, so only one of the sources sends it.

A run of QCoDeS keeps its guid when its database is copied or runs are extracted into another one; the one whose run is
complete counts, and of two that are alike the one that was found first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, select, update

from etiket_gui.domain import guards
from etiket_gui.domain.content import Found
from etiket_gui.domain.identity import dataset_uuid
from etiket_gui.domain.states import Realm, RunState
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import ELSEWHERE, LEFT_OUT, datasets, sources

_d = datasets.c
_OTHERS = select(_d.uuid, _d.run_state).where(
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


def found_elsewhere(connection: Connection, source_id: int, backend: str, found: Sequence[Found]) -> frozenset[str]:
    """The identifiers of those that another source has at least as complete; identifiers unique in the world only."""
    if not guards.is_on("one-guid-is-one-dataset"):
        return frozenset()
    runs = [(item.identifier, item.run_state) for item in found]
    return _elsewhere(connection, source_id, backend, runs)


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
        uuids[row.uuid][0]
        for row in others
        if row.run_state == RunState.COMPLETE or uuids[row.uuid][1] is not RunState.COMPLETE
    )
