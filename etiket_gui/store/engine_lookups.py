"""What the engine asks the writer's own connection, so that it sees what it just wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, update

from etiket_gui.domain.states import TransferState
from etiket_gui.domain.tasks import StoredCopy
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import datasets, routes, transfers
from etiket_gui.store.rows import DestinationRow, RouteRow, SourceRow
from etiket_gui.store.shaping import (
    SELECT_DESTINATIONS,
    SELECT_ROUTES,
    SELECT_SOURCES,
    destination_row,
    route_row,
    source_row,
)
from etiket_gui.store.writer_transfers import TransferWriter

_d, _t = datasets.c, transfers.c
_archived: ColumnElement[str] = literal_column(f"'{TransferState.ARCHIVED.value}'")

_IDS = select(_d.identifier, _d.id).where(
    _d.source_id == bindparam("source"), _d.identifier.in_(asked("identifiers")), _d.is_gone == 0
)
_COUNT = select(func.count()).where(_d.source_id == bindparam("source"), _d.is_gone == 0)
_UNSETTLED = select(_d.identifier).where(
    _d.source_id == bindparam("source"),
    literal_column("settled_fingerprint IS NOT fingerprint AND is_gone = 0"),
)
_ROUTE_IDS = select(routes.c.id).where(routes.c.destination_id == bindparam("destination"))
_UNDERIVED = (
    select(_t.id, _t.remote, _t.version, routes.c.scope)
    .join(routes, routes.c.id == _t.route_id)
    .where(
        _t.route_id == bindparam("route"),
        literal_column("transfers.state = 'archived' AND transfers.version IS NOT transfers.derived_version"),
    )
    .limit(bindparam("most"))
)
_DERIVED = update(transfers).where(_t.id == bindparam("which")).values(derived_version=bindparam("made_version"))
_OLDEST_WAITING = select(func.min(_t.order_ns)).where(
    _t.route_id == bindparam("route"),
    _t.shown == literal_column(f"'{TransferState.WAITING.value}'"),
    _t.is_large == bindparam("large"),
)
_TO_PROVE = (
    select(_t.id, _t.remote, _t.version, routes.c.scope)
    .join(routes, routes.c.id == _t.route_id)
    .where(_t.state == _archived, routes.c.destination_id == bindparam("destination"))
    .limit(bindparam("most"))
)
_NEVER_PROVEN = _TO_PROVE.where(_t.proven_at_ns.is_(None), _t.verified_at_ns < bindparam("before")).order_by(
    _t.verified_at_ns
)
_PROVEN_LONG_AGO = _TO_PROVE.where(_t.proven_at_ns.is_not(None), _t.proven_at_ns < bindparam("before")).order_by(
    _t.proven_at_ns
)


class EngineLookups(TransferWriter):
    """Short questions of the coordinator, answered within the present transaction if there is one."""

    def sources(self) -> list[SourceRow]:
        """All sources."""
        with self._transaction() as connection:
            return [source_row(row) for row in connection.execute(SELECT_SOURCES)]

    def source(self, source_id: int) -> SourceRow:
        """One source. Raises UsageError when there is none of that number."""
        with self._transaction():
            return self._source(source_id)

    def destinations(self) -> list[DestinationRow]:
        """All destinations."""
        with self._transaction() as connection:
            return [destination_row(row) for row in connection.execute(SELECT_DESTINATIONS)]

    def destination(self, destination_id: int) -> DestinationRow:
        """One destination. Raises UsageError when there is none of that number."""
        with self._transaction():
            return self._destination(destination_id)

    def routes(self) -> list[RouteRow]:
        """All routes."""
        with self._transaction() as connection:
            return [route_row(row) for row in connection.execute(SELECT_ROUTES)]

    def dataset_ids(self, source_id: int, identifiers: Sequence[str]) -> dict[str, int]:
        """The ids of those of these datasets that are known and not gone."""
        with self._transaction() as connection:
            rows = connection.execute(_IDS, {"source": source_id, "identifiers": as_ids(identifiers)})
            return {row.identifier: row.id for row in rows}

    def dataset_count(self, source_id: int) -> int:
        """How many datasets of a source are known and not gone."""
        with self._transaction() as connection:
            return int(connection.execute(_COUNT, {"source": source_id}).scalar_one())

    def unsettled_identifiers(self, source_id: int) -> list[str]:
        """The datasets of a source that were not quiet at the last look."""
        with self._transaction() as connection:
            return [row.identifier for row in connection.execute(_UNSETTLED, {"source": source_id})]

    def oldest_waiting_ns(self) -> int | None:
        """Since when the longest waiting dataset is complete (ns UTC), or None when nothing waits."""
        oldest = []
        for route in self.routes():
            for large in (0, 1):
                with self._transaction() as connection:
                    asked_for = {"route": route.id, "large": large}
                    oldest.append(connection.execute(_OLDEST_WAITING, asked_for).scalar_one())
        return min((int(value) for value in oldest if value is not None), default=None)

    def copies_to_derive(self, destination_id: int, limit: int) -> list[StoredCopy]:
        """Archived copies whose derived views show an older version, or none."""
        copies: list[StoredCopy] = []
        with self._transaction() as connection:
            route_ids = [row.id for row in connection.execute(_ROUTE_IDS, {"destination": destination_id})]
            for route_id in route_ids:
                if len(copies) < limit:
                    rows = connection.execute(_UNDERIVED, {"route": route_id, "most": limit - len(copies)})
                    copies += [StoredCopy(*row) for row in rows]
        return copies

    def mark_derived(self, pairs: Iterable[tuple[int, str]]) -> None:
        """The derived views of these (transfer id, version) are made."""
        rows: list[dict[str, Any]] = [{"which": transfer_id, "made_version": version} for transfer_id, version in pairs]
        if rows:
            with self._transaction() as connection:
                connection.execute(_DERIVED, rows)

    def copies_of_destination_to_prove(
        self, destination_id: int, *, verified_before_ns: int, proven_before_ns: int, limit: int
    ) -> list[StoredCopy]:
        """Archived copies at one destination whose proof is due: never proven first, then the longest ago."""
        with self._transaction() as connection:
            asked_for = {"destination": destination_id, "before": verified_before_ns, "most": limit}
            copies = [StoredCopy(*row) for row in connection.execute(_NEVER_PROVEN, asked_for)]
            if len(copies) < limit:
                asked_for |= {"before": proven_before_ns, "most": limit - len(copies)}
                copies += [StoredCopy(*row) for row in connection.execute(_PROVEN_LONG_AGO, asked_for)]
            return copies
