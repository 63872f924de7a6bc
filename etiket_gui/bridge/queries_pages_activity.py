"""What happened, as the page of activity tells it: read by plain sqlite3 as frozen values."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActivityFact:
    """One sentence about what happened; ``source`` is a name or "". ``at_ns`` is ns since 1970 UTC."""

    id: int
    at_ns: int
    sentence: str
    source_id: int | None
    dataset_id: int | None
    source: str


def activity(
    connection: sqlite3.Connection, *, source_id: int | None = None, limit: int = 500, offset: int = 0
) -> tuple[ActivityFact, ...]:
    """What happened, newest first; of one source where asked; without the first ``offset``, to page on."""
    # By time and not by number: what was gathered is written down a little after it happened.
    rows = connection.execute(
        "SELECT a.id, a.at_ns, a.sentence, a.source_id, a.dataset_id, coalesce(s.name, '')"
        " FROM activity a LEFT JOIN sources s ON s.id = a.source_id"
        " WHERE (?1 IS NULL OR a.source_id = ?1) ORDER BY a.at_ns DESC, a.id DESC LIMIT ?2 OFFSET ?3",
        (source_id, limit, offset),
    )
    return tuple(ActivityFact(*row) for row in rows)
