"""How SQLAlchemy reaches the store: its connections, and small pieces that all statements share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, Text, bindparam, create_engine, event, exc, func, select
from sqlalchemy.dialects.sqlite.pysqlite import dialect as _sqlite_dialect
from sqlalchemy.pool import NullPool

from etiket_gui.domain import guards
from etiket_gui.store.failures import busy_timeout_ms, known_failure
from etiket_gui.store.opening import open_to_read

#: For statements that are compiled without a connection.
dialect = _sqlite_dialect()


@contextmanager
def store_failures(path: Path) -> Iterator[None]:
    """Inside, SQLite's refusals become StoreProblem, also those that SQLAlchemy has wrapped; all else passes."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        original = error.orig if isinstance(error, exc.DBAPIError) else error
        known = known_failure(original, path) if isinstance(original, sqlite3.Error) else None
        if known is None:
            raise
        raise known from error


def writer_engine(path: Path) -> Engine:
    """An engine for the one writer; whoever begins a transaction on it says of which kind (BEGIN IMMEDIATE)."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        # In short pieces: the writer itself goes on waiting, unless the program is to end.
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms() // 20}")
        connection.execute(f"PRAGMA journal_mode = {'WAL' if guards.is_on('store-keeps-a-journal') else 'OFF'}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        # Uuids lie scattered in their index: fewer checkpoints write each of its pages fewer times.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def reader_engine(path: Path) -> Engine:
    """An engine that cannot write; for short reads from any thread, each on a connection of its own."""

    def connect() -> sqlite3.Connection:
        connection = open_to_read(path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def asked(name: str = "ids") -> Select[Any]:
    """A sub-select of the values in the JSON list bound to ``name``: any number of ids by one cached statement."""
    table = func.json_each(bindparam(name, type_=Text)).table_valued("value", name=f"asked_{name}")
    return select(table.c.value)


def as_ids(values: Iterable[int | str]) -> str:
    """The JSON list that :func:`asked` takes."""
    return json.dumps(list(values))


def compact(value: object) -> str:
    """Compact JSON text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
