"""Short looks into a database that another program may be writing: the one place where a source database is opened.

The rules, each measured with real writers: never a transaction beyond one short SELECT; no connection beyond a look;
``immutable`` only while nobody can be writing, and believed only if nothing changed meanwhile; never a look that
would create a -wal or -shm beside the file; on a network share, or where that is not possible, a private copy.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from etiket_gui.backends.sqlite_signature import Signature, Stat, exclusively, signature_of
from etiket_gui.domain import guards
from etiket_gui.domain.errors import (
    EtiketError,
    FileBusy,
    PermissionRefused,
    SourceChanged,
    SourceGone,
    SourceUnreadable,
    source_error,
)
from etiket_gui.domain.states import RetryClass
from etiket_gui.domain.stopping import StopToken

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]

ROLLBACK_SLICE_S = 0.05
WAL_SLICE_S = 0.2
#: How long a busy database is waited for before the look is given up; it is tried again soon.
BUSY_PATIENCE_S = 10.0
_BUSY_STEP_S = 0.002
#: How long one query waits by itself; then others of this process may look meanwhile.
_QUERY_PATIENCE_S = 0.5
_LOCK_STEP_S = 0.1
_IMMUTABLE_TRIES = 3
_COPY_TRIES = 5
_COPY_BACK_OFF_S = 0.05
#: So many of the last tries believe a -wal that is written all the time; its frames have checksums.
_COPY_DOUBTED_TRIES = 3
#: Above this a whole number may not be a float64 of the same value.
_EXACT = 2.0**53
_COPY_STEP_BYTES = 4 << 20
#: No transaction of a measurement takes as long as this.
_DEAD_JOURNAL_NS = 10_000_000_000
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


class DatabaseBroken(SourceUnreadable):
    """The file is not an intact SQLite database, or lacks what every QCoDeS database has."""

    title = "Database cannot be read"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "The file was left as it is. Look whether QCoDeS still opens it; other sources go on."


class Way(Enum):
    """How a database can be looked into just now."""

    IMMUTABLE = "immutable"
    SHARED = "shared"
    COPY = "copy"


class Reader:
    """One look: ``query`` runs one SELECT and fetches it whole. Valid inside the call it is handed to only.

    A SELECT whose moment is the writer's waits for the next one by itself, up to ``patience_s``: a measurement that
    writes without a rest leaves a free moment once in each of its transactions. Two queries may see two states.
    """

    def __init__(self, connection: sqlite3.Connection, patience_s: float, stop: StopToken) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._stop = stop
        #: How long it waited (seconds); nothing is kept from the writer meanwhile.
        self.waited_s = 0.0

    def _begun(self, sql: str, parameters: tuple[object, ...]) -> sqlite3.Cursor:
        deadline_s: float | None = None
        while True:
            try:
                return self._connection.execute(sql, parameters)
            except sqlite3.Error as error:
                begun_s = time.monotonic()
                deadline_s = begun_s + self._patience_s if deadline_s is None else deadline_s
                is_waited_for = begun_s < deadline_s and guards.is_on("busy-database-is-waited-for")
                if not _is_busy(error) or not is_waited_for or self._stop.is_stopped:
                    raise
                self._stop.wait(_BUSY_STEP_S)
                self.waited_s += time.monotonic() - begun_s

    def query(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """All rows of one SELECT."""
        cursor = self._begun(sql, parameters)
        try:
            return cursor.fetchall()
        finally:
            cursor.close()

    def numbers(self, sql: str, parameters: tuple[object, ...], width: int) -> Array | None:
        """All rows of one SELECT of ``width`` columns as float64, (rows, width); None unless all are exact numbers.

        Several times as fast as :meth:`query`, because no row becomes a list. A NaN may be a NULL, so it is no number.
        """
        cursor = self._begun(sql, parameters)
        try:
            values = np.fromiter(itertools.chain.from_iterable(cursor), np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        finally:
            cursor.close()
        if values.size and not np.abs(values).max() < _EXACT:
            return None
        return values.reshape(-1, width)


class Access:
    """Looks into one database. Keeps no connection, no lock and no open file between two looks."""

    def __init__(
        self, path: str, copy_folder: Path, *, copies_only: bool = False, kind: str = "QCoDeS database"
    ) -> None:
        self.path = path
        self.copies_only = copies_only
        self._kind = kind
        self._copy_folder = copy_folder
        self._copied: Signature | None = None
        self._is_wal: bool | None = None
        #: The longest time a look kept the database (seconds), for whoever wants to know.
        self.longest_look_s = 0.0
        #: How long the work of the last look took (seconds), without opening the database.
        self.last_work_s = 0.0
        #: How the last look was made.
        self.last_way = Way.IMMUTABLE

    @property
    def slice_s(self) -> float:
        """How long one look may take: 50 ms, or 200 ms where readers do not stop writers."""
        return WAL_SLICE_S if self._is_wal else ROLLBACK_SLICE_S

    def signature(self) -> Signature:
        """What the folder says now."""
        return signature_of(self.path)

    def way(self, signature: Signature) -> Way:
        """How the database can be looked into in this state."""
        if self.copies_only and guards.is_on("copy-from-shares"):
            return Way.COPY
        if signature.wal is not None and guards.is_on("never-immutable-beside-a-wal"):
            return Way.SHARED if signature.has_shm else Way.COPY
        if signature.journal is None:
            return Way.IMMUTABLE
        return Way.COPY if self._is_left_behind(signature.journal) else Way.SHARED

    def _says_wal(self) -> bool:
        """Whether the file's own header says that it is written with a -wal; then SQLite would make one to read it."""
        try:
            with exclusively(self.path), open(self.path, "rb") as file:
                return file.read(20)[18:] != b"\x01\x01"
        except OSError as error:
            raise source_error(error, self.path) from error

    def _is_left_behind(self, journal: Stat) -> bool:
        """Whether a journal is that of a dead writer, which must be played back before anything can be read."""
        if time.time_ns() - journal[2] < _DEAD_JOURNAL_NS:
            return False
        try:
            with open(self.path + "-journal", "rb") as file:
                return file.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC
        except OSError:
            return False

    def look(self, work: Callable[[Reader], T], stop: StopToken) -> T:
        """Run ``work`` on the database and close it again.

        ``work`` may be run more than once. While somebody writes, each of its queries sees what is committed just
        then; else all see the same. Raises SourceGone, SourceOffline, PermissionRefused, FileBusy (wait a
        little), SourceChanged, DatabaseBroken and Stopped.
        """
        stop.check()
        deadline_s = time.monotonic() + BUSY_PATIENCE_S
        tries = 0
        while True:
            stop.check()
            before = self.signature()
            way = self.way(before)
            if way is Way.IMMUTABLE and tries >= _IMMUTABLE_TRIES:
                # Somebody writes all the time: without a -wal that is a rollback journal, and its locks are to be kept.
                way = Way.COPY if self._says_wal() else Way.SHARED
            self.last_way = way
            try:
                if way is Way.COPY:
                    return self._look_at_copy(before, work, stop)
                result = self._open_and_run(way, before, work, stop)
            except sqlite3.Error as error:
                if self._waits(error, deadline_s):
                    stop.wait(_BUSY_STEP_S)
                    continue
                if way is Way.IMMUTABLE and self.signature() != before:
                    tries += 1
                    continue
                if _is_only_about_the_folder(error) or (way is Way.SHARED and _may_be_torn(error)):
                    now = self.signature()
                    if self._was_only_a_moment(before, now) and time.monotonic() < deadline_s:
                        stop.wait(_BUSY_STEP_S)
                        continue
                    return self._look_at_copy(now, work, stop)
                if not guards.is_on("broken-database-is-known"):
                    raise
                raise self._failure(error) from error
            if way is Way.SHARED or self.signature().content() == before.content():
                return result
            if not guards.is_on("immutable-is-checked"):
                return result
            tries += 1

    @staticmethod
    def _was_only_a_moment(before: Signature, now: Signature) -> bool:
        """Whether SQLite met a -journal in the moment in which its writer removed it, and took it for a dead one's.

        (A false alarm that SQLite leaves to those who may play a journal back; its ticket 3883.)
        """
        is_rollback = before.wal is None and now.wal is None
        return is_rollback and before.content() != now.content() and guards.is_on("journal-is-looked-at-twice")

    def _waits(self, error: sqlite3.Error, deadline_s: float) -> bool:
        if not _is_busy(error) or not guards.is_on("busy-database-is-waited-for"):
            return False
        if time.monotonic() < deadline_s:
            return True
        raise FileBusy(
            f"{self.path} is kept busy by the program that writes it.",
            path=self.path,
        ) from error

    def _open_and_run(self, way: Way, before: Signature, work: Callable[[Reader], T], stop: StopToken) -> T:
        option = "mode=ro&immutable=1" if way is Way.IMMUTABLE else "mode=ro"
        lock = exclusively(self.path)
        while not lock.acquire(timeout=_LOCK_STEP_S):
            stop.check()
        try:
            with opened(self.path, option) as connection:
                reader = Reader(connection, _QUERY_PATIENCE_S, stop)
                started_s = time.monotonic()
                try:
                    if way is Way.SHARED:
                        self._note_journal_mode(reader, before)
                    return self._timed(reader, work)
                finally:
                    self.longest_look_s = max(self.longest_look_s, time.monotonic() - started_s - reader.waited_s)
        finally:
            lock.release()

    def _note_journal_mode(self, reader: Reader, before: Signature) -> None:
        # An immutable connection says "delete" of every database; asking takes a lock, the header does not.
        self._is_wal = before.is_wal_database
        if self._is_wal is None:
            ((mode,),) = reader.query("PRAGMA journal_mode")
            self._is_wal = mode == "wal"

    def _timed(self, reader: Reader, work: Callable[[Reader], T]) -> T:
        # The schema is parsed here, 4 µs a table, so that what is measured is what the caller can make shorter.
        # To explain a query reads nothing but the schema.
        reader.query("EXPLAIN SELECT 1 FROM sqlite_master")
        begun_s, waited_s = time.monotonic(), reader.waited_s
        try:
            return work(reader)
        finally:
            self.last_work_s = time.monotonic() - begun_s - (reader.waited_s - waited_s)

    def _look_at_copy(self, signature: Signature, work: Callable[[Reader], T], stop: StopToken) -> T:
        target = self._copy_folder / "database.db"
        if self._copied is None or not self._copied.is_still(signature) or not target.exists():
            self._copied = None
            self._copied = copy_consistently(self.path, target, stop)
        try:
            with opened(os.fspath(target), "mode=rw") as connection:
                self._is_wal = signature.wal is not None
                return self._timed(Reader(connection, 0.0, stop), work)
        except sqlite3.Error as error:
            self._copied = None
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> EtiketError:
        if _is_missing(error):
            return DatabaseBroken(f"{self.path} is no {self._kind}: {error}.", path=self.path)
        if "unable to open" in str(error):
            return PermissionRefused(f"{self.path} may not be read by this account.", path=self.path)
        return DatabaseBroken(f"{self.path} cannot be read: {error}.", path=self.path)

    def forget_copy(self) -> None:
        """Remove the private copy, if there is one."""
        self._copied = None
        shutil.rmtree(self._copy_folder, ignore_errors=True)


@contextlib.contextmanager
def opened(path: str, option: str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, closed at the end. ``option`` is part of the SQLite URI."""
    name = quote(os.fsencode(path.replace("\\", "/") if os.name == "nt" else path))
    slash = "/" if os.name == "nt" and not name.startswith("/") else ""
    connection = sqlite3.connect(f"file:{slash}{name}?{option}", uri=True, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only=1")
        connection.text_factory = _text
        yield connection
    finally:
        connection.close()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def copy_consistently(path: str, target: Path, stop: StopToken) -> Signature:
    """Copy a database and its -wal or -journal to ``target`` as they were at one moment.

    Returns what the folder said of that moment. Raises SourceChanged when it was written all the time, the known
    source failures, Stopped, and DatabaseBroken when the copy does not pass SQLite's own check.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    back_off_s = _COPY_BACK_OFF_S
    damaged = ""
    for tries_left in reversed(range(_COPY_TRIES)):
        before = signature_of(path)
        if before.wal is not None and not before.is_settled and tries_left >= _COPY_DOUBTED_TRIES:
            stop.wait(back_off_s)
            stop.check()
            continue
        for suffix in ("-wal", "-journal", "", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{target}{suffix}")
        for suffix, is_there in (("-wal", before.wal), ("-journal", before.journal), ("", True)):
            if is_there:
                _copy(path + suffix, f"{target}{suffix}", stop)
        if signature_of(path).content() == before.content():
            damaged = _damage(target)
            if not damaged:
                return before
        if stop.wait(back_off_s):
            stop.check()
        back_off_s *= 2
    if damaged:
        raise DatabaseBroken(f"{path} is damaged: {damaged}.", path=path)
    raise SourceChanged(f"{path} changed each time it was copied.", path=path, retry_class=RetryClass.SOON)


def _damage(target: Path) -> str:
    try:
        with opened(os.fspath(target), "mode=rw") as connection:
            ((told,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        return str(error)
    return "" if told == "ok" else str(told)


def _copy(path: str, target: str, stop: StopToken) -> None:
    try:
        with exclusively(path), open(path, "rb") as source, open(target, "wb") as sink:
            while piece := source.read(_COPY_STEP_BYTES):
                stop.check()
                sink.write(piece)
    except FileNotFoundError as error:
        if path.endswith(("-wal", "-journal")):
            return
        raise SourceGone(f"{path} is no longer there.", path=path) from error
    except OSError as error:
        raise source_error(error, path) from error


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _is_only_about_the_folder(error: sqlite3.Error) -> bool:
    """Whether a look failed because SQLite may not write beside the file, or would have to repair it first."""
    return _code(error) in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def _may_be_torn(error: sqlite3.Error) -> bool:
    return _code(error) in {sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR}


def _is_missing(error: sqlite3.Error) -> bool:
    text = str(error)
    return "no such table" in text or "no such column" in text or "not a database" in text
