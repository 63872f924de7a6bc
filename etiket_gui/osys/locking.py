"""The lock of a home: one engine, or one command that writes, at a time; a lock left by a crash is no obstacle."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import time
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from etiket_gui.domain import guards
from etiket_gui.domain.errors import HomeInUse, PermissionRefused, StoreProblem
from etiket_gui.osys.hostname import host_name
from etiket_gui.osys.processes import ProcessIdentity, is_alive, own_identity

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger(__name__)

LOCK_FILE = "lock"
_POLL_S = 0.05
#: Windows locks forbid reading, so the locked byte lies far behind the text that says who holds it.
_LOCKED_BYTE = 1 << 30
_MOST_TEXT_BYTES = 4096
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK}
_NO_LOCKS_HERE = {
    getattr(errno, name) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL") if hasattr(errno, name)
}

_held: weakref.WeakSet[HomeLock] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who holds, or last held, the lock of a home."""

    process: ProcessIdentity
    host: str
    since_ns: int

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, so that its process can be looked at."""
        return self.host == host_name()

    @property
    def is_running(self) -> bool:
        """Whether that very process runs on this machine now."""
        return self.is_here and is_alive(self.process)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"process {self.process.pid} on {self.host}, since {since}"


def read_owner(run_folder: Path) -> LockOwner | None:
    """Who wrote the lock file of that run folder; None when nobody did or its text makes no sense."""
    try:
        with (run_folder / LOCK_FILE).open("rb") as file:
            value = json.loads(file.read(_MOST_TEXT_BYTES))
        return LockOwner(
            ProcessIdentity(int(value["pid"]), str(value["start"])), str(value["host"]), int(value["since_ns"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


class HomeLock:
    """The exclusive lock of one home, held by the operating system and therefore gone with its process.

    ``run_folder`` is the home's run folder; it is made when missing. The lock file is never deleted: deleting
    would let two processes lock two files of the same name.
    """

    def __init__(self, run_folder: Path) -> None:
        self.run_folder = run_folder
        self.path = run_folder / LOCK_FILE
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self, *, wait_s: float = 0.0) -> None:
        """Take the lock, waiting for it at most ``wait_s``.

        Raises HomeInUse when somebody else has it, PermissionRefused when the run folder may not be written, and
        StoreProblem when its disk does not let us.
        """
        if self._fd is not None:
            return
        end_s = time.monotonic() + wait_s
        while True:
            fd = self._open()
            try:
                is_ours = _is_locked_by(fd) and not self._is_held_without_lock()
            except BaseException:
                os.close(fd)
                raise
            if is_ours:
                break
            os.close(fd)
            if time.monotonic() >= end_s:
                raise self._in_use()
            time.sleep(_POLL_S)
        self._fd = fd
        _held.add(self)
        self._sign(fd)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        fd, self._fd = self._fd, None
        _held.discard(self)
        if fd is None:
            return
        try:
            os.ftruncate(fd, 0)
        except OSError as error:
            logger.debug("The lock file %s could not be emptied: %s", self.path, error)
        _unlock(fd)
        os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def forget_in_child(self) -> None:
        """After a fork: the child closes its copy of the file, so that the lock ends with the parent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _open(self) -> int:
        try:
            self.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except PermissionError as error:
            raise PermissionRefused(
                f"{self.path} may not be written by this account, so the program cannot tell whether it already runs.",
                advice="Give this account the right to write there, or name another home with --home.",
                path=str(self.path),
            ) from error
        except OSError as error:
            raise StoreProblem(
                f"{self.path} cannot be opened: {error.strerror or error}.", path=str(self.path)
            ) from error

    def _is_held_without_lock(self) -> bool:
        """Whether a living process signed the file although its lock is free: some file systems lock nothing."""
        if not guards.is_on("lock-owner-lives"):
            return False
        owner = read_owner(self.run_folder)
        if owner is None or not owner.is_here:
            return False
        if owner.process.pid == os.getpid():
            mine = os.path.realpath(self.path)
            return any(lock.is_held and os.path.realpath(lock.path) == mine for lock in list(_held))
        return is_alive(owner.process) or not guards.is_on("stale-lock")

    def _in_use(self) -> HomeInUse:
        owner = read_owner(self.run_folder)
        home = self.run_folder.parent
        by = "another program" if owner is None else str(owner)
        return HomeInUse(
            f"The home {home} is in use by {by}.",
            advice="Wait until it has finished, stop it with 'etiket-sync stop', or name another home with --home.",
            path=str(home),
        )

    def _sign(self, fd: int) -> None:
        own = own_identity()
        text = json.dumps({"pid": own.pid, "start": own.start, "host": host_name(), "since_ns": time.time_ns()})
        try:
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
            os.write(fd, text.encode("ascii"))
        except OSError as error:
            # The lock itself holds; a full disk only costs the sentence about who has it.
            logger.debug("The lock file %s could not be signed: %s", self.path, error)


def _is_locked_by(fd: int) -> bool:
    """Lock the open file for this process; False when somebody else has it locked."""
    if not guards.is_on("home-lock"):
        return True
    try:
        _lock(fd)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        if error.errno in _NO_LOCKS_HERE:
            return True
        raise StoreProblem(f"The lock of the home cannot be taken: {error.strerror or error}.") from error
    return True


if sys.platform == "win32":

    def _lock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _unlock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        except OSError as error:
            logger.debug("The lock was already free: %s", error)

else:

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_UN)
        except OSError as error:
            logger.debug("The lock was already free: %s", error)

    def _forget_all() -> None:
        for lock in list(_held):
            lock.forget_in_child()
        _held.clear()

    os.register_at_fork(after_in_child=_forget_all)
