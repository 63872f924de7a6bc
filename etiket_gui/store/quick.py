"""Looks into the store by plain sqlite3, for what must start in milliseconds: status, problems and the workers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from etiket_gui.domain.states import WORST_FIRST, EntryKind, TransferState
from etiket_gui.store.failures import known_failures
from etiket_gui.store.opening import open_to_read

if TYPE_CHECKING:
    from etiket_gui.domain.content import FileEntry

_GONE = "gone"
_UNSAFE = (TransferState.FAILED, TransferState.HELD, TransferState.WAITING, TransferState.SENDING)
#: How many places in a source could not be looked into, by source.
UNREADABLE = (
    "SELECT source_id, count(*) FROM problems WHERE is_open = 1 AND kind = 'source' AND key LIKE 'unreadable:%'"
    " GROUP BY source_id"
)
_OLDEST = """
SELECT t.order_ns, t.state, t.reason, d.uuid, d.name, d.identifier, s.name, x.name
FROM transfers t
JOIN datasets d ON d.id = t.dataset_id
JOIN sources s ON s.id = d.source_id
JOIN routes r ON r.id = t.route_id
JOIN destinations x ON x.id = r.destination_id
WHERE t.id = (
    SELECT id FROM transfers WHERE route_id = ? AND shown = ? AND is_large = ? ORDER BY order_ns LIMIT 1
)
"""


def _counts(rows: Mapping[str, int]) -> dict[str, int]:
    """Every state, worst first, and what is counted apart; 0 where there is none."""
    return {state.value: rows.get(state.value, 0) for state in WORST_FIRST} | {_GONE: rows.get(_GONE, 0)}


def _not_archived(counted: Mapping[str, int]) -> int:
    return sum(counted[state.value] for state in _UNSAFE)


def status(path: Path) -> dict[str, Any]:
    """What the store says about everything, as JSON values; costs the same for any number of datasets.

    Times are ns since 1970 UTC. ``counts`` are datasets by the state they show, with ``ignored`` and ``gone`` apart;
    those of a destination are transfers to it. ``total`` leaves out what is gone. ``oldest_unsafe`` is the dataset that
    has waited longest for a destination, or None. Raises StoreProblem when the store cannot be read now.
    """
    with known_failures(path), contextlib.closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")
        of_source: dict[int, dict[str, int]] = {}
        of_destination: dict[int, dict[str, int]] = {}
        everywhere: dict[str, int] = {}
        rows = connection.execute("SELECT source_id, destination_id, shown, number FROM status_counts")
        for source_id, destination_id, shown, number in rows:
            if destination_id is not None:
                counted = of_destination.setdefault(destination_id, {})
            else:
                counted = of_source.setdefault(source_id, {})
                everywhere[shown] = everywhere.get(shown, 0) + number
            counted[shown] = counted.get(shown, 0) + number
        steering = dict(
            connection.execute("SELECT key, value FROM meta WHERE key IN ('paused_until_ns', 'held_until_ns')")
        )
        totals = _counts(everywhere)
        return {
            "counts": totals,
            "total": sum(totals.values()) - totals[_GONE],
            "not_archived": _not_archived(totals),
            "problems": connection.execute("SELECT count(*) FROM problems WHERE is_open = 1").fetchone()[0],
            "paused_until_ns": json.loads(steering.get("paused_until_ns", "0")),
            "held_until_ns": json.loads(steering.get("held_until_ns", "0")),
            "oldest_unsafe": _oldest_unsafe(connection),
            "sources": _sources(connection, of_source),
            "destinations": _destinations(connection, of_destination),
        }


def _sources(connection: sqlite3.Connection, counted: Mapping[int, Mapping[str, int]]) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT id, uuid, name, backend, is_enabled, state, state_reason, last_scan_ns, last_scan_duration_s,"
        " seen_count, stray_files, missed_by_watcher FROM sources ORDER BY id"
    )
    unreadable = dict(connection.execute(UNREADABLE))
    found = []
    for row in rows:
        counts = _counts(counted.get(row[0], {}))
        found.append(
            {
                "id": row[0],
                "uuid": row[1],
                "name": row[2],
                "backend": row[3],
                "is_enabled": bool(row[4]),
                "state": row[5],
                "state_reason": row[6],
                "last_scan_ns": row[7],
                "last_scan_duration_s": row[8],
                "seen_count": row[9],
                "stray_files": row[10],
                "missed_by_watcher": row[11],
                "unreadable": unreadable.get(row[0], 0),
                "counts": counts,
                "total": sum(counts.values()) - counts[_GONE],
                "not_archived": _not_archived(counts),
            }
        )
    return found


def _destinations(connection: sqlite3.Connection, counted: Mapping[int, Mapping[str, int]]) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT id, uuid, name, kind, state, state_reason, last_success_ns, free_bytes FROM destinations ORDER BY id"
    )
    found = []
    for row in rows:
        counts = _counts(counted.get(row[0], {}))
        found.append(
            {
                "id": row[0],
                "uuid": row[1],
                "name": row[2],
                "kind": row[3],
                "state": row[4],
                "state_reason": row[5],
                "last_success_ns": row[6],
                "free_bytes": row[7],
                "counts": counts,
                "total": sum(counts.values()) - counts[_GONE],
                "not_archived": _not_archived(counts),
            }
        )
    return found


def _oldest_unsafe(connection: sqlite3.Connection) -> dict[str, Any] | None:
    oldest: tuple[Any, ...] | None = None
    for (route_id,) in connection.execute("SELECT id FROM routes").fetchall():
        for state in _UNSAFE:
            for is_large in (0, 1):
                row = connection.execute(_OLDEST, (route_id, state.value, is_large)).fetchone()
                if row is not None and (oldest is None or row[0] < oldest[0]):
                    oldest = row
    if oldest is None:
        return None
    return dict(
        zip(("since_ns", "state", "reason", "uuid", "name", "identifier", "source", "destination"), oldest, strict=True)
    )


def problems(path: Path) -> list[dict[str, Any]]:
    """The open problems, oldest first, as JSON values; times are ns since 1970 UTC.

    ``source``, ``destination`` and ``dataset`` are names or None. Raises StoreProblem.
    """
    with known_failures(path), contextlib.closing(open_to_read(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM open_problems ORDER BY since_ns, id")]


class KnownDatasetsReader:
    """What the store knows of one source, as a backend is given it; a context manager, for one thread.

    Nothing is held open between questions, so the writer can always tidy up. Raises StoreProblem.
    """

    def __init__(self, path: Path, source_id: int) -> None:
        self._path = path
        self._source_id = source_id
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back. Harmless when there is none."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_to_read(self._path)
        return self._connection

    def fingerprints(self) -> Mapping[str, int]:
        """Identifier to fingerprint of every dataset of the source that is not gone."""
        with known_failures(self._path):
            rows = self._connected().execute(
                "SELECT identifier, fingerprint FROM datasets WHERE source_id = ? AND is_gone = 0", (self._source_id,)
            )
            return dict(rows)

    def fingerprints_below(self, identifier: str) -> Mapping[str, int]:
        """The same of the one dataset of that identifier and of those in its folder, without reading the others."""
        with known_failures(self._path):
            # "0" follows "/", so the range holds every identifier that begins with this one and a slash.
            rows = self._connected().execute(
                "SELECT identifier, fingerprint FROM datasets WHERE source_id = ?1 AND is_gone = 0 AND (identifier = ?2"
                " OR (identifier > ?2 || '/' AND identifier < ?2 || '0'))",
                (self._source_id, identifier),
            )
            return dict(rows)

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        """The entries last read of one dataset, by name; empty when there are none."""
        from etiket_gui.domain.content import FileEntry

        with known_failures(self._path):
            rows = self._connected().execute(
                "SELECT f.name, kind, f.size_bytes, mtime_ns, ctime_ns, inode, is_executable, sha256, link_target"
                " FROM datasets d JOIN files f ON f.dataset_id = d.id WHERE d.source_id = ? AND d.identifier = ?"
                " ORDER BY f.name",
                (self._source_id, identifier),
            )
            return tuple(
                FileEntry(
                    name=name,
                    kind=EntryKind(kind),
                    size_bytes=size_bytes,
                    mtime_ns=mtime_ns,
                    ctime_ns=ctime_ns,
                    inode=inode % (1 << 64),
                    is_executable=bool(is_executable),
                    sha256=None if sha256 is None else sha256.hex(),
                    link_target=link_target,
                )
                for name, kind, size_bytes, mtime_ns, ctime_ns, inode, is_executable, sha256, link_target in rows
            )
