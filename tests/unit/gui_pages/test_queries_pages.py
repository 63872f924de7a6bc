"""What the pages read of a store belongs together, adds up, and is found by indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.bridge.queries import open_for_reading
from etiket_gui.bridge.queries_pages import (
    overview,
    place_of,
    problem_groups,
    routes_of_transfers,
    state_counts,
    unsent,
)
from etiket_gui.bridge.queries_pages_activity import activity
from etiket_gui.bridge.queries_pages_dataset import dataset, file_count, files, uuids
from etiket_gui.store.quick import status
from tests.support.page_lab import add_files, rich_lab


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    driver = rich_lab(tmp_path_factory.mktemp("query lab"))
    add_files(driver.home, 2, 500)
    return driver.home.store


@pytest.fixture
def store(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_reading(path)) as connection:
        yield connection


def test_the_overview_says_what_the_command_line_says(store: sqlite3.Connection, path: Path) -> None:
    facts, told = overview(store), status(path)
    assert [source.name for source in facts.sources] == [source["name"] for source in told["sources"]]
    assert [source.not_archived for source in facts.sources] == [source["not_archived"] for source in told["sources"]]
    assert [source.found for source in facts.sources] == [source["total"] for source in told["sources"]]
    assert facts.problems == told["problems"]
    assert facts.oldest_unsafe is not None
    assert facts.oldest_unsafe[1].since_ns == told["oldest_unsafe"]["since_ns"]


def test_live_datasets_are_counted_once(store: sqlite3.Connection) -> None:
    counts = state_counts(store)
    fridge = state_counts(store, 1)
    assert sum(counts.live.values()) == sum(fridge.live.values()) == 1
    assert sum(state_counts(store, 2).live.values()) == 0
    assert sum(counts.by_state.values()) == 69


def test_every_open_problem_is_in_one_group(store: sqlite3.Connection) -> None:
    groups = problem_groups(store)
    open_count = store.execute("SELECT count(*) FROM problems WHERE is_open = 1").fetchone()[0]
    problems = [problem for group in groups for problem in group.problems]
    assert len(problems) == len({problem.key for problem in problems}) == open_count
    item = next(problem for problem in problems if problem.problem_kind == "FileBusy")
    assert (item.source, item.destination, item.backend) == ("fridge", "lab-archive", "folder")
    assert item.place.startswith("failed/")
    assert groups[0].problems[0].is_question


def test_activity_pages_on_without_gaps(store: sqlite3.Connection) -> None:
    everything = activity(store)
    first = activity(store, limit=2)
    rest = activity(store, offset=2)
    assert (*first, *rest) == everything
    assert {fact.source for fact in activity(store, source_id=1)} == {"fridge"}


def test_files_are_read_in_pages_in_the_order_of_their_names(store: sqlite3.Connection) -> None:
    count = file_count(store, 2)
    pages = [files(store, 2, offset=offset, limit=100) for offset in range(0, count, 100)]
    names = [fact.name for page in pages for fact in page]
    assert len(names) == count == len(set(names))
    assert names == sorted(names)


def test_a_dataset_is_told_whole(store: sqlite3.Connection) -> None:
    number = store.execute("SELECT id FROM datasets WHERE name = 'Rabi chevron Q3'").fetchone()[0]
    facts = dataset(store, number)
    assert facts is not None
    assert facts.stored[0].version == "1.0.0"
    assert facts.stored[0].versions[0].file_count == 5
    assert facts.worst_copy is facts.copies[0]
    assert dict(facts.attributes)["sample"] == "SQ22"
    assert [fact.version.version for fact in facts.history if fact.version is not None] == ["1.0.0"]
    assert dataset(store, 10**9) is None
    assert uuids(store, [number, 10**9]) == (facts.uuid,)


def test_what_can_be_sent_is_summed_by_source(store: sqlite3.Connection) -> None:
    assert unsent(store) == {1: (6 * 4_000_000, 6), 2: (30 * 4_000_000, 30)}
    transfer = store.execute("SELECT id FROM transfers WHERE dataset_id = 1").fetchone()[0]
    assert routes_of_transfers(store, [transfer, 10**9]) == {transfer: (1, 1)}


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"root_directory": "/data"}, "/data"),
        ({"database_path": "/x.db", "set_up": "y"}, "/x.db"),
        ({"host": "db.lab", "dbname": "test"}, "db.lab/test"),
        ({"url": "https://cdcs"}, "https://cdcs"),
        ({}, ""),
    ],
)
def test_the_place_of_a_configuration(config: dict[str, str], place: str) -> None:
    assert place_of(config) == place


_ONE = "SELECT id FROM transfers WHERE route_id = 1 AND"


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("shown = 'waiting' AND is_large = 0 ORDER BY order_ns LIMIT 1", "ix_transfers_queue"),
        ("state = 'archived' AND proven_at_ns IS NOT NULL ORDER BY proven_at_ns LIMIT 1", "ix_transfers_proven"),
        ("state = 'archived' AND proven_at_ns IS NULL ORDER BY verified_at_ns LIMIT 1", "ix_transfers_unproven"),
    ],
)
def test_the_oldest_and_the_proofs_are_found_by_their_indexes(
    store: sqlite3.Connection, condition: str, index: str
) -> None:
    plan = " ".join(str(row[3]) for row in store.execute(f"EXPLAIN QUERY PLAN {_ONE} {condition}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan
