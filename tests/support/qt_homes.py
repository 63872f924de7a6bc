"""Homes whose store already holds datasets in every state, for what is bound to it; and engines that do no work."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from etiket_gui.settings.home import Home
from tests.bench.gui_store import make_large_home


def filled_home(root: Path, count: int = 300) -> Home:
    """A home with ``count`` datasets of four sources at two archives; every source is switched off.

    An engine that runs on it finds nothing to do.
    """
    return make_large_home(root, count)


@contextlib.contextmanager
def written(home: Home) -> Iterator[sqlite3.Connection]:
    """Inside, a connection to a home's store, as another program has one; committed at the end."""
    with contextlib.closing(sqlite3.connect(home.store, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def add_dataset(home: Home, number: int, *, name: str = "", state: str = "waiting", source_id: int = 1) -> None:
    """One more dataset in the tables, newer than all others."""
    with written(home) as connection:
        connection.execute(
            "INSERT INTO datasets (id, uuid, source_id, identifier, name, collected_ns, shown, size_bytes, file_count)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 5, 1)",
            (number, f"uuid-{number}", source_id, f"new/{number}", name or f"new {number}",
             1_900_000_000_000_000_000 + number, state),
        )  # fmt: skip
