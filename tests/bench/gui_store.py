"""Stores of any size with varied datasets, written straight into the tables: what a large lab's table has to show."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etiket_gui.settings.home import Home
from etiket_gui.store.schema import make_store

SOURCES = ("Fridge Alpha", "Fridge Beta", "Probe station", "Old disk")
DESTINATIONS = ("Group archive", "Backup disk")
START_NS = 1_600_000_000_000_000_000
_SAMPLES = ("SQ22-1", "SQ22-7", "Hall bar 3", "resonator-17", "Dot B", "test chip")
_WORDS = ("cooldown", "pinch-off", "Rabi", "T1", "spectroscopy", "sweep", "stability", "IV", "noise", "calibration")


def make_large_home(root: Path, count: int, *, per_source: int = len(SOURCES)) -> Home:
    """A home whose store holds ``count`` datasets of four sources, each sent to two archives; as good as the real one.

    The same arguments give the same store.
    """
    home = Home.locate(root)
    home.prepare()
    make_store(home.store)
    with contextlib.closing(sqlite3.connect(home.store, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        _configure(connection, per_source)
        connection.executemany(
            "INSERT INTO datasets (id, uuid, source_id, identifier, name, collected_ns, run_state, is_gone, shown,"
            " fingerprint, settled_fingerprint, place, size_bytes, file_count, newest_change_ns, looked_at_ns,"
            " found_ns, is_described) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            _datasets(count, per_source),
        )
        connection.executemany("INSERT INTO descriptions VALUES (?, ?, ?)", _descriptions(count))
        connection.executemany(
            "INSERT INTO transfers (dataset_id, route_id, state, shown, order_ns, size_bytes, version, derived_version,"
            " level, archived_ns, verified_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 're_read', ?, ?)",
            _transfers(count, per_source),
        )
        connection.execute(
            "INSERT INTO counts SELECT source_id, 0, shown, count(*) FROM datasets GROUP BY source_id, shown"
        )
        connection.execute(
            "INSERT INTO counts SELECT d.source_id, t.route_id, t.shown, count(*) FROM transfers t"
            " JOIN datasets d ON d.id = t.dataset_id GROUP BY d.source_id, t.route_id, t.shown"
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home


def _configure(connection: sqlite3.Connection, per_source: int) -> None:
    for number, name in enumerate(SOURCES[:per_source], 1):
        config = json.dumps({"root_directory": f"/nowhere/{name}", "level": 1})
        row = (number, str(uuid.UUID(int=number)), name, "folder", config)
        connection.execute(
            "INSERT INTO sources (id, uuid, name, backend, config, is_enabled) VALUES (?, ?, ?, ?, ?, 0)", row
        )
    for number, name in enumerate(DESTINATIONS, 1):
        config = json.dumps({"path": f"/nowhere/{name}"})
        row = (number, str(uuid.UUID(int=100 + number)), name, "archive", config)
        connection.execute("INSERT INTO destinations (id, uuid, name, kind, config) VALUES (?, ?, ?, ?, ?)", row)
    for source in range(1, per_source + 1):
        for destination in range(1, len(DESTINATIONS) + 1):
            connection.execute("INSERT INTO routes (source_id, destination_id) VALUES (?, ?)", (source, destination))


def shown_state(number: int) -> str:
    """Most datasets are archived; some of each other state."""
    if number % 50:
        return "archived"
    return ("waiting", "failed", "held", "sending", "ignored")[number // 50 % 5]


def _mixed(number: int) -> int:
    """A number in a fixed but scattered order."""
    return number * 2_654_435_761 % 4_294_967_291


def dataset_name(number: int) -> str:
    """The name of the dataset of that id."""
    mixed = _mixed(number)
    return f"{_WORDS[mixed % 10]} {_SAMPLES[mixed // 10 % 6]} #{number}"


def _datasets(count: int, per_source: int) -> Iterator[tuple[Any, ...]]:
    for number in range(1, count + 1):
        mixed = _mixed(number)
        state = shown_state(number)
        collected_ns = START_NS + number * 60_000_000_000 + mixed % 59_000_000_000
        yield (
            number, str(uuid.UUID(int=(mixed << 96) | number)), number % per_source + 1,
            f"2024/{number // 1000:05}/{number:07}", dataset_name(number), collected_ns,
            "complete" if number % 97 else "interrupted", 0, state, number, number, f"1:{number}",
            mixed % 5_000_000 + 100, mixed % 12 + 1, collected_ns + 10**9, collected_ns + 2 * 10**9,
            collected_ns + 2 * 10**9,
        )  # fmt: skip


def _descriptions(count: int) -> Iterator[tuple[Any, ...]]:
    for number in range(1, count + 1):
        mixed = _mixed(number)
        name = dataset_name(number)
        attributes = {
            "sample": _SAMPLES[mixed % 6], "set_up": SOURCES[mixed % 4], "operator": f"person {mixed % 23}",
            "temperature": f"{mixed % 900} mK", "gate": f"{mixed % 4000 - 2000} mV",
        }  # fmt: skip
        keywords = [_WORDS[mixed // 7 % 10], _WORDS[mixed // 71 % 10]]
        identifier = f"2024/{number // 1000:05}/{number:07}"
        content = {"name": name, "identifier": identifier, "attributes": attributes, "keywords": keywords}
        parts = [name, identifier, "", *(f"{key} {value}" for key, value in attributes.items()), *keywords]
        yield number, json.dumps(content, separators=(",", ":")), "\n".join(parts).casefold()


def _transfers(count: int, per_source: int) -> Iterator[tuple[Any, ...]]:
    for number in range(1, count + 1):
        mixed = _mixed(number)
        state = shown_state(number)
        order_ns = START_NS + number * 60_000_000_000
        archived_ns = order_ns + mixed % 10**12
        source = number % per_source
        for destination in range(len(DESTINATIONS)):
            own = "archived" if destination and state != "ignored" else state
            is_there = own == "archived"
            version = "1.0.0" if is_there else None
            yield (
                number, source * len(DESTINATIONS) + destination + 1, own, own, order_ns, mixed % 5_000_000 + 100,
                version, version, archived_ns if is_there else None, archived_ns if is_there else None,
            )  # fmt: skip
