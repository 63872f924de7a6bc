"""What the wizards ask of the store: how a source or destination is set up, and where new sources may go.

Every function takes a connection of the reader thread. Times are ns since 1970 UTC, sizes are bytes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceSetup:
    """How a source is configured; ``routes`` are (destination name, scope)."""

    id: int
    uuid: str
    name: str
    backend: str
    config: Mapping[str, Any]
    is_enabled: bool
    since_ns: int
    dataset_count: int
    routes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DestinationSetup:
    """How a destination is configured; ``only_for`` are the sources that go nowhere else."""

    id: int
    uuid: str
    name: str
    kind: str
    config: Mapping[str, Any]
    state: str
    state_reason: str
    free_bytes: int | None
    source_names: tuple[str, ...]
    only_for: tuple[str, ...]


def source_setup(connection: sqlite3.Connection, source_id: int) -> SourceSetup | None:
    """How a source is configured, None when there is none of that number."""
    row = connection.execute(
        "SELECT s.id, s.uuid, s.name, s.backend, s.config, s.is_enabled, coalesce(b.since_ns, 0),"
        " (SELECT coalesce(sum(number), 0) FROM counts WHERE source_id = s.id AND route_id = 0)"
        " FROM sources s LEFT JOIN beginnings b ON b.source_id = s.id WHERE s.id = ?",
        (source_id,),
    ).fetchone()
    if row is None:
        return None
    routes = connection.execute(
        "SELECT d.name, r.scope FROM routes r JOIN destinations d ON d.id = r.destination_id"
        " WHERE r.source_id = ? ORDER BY r.id",
        (source_id,),
    )
    return SourceSetup(
        row[0], row[1], row[2], row[3], json.loads(row[4]), bool(row[5]), row[6], row[7],
        tuple((name, scope) for name, scope in routes),
    )  # fmt: skip


def destination_setups(connection: sqlite3.Connection) -> tuple[DestinationSetup, ...]:
    """Every destination in the order they were added."""
    leading = connection.execute(
        "SELECT r.destination_id, s.name, (SELECT count(*) FROM routes o WHERE o.source_id = s.id)"
        " FROM routes r JOIN sources s ON s.id = r.source_id ORDER BY s.id"
    ).fetchall()
    rows = connection.execute(
        "SELECT id, uuid, name, kind, config, state, state_reason, free_bytes FROM destinations ORDER BY id"
    )
    return tuple(
        DestinationSetup(
            row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6], row[7],
            tuple(name for destination_id, name, _ in leading if destination_id == row[0]),
            tuple(name for destination_id, name, count in leading if destination_id == row[0] and count == 1),
        )
        for row in rows
    )  # fmt: skip


def destination_setup(connection: sqlite3.Connection, destination_id: int) -> DestinationSetup | None:
    """How a destination is configured, None when there is none of that number."""
    return next((row for row in destination_setups(connection) if row.id == destination_id), None)


def source_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The names that are taken by sources."""
    return tuple(row[0] for row in connection.execute("SELECT name FROM sources ORDER BY id"))
