"""Opens the store for reading, also where its disk has no room for what SQLite writes beside it; plain sqlite3."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from etiket_gui.domain import guards
from etiket_gui.store.failures import busy_timeout_ms

_NO_ROOM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error.

    Even reading makes two small files beside the store. Where the full disk has no room for them and nothing is in
    the journal, the store alone is the whole truth, and is read without them: a status or a restore still works.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = _open(address)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _NO_ROOM or _has_journal(path):
            raise
        if not guards.is_on("store-is-read-on-a-full-disk"):
            raise
        return _open(f"{address}&immutable=1")
    return connection


def _open(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms()}")
    return connection


def _has_journal(path: Path) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False
