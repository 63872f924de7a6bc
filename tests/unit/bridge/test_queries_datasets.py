"""The table's questions: every order and filter says the same as reasoning over all rows, in short and long lists."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from etiket_gui.bridge import ordering
from etiket_gui.bridge.list_changes import ListChange, list_change
from etiket_gui.bridge.queries import open_for_reading
from etiket_gui.bridge.queries_datasets import (
    GONE,
    Column,
    DatasetLine,
    TableQuestion,
    chip_counts,
    dataset_ids,
    dataset_lines,
)
from etiket_gui.domain.states import WORST_FIRST, RunState
from etiket_gui.settings.home import Home
from tests.support import qt_homes

_RANKS = {state.value: rank for rank, state in enumerate(WORST_FIRST)}
_SENDING_FIRST = ("archived", "ignored", "gone", "held", "failed", "waiting", "sending")


def _version(line: DatasetLine) -> tuple[int, str]:
    return max(((len(item.version), item.version) for item in line.transfers if item.version), default=(-1, ""))


_KEYS: dict[Column, Callable[[DatasetLine], Any]] = {
    Column.STATE: lambda line: _RANKS[line.state],
    Column.NAME: lambda line: line.name.lower(),
    Column.SOURCE: lambda line: line.source.lower(),
    Column.COLLECTED: lambda line: line.collected_ns or -1,
    Column.SIZE: lambda line: line.size_bytes,
    Column.FILES: lambda line: line.file_count,
    Column.DESTINATIONS: _version,
    Column.ARCHIVED: lambda line: line.archived_ns or -1,
    Column.PROGRESS: lambda line: _SENDING_FIRST.index(line.state),
    Column.KEYWORDS: lambda line: ",".join(f'"{word}"' for word in line.keywords).lower(),
    Column.RUN_STATE: lambda line: list(RunState).index(line.run_state),
    Column.CHANGED: lambda line: line.newest_change_ns,
    Column.IDENTIFIER: lambda line: line.identifier.lower(),
    Column.UUID: lambda line: line.uuid,
}


@dataclass
class Store:
    """A connection to a filled store, and all its lines."""

    connection: sqlite3.Connection
    lines: dict[int, DatasetLine]

    def expect(self, question: TableQuestion, keep: Callable[[DatasetLine], bool]) -> None:
        """The ids of a question are those of the lines to keep, in their order."""
        lines = [line for line in self.lines.values() if keep(line)]
        lines.sort(key=lambda line: -line.id)
        lines.sort(key=_KEYS[question.sort], reverse=question.is_descending)
        # A stable sort keeps equals as they are, the newest first, but a reverse one turns them: sort once more.
        if question.is_descending:
            lines.sort(key=lambda line: -line.id)
            lines.sort(key=_KEYS[question.sort], reverse=True)
        assert lines or question.search == "nothing like that"
        assert list(dataset_ids(self.connection, question)) == [line.id for line in lines]


@pytest.fixture(params=["short", "long", "long and sparse"])
def store(home: Home, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of 300 varied datasets, some of them gone, ordered like a short list and like a long one."""
    if request.param != "short":
        monkeypatch.setattr(ordering, "MANY", 10)
    if request.param == "long and sparse":
        monkeypatch.setattr(ordering, "_SPARSE", 0)
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET shown = 'gone', is_gone = 1 WHERE id IN (17, 18, 250)")
        connection.execute("UPDATE datasets SET collected_ns = NULL WHERE id IN (30, 31)")
        connection.execute("UPDATE datasets SET name = upper(name) WHERE id % 3 = 0")
        connection.execute("UPDATE transfers SET version = '1.10.0' WHERE dataset_id = 40")
        connection.execute("DELETE FROM counts WHERE route_id = 0")
        connection.execute(
            "INSERT INTO counts SELECT source_id, 0, shown, count(*) FROM datasets GROUP BY source_id, shown"
        )
    with contextlib.closing(open_for_reading(home.store)) as reading:
        yield Store(reading, dataset_lines(reading, range(1, 301)))


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("column", list(Column))
def test_every_column_orders(store: Store, column: Column, is_descending: bool) -> None:
    store.expect(TableQuestion(sort=column, is_descending=is_descending), lambda line: line.state != GONE)


def test_states_are_chosen(store: Store) -> None:
    store.expect(TableQuestion(states=frozenset({"failed", "held"})), lambda line: line.state in {"failed", "held"})
    store.expect(TableQuestion(states=frozenset({"archived"})), lambda line: line.state == "archived")
    store.expect(TableQuestion(states=frozenset({"gone", "waiting"})), lambda line: line.state in {"gone", "waiting"})


def test_sources_run_states_and_dates_are_chosen(store: Store) -> None:
    store.expect(
        TableQuestion(source_ids=frozenset({1, 4})),
        lambda line: line.state != GONE and line.source in {"Fridge Alpha", "Old disk"},
    )
    store.expect(
        TableQuestion(run_states=frozenset({RunState.INTERRUPTED})),
        lambda line: line.state != GONE and line.run_state is RunState.INTERRUPTED,
    )
    since_ns = store.lines[200].collected_ns
    assert since_ns is not None
    store.expect(
        TableQuestion(since_ns=since_ns),
        lambda line: line.state != GONE and (line.collected_ns or line.newest_change_ns) >= since_ns,
    )


def test_the_states_of_a_destination_are_those_of_the_transfers_to_it(store: Store) -> None:
    store.expect(
        TableQuestion(destination_ids=frozenset({1}), states=frozenset({"waiting"})),
        lambda line: any(item.destination == "Group archive" and item.state == "waiting" for item in line.transfers),
    )
    store.expect(TableQuestion(destination_ids=frozenset({2})), lambda line: line.state != GONE)


@pytest.mark.parametrize("search", ["hall BAR", "rabi", "nothing like that", "operator person 7", "%", "2024/00000"])
def test_every_word_of_a_search_is_looked_for_everywhere(store: Store, search: str) -> None:
    texts = dict(store.connection.execute("SELECT dataset_id, search_text FROM descriptions"))
    words = search.casefold().split()
    wanted = {line_id for line_id, text in texts.items() if all(word in text for word in words)}
    found = dataset_ids(store.connection, TableQuestion(search=search, sort=Column.NAME))
    assert set(found) == {line_id for line_id in wanted if store.lines[line_id].state != GONE}
    assert bool(found) == (search not in {"nothing like that", "%"})


def test_values_of_a_person_are_no_sql(store: Store) -> None:
    for text in ("'; DROP TABLE datasets; --", '"', "a' OR '1'='1"):
        assert not dataset_ids(store.connection, TableQuestion(search=text))
    assert not dataset_ids(store.connection, TableQuestion(states=frozenset({"x' OR 1 --"})))


def test_chips_count_what_they_would_show(store: Store) -> None:
    counts = chip_counts(store.connection)
    assert set(counts.by_state) == {line.state for line in store.lines.values()}
    for state, number in counts.by_state.items():
        assert len(dataset_ids(store.connection, TableQuestion(states=frozenset({state})))) == number
    for source_id, number in counts.by_source.items():
        assert len(dataset_ids(store.connection, TableQuestion(source_ids=frozenset({source_id})))) == number
    assert counts.total == 297


def test_an_empty_table_is_no_failure(tmp_path: Any) -> None:
    empty = qt_homes.filled_home(tmp_path / "empty", 0)
    with contextlib.closing(open_for_reading(empty.store)) as connection:
        for column in Column:
            assert not dataset_ids(connection, TableQuestion(sort=column))
        assert dataset_lines(connection, [1, 2]) == {}
        assert chip_counts(connection).total == 0


def test_ids_of_64_bits_stay_whole() -> None:
    numbers = [1, -(1 << 63), (1 << 63) - 1, *range(5000)]
    assert list(ordering.parsed_ids(",".join(map(str, numbers)))) == numbers


def _stepped(old: list[int], change: ListChange, new: list[int]) -> list[int]:
    rows = list(old)
    for first, last in change.removed:
        del rows[first : last + 1]
    if change.order is not None:
        assert sorted(change.order) == sorted(rows)
        first, last = change.moved
        assert rows[:first] == list(change.order[:first])
        assert rows[last + 1 :] == list(change.order[last + 1 :])
        rows = list(change.order)
    for first, last in change.inserted:
        rows[first:first] = new[first : last + 1]
    return rows


def test_the_steps_from_one_list_to_another_lead_there() -> None:
    for seed in range(2000):
        rng = random.Random(seed)
        old = rng.sample(range(60), rng.randrange(0, 40))
        new = [item for item in old if rng.random() > 0.1]
        for _ in range(rng.randrange(3)):
            if new:
                new.insert(rng.randrange(len(new)), new.pop(rng.randrange(len(new))))
        for number in range(rng.randrange(4)):
            new.insert(rng.randrange(len(new) + 1), 1000 + number)
        change = list_change(array("q", old), array("q", new))
        assert change.is_small
        assert change.is_nothing == (old == new)
        assert _stepped(old, change, new) == new


def test_a_list_that_only_grew_is_a_small_change_whatever_its_length() -> None:
    old = array("q", range(100_000))
    assert list_change(old, array("q", range(-50_000, 100_000))).inserted == ((0, 49_999),)
    assert list_change(old, old[:10]).removed == ((10, 99_999),)
    assert not list_change(old, array("q", reversed(old))).is_small
