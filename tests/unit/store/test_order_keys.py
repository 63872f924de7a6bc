"""The keys that datasets are put in order by follow every change of what they are of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.store import schema


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A store with one dataset that goes to two destinations."""
    schema.make_store(tmp_path / "store.sqlite")
    connection = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    _fill(connection)
    yield connection
    connection.close()


def _fill(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO sources (id, uuid, name, backend) VALUES (1, 's', 'fridge', 'folder')")
    for number in (1, 2):
        row = (number, f"d{number}", f"archive {number}")
        connection.execute("INSERT INTO destinations (id, uuid, name, kind) VALUES (?, ?, ?, 'archive')", row)
        connection.execute("INSERT INTO routes (id, source_id, destination_id) VALUES (?, 1, ?)", (number, number))
    connection.execute("INSERT INTO datasets (id, uuid, source_id, identifier) VALUES (1, 'u', 1, 'one')")
    for route in (1, 2):
        connection.execute(
            "INSERT INTO transfers (id, dataset_id, route_id, state) VALUES (?, 1, ?, 'waiting')", (route, route)
        )


def _keys(connection: sqlite3.Connection) -> tuple[int | None, int | None, str | None] | None:
    row = connection.execute("SELECT archived_ns, version_key, keywords FROM order_keys").fetchone()
    return None if row is None else tuple(row)


def _archive(connection: sqlite3.Connection, transfer_id: int, version: str | None, at_ns: int | None) -> None:
    connection.execute("UPDATE transfers SET version = ?, archived_ns = ? WHERE id = ?", (version, at_ns, transfer_id))


def test_what_is_not_archived_and_has_no_keywords_costs_nothing(store: sqlite3.Connection) -> None:
    store.execute("""INSERT INTO descriptions (dataset_id, content) VALUES (1, '{"name": "one", "keywords": []}')""")
    assert _keys(store) is None


def test_the_newest_copy_and_the_newest_version_of_all_destinations_count(store: sqlite3.Connection) -> None:
    _archive(store, 1, "1.9.0", 300)
    _archive(store, 2, "1.10.0", 200)
    assert _keys(store) == (300, 1_000010_000000, None)
    _archive(store, 1, "2.0.1", 400)
    assert _keys(store) == (400, 2_000000_000001, None)


def test_a_destination_that_is_removed_counts_no_more(store: sqlite3.Connection) -> None:
    _archive(store, 1, "1.0.0", 100)
    _archive(store, 2, "1.1.0", 200)
    store.execute("DELETE FROM destinations WHERE id = 2")
    assert _keys(store) == (100, 1_000000_000000, None)
    store.execute("DELETE FROM destinations WHERE id = 1")
    assert _keys(store) == (None, None, None)


def test_a_transfer_that_comes_archived_counts_at_once(store: sqlite3.Connection) -> None:
    store.execute("DELETE FROM transfers")
    store.execute(
        "INSERT INTO transfers (dataset_id, route_id, state, version, archived_ns)"
        " VALUES (1, 1, 'archived', '1.2.0', 50)"
    )
    assert _keys(store) == (50, 1_000002_000000, None)


def test_keywords_come_change_and_go(store: sqlite3.Connection) -> None:
    store.execute("""INSERT INTO descriptions (dataset_id, content) VALUES (1, '{"keywords": ["T1", "noise"]}')""")
    assert _keys(store) == (None, None, '["T1","noise"]')
    _archive(store, 1, "1.0.0", 100)
    store.execute("""UPDATE descriptions SET content = '{"keywords": ["Rabi"]}'""")
    assert _keys(store) == (100, 1_000000_000000, '["Rabi"]')
    store.execute("UPDATE descriptions SET content = '{}'")
    assert _keys(store) == (100, 1_000000_000000, None)


def test_a_dataset_that_is_forgotten_leaves_no_keys(store: sqlite3.Connection) -> None:
    _archive(store, 1, "1.0.0", 100)
    store.execute("DELETE FROM datasets")
    assert _keys(store) is None


def test_an_older_store_gets_the_keys_of_what_it_has(store: sqlite3.Connection, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "older.sqlite").close()
    schema._upgrade(tmp_path / "older.sqlite", schema.MIGRATIONS, "0003")
    older = sqlite3.connect(tmp_path / "older.sqlite", isolation_level=None)
    _fill(older)
    _archive(older, 1, "1.4.0", 70)
    older.execute("""INSERT INTO descriptions (dataset_id, content) VALUES (1, '{"keywords": ["T1"]}')""")
    older.close()
    schema._upgrade(tmp_path / "older.sqlite", schema.MIGRATIONS, "head")
    migrated = sqlite3.connect(tmp_path / "older.sqlite")
    assert _keys(migrated) == (70, 1_000004_000000, '["T1"]')
    migrated.close()
