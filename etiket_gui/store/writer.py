"""The one writer of the store: everything that changes it goes through here, from one thread."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from sqlalchemy import bindparam, func, select

from etiket_gui.domain.states import TransferState
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.copying import copy_store
from etiket_gui.store.models import GONE, counts, datasets, routes, transfers
from etiket_gui.store.shaping import SELECT_UNSETTLED
from etiket_gui.store.writer_live import LiveWriter

_d, _t = datasets.c, transfers.c

_PLACES = select(_d.identifier, _d.place).where(
    _d.source_id == bindparam("source"), _d.identifier.in_(asked("identifiers")), _d.is_gone == 0
)
_IDS = select(_d.identifier, _d.id).where(
    _d.source_id == bindparam("source"), _d.identifier.in_(asked("identifiers")), _d.is_gone == 0
)
_COUNT = select(func.coalesce(func.sum(counts.c.number), 0)).where(
    counts.c.source_id == bindparam("source"), counts.c.route_id == 0, counts.c.shown != GONE
)
_OLDEST_WAITING = (
    select(_t.order_ns)
    .where(
        _t.route_id == bindparam("route"),
        _t.shown == bindparam("shown"),
        _t.is_large == bindparam("large"),
    )
    .order_by(_t.order_ns)
    .limit(1)
)
_ROUTE_IDS = select(routes.c.id)


class StoreWriter(LiveWriter):
    """Everything that changes the store; see :class:`StoreTransactions` for its transactions and failures."""

    def dataset_count(self, source_id: int) -> int:
        """How many datasets of a source are not gone."""
        with self._reading() as connection:
            return int(connection.execute(_COUNT, {"source": source_id}).scalar_one())

    def dataset_ids(self, source_id: int, identifiers: Iterable[str]) -> dict[str, int]:
        """The ids of those of these datasets that are known and not gone, by identifier."""
        parameters = {"source": source_id, "identifiers": as_ids(identifiers)}
        with self._reading() as connection:
            return {row.identifier: row.id for row in connection.execute(_IDS, parameters)}

    def places_of(self, source_id: int, identifiers: Iterable[str]) -> dict[str, str]:
        """Where those of these datasets lay that are known and not gone, by identifier; empty where unknown."""
        parameters = {"source": source_id, "identifiers": as_ids(identifiers)}
        with self._reading() as connection:
            return {row.identifier: row.place for row in connection.execute(_PLACES, parameters)}

    def unsettled_identifiers(self, source_id: int) -> list[str]:
        """Datasets of a source that are not gone and of which the last look saw something that is not settled."""
        with self._reading() as connection:
            return [row.identifier for row in connection.execute(SELECT_UNSETTLED, {"source": source_id})]

    def oldest_waiting_ns(self) -> int | None:
        """When the settled dataset that is unsafe for longest last changed, in ns since 1970 UTC; None for none.

        What is being sent counts until it is safe: a large file at a slow rate is under way for hours.
        """
        oldest: list[int] = []
        with self._reading() as connection:
            for route_id in connection.execute(_ROUTE_IDS).scalars().all():
                for shown, large in product((TransferState.WAITING, TransferState.SENDING), (0, 1)):
                    asked_for = {"route": route_id, "shown": shown.value, "large": large}
                    oldest += connection.execute(_OLDEST_WAITING, asked_for).scalars()
        return min(oldest, default=None)

    def backup(self, target: Path) -> None:
        """A complete copy of the store as it is now, under its final name only when it is whole.

        Runs on a connection of its own; :func:`~etiket_gui.store.copying.copy_store` does the same from any thread.
        Raises StoreProblem.
        """
        copy_store(self.path, target)
