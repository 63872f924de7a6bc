"""What can be known of a SQLite database without SQLite: whether anything was written since it was looked at."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from etiket_gui.domain import guards
from etiket_gui.domain.errors import source_error
from etiket_gui.osys.file_times import is_young

#: How SQLite's header counts the changes and the pages: https://www.sqlite.org/fileformat2.html#file_change_counter
_HEADER_BYTES = 100
_COUNTER = slice(24, 44)
_WAL_VERSIONS = b"\x02\x02"
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
Stat = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Signature:
    """What the folder says of the database, its -wal and its -journal: (inode, size, mtime, ctime) each, or None.

    A -wal or -journal without content is None. ``counter`` is what the database's own header counts its changes with,
    before and after the folder was looked at, for the time of a file may tick more slowly than a measurement writes.
    """

    database: Stat
    wal: Stat | None
    journal: Stat | None
    has_shm: bool
    counter: tuple[bytes, bytes] = (b"", b"")
    #: When the look at the folder began and ended (ns since 1970 UTC).
    looked_at_ns: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def newest_ns(self) -> int:
        """The newest modification time of the three (ns since 1970 UTC)."""
        return max(stat[2] for stat in (self.database, self.wal, self.journal) if stat is not None)

    @property
    def is_the_same_file(self) -> int:
        """The inode of the database file."""
        return self.database[0]

    @property
    def is_settled(self) -> bool:
        """Whether whatever is written later changes what the folder says. (A -wal has no counter.)"""
        return not is_young(self.newest_ns, *self.looked_at_ns)

    def content(self) -> tuple[object, ...]:
        """What changes when something is written."""
        return self.database, self.wal, self.journal, self.counter

    def is_still(self, later: Signature) -> bool:
        """Whether nothing was written since, as ``later`` says."""
        return self.content() == later.content() and (self.is_counted or self.is_settled)

    @property
    def is_counted(self) -> bool:
        """Whether the header counts every change: without a -wal, which the header knows nothing of."""
        return self.wal is None and bool(self.counter[0])

    @property
    def is_wal_database(self) -> bool | None:
        """Whether the database is written with a -wal, by its own header; None where that could not be read."""
        return self.counter[1][:2] == _WAL_VERSIONS if self.counter[1] else None


_locks: dict[str, threading.RLock] = {}
_locks_lock = threading.Lock()


def exclusively(path: str) -> threading.RLock:
    """One thread of this process at a time may have a database open.

    Closing any descriptor of a file drops every lock that the process holds on it, also those of SQLite in another
    thread, so a plain read of the file must never end while a look is under way.
    """
    with _locks_lock:
        return _locks.setdefault(os.path.realpath(path), threading.RLock())


def signature_of(path: str) -> Signature:
    """Look at the folder entries and, where it may be read, the header. Raises the known source failures.

    Never inside a look: it opens the database for a moment, see :func:`exclusively`.
    """
    with exclusively(path), _header_of(path) as header:
        # A commit writes the header after it made a -journal and before it removes that: no commit escapes the three.
        before = header()
        began_ns = time.time_ns()
        try:
            status = os.stat(path)
        except OSError as error:
            raise source_error(error, path) from error
        wal, journal, has_shm = _beside(path, "-wal"), _beside(path, "-journal"), os.path.lexists(path + "-shm")
        database = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        ended_ns = time.time_ns()
        return Signature(database, wal, journal, has_shm, (before, header()), (began_ns, ended_ns))


@contextlib.contextmanager
def _header_of(path: str) -> Iterator[Callable[[], bytes]]:
    """Reads the part of a database's header that every change changes; nothing where that is not possible."""
    try:
        descriptor = os.open(path, _READ) if guards.is_on("changes-are-counted") else -1
    except OSError:
        descriptor = -1

    def read() -> bytes:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            header = os.read(descriptor, _HEADER_BYTES)
        except OSError:
            return b""
        return header[18:20] + header[_COUNTER]

    try:
        yield read
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _beside(path: str, suffix: str) -> Stat | None:
    try:
        status = os.stat(path + suffix)
    except OSError:
        return None
    if status.st_size == 0:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
