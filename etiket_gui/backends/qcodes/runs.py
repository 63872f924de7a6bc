"""The rows of the runs table, of every schema version: what is known of a run beside its points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etiket_gui.backends.sqlite_access import Access, DatabaseBroken, Reader
from etiket_gui.domain import guards
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

NEWEST_TESTED_VERSION = 9
#: Columns of ``runs`` that QCoDeS itself makes; every other one was added for a person's metadata.
OWN_COLUMNS = (
    "run_id", "exp_id", "name", "result_table_name", "result_counter", "run_timestamp", "completed_timestamp",
    "is_completed", "parameters", "guid", "run_description", "snapshot", "parent_datasets", "captured_run_id",
    "captured_counter",
)  # fmt: skip
_HEAD = (
    "run_id", "name", "result_table_name", "result_counter", "run_timestamp", "completed_timestamp", "is_completed",
    "parameters", "guid", "parent_datasets", "captured_run_id", "captured_counter",
)  # fmt: skip
_NEEDED = frozenset({"run_id", "exp_id", "name", "result_table_name"})
_FIRST_ROWS = 100
_MOST_ROWS = 5000
_NS = 1_000_000_000

Value = str | int | float | bytes | None


def quoted(name: str) -> str:
    """A table or column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns ``runs`` has, and which schema version the file says it is of."""

    version: int
    columns: frozenset[str]
    metadata_columns: tuple[str, ...]

    @property
    def head_sql(self) -> str:
        """SELECT of everything but description and snapshot; experiment and sample name come last but metadata."""
        names = [f"r.{quoted(name)}" if name in self.columns else "NULL" for name in _HEAD]
        names += ["e.name", "e.sample_name"]
        names += [f"r.{quoted(name)}" for name in self.metadata_columns]
        return f"SELECT {', '.join(names)} FROM runs r LEFT JOIN experiments e ON e.exp_id = r.exp_id"  # noqa: S608


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run without its points, description and snapshot. Times are seconds since 1970 UTC."""

    run_id: int
    name: str
    result_table: str
    counter: int
    started_s: float | None
    completed_s: float | None
    is_completed: bool
    parameters: str
    guid: str
    parents: str
    captured_run_id: int
    captured_counter: int
    experiment: str
    sample: str
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def content_hash(self, last_id: int, run_state: RunState) -> int:
        """A signed 64-bit number that changes with anything a person or a measurement can change."""
        values = [
            self.run_id, self.name, self.result_table, self.started_s, self.completed_s, self.is_completed,
            self.parameters, self.guid, self.parents, self.captured_run_id, self.captured_counter, self.experiment,
            self.sample, last_id, run_state.value,
        ]  # fmt: skip
        if guards.is_on("edited-runs-are-seen"):
            values.append(sorted((key, repr(value)) for key, value in self.metadata.items()))
        digest = hashlib.blake2b(json.dumps(values, ensure_ascii=False).encode("utf-8", "replace"), digest_size=8)
        return int.from_bytes(digest.digest(), "big", signed=True)


def read_layout(reader: Reader) -> Layout:
    """What this database's ``runs`` table is like. Raises DatabaseBroken when it is no QCoDeS database."""
    ((version,),) = reader.query("PRAGMA user_version")
    names = [str(row[1]) for row in reader.query("PRAGMA table_info(runs)")]
    missing = _NEEDED - set(names)
    if missing:
        raise DatabaseBroken(f"The database has no table of runs with {', '.join(sorted(missing))}.")
    metadata = tuple(name for name in names if name not in OWN_COLUMNS)
    return Layout(_integer(version), frozenset(names), metadata)


def rows_after(
    access: Access, after: int, take: Callable[[Sequence[RunRow], Reader], None], stop: StopToken
) -> Layout | None:
    """Hand every run with a number above ``after`` to ``take``, a few per look, within the look."""
    count = _FIRST_ROWS
    layout: Layout | None = None
    while True:
        last = after

        def one_look(reader: Reader, last: int = last, count: int = count) -> tuple[Layout, list[RunRow]]:
            layout = read_layout(reader)
            rows = runs_where(reader, layout, "r.run_id > ? ORDER BY r.run_id LIMIT ?", (last, count))
            take(rows, reader)
            return layout, rows

        layout, rows = access.look(one_look, stop)
        took_s = access.last_work_s
        if len(rows) < count:
            return layout
        after = rows[-1].run_id
        if took_s < access.slice_s / 4:
            count = min(2 * count, _MOST_ROWS)
        elif took_s > access.slice_s / 2:
            count = max(count // 2, 1)


def runs_where(reader: Reader, layout: Layout, condition: str, parameters: tuple[object, ...]) -> list[RunRow]:
    """The runs for which an SQL condition holds; ``r`` is the runs table."""
    return [_row(values, layout) for values in reader.query(f"{layout.head_sql} WHERE {condition}", parameters)]


def _row(values: Sequence[object], layout: Layout) -> RunRow:
    own = len(_HEAD)
    run_id = _integer(values[0])
    started_s, completed_s = _seconds(values[4]), _seconds(values[5])
    named = zip(layout.metadata_columns, values[own + 2 :], strict=True)
    return RunRow(
        run_id=run_id,
        name=_words(values[1]),
        result_table=_words(values[2]),
        counter=_integer(values[3]),
        started_s=started_s,
        completed_s=completed_s,
        is_completed=bool(values[6]),
        parameters=_words(values[7]),
        guid=_words(values[8]),
        parents=_words(values[9]) or "[]",
        captured_run_id=_integer(values[10]) or run_id,
        captured_counter=_integer(values[11]) or _integer(values[3]),
        experiment=_words(values[own]),
        sample=_words(values[own + 1]),
        metadata={name: value for name, value in named if value is not None},  # type: ignore[misc]
    )


def last_ids(reader: Reader, tables: Sequence[str], known: Collection[str] = ()) -> Iterator[int]:
    """The number of the last row of each result table; -1 where there is no such table.

    Of ``known`` ones it was just seen that they are there.
    """
    there = set(known)
    if asked := [table for table in tables if table not in there]:
        sql = f"SELECT name FROM sqlite_master WHERE type='table' AND name IN ({','.join('?' * len(asked))})"  # noqa: S608
        there.update(str(name) for (name,) in reader.query(sql, tuple(asked)))
    for table in tables:
        if table not in there:
            yield -1
            continue
        ((last,),) = reader.query(last_id_sql(table))
        yield _integer(last)


def last_id_sql(table: str) -> str:
    """Asks for the number of the last row of a result table that is there; NULL where it has none."""
    return f"SELECT max(id) FROM {quoted(table)}"  # noqa: S608


def iso_utc(seconds: float | None) -> str | None:
    """ISO 8601 with the zone, or None; the same text on every machine."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds")
    except (OverflowError, OSError, ValueError):
        return None


def nanoseconds(seconds: float | None) -> int | None:
    """Nanoseconds since 1970 UTC, or None."""
    return None if seconds is None else round(seconds * 1000) * (_NS // 1000)


def _integer(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _words(value: object) -> str:
    return "" if value is None else str(value)
