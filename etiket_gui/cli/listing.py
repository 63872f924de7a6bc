"""The commands that list what is configured and found: sources, destinations, datasets."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import ago_text, count_text, iso_time, local_time, size_text
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import EntryKind, RunState, TransferState

if TYPE_CHECKING:
    from etiket_gui.store.reader import StoreReader
    from etiket_gui.store.rows import DatasetRow, SourceRow, TransferRow

_PAGE = 5000
#: On a terminal nobody reads more; ``--limit 0`` shows all.
_ROWS_ON_A_TERMINAL = 100
#: So few datasets are always listed with their files in JSON.
_FILES_UP_TO = 100


def _nothing(parser: ArgumentParser) -> None:
    """Nothing beside the common options."""


def _sources(session: Session, arguments: Namespace) -> int:
    reader = session.reader() if session.has_store else None
    rows = list(reader.sources()) if reader else []
    routes = _routes_by_source(reader) if reader else {}
    if session.output.is_json:
        session.output.json([_source_json(row, routes.get(row.id, [])) for row in rows])
        return ExitCode.OK
    if not rows:
        session.output.line("No source is configured yet. Add one: etiket-sync add-source --help")
        return ExitCode.OK
    session.output.table(
        ("NAME", "BACKEND", "WHERE", "TO", "FOUND", "LAST LOOK", "STATE"),
        (
            (
                row.name,
                row.backend,
                where_is(row),
                ", ".join(f"{item['destination']}:{item['scope']}" if item["scope"] else item["destination"]
                          for item in routes.get(row.id, [])),
                row.seen_count,
                ago_text(row.last_scan_ns),
                "off" if not row.is_enabled else row.state_reason or row.state.value,
            )
            for row in rows
        ),
        right=(4,),
    )  # fmt: skip
    for row in rows:
        if row.stray_files:
            stray = count_text(row.stray_files, "file")
            session.output.line(f"{row.name}: {stray} above the datasets' depth, not in any dataset.")
    return ExitCode.OK


def where_is(row: SourceRow) -> str:
    """Where a source lives, as its backend says; as its options say where the backend cannot be loaded."""
    from pydantic import ValidationError

    from etiket_gui.backends.registry import load_backend

    try:
        backend = load_backend(row.backend)
        return backend.root(backend.config_class.model_validate(dict(row.config)))
    except (EtiketError, ValidationError):
        return ", ".join(f"{key}={value}" for key, value in row.config.items() if isinstance(value, str))


def _source_json(row: SourceRow, routes: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "name": row.name,
        "uuid": row.uuid,
        "backend": row.backend,
        "where": where_is(row),
        "config": dict(row.config),
        "routes": routes,
        "is_enabled": row.is_enabled,
        "state": row.state.value,
        "state_reason": row.state_reason,
        "last_scan": iso_time(row.last_scan_ns),
        "last_scan_duration_s": row.last_scan_duration_s,
        "found": row.seen_count,
        "stray_files": row.stray_files,
        "missed_by_watcher": row.missed_by_watcher,
    }


def _routes_by_source(reader: StoreReader) -> dict[int, list[dict[str, str]]]:
    names = {row.id: row.name for row in reader.destinations()}
    routes: dict[int, list[dict[str, str]]] = {}
    for route in reader.routes():
        item = {"destination": names[route.destination_id], "scope": route.scope}
        routes.setdefault(route.source_id, []).append(item)
    return routes


def _destinations(session: Session, arguments: Namespace) -> int:
    rows = list(session.reader().destinations()) if session.has_store else []
    if session.output.is_json:
        session.output.json(
            [
                {
                    "name": row.name,
                    "uuid": row.uuid,
                    "kind": row.kind,
                    "config": dict(row.config),
                    "state": row.state.value,
                    "state_reason": row.state_reason,
                    "last_success": iso_time(row.last_success_ns),
                    "free_bytes": row.free_bytes,
                }
                for row in rows
            ]
        )
        return ExitCode.OK
    if not rows:
        session.output.line("No destination is configured yet. Add one: etiket-sync add-destination --help")
        return ExitCode.OK
    session.output.table(
        ("NAME", "KIND", "WHERE", "FREE", "LAST SUCCESS", "STATE"),
        (
            (
                row.name,
                row.kind,
                next((str(value) for value in row.config.values() if isinstance(value, str)), ""),
                "" if row.free_bytes is None else size_text(row.free_bytes),
                ago_text(row.last_success_ns),
                row.state_reason or row.state.value,
            )
            for row in rows
        ),
        right=(3,),
    )
    return ExitCode.OK


def _configure_datasets(parser: ArgumentParser) -> None:
    parser.add_argument("--source", metavar="NAME", help="only of this source")
    parser.add_argument("--state", choices=[state.value for state in TransferState], help="only in this state")
    parser.add_argument("--search", metavar="TEXT", help="only with these words in name, identifier, attributes…")
    parser.add_argument("--files", action="store_true", help="with their files")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many; 0: all")


def _datasets(session: Session, arguments: Namespace) -> int:
    if not session.has_store:
        if session.output.is_json:
            session.output.json([])
        else:
            session.output.line("No dataset was found yet.")
        return ExitCode.OK
    if arguments.source is not None:
        from etiket_gui.engine.steering import named

        named("source", arguments.source, session.reader().sources())
    if session.output.is_json:
        _datasets_json(session, arguments)
    else:
        _datasets_table(session, arguments)
    return ExitCode.OK


def _pages(session: Session, arguments: Namespace, limit: int) -> Iterator[list[DatasetRow]]:
    """Datasets in pages; ``limit`` 0 means all."""
    state = None if arguments.state is None else TransferState(arguments.state)
    offset = 0
    while not limit or offset < limit:
        wanted = min(_PAGE, limit - offset) if limit else _PAGE
        page = session.reader().datasets(arguments.source, state, arguments.search, wanted, offset)
        if not page:
            return
        yield list(page)
        offset += len(page)
        if len(page) < wanted:
            return


def _datasets_json(session: Session, arguments: Namespace) -> None:
    reader = session.reader()
    sources = {row.id: row.name for row in reader.sources()}
    destinations = {row.id: row.name for row in reader.destinations()}
    limit = max(arguments.limit or 0, 0)
    pages = _pages(session, arguments, limit)
    first = next(pages, [])
    has_files = arguments.files or len(first) <= _FILES_UP_TO
    out, is_first = session.output.out, True
    out.write("[")
    for page in _with_first(first, pages):
        transfers = reader.transfers_of([row.id for row in page])
        for row in page:
            value = _dataset_json(row, sources[row.source_id], transfers.get(row.id, ()), destinations)
            if row.run_state is RunState.LIVE:
                value["progress"] = _progress_json(session, row)
            if has_files:
                entries = list(reader.files(row.id))
                value["files"] = [
                    {"name": entry.name, "size_bytes": entry.size_bytes, "sha256": entry.sha256}
                    for entry in entries
                    if entry.kind is EntryKind.FILE
                ]
                value["links"] = [
                    {"name": entry.name, "target": entry.link_target}
                    for entry in entries
                    if entry.kind is EntryKind.LINK
                ]
            out.write("\n" if is_first else ",\n")
            out.write(json.dumps(value))
            is_first = False
    out.write("\n]\n" if not is_first else "]\n")


def _with_first(first: list[DatasetRow], rest: Iterator[list[DatasetRow]]) -> Iterator[list[DatasetRow]]:
    yield first
    yield from rest


def _dataset_json(
    row: DatasetRow, source: str, transfers: Iterable[TransferRow], destinations: dict[int, str]
) -> dict[str, Any]:
    return {
        "uuid": row.uuid,
        "source": source,
        "identifier": row.identifier,
        "name": row.name,
        "collected": iso_time(row.collected_ns),
        "run_state": row.run_state.value,
        "state": row.state.value,
        "is_gone": row.is_gone,
        "size_bytes": row.size_bytes,
        "file_count": row.file_count,
        "previous_identifiers": list(row.previous_identifiers),
        "attributes": dict(row.attributes),
        "keywords": list(row.keywords),
        "destinations": [
            {
                "name": destinations[transfer.destination_id],
                "scope": transfer.scope,
                "state": transfer.state.value,
                "reason": transfer.reason,
                "remote": transfer.remote,
                "version": transfer.version,
                "verified_at": iso_time(transfer.verified_at_ns),
                "proven_at": iso_time(transfer.proven_at_ns),
                "next_try": iso_time(transfer.due_ns),
            }
            for transfer in transfers
        ],
    }


def _datasets_table(session: Session, arguments: Namespace) -> None:
    output, reader = session.output, session.reader()
    sources = {row.id: row.name for row in reader.sources()}
    limit = arguments.limit if arguments.limit is not None else _ROWS_ON_A_TERMINAL if output.is_terminal else 0
    limit = max(limit, 0)
    rows = [row for page in _pages(session, arguments, limit + 1 if limit else 0) for row in page]
    is_cut = bool(limit) and len(rows) > limit
    rows = rows[:limit] if is_cut else rows
    if not rows:
        has_filter = arguments.source or arguments.state or arguments.search
        output.line("No dataset is like that." if has_filter else "No dataset was found yet.")
        return
    if arguments.files:
        for row in rows:
            output.line(f"{row.name}  ({_shown_state(row)}, {row.uuid})")
            for entry in reader.files(row.id):
                output.line(f"    {entry.name}  {size_text(entry.size_bytes)}  {entry.sha256 or ''}".rstrip())
    else:
        output.table(
            ("NAME", "COLLECTED", "SOURCE", "SIZE", "STATE", "UUID"),
            (
                (
                    row.name,
                    local_time(row.collected_ns),
                    sources.get(row.source_id, ""),
                    size_text(row.size_bytes),
                    _shown_state(row, _progress_text(session, row)),
                    row.uuid[:8],
                )
                for row in rows
            ),
            right=(3,),
        )
    if is_cut:
        output.line(f"… and more: these are the first {limit}. All of them: --limit 0")


def _progress_json(session: Session, row: DatasetRow) -> dict[str, Any] | None:
    """How far a running measurement is, None when nothing was seen of it yet."""
    from etiket_gui.store.live_points import read_progress

    progress = read_progress(session.home.live, row.uuid)
    if progress is None:
        return None
    return {
        "points": progress.point_count,
        "expected_points": progress.expected_count,
        "seen_at": iso_time(progress.at_ns),
    }


def _progress_text(session: Session, row: DatasetRow) -> str:
    progress = _progress_json(session, row) if row.run_state is RunState.LIVE else None
    if progress is None:
        return ""
    expected = progress["expected_points"]
    return f"{progress['points']} of {expected} points" if expected else f"{progress['points']} points"


def _shown_state(row: DatasetRow, progress: str = "") -> str:
    beside = [
        word
        for word, is_so in (
            ("gone", row.is_gone),
            (row.run_state.value, row.run_state is not RunState.COMPLETE),
            (progress, bool(progress)),
        )
        if is_so
    ]
    return f"{row.state.value} ({', '.join(beside)})" if beside else row.state.value


COMMANDS = {
    "sources": CommandLine(_nothing, _sources),
    "destinations": CommandLine(_nothing, _destinations),
    "datasets": CommandLine(_configure_datasets, _datasets),
}
