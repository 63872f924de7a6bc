"""Which failures of SQLite and of the disk below it a person may read about; standard library only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etiket_gui.domain import guards
from etiket_gui.domain.errors import StoreDamaged, StoreProblem

#: How long a statement waits for another program that holds the store, in milliseconds.
BUSY_TIMEOUT_MS = 5000

_CANNOT_WRITE = {
    sqlite3.SQLITE_FULL: "the disk that holds it is full",
    sqlite3.SQLITE_BUSY: "another program holds it",
    sqlite3.SQLITE_LOCKED: "another program holds it",
    sqlite3.SQLITE_READONLY: "it may not be written by this account",
    sqlite3.SQLITE_IOERR: "its disk reports an error or is full",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "this account has no right to it",
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = "Nothing is lost. Make room or close the other program; the work goes on by itself."


def known_failure(error: sqlite3.Error, path: Path) -> StoreProblem | None:
    """The failure of the environment behind an SQLite error, or None when it is a bug of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or not guards.is_on("store-failures-are-known"):
        return None
    if code & 0xFF in _DAMAGED:
        return StoreDamaged(f"{path} is damaged: {error}.", path=str(path))
    why = _CANNOT_WRITE.get(code & 0xFF)
    return None if why is None else StoreProblem(f"{path}: {why}.", path=str(path), advice=_ADVICE)


def disk_failure(error: OSError, path: Path) -> StoreProblem:
    """The failure of the disk or of the account's rights."""
    return StoreProblem(f"{path}: {error.strerror or error}.", path=str(path), advice=_ADVICE)


@contextmanager
def known_failures(path: Path) -> Iterator[None]:
    """Inside, refusals of SQLite and of the disk become StoreProblem; bugs pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        known = known_failure(error, path)
        if known is None:
            raise
        raise known from error
    except OSError as error:
        raise disk_failure(error, path) from error


def busy_timeout_ms() -> int:
    """How long a statement waits for another program that holds the store, in milliseconds."""
    return BUSY_TIMEOUT_MS if guards.is_on("store-waits-for-its-lock") else 0
