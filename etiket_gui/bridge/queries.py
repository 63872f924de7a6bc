"""A short look into the store by plain sqlite3: the connection, whether it is a store of ours, and typed answers."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etiket_gui.domain.errors import EtiketError, StoreProblem
from etiket_gui.domain.states import RetryClass
from etiket_gui.store.failures import busy_timeout_ms, known_failures
from etiket_gui.store.schema import HEAD


class StoreAway(StoreProblem):
    """There is no store that can be read just now: not made yet, moved aside, or of another version."""

    title = "The list of datasets cannot be read just now"
    retry_class = RetryClass.SOON
    default_advice = "Nothing to do: it comes back by itself."


@dataclass(frozen=True, slots=True)
class Place:
    """A source or a destination, as it is named in lists."""

    id: int
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class SteeringNow:
    """Until when nothing is sent (paused) or touched (held); ns since 1970 UTC, 0 means not, -1 without end."""

    paused_until_ns: int
    held_until_ns: int


class Reads:
    """What a question is given: one read transaction on the store. Belongs to the reader's thread.

    ``connection`` is for query functions of other modules; it cannot write.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def sources(self) -> tuple[Place, ...]:
        """Every source in the order they were added; ``kind`` is the backend."""
        rows = self.connection.execute("SELECT id, name, backend FROM sources ORDER BY id")
        return tuple(Place(*row) for row in rows)

    def destinations(self) -> tuple[Place, ...]:
        """Every destination in the order they were added."""
        rows = self.connection.execute("SELECT id, name, kind FROM destinations ORDER BY id")
        return tuple(Place(*row) for row in rows)

    def steering(self) -> SteeringNow:
        """Until when a person asked for quiet."""
        rows = self.connection.execute("SELECT key, value FROM meta WHERE key IN ('paused_until_ns', 'held_until_ns')")
        values = {key: int(json.loads(value)) for key, value in rows}
        return SteeringNow(values.get("paused_until_ns", 0), values.get("held_until_ns", 0))

    def open_problem_count(self) -> int:
        """How many problems are open."""
        return int(self.connection.execute("SELECT count(*) FROM problems WHERE is_open = 1").fetchone()[0])


def identity_of(path: Path) -> tuple[int, int] | None:
    """Which file is at the path (device, inode), None when there is none. Raises StoreAway when it cannot be told."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreAway(f"{path} cannot be reached: {error.strerror or error}.", path=str(path)) from error
    return found.st_dev, found.st_ino


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, on a store of this version, for one thread at a time.

    Raises StoreAway when there is none, StoreProblem when it cannot be read now, StoreDamaged when it is no store.
    """
    if identity_of(path) is None:
        raise StoreAway(f"{path} is not there yet.", path=str(path))
    with known_failures(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms()}")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            _require_this_version(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _require_this_version(connection: sqlite3.Connection, path: Path) -> None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise StoreAway(f"{path} has no tables yet.", path=str(path)) from error
    if row is None or row[0] < HEAD:
        raise StoreAway(f"{path} is being brought to this version.", path=str(path))
    if row[0] > HEAD:
        raise StoreAway(
            f"{path} was written by a newer version of this program.",
            advice="Install that version or a newer one. Nothing in it is touched.",
            retry_class=RetryClass.ON_USER,
            path=str(path),
        )


@contextlib.contextmanager
def one_moment(connection: sqlite3.Connection, path: Path) -> Iterator[Reads]:
    """Inside, everything is read as it was at one moment. Raises StoreProblem when it cannot be read now."""
    with known_failures(path):
        connection.execute("BEGIN")
        try:
            yield Reads(connection)
        finally:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def as_known(error: Exception, path: Path) -> EtiketError:
    """The failure in words for a person; what is none of the known ones is a bug of ours and is said to be one."""
    if isinstance(error, EtiketError):
        return error
    return StoreProblem(f"{path} could not be asked: {type(error).__name__}: {error}.", path=str(path))
