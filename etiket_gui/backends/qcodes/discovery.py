"""Finds what is new in a database: runs after the last one, open runs, and, a few at a time, runs that were edited."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.backends.api import KnownDatasets
from etiket_gui.backends.qcodes.pages import WalIndex, glance
from etiket_gui.backends.qcodes.runs import Layout, RunRow, last_ids, nanoseconds, read_layout, rows_after, runs_where
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.backends.sqlite_signature import Signature
from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

#: Older runs that are compared with what is remembered at each look, beside the newest ones.
_FIRST_SWEPT_RUNS, _SWEPT_RUNS = 10, 50
_SWEEP_LIMIT_S = 0.002
_NEWEST_RUNS = 5
#: Older runs that a glance compares, in turns.
_GLANCED_RUNS = 25
_NS = 1_000_000_000


@dataclass(slots=True)
class Growth:
    """The last point of an unfinished run, and when it was first seen (ns since 1970 UTC)."""

    last_id: int
    since_ns: int


@dataclass(slots=True)
class Remembered:
    """What the last look saw of a run."""

    run_id: int
    identifier: str
    fingerprint: int
    table: str = ""
    is_interrupted: bool = False


@dataclass(slots=True)
class Memory:
    """What the warm reader knows of a database."""

    runs: dict[int, Remembered] = field(default_factory=dict)
    by_identifier: dict[str, int] = field(default_factory=dict)
    open_ids: set[int] = field(default_factory=set)
    last_run_id: int = 0
    swept_to: int = 0
    sweep_runs: int = _FIRST_SWEPT_RUNS
    layout: Layout | None = None
    seen: Signature | None = None
    #: What a glance compares with: rows of open runs, root pages, the schema's number, digests of cells.
    open_rows: dict[int, RunRow] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)
    schema: int = -1
    cells: dict[int, bytes] = field(default_factory=dict)
    wal_index: WalIndex = field(default_factory=WalIndex)
    glanced_to: int = 0
    changed: set[int] = field(default_factory=set)


class Discovery:
    """Looks at one database again and again. ``interrupted_after_s`` is the quiet time of an interrupted run."""

    def __init__(self, access: Access, interrupted_after_s: float, file_key: Callable[[], str]) -> None:
        self.access = access
        self._interrupted_after_s = interrupted_after_s
        self._file_key = file_key
        self._memory: Memory | None = None
        self._growth: dict[str, Growth] = {}
        self.now_ns: Callable[[], int] = time.time_ns

    @property
    def is_warm(self) -> bool:
        """Whether a whole look was made before."""
        return self._memory is not None

    def identifier_of(self, run: RunRow) -> str:
        """The guid, or for a run of a database from before guids, a key of this file and this run."""
        if run.guid:
            return run.guid
        started = 0.0 if run.started_s is None else run.started_s
        return f"{self._file_key()}-{run.run_id}-{started:.3f}"

    def run_id_of(self, identifier: str) -> int | None:
        """The run's number as far as it is remembered."""
        return None if self._memory is None else self._memory.by_identifier.get(identifier)

    def everything(
        self,
        known: KnownDatasets,
        report: Callable[[Found], None],
        stop: StopToken,
        *,
        cursor: Mapping[str, Any],
        others: Iterable[str] = (),
        is_complete: bool = True,
    ) -> DiscoverySummary:
        """Compare every run with what is known. ``others`` are identifiers that are no runs."""
        self._recall(cursor)
        begun_s = time.monotonic()
        signature = self.access.signature()
        memory = Memory(seen=signature)
        finds: dict[str, Found] = {}

        def take(rows: Sequence[RunRow], reader: Reader) -> None:
            for found in self._finds(rows, reader, signature, memory):
                finds[found.identifier] = found

        memory.layout = rows_after(self.access, 0, take, stop)
        fingerprints = known.fingerprints()
        for identifier, found in finds.items():
            if fingerprints.get(identifier) != found.fingerprint:
                report(found)
        missing = set(fingerprints) - set(finds) - set(others) if is_complete else set()
        self._memory = memory
        for name in set(self._growth) - {memory.runs[run_id].identifier for run_id in memory.open_ids}:
            del self._growth[name]
        return self._summary(
            signature, len(finds), begun_s, missing=tuple(sorted(missing)), is_complete_scan=is_complete
        )

    def what_changed(self, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken) -> DiscoverySummary:
        """New, open and, in turns, older runs; costs nothing while the files did not change."""
        memory = self._memory
        if memory is None:
            return self.everything(known, report, stop, cursor={}, is_complete=False)
        begun_s = time.monotonic()
        signature = self.access.signature()
        open_runs = [memory.runs[run_id] for run_id in memory.open_ids]
        has_overdue = any(not run.is_interrupted and self._is_overdue(run.identifier) for run in open_runs)
        if memory.seen is not None and memory.seen.is_still(signature) and not has_overdue:
            return self._summary(signature, 0, begun_s, is_complete_scan=False)
        glanced = self._at_a_glance(memory, signature)
        if glanced is not None:
            memory.seen = signature
            for found in glanced:
                report(found)
            return self._summary(signature, len(glanced), begun_s, is_complete_scan=False)
        finds: dict[str, Found] = {}

        def look(reader: Reader) -> None:
            finds.clear()
            # While somebody measures every query costs the measurement a little: what cannot have changed is not asked.
            ((number,),) = reader.query("PRAGMA schema_version")
            schema = int(str(number))
            is_another_file = memory.seen is None or memory.seen.is_the_same_file != signature.is_the_same_file
            if memory.layout is None or schema != memory.schema or is_another_file:
                memory.layout, memory.roots = read_layout(reader), {}
            rows = runs_where(
                reader, memory.layout, "r.run_id > ? ORDER BY r.run_id", (memory.last_run_id - _NEWEST_RUNS,)
            )
            asked = {row.run_id for row in rows}
            if older := sorted((memory.open_ids | memory.changed) - asked):
                marks = ",".join("?" * len(older))
                rows += runs_where(reader, memory.layout, f"r.run_id IN ({marks})", tuple(older))
            rows += self._swept(reader, memory)
            before = {row.run_id: memory.runs[row.run_id].fingerprint for row in rows if row.run_id in memory.runs}
            for found in self._finds(rows, reader, signature, memory, tables=memory.roots):
                run_id = memory.by_identifier[found.identifier]
                if before.get(run_id) != found.fingerprint:
                    finds[found.identifier] = found
            self._prepare_glances(reader, memory, schema)

        self.access.look(look, stop)
        memory.seen = signature
        memory.changed.clear()
        for found in finds.values():
            report(found)
        return self._summary(signature, len(finds), begun_s, is_complete_scan=False)

    @staticmethod
    def _prepare_glances(reader: Reader, memory: Memory, schema: int) -> None:
        """Remember where the trees begin that the next looks can tell from whether only points were added.

        ``schema`` was asked first: what moves a root after that changes the number too, and the next glance sees it.
        """
        memory.schema = schema
        tables = ["runs", *(memory.runs[run_id].table for run_id in sorted(memory.open_ids))]
        if all(table in memory.roots for table in tables):
            return
        marks = ",".join("?" * len(tables))
        sql = f"SELECT name, rootpage FROM sqlite_master WHERE type='table' AND name IN ({marks})"  # noqa: S608
        memory.roots = {str(name): int(str(root)) for name, root in reader.query(sql, tuple(tables))}

    def _at_a_glance(self, memory: Memory, signature: Signature) -> list[Found] | None:
        """What changed, where nothing but points of open runs did; None when SQLite must be asked.

        Besides the open runs it looks at a few others in turns, so that an edited run is found in time.
        """
        if self.access.copies_only or memory.schema < 0 or not guards.is_on("glance"):
            return None
        if any(memory.runs[run_id].table not in memory.roots for run_id in memory.open_ids):
            return None
        others = range(max(memory.last_run_id - _NEWEST_RUNS, 0) + 1, memory.last_run_id + 1)
        swept = range(memory.glanced_to + 1, min(memory.glanced_to + _GLANCED_RUNS, memory.last_run_id) + 1)
        asked = {*memory.open_ids, *others, *swept}
        seen = glance(self.access.path, memory.wal_index, memory.roots, "runs", sorted(asked))
        if seen is None:
            return None
        # What SQLite is asked for below is not older than this: a change meanwhile is seen by the next glance.
        changed = {row for row, cell in seen.cells.items() if memory.cells.get(row, cell) != cell}
        is_first = any(row not in memory.cells for row in (*memory.open_ids, *others))
        memory.cells.update(seen.cells)
        memory.changed |= changed
        if changed or is_first or seen.schema != memory.schema or seen.last_rows["runs"] != memory.last_run_id:
            return None
        memory.glanced_to = 0 if memory.glanced_to + _GLANCED_RUNS >= memory.last_run_id else swept[-1]
        finds = []
        for run_id in sorted(memory.open_ids):
            row, remembered = memory.open_rows[run_id], memory.runs[run_id]
            found = self._found(remembered.identifier, row, seen.last_rows[remembered.table], signature)
            if found.fingerprint != remembered.fingerprint:
                remembered.fingerprint = found.fingerprint
                remembered.is_interrupted = found.run_state is RunState.INTERRUPTED
                finds.append(found)
        return finds

    @staticmethod
    def _swept(reader: Reader, memory: Memory) -> list[RunRow]:
        """A few of the older runs, in turns: one query, of as many as fit into the time."""
        upper = memory.last_run_id - _NEWEST_RUNS
        if memory.layout is None or upper <= 0:
            return []
        begun_s = time.monotonic() - reader.waited_s
        where = f"r.run_id > ? AND r.run_id <= ? ORDER BY r.run_id LIMIT {memory.sweep_runs}"
        rows = runs_where(reader, memory.layout, where, (memory.swept_to, upper))
        took_s = time.monotonic() - reader.waited_s - begun_s
        memory.swept_to = rows[-1].run_id if len(rows) == memory.sweep_runs else 0
        if took_s > _SWEEP_LIMIT_S:
            memory.sweep_runs = max(memory.sweep_runs // 2, 1)
        elif took_s < _SWEEP_LIMIT_S / 4:
            memory.sweep_runs = min(2 * memory.sweep_runs, _SWEPT_RUNS)
        return rows

    def these(self, identifiers: Sequence[str], report: Callable[[Found], None], stop: StopToken) -> DiscoverySummary:
        """Look at these runs, and report each that is there."""
        begun_s = time.monotonic()
        signature = self.access.signature()
        finds: dict[str, Found] = {}
        memory = self._memory or Memory()

        def look(reader: Reader) -> None:
            finds.clear()
            rows = self.rows_of(reader, identifiers)
            for found in self._finds(rows, reader, signature, memory):
                if found.identifier in identifiers:
                    finds[found.identifier] = found

        self.access.look(look, stop)
        for found in finds.values():
            report(found)
        missing = tuple(name for name in identifiers if name not in finds)
        return self._summary(signature, len(finds), begun_s, missing=missing, is_complete_scan=False)

    def rows_of(self, reader: Reader, identifiers: Sequence[str]) -> list[RunRow]:
        """The rows of these datasets; several for a guid that is there several times."""
        layout = read_layout(reader)
        rows: list[RunRow] = []
        if "guid" in layout.columns:
            for start in range(0, len(identifiers), 500):
                some = tuple(identifiers[start : start + 500])
                rows += runs_where(reader, layout, f"r.guid IN ({','.join('?' * len(some))})", some)
        left = set(identifiers) - {row.guid for row in rows}
        for identifier in left:
            number = identifier.rsplit("-", 2)
            if len(number) == 3 and number[1].isdigit():
                rows += [
                    row
                    for row in runs_where(reader, layout, "r.run_id = ?", (int(number[1]),))
                    if self.identifier_of(row) == identifier
                ]
        return rows

    def _finds(
        self,
        rows: Sequence[RunRow],
        reader: Reader,
        signature: Signature,
        memory: Memory,
        tables: Collection[str] = (),
    ) -> list[Found]:
        """Finds for rows, and the memory of them; of a guid that is there twice, the run with more points.

        Of ``tables`` it was just seen that they are there.
        """
        open_rows = [row for row in rows if not row.is_completed]
        lasts = dict(
            zip(
                (row.run_id for row in open_rows),
                last_ids(reader, [row.result_table for row in open_rows], tables),
                strict=True,
            )
        )
        finds: dict[str, Found] = {}
        for row in rows:
            identifier = self.identifier_of(row)
            other = memory.by_identifier.get(identifier)
            if other is not None and other != row.run_id and not self._has_more(reader, row, memory.runs[other]):
                continue
            found = self._found(identifier, row, lasts.get(row.run_id, 0), signature)
            finds[identifier] = found
            is_open = not row.is_completed
            memory.runs[row.run_id] = Remembered(
                row.run_id, identifier, found.fingerprint, row.result_table, found.run_state is RunState.INTERRUPTED
            )
            memory.by_identifier[identifier] = row.run_id
            (memory.open_ids.add if is_open else memory.open_ids.discard)(row.run_id)
            if is_open:
                memory.open_rows[row.run_id] = row
            else:
                memory.open_rows.pop(row.run_id, None)
            memory.last_run_id = max(memory.last_run_id, row.run_id)
        return list(finds.values())

    @staticmethod
    def _has_more(reader: Reader, row: RunRow, other: Remembered) -> bool:
        here, there = last_ids(reader, [row.result_table, other.table])
        return here > there

    def _found(self, identifier: str, row: RunRow, last_id: int, signature: Signature) -> Found:
        now_ns = self.now_ns()
        changed_ns = nanoseconds(row.completed_s) or signature.newest_ns
        run_state = RunState.COMPLETE
        if not row.is_completed:
            run_state, changed_ns = self._open_state(identifier, row, last_id, signature, now_ns)
        return Found(
            identifier=identifier,
            name=row.name or f"run {row.run_id}",
            fingerprint=row.content_hash(last_id, run_state),
            run_state=run_state,
            newest_change_ns=max(min(changed_ns, now_ns), 1),
            looked_at_ns=now_ns,
            collected_ns=nanoseconds(row.started_s),
            has_completion_mark=row.is_completed,
        )

    def state_of(self, identifier: str, row: RunRow, last_id: int, signature: Signature) -> tuple[RunState, int]:
        """The state of a run now, and its fingerprint."""
        found = self._found(identifier, row, last_id, signature)
        return found.run_state, found.fingerprint

    def _open_state(
        self, identifier: str, row: RunRow, last_id: int, signature: Signature, now_ns: int
    ) -> tuple[RunState, int]:
        growth = self._growth.get(identifier)
        if growth is None:
            growth = self._growth[identifier] = Growth(last_id, min(signature.newest_ns, now_ns))
        elif growth.last_id != last_id:
            growth.last_id, growth.since_ns = last_id, now_ns
        if self._is_overdue(identifier, now_ns):
            return RunState.INTERRUPTED, growth.since_ns
        return (RunState.LIVE if row.started_s is not None else RunState.ANNOUNCED), growth.since_ns

    def _is_overdue(self, identifier: str, now_ns: int | None = None) -> bool:
        growth = self._growth.get(identifier)
        if growth is None or not guards.is_on("killed-runs-are-interrupted"):
            return False
        quiet_ns = (self.now_ns() if now_ns is None else now_ns) - growth.since_ns
        return quiet_ns >= self._interrupted_after_s * _NS

    def _recall(self, cursor: Mapping[str, Any]) -> None:
        if self._growth:
            return
        for identifier, (last_id, since_ns) in dict(cursor.get("growth") or {}).items():
            self._growth[identifier] = Growth(int(last_id), int(since_ns))

    def _summary(self, signature: Signature, seen: int, begun_s: float, **more: Any) -> DiscoverySummary:
        return DiscoverySummary(
            seen_count=seen,
            root_place=f"database:{signature.is_the_same_file}",
            duration_s=time.monotonic() - begun_s,
            cursor={"growth": {name: [item.last_id, item.since_ns] for name, item in self._growth.items()}},
            **more,
        )
