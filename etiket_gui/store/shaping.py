"""How rows of the tables become frozen values, and values become columns."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, case, func, select, text

from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.states import (
    DestinationState,
    EntryKind,
    RunState,
    SourceState,
    TransferState,
)
from etiket_gui.store.connection import compact
from etiket_gui.store.counting import WORST
from etiket_gui.store.models import (
    GONE,
    activity,
    beginnings,
    datasets,
    descriptions,
    destinations,
    files,
    problems,
    receipts,
    routes,
    sources,
    transfers,
)
from etiket_gui.store.rows import (
    ActivityRow,
    DatasetRow,
    DestinationRow,
    ProblemRow,
    ReceiptRow,
    RouteRow,
    SourceRow,
    TransferRow,
)

SELECT_SOURCES = (
    select(sources, func.coalesce(beginnings.c.since_ns, 0).label("since_ns"))
    .outerjoin(beginnings, beginnings.c.source_id == sources.c.id)
    .order_by(sources.c.id)
)
SELECT_DESTINATIONS = select(destinations).order_by(destinations.c.id)
SELECT_ROUTES = select(routes).order_by(routes.c.id)
SELECT_FILES = select(files).order_by(files.c.name)
SELECT_PROBLEMS = select(problems)
SELECT_ACTIVITY = select(activity)
SELECT_RECEIPTS = select(receipts).order_by(receipts.c.id)
SELECT_TRANSFERS = select(transfers, routes.c.destination_id, routes.c.scope).join(
    routes, routes.c.id == transfers.c.route_id
)
SELECT_DATASETS = select(
    datasets,
    case((datasets.c.shown == GONE, WORST), else_=datasets.c.shown).label("state"),
    descriptions.c.content,
).outerjoin(descriptions, descriptions.c.dataset_id == datasets.c.id)
#: The condition is written as the index has it, or it would not be used.
SELECT_UNSETTLED = SELECT_DATASETS.where(
    datasets.c.source_id == bindparam("source"), text("settled_fingerprint IS NOT fingerprint AND is_gone = 0")
)

LARGE_BYTES = 64 * 1024 * 1024


def source_row(row: Any) -> SourceRow:
    """The frozen value of a row of :data:`SELECT_SOURCES`."""
    return SourceRow(
        id=row.id,
        uuid=row.uuid,
        name=row.name,
        backend=row.backend,
        config=json.loads(row.config),
        is_enabled=bool(row.is_enabled),
        state=SourceState(row.state),
        state_reason=row.state_reason,
        root_place=row.root_place,
        cursor=json.loads(row.cursor),
        last_scan_ns=row.last_scan_ns,
        last_scan_duration_s=row.last_scan_duration_s,
        seen_count=row.seen_count,
        stray_files=row.stray_files,
        missed_by_watcher=row.missed_by_watcher,
        since_ns=row.since_ns,
    )


def destination_row(row: Any) -> DestinationRow:
    """The frozen value of a row of :data:`SELECT_DESTINATIONS`."""
    return DestinationRow(
        id=row.id,
        uuid=row.uuid,
        name=row.name,
        kind=row.kind,
        config=json.loads(row.config),
        state=DestinationState(row.state),
        state_reason=row.state_reason,
        last_success_ns=row.last_success_ns,
        free_bytes=row.free_bytes,
        identity=row.identity or "",
        is_moved=bool(row.is_moved),
        total_bytes=row.total_bytes,
    )


def route_row(row: Any) -> RouteRow:
    """The frozen value of a row of :data:`SELECT_ROUTES`."""
    return RouteRow(row.id, row.source_id, row.destination_id, row.scope)


def dataset_row(row: Any) -> DatasetRow:
    """The frozen value of a row of :data:`SELECT_DATASETS`; a gone dataset's state is the worst of its transfers."""
    described = json.loads(row.content or "{}")
    return DatasetRow(
        id=row.id,
        uuid=row.uuid,
        source_id=row.source_id,
        identifier=row.identifier,
        birth_ordinal=row.birth_ordinal,
        previous_identifiers=tuple(json.loads(row.previous_identifiers)),
        name=row.name,
        collected_ns=row.collected_ns,
        run_state=RunState(row.run_state),
        is_gone=bool(row.is_gone),
        is_ignored=bool(row.is_ignored),
        fingerprint=row.fingerprint,
        settled_fingerprint=row.settled_fingerprint,
        place=row.place,
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        newest_change_ns=row.newest_change_ns,
        looked_at_ns=row.looked_at_ns,
        found_ns=row.found_ns,
        attributes=described.get("attributes") or {},
        keywords=tuple(described.get("keywords") or ()),
        state=TransferState(row.state),
    )


def transfer_row(row: Any) -> TransferRow:
    """The frozen value of a row of :data:`SELECT_TRANSFERS`."""
    return TransferRow(
        id=row.id,
        dataset_id=row.dataset_id,
        route_id=row.route_id,
        destination_id=row.destination_id,
        scope=row.scope,
        state=TransferState(row.state),
        reason=row.reason,
        attempts=row.attempts,
        due_ns=row.due_ns,
        claim_fingerprint=row.claim_fingerprint,
        sent_fingerprint=row.sent_fingerprint,
        digest=row.digest,
        remote=row.remote,
        version=row.version,
        verified_at_ns=row.verified_at_ns,
        proven_at_ns=row.proven_at_ns,
    )


def problem_row(row: Any) -> ProblemRow:
    """The frozen value of a row of :data:`SELECT_PROBLEMS`."""
    return ProblemRow(
        id=row.id,
        kind=row.kind,
        title=row.title,
        reason=row.reason,
        advice=row.advice,
        retry_class=row.retry_class,
        since_ns=row.since_ns,
        due_ns=row.due_ns,
        attempts=row.attempts,
        source_id=row.source_id,
        destination_id=row.destination_id,
        dataset_id=row.dataset_id,
        key=row.key,
    )


def activity_row(row: Any) -> ActivityRow:
    """The frozen value of a row of :data:`SELECT_ACTIVITY`."""
    return ActivityRow(row.id, row.at_ns, row.sentence, row.source_id, row.dataset_id)


def receipt_row(row: Any) -> ReceiptRow:
    """The frozen value of a row of :data:`SELECT_RECEIPTS`."""
    return ReceiptRow(
        id=row.id,
        transfer_id=row.transfer_id,
        dataset_id=row.dataset_id,
        destination_id=row.destination_id,
        version=row.version,
        digest=row.digest,
        level=row.level,
        received_ns=row.received_ns,
        new_bytes=row.new_bytes,
        is_provisional=bool(row.is_provisional),
        file_count=row.file_count,
        size_bytes=row.size_bytes,
        files=unpacked_files(row.files),
    )


#: The columns of the table of files in the order of :func:`file_values`.
FILE_COLUMNS = (
    "dataset_id", "name", "kind", "size_bytes", "mtime_ns", "ctime_ns", "inode", "is_executable", "sha256",
    "link_target",
)  # fmt: skip


def file_entry(row: Any) -> FileEntry:
    """The entry of a row of the manifest."""
    return FileEntry(
        name=row.name,
        kind=EntryKind(row.kind),
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        ctime_ns=row.ctime_ns,
        inode=row.inode % (1 << 64),
        is_executable=bool(row.is_executable),
        sha256=None if row.sha256 is None else row.sha256.hex(),
        link_target=row.link_target,
    )


def file_values(dataset_id: int, entry: FileEntry) -> tuple[Any, ...]:
    """An entry in the manifest of a dataset: the values of :data:`FILE_COLUMNS`."""
    return (
        dataset_id,
        entry.name,
        entry.kind.value,
        entry.size_bytes,
        clamped(entry.mtime_ns),
        clamped(entry.ctime_ns),
        signed_64(entry.inode),
        int(entry.is_executable),
        None if entry.sha256 is None else bytes.fromhex(entry.sha256),
        entry.link_target,
    )


def signed_64(number: int) -> int:
    """The number wrapped into signed 64 bit, as SQLite holds integers; inodes may use all 64."""
    return number if -(1 << 63) <= number < 1 << 63 else ((number + (1 << 63)) % (1 << 64)) - (1 << 63)


def clamped(time_ns: int) -> int:
    """The nearest time that SQLite can hold: file systems know years beyond 2262."""
    if not guards.is_on("times-fit-the-store"):
        return time_ns
    return max(-(1 << 63), min(time_ns, (1 << 63) - 1))


def packed_files(entries: Sequence[FileEntry]) -> bytes:
    """zlib of compact JSON [[name, size, sha256]…]."""
    return zlib.compress(compact([[entry.name, entry.size_bytes, entry.sha256] for entry in entries]).encode(), 1)


def unpacked_files(packed: bytes) -> tuple[tuple[str, int, str | None], ...]:
    """What :func:`packed_files` packed."""
    return tuple((name, size, sha256) for name, size, sha256 in json.loads(zlib.decompress(packed)))


def collected_ns(text: object) -> int | None:
    """ns since 1970 UTC of an ISO 8601 time; without a zone it is local time. None when it is no time at all."""
    if not isinstance(text, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def search_text(description: Mapping[str, Any]) -> str:
    """Everything of a description that a search looks through, folded to lower case, one part per line."""
    parts = [str(description.get("name", "")), str(description.get("identifier", "")), str(description.get("text", ""))]
    parts += [f"{key} {value}" for key, value in (description.get("attributes") or {}).items()]
    parts += [str(word) for word in description.get("keywords") or ()]
    return "\n".join(parts).casefold()
