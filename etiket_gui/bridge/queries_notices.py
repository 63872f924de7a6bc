"""What the window's notices ask of the store: which sources are archived as a whole, and how much that is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from etiket_gui.domain.states import TransferState


@dataclass(frozen=True, slots=True)
class ArchivedWhole:
    """The archived datasets of one source. ``size_bytes`` is what their newest versions have."""

    id: int
    uuid: str
    name: str
    dataset_count: int
    size_bytes: int


def archived_whole(connection: sqlite3.Connection, source_ids: Sequence[int]) -> tuple[ArchivedWhole, ...]:
    """What is archived of these sources, in the order of their names."""
    marks = ", ".join("?" * len(source_ids))
    rows = connection.execute(
        "SELECT s.id, s.uuid, s.name, count(x.id), coalesce(sum(x.size_bytes), 0) FROM sources s"
        " LEFT JOIN datasets x ON x.source_id = s.id AND x.shown = ?"
        f" WHERE s.id IN ({marks}) GROUP BY s.id ORDER BY s.name",
        (TransferState.ARCHIVED.value, *source_ids),
    )
    return tuple(ArchivedWhole(*row) for row in rows)
