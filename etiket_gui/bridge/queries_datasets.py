"""What the table of datasets asks of the store: the ids in their order, some rows in full, and counts for the chips."""

from __future__ import annotations

import enum
import json
import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etiket_gui.bridge import ordering
from etiket_gui.bridge.ordering import (
    few_ids,
    grouped_by_text,
    listed_ids,
    mostly_equal_by_id,
    newest_by_id,
    ordered_ids,
)
from etiket_gui.domain.states import WORST_FIRST, RunState, TransferState

#: The state shown for what is no longer at its source; beside the words of TransferState.
GONE = "gone"


class Column(enum.StrEnum):
    """What can be shown of a dataset in a table, and sorted by."""

    STATE = "state"
    NAME = "name"
    SOURCE = "source"
    COLLECTED = "collected"
    SIZE = "size"
    FILES = "files"
    DESTINATIONS = "destinations"
    ARCHIVED = "archived"
    PROGRESS = "progress"
    KEYWORDS = "keywords"
    RUN_STATE = "run_state"
    CHANGED = "changed"
    IDENTIFIER = "identifier"
    UUID = "uuid"


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """What a table shows, and in which order. Empty sets mean "all of them"; what is gone only shows when asked for.

    ``states`` are words of TransferState and ``gone``; with ``destination_ids`` they are the states of the transfers
    to those. ``since_ns`` (ns since 1970 UTC) leaves out what was collected before. Every word of ``search`` must be
    in name, identifier, text, attributes or keywords.
    """

    sort: Column = Column.COLLECTED
    is_descending: bool = True
    states: frozenset[str] = frozenset()
    source_ids: frozenset[int] = frozenset()
    destination_ids: frozenset[int] = frozenset()
    run_states: frozenset[RunState] = frozenset()
    since_ns: int | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class LineTransfer:
    """A dataset's way to one destination. Times are ns since 1970 UTC."""

    destination: str
    state: TransferState
    version: str | None
    archived_ns: int | None
    verified_at_ns: int | None
    proven_at_ns: int | None
    reason: str
    due_ns: int | None


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """One row of the table. ``state`` is a word of TransferState or ``gone``. Times are ns since 1970 UTC."""

    id: int
    uuid: str
    name: str
    identifier: str
    source: str
    collected_ns: int | None
    run_state: RunState
    state: str
    size_bytes: int
    file_count: int
    newest_change_ns: int
    keywords: tuple[str, ...]
    transfers: tuple[LineTransfer, ...]

    @property
    def archived_ns(self) -> int | None:
        """When the newest copy was archived; None when there is none."""
        return max((item.archived_ns for item in self.transfers if item.archived_ns is not None), default=None)


@dataclass(frozen=True, slots=True)
class ChipCounts:
    """How many datasets are in each state (``gone`` and ``ignored`` too), and of each source and destination.

    A source's number leaves out what is gone; a destination's is that of the transfers to it.
    """

    by_state: Mapping[str, int]
    by_source: Mapping[int, int]
    by_destination: Mapping[int, int]

    @property
    def total(self) -> int:
        """Datasets that are at their source."""
        return sum(self.by_source.values())


def _ranked(column: str, words: Iterable[str]) -> str:
    # Compared as text with a text column, as a number with a number.
    cases = " ".join(f"WHEN '{word}' THEN {rank}" for rank, word in enumerate(words))
    return f"CASE {column} {cases} ELSE 99 END" if cases else "99"


_ORDER_KEY = "(SELECT k.{what} FROM order_keys k WHERE k.dataset_id = d.id)"
_STATE_RANK = _ranked("d.shown", [state.value for state in WORST_FIRST])
_SENDING_FIRST = _ranked("d.shown", ("archived", "ignored", "gone", "held", "failed", "waiting", "sending"))
_KEYS: dict[Column, str] = {
    Column.STATE: _STATE_RANK,
    Column.NAME: "d.name COLLATE NOCASE",
    Column.SOURCE: "d.source_id",
    Column.COLLECTED: "d.collected_ns",
    Column.SIZE: "d.size_bytes",
    Column.FILES: "d.file_count",
    Column.DESTINATIONS: _ORDER_KEY.format(what="version_key"),
    Column.ARCHIVED: _ORDER_KEY.format(what="archived_ns"),
    Column.PROGRESS: _SENDING_FIRST,
    Column.KEYWORDS: _ORDER_KEY.format(what="keywords") + " COLLATE NOCASE",
    Column.RUN_STATE: _ranked("d.run_state", [state.value for state in RunState]),
    Column.CHANGED: "d.newest_change_ns",
    # As it is written, which an index knows.
    Column.IDENTIFIER: "d.identifier",
    Column.UUID: "d.uuid",
}

#: Whole numbers that can be read with the ids.
_NUMBERS = frozenset(_KEYS) - {
    Column.NAME, Column.DESTINATIONS, Column.ARCHIVED, Column.KEYWORDS, Column.IDENTIFIER, Column.UUID,
}  # fmt: skip
_GONE_ONES = f"SELECT id FROM datasets WHERE shown = '{GONE}' AND shown <> 'archived'"
#: Not asked of each row, so that an index may say the order: few are gone, and an index knows which.
_NOT_GONE = f"d.id NOT IN ({_GONE_ONES})"
_KEPT_ARCHIVED = "SELECT dataset_id AS id, archived_ns AS key FROM order_keys WHERE archived_ns IS NOT NULL"
_KEPT_VERSIONS = "SELECT dataset_id AS id, version_key AS key FROM order_keys WHERE version_key IS NOT NULL"
#: 1.0.0, of which most datasets have no newer one.
_FIRST_VERSION = 1_000_000_000_000
_BY_KEYWORDS = (
    "SELECT group_concat(dataset_id) AS ids, count(*) AS number FROM order_keys WHERE keywords IS NOT NULL"
    " GROUP BY keywords COLLATE NOCASE ORDER BY keywords COLLATE NOCASE"
)
#: Of those that are not archived an index knows; only where they are few, that is faster than looking at each.
_BY_STATE = frozenset({Column.STATE, Column.PROGRESS})
_FEW_UNFINISHED = 0.1
#: An index says their order; only where nearly everything is listed is that faster than putting it in order.
_INDEXED = frozenset({Column.NAME, Column.IDENTIFIER, Column.UUID})

_LINES = """
SELECT d.id, d.uuid, d.name, d.identifier, s.name, d.collected_ns, d.run_state, d.shown, d.size_bytes, d.file_count,
       d.newest_change_ns, json_extract(x.content, '$.keywords')
FROM datasets d JOIN sources s ON s.id = d.source_id LEFT JOIN descriptions x ON x.dataset_id = d.id
WHERE d.id IN (SELECT value FROM json_each(?))
"""
_LINE_TRANSFERS = """
SELECT t.dataset_id, n.name, t.state, t.version, t.archived_ns, t.verified_at_ns, t.proven_at_ns, t.reason, t.due_ns
FROM transfers t JOIN routes r ON r.id = t.route_id JOIN destinations n ON n.id = r.destination_id
WHERE t.dataset_id IN (SELECT value FROM json_each(?)) ORDER BY t.dataset_id, n.name COLLATE NOCASE
"""


def _conditions(question: TableQuestion) -> tuple[str, list[str], list[object]]:
    """What is shown, in SQL: the rows, conditions, and the values for these; what is gone is still among them."""
    conditions: list[str] = []
    values: list[object] = []

    def within(column: str, chosen: Iterable[object]) -> str:
        values.append(json.dumps(sorted(chosen, key=str)))
        return f"{column} IN (SELECT value FROM json_each(?))"

    if question.destination_ids and question.states:
        routes = within("destination_id", question.destination_ids)
        states = within("shown", question.states)
        conditions.append(
            f"d.id IN (SELECT dataset_id FROM transfers WHERE route_id IN (SELECT id FROM routes WHERE {routes})"
            f" AND {states})"
        )
    elif question.destination_ids:
        routes = within("destination_id", question.destination_ids)
        # The plus keeps an index away that would fetch nearly every row one by one.
        conditions.append(f"+d.source_id IN (SELECT source_id FROM routes WHERE {routes})")
    if question.states and not question.destination_ids:
        conditions.append(within("d.shown", question.states))
        if "archived" not in question.states:
            # Said as the index says it, so that a few unfinished among many archived ones are found at once.
            conditions.append("d.shown <> 'archived'")
    if question.source_ids:
        conditions.append(within("d.source_id", question.source_ids))
    if question.run_states:
        conditions.append(within("d.run_state", [state.value for state in question.run_states]))
    if question.since_ns is not None:
        values.append(question.since_ns)
        conditions.append("coalesce(d.collected_ns, d.newest_change_ns) >= ?")
    rows = "datasets d"
    words = question.search.casefold().split()
    if words:
        rows = f"{rows} JOIN descriptions x ON x.dataset_id = d.id"
        if not question.states or "archived" in question.states:
            # All texts in a row, and of the datasets only those that are found.
            rows = "descriptions x CROSS JOIN datasets d ON d.id = x.dataset_id"
    # The longest is the rarest, mostly: few rows are looked through for the others.
    for word in sorted(words, key=len, reverse=True):
        values.append(word)
        conditions.append("instr(x.search_text, ?) > 0")
    return rows, conditions, values


def dataset_ids(connection: sqlite3.Connection, question: TableQuestion) -> array[int]:
    """The ids of the datasets that are shown, in their order, as 64-bit integers."""
    rows, conditions, values = _conditions(question)
    numbers = _numbers_of_states(connection)
    total = sum(numbers.values())
    is_chosen = bool(conditions)
    without = None
    if total > ordering.MANY:
        if not question.states and numbers.get(GONE):
            without = few_ids(connection, _GONE_ONES)
    elif not question.states:
        conditions.append(_NOT_GONE)
    rows = f"FROM {rows} WHERE {' AND '.join(conditions) or 'true'}"
    if total > ordering.MANY and question.sort not in _INDEXED:
        if question.sort in _NUMBERS and not (
            question.sort in _BY_STATE and total - numbers.get("archived", 0) < _FEW_UNFINISHED * total
        ):
            statement = f"SELECT d.id, {_key(connection, question.sort)} AS key {rows}"
            return ordered_ids(connection, statement, values, is_descending=question.is_descending, without=without)
        ids = listed_ids(connection, f"SELECT d.id {rows}", values, without)
        return _by_kept_keys(connection, ids, question)
    direction = "DESC" if question.is_descending else "ASC"
    key = _key(connection, question.sort)
    if question.sort in _INDEXED and is_chosen:
        # The plus keeps an index away that would have nearly every row fetched one by one.
        key = f"+{key}"
    order = f"{key} {direction}, d.id DESC"
    return listed_ids(connection, f"SELECT d.id {rows} ORDER BY {order}", values, without)


def _by_kept_keys(connection: sqlite3.Connection, ids: array[int], question: TableQuestion) -> array[int]:
    """Many ids in order by what lies elsewhere than with the datasets, or is the same for most of them."""
    is_descending = question.is_descending
    match question.sort:
        case Column.KEYWORDS:
            return grouped_by_text(connection, ids, _BY_KEYWORDS, is_descending=is_descending)
        case Column.DESTINATIONS:
            return mostly_equal_by_id(connection, ids, _KEPT_VERSIONS, _FIRST_VERSION, is_descending=is_descending)
        case Column.ARCHIVED:
            return newest_by_id(connection, ids, _KEPT_ARCHIVED, is_descending=is_descending)
    rank = _KEYS[question.sort]
    usual = connection.execute(f"SELECT {rank} FROM (SELECT 'archived' AS shown) d").fetchone()[0]
    statement = f"SELECT d.id AS id, {rank} AS key FROM datasets d WHERE d.shown <> 'archived'"
    return newest_by_id(connection, ids, statement, is_descending=is_descending, default=usual)


def _numbers_of_states(connection: sqlite3.Connection) -> dict[str | None, int]:
    return dict(connection.execute("SELECT shown, sum(number) FROM counts WHERE route_id = 0 GROUP BY shown"))


def _key(connection: sqlite3.Connection, column: Column) -> str:
    if column is not Column.SOURCE:
        return _KEYS[column]
    rows = connection.execute("SELECT id FROM sources ORDER BY name COLLATE NOCASE, id").fetchall()
    return _ranked("d.source_id", [str(row[0]) for row in rows])


def dataset_lines(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, DatasetLine]:
    """These datasets in full, by id; what is no longer there is left out."""
    asked = json.dumps(list(ids))
    transfers: dict[int, list[LineTransfer]] = {}
    for dataset_id, destination, state, *rest in connection.execute(_LINE_TRANSFERS, (asked,)):
        transfers.setdefault(dataset_id, []).append(LineTransfer(destination, TransferState(state), *rest))
    found = {}
    for row in connection.execute(_LINES, (asked,)):
        keywords = json.loads(row[11]) if row[11] else ()
        found[row[0]] = DatasetLine(
            id=row[0],
            uuid=row[1],
            name=row[2],
            identifier=row[3],
            source=row[4],
            collected_ns=row[5],
            run_state=RunState(row[6]),
            state=row[7] or TransferState.WAITING.value,
            size_bytes=row[8],
            file_count=row[9],
            newest_change_ns=row[10],
            keywords=tuple(str(word) for word in keywords) if isinstance(keywords, list) else (),
            transfers=tuple(transfers.get(row[0], ())),
        )
    return found


def chip_counts(connection: sqlite3.Connection) -> ChipCounts:
    """How many datasets each filter chip would show; costs the same for any number of datasets."""
    by_state: dict[str, int] = {}
    by_source: dict[int, int] = {}
    by_destination: dict[int, int] = {}
    rows = connection.execute("SELECT source_id, destination_id, shown, number FROM status_counts")
    for source_id, destination_id, shown, number in rows:
        if destination_id is not None:
            by_destination[destination_id] = by_destination.get(destination_id, 0) + number
            continue
        by_state[shown] = by_state.get(shown, 0) + number
        if shown != GONE:
            by_source[source_id] = by_source.get(source_id, 0) + number
    return ChipCounts(by_state, by_source, by_destination)
