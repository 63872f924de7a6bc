"""All that is known of one dataset, read by plain sqlite3 as frozen values: what it is, where it went, its files.

Every function takes a connection of the reader thread. Times are ns since 1970 UTC, sizes are bytes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etiket_gui.bridge.queries_pages import place_of

#: So many sentences of a dataset's history are read.
_MOST_HISTORY = 500
_COPIES = """
SELECT t.id, r.destination_id, d.name, d.kind, d.config, d.state, d.state_reason, r.scope, t.state, t.reason,
       t.attempts, t.due_ns, t.remote, t.version, t.level, t.archived_ns, t.verified_at_ns, t.proven_at_ns
FROM transfers t JOIN routes r ON r.id = t.route_id JOIN destinations d ON d.id = r.destination_id
WHERE t.dataset_id = ? ORDER BY r.id
"""


@dataclass(frozen=True, slots=True)
class VersionFact:
    """One version that a destination gave a receipt for."""

    version: str
    received_ns: int
    size_bytes: int
    file_count: int
    new_bytes: int
    level: str
    is_provisional: bool


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """A dataset at one destination: how far it is, and the versions there, newest first.

    ``remote`` is the destination's own identity of it. ``archive_root`` is the folder of a folder archive, else "".
    """

    transfer_id: int
    destination_id: int
    destination: str
    kind: str
    archive_root: str
    destination_state: str
    destination_reason: str
    scope: str
    state: str
    reason: str
    attempts: int
    due_ns: int | None
    remote: str
    version: str
    level: str
    archived_ns: int | None
    verified_at_ns: int | None
    proven_at_ns: int | None
    versions: tuple[VersionFact, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryFact:
    """Something that happened to a dataset: a sentence of the activity, or a version a destination took."""

    at_ns: int
    sentence: str = ""
    destination: str = ""
    version: VersionFact | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """One dataset with everything but its files.

    ``shown`` is the state it shows (a transfer state, or gone). ``collected`` is as its source wrote it, ``text`` its
    description. ``root`` is the place of its source, ``identifier`` its name there.
    """

    id: int
    uuid: str
    name: str
    identifier: str
    previous_identifiers: tuple[str, ...]
    source_id: int
    source: str
    backend: str
    root: str
    source_state: str
    source_reason: str
    shown: str
    run_state: str
    is_gone: bool
    is_ignored: bool
    collected: str
    collected_ns: int | None
    newest_change_ns: int
    found_ns: int
    size_bytes: int
    file_count: int
    text: str
    attributes: tuple[tuple[str, str], ...]
    keywords: tuple[str, ...]
    copies: tuple[CopyFacts, ...]
    history: tuple[HistoryFact, ...]
    is_source_off: bool = False

    @property
    def worst_copy(self) -> CopyFacts | None:
        """The way to a destination whose state the dataset shows."""
        return next((copy for copy in self.copies if copy.state == self.shown), None)

    @property
    def stored(self) -> tuple[CopyFacts, ...]:
        """The destinations that hold a version of it."""
        return tuple(copy for copy in self.copies if copy.remote and copy.version)


@dataclass(frozen=True, slots=True)
class FileFact:
    """One entry of a dataset as last read; ``sha256`` is "" for links, folders and what was not read yet."""

    name: str
    kind: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    link_target: str = ""


def dataset(connection: sqlite3.Connection, dataset_id: int) -> DatasetFacts | None:
    """Everything about one dataset, or None when it is no longer known; to be asked inside one transaction."""
    row = connection.execute(
        "SELECT d.id, d.uuid, d.name, d.identifier, d.previous_identifiers, d.source_id, s.name, s.backend,"
        " s.config, s.state, s.state_reason, coalesce(d.shown, 'waiting'), d.run_state, d.is_gone, d.is_ignored,"
        " d.collected_ns, d.newest_change_ns, d.found_ns, d.size_bytes, d.file_count, coalesce(x.content, '{}'),"
        " s.is_enabled"
        " FROM datasets d JOIN sources s ON s.id = d.source_id"
        " LEFT JOIN descriptions x ON x.dataset_id = d.id WHERE d.id = ?",
        (dataset_id,),
    ).fetchone()
    if row is None:
        return None
    copies = _copies(connection, dataset_id)
    return _facts(row, copies, _history(connection, dataset_id, copies))


def _facts(row: Sequence[Any], copies: tuple[CopyFacts, ...], history: tuple[HistoryFact, ...]) -> DatasetFacts:
    content: Mapping[str, Any] = json.loads(row[20])
    attributes = content.get("attributes") or {}
    return DatasetFacts(
        id=row[0],
        uuid=row[1],
        name=row[2],
        identifier=row[3],
        previous_identifiers=tuple(json.loads(row[4])),
        source_id=row[5],
        source=row[6],
        backend=row[7],
        root=place_of(json.loads(row[8])),
        source_state=row[9],
        source_reason=row[10],
        shown=row[11],
        run_state=row[12],
        is_gone=bool(row[13]),
        is_ignored=bool(row[14]),
        collected=str(content.get("collected") or ""),
        collected_ns=row[15],
        newest_change_ns=row[16],
        found_ns=row[17],
        size_bytes=row[18],
        file_count=row[19],
        text=str(content.get("text") or ""),
        attributes=tuple((str(name), _as_text(value)) for name, value in attributes.items()),
        keywords=tuple(str(word) for word in content.get("keywords") or ()),
        copies=copies,
        history=history,
        is_source_off=not row[21],
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _copies(connection: sqlite3.Connection, dataset_id: int) -> tuple[CopyFacts, ...]:
    versions: dict[int, list[VersionFact]] = {}
    receipts = connection.execute(
        "SELECT transfer_id, version, received_ns, size_bytes, file_count, new_bytes, level, is_provisional"
        " FROM receipts WHERE dataset_id = ? ORDER BY received_ns DESC, id DESC",
        (dataset_id,),
    )
    for transfer_id, version, received_ns, size_bytes, count, new_bytes, level, is_provisional in receipts:
        fact = VersionFact(version, received_ns, size_bytes, count, new_bytes, level, bool(is_provisional))
        versions.setdefault(transfer_id, []).append(fact)
    found = []
    for row in connection.execute(_COPIES, (dataset_id,)):
        path = json.loads(row[4]).get("path")
        found.append(
            CopyFacts(
                transfer_id=row[0],
                destination_id=row[1],
                destination=row[2],
                kind=row[3],
                archive_root=path if row[3] == "archive" and isinstance(path, str) else "",
                destination_state=row[5],
                destination_reason=row[6],
                scope=row[7],
                state=row[8],
                reason=row[9],
                attempts=row[10],
                due_ns=row[11],
                remote=row[12] or "",
                version=row[13] or "",
                level=row[14] or "",
                archived_ns=row[15],
                verified_at_ns=row[16],
                proven_at_ns=row[17],
                versions=tuple(versions.get(row[0], ())),
            )
        )
    return tuple(found)


def _history(connection: sqlite3.Connection, dataset_id: int, copies: Sequence[CopyFacts]) -> tuple[HistoryFact, ...]:
    told = [
        HistoryFact(at_ns, sentence)
        for at_ns, sentence in connection.execute(
            "SELECT at_ns, sentence FROM activity WHERE dataset_id = ? ORDER BY id DESC LIMIT ?",
            (dataset_id, _MOST_HISTORY),
        )
    ]
    received = [
        HistoryFact(version.received_ns, destination=copy.destination, version=version)
        for copy in copies
        for version in copy.versions
    ]
    return tuple(sorted([*told, *received], key=lambda fact: fact.at_ns, reverse=True)[:_MOST_HISTORY])


def files(
    connection: sqlite3.Connection, dataset_id: int, *, offset: int = 0, limit: int = 200
) -> tuple[FileFact, ...]:
    """Some entries of a dataset as last read, by name; empty before the first time it was read."""
    rows = connection.execute(
        "SELECT name, kind, size_bytes, mtime_ns, coalesce(lower(hex(sha256)), ''), coalesce(link_target, '')"
        " FROM files WHERE dataset_id = ? ORDER BY name LIMIT ? OFFSET ?",
        (dataset_id, limit, offset),
    )
    return tuple(FileFact(*row) for row in rows)


def file_count(connection: sqlite3.Connection, dataset_id: int) -> int:
    """How many entries of a dataset are known; 0 before it was first read."""
    return int(connection.execute("SELECT count(*) FROM files WHERE dataset_id = ?", (dataset_id,)).fetchone()[0])


def uuids(connection: sqlite3.Connection, dataset_ids: Sequence[int]) -> tuple[str, ...]:
    """The uuids of these datasets, in the order asked."""
    found = dict(
        connection.execute(
            "SELECT id, uuid FROM datasets WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(dataset_ids)),),
        )
    )
    return tuple(found[dataset_id] for dataset_id in dataset_ids if dataset_id in found)
