"""The file operations an archive is made of, each relative to an open folder and never through a link."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from etiket_gui.domain import guards
from etiket_gui.osys import durability

_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_NOATIME: int = getattr(os, "O_NOATIME", 0)
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_READ = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _NONBLOCK
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC
_HAS_DIR_FD = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
_SYNC_POOL = 8
#: Between two gentle syncs: so many times what the one before took, at most so long.
_GENTLE_REST, _LONGEST_REST_S = 3.0, 0.02
_RETRIES = 5
_RETRY_DELAY_S = 0.05
#: What Windows says while a scanner or an indexer holds a file: access denied, sharing and lock violation.
_HELD_BY_SCANNER = frozenset({5, 32, 33})
_LONG_PATH = 240


class LinkOnTheWay(OSError):
    """A folder of the archive turned out to be a symbolic link or a junction; it is not followed."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder: its absolute path, and its descriptor where the system can work below one (else -1)."""

    path: str
    fd: int


def extended(path: str) -> str:
    """The path as Windows takes it beyond 260 characters; unchanged elsewhere."""
    if sys.platform != "win32" or len(path) < _LONG_PATH or path.startswith("\\\\?\\"):
        return path
    absolute = os.path.abspath(path)
    return "\\\\?\\UNC\\" + absolute[2:] if absolute.startswith("\\\\") else "\\\\?\\" + absolute


def open_source(path: str) -> int:
    """A descriptor of a source file for reading: no link followed, no access time moved. Raises OSError."""
    if _NOATIME:
        try:
            return os.open(path, _READ | _NOATIME)
        except PermissionError:
            # Only the owner may ask for that; whether the file can be read at all is another question.
            pass
    return os.open(extended(path), _READ)


def let_read_ahead(fd: int, *, is_wanted: bool) -> None:
    """Whether the system may read more of an open file than is asked for; a hint that may be ignored.

    On some systems that is 8 MiB at a time, for which everybody else's requests wait.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_NORMAL if is_wanted else os.POSIX_FADV_RANDOM)


def read_at(fd: int, buffer: memoryview, offset: int) -> int:
    """Fill the buffer from that offset; returns how many bytes there were. Raises OSError."""
    if sys.platform != "win32":
        return os.preadv(fd, [buffer], offset)
    os.lseek(fd, offset, os.SEEK_SET)
    data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def is_link_like(status: os.stat_result) -> bool:
    """Whether this is a symbolic link, or a junction on Windows."""
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0))


class FileLayer:
    """The real file system. Every method raises OSError as the system gives it.

    ``name`` is one component, or a ``/``-separated path inside a folder that this process made itself.
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, has_dir_fd: bool = _HAS_DIR_FD) -> None:
        self._sleep = sleep
        self._has_dir_fd = has_dir_fd

    # ------------------------------------------------------------------ folders

    def open_root(self, path: str) -> Folder:
        """The archive's root, which may be reached through links: the person chose it."""
        if not self._has_dir_fd:
            if not stat.S_ISDIR(os.stat(extended(path)).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            return Folder(path, -1)
        return Folder(path, os.open(path, _FOLDER_FLAGS))

    def open_folder(self, parent: Folder, name: str) -> Folder:
        """A folder below another, one component. Raises LinkOnTheWay for a link, NotADirectoryError for a file."""
        path = os.path.join(parent.path, name)
        if parent.fd < 0:
            status = os.lstat(extended(path))
            if is_link_like(status):
                raise LinkOnTheWay(errno.ELOOP, "a link lies where a folder of the archive should be", path)
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            return Folder(path, -1)
        try:
            no_follow = _NOFOLLOW if guards.is_on("no-follow") else 0
            return Folder(path, os.open(name, _FOLDER_FLAGS | no_follow, dir_fd=parent.fd))
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENOTDIR} and self._is_link(parent, name):
                raise LinkOnTheWay(errno.ELOOP, "a link lies where a folder of the archive should be", path) from error
            raise

    def _is_link(self, parent: Folder, name: str) -> bool:
        try:
            return is_link_like(self.status(parent, name))
        except OSError:
            return False

    def open_below(self, top: Folder, relative: str, *, make: bool = False) -> Folder:
        """The folder at a ``/``-separated path, component by component, no link followed; made where asked."""
        here = top
        for name in relative.split("/"):
            try:
                below = self._open_or_make(here, name) if make else self.open_folder(here, name)
            finally:
                if here is not top:
                    self.close_folder(here)
            here = below
        return here

    def _open_or_make(self, parent: Folder, name: str) -> Folder:
        try:
            return self.open_folder(parent, name)
        except FileNotFoundError:
            with suppress(FileExistsError):
                self.make_folder(parent, name)
            return self.open_folder(parent, name)

    @contextmanager
    def folder(self, top: Folder, relative: str, *, make: bool = False) -> Iterator[Folder]:
        """:meth:`open_below`, closed at the end."""
        opened = self.open_below(top, relative, make=make)
        try:
            yield opened
        finally:
            self.close_folder(opened)

    def close_folder(self, folder: Folder) -> None:
        """Give the descriptor back."""
        if folder.fd >= 0:
            os.close(folder.fd)

    def make_folder(self, parent: Folder, name: str) -> None:
        """Make one folder. Raises FileExistsError."""
        if parent.fd >= 0:
            os.mkdir(name, dir_fd=parent.fd)
        else:
            os.mkdir(self._path(parent, name))

    def names(self, folder: Folder) -> list[str]:
        """The names in a folder, in no order."""
        return os.listdir(folder.fd if folder.fd >= 0 else extended(folder.path))

    def status(self, parent: Folder, name: str) -> os.stat_result:
        """What is there under a name, no link followed."""
        if parent.fd >= 0:
            return os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
        return os.lstat(self._path(parent, name))

    def space(self, folder: Folder) -> tuple[int, int]:
        """(free for this account, whole) bytes of the file system."""
        if sys.platform != "win32":
            found = os.statvfs(folder.fd if folder.fd >= 0 else folder.path)
            return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        usage = shutil.disk_usage(folder.path)
        return usage.free, usage.total

    # ------------------------------------------------------------------ files

    def create(self, parent: Folder, name: str, mode: int = 0o444) -> int:
        """A new file, open for writing and reading. Raises FileExistsError."""
        if parent.fd >= 0:
            return os.open(name, _CREATE, mode, dir_fd=parent.fd)
        return os.open(self._path(parent, name), _CREATE, mode)

    def open_file(self, parent: Folder, name: str, *, writable: bool = False) -> int:
        """An existing file; a link is refused (OSError ELOOP)."""
        flags = (os.O_RDWR | _NOFOLLOW | _CLOEXEC) if writable else _READ
        if parent.fd >= 0:
            return os.open(name, flags, dir_fd=parent.fd)
        path = self._path(parent, name)
        if is_link_like(os.lstat(path)):
            raise LinkOnTheWay(errno.ELOOP, "a link lies where a file of the archive should be", path)
        return os.open(path, flags)

    def close_file(self, fd: int) -> None:
        """Give the descriptor back."""
        os.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """Write all of it at the current place."""
        written = os.write(fd, data)
        if written != len(data):
            view = memoryview(data)[written:]
            while view:
                view = view[os.write(fd, view) :]

    def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
        """Copy inside the kernel; returns how many bytes. Raises durability.NotSupported."""
        return durability.copy_range(source_fd, fd, offset, length_bytes)

    def write_at(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of it from that offset on."""
        os.lseek(fd, offset, os.SEEK_SET)
        self.write(fd, data)

    def truncate(self, fd: int, size_bytes: int) -> None:
        """Cut or extend a file to that size."""
        os.ftruncate(fd, size_bytes)

    def set_mode(self, parent: Folder, name: str, fd: int, mode: int) -> None:
        """Change the permissions of an open file of ours."""
        if sys.platform != "win32":
            os.fchmod(fd, mode)
        else:
            os.chmod(self._path(parent, name), mode)

    def touch(self, parent: Folder, name: str) -> None:
        """Set the times of a file to now, by the file system's own clock where it can."""
        if parent.fd >= 0:
            os.utime(name, dir_fd=parent.fd, follow_symlinks=False)
        else:
            os.utime(self._path(parent, name))

    def read_file(self, parent: Folder, name: str, limit_bytes: int) -> bytes:
        """The whole content of a small file. Raises OSError EFBIG where it is larger than the limit."""
        fd = self.open_file(parent, name)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", os.path.join(parent.path, name))
            if status.st_size > limit_bytes:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), os.path.join(parent.path, name))
            parts = []
            while data := os.read(fd, max(status.st_size + 1, 65536)):
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(fd)

    # ------------------------------------------------------------------ names

    def rename(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        """Rename over whatever file is there."""
        if parent.fd >= 0:
            os.replace(name, target_name, src_dir_fd=parent.fd, dst_dir_fd=target.fd)
        else:
            self._patiently(lambda: os.replace(self._path(parent, name), self._path(target, target_name)))

    def publish_folder(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        """Rename a folder to a name that must be free. Raises FileExistsError where anything is there."""
        if parent.fd < 0:
            self._rename_to_free_name(parent, name, target, target_name)
            return
        try:
            durability.rename_exclusive(name, parent.fd, target_name, target.fd)
        except durability.NotSupported:
            # A plain rename of a folder replaces at most an empty one.
            try:
                os.rename(name, target_name, src_dir_fd=parent.fd, dst_dir_fd=target.fd)
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target_name) from error
                raise

    def publish_file(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        """Move a file to a name that must be free. Raises FileExistsError where anything is there.

        Raises durability.NotSupported where the file system can do that neither by rename nor by link.
        """
        if parent.fd < 0:
            if sys.platform == "win32":
                self._rename_to_free_name(parent, name, target, target_name)
            else:
                self._link_and_unlink(parent, name, target, target_name)
            return
        try:
            durability.rename_exclusive(name, parent.fd, target_name, target.fd)
        except durability.NotSupported:
            self._link_and_unlink(parent, name, target, target_name)

    def _rename_to_free_name(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        source, wanted = self._path(parent, name), self._path(target, target_name)
        if sys.platform != "win32" and os.path.lexists(wanted):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), wanted)
        self._patiently(lambda: os.rename(source, wanted))

    def _link_and_unlink(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        try:
            self.link(parent, name, target, target_name)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno in {errno.EPERM, errno.ENOSYS, errno.EMLINK, getattr(errno, "EOPNOTSUPP", errno.EPERM)}:
                raise durability.NotSupported(error.errno, error.strerror, target_name) from error
            raise
        self.discard(parent, name)

    def link(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        """A second name for a file. Raises FileExistsError."""
        if parent.fd >= 0:
            os.link(name, target_name, src_dir_fd=parent.fd, dst_dir_fd=target.fd, follow_symlinks=False)
        else:
            os.link(self._path(parent, name), self._path(target, target_name))

    def unlink(self, parent: Folder, name: str) -> None:
        """Remove a file's name."""
        if parent.fd >= 0:
            os.unlink(name, dir_fd=parent.fd)
            return
        path = self._path(parent, name)
        if sys.platform == "win32":
            with suppress(OSError):
                os.chmod(path, stat.S_IWRITE)
        self._patiently(lambda: os.unlink(path))

    def discard(self, parent: Folder, name: str) -> None:
        """Remove a temporary file's name; where this account may not delete, it stays for somebody who may."""
        with suppress(PermissionError):
            self.unlink(parent, name)

    def remove_folder(self, parent: Folder, name: str) -> None:
        """Remove an empty folder."""
        if parent.fd >= 0:
            os.rmdir(name, dir_fd=parent.fd)
        else:
            self._patiently(lambda: os.rmdir(self._path(parent, name)))

    def remove_tree(self, parent: Folder, name: str, *, deadline_s: float | None = None) -> None:
        """Remove a folder of ours with all below it; links in it are removed and never followed.

        Raises TimeoutError, and leaves the rest, when the monotonic clock passes ``deadline_s``.
        """
        with self.folder(parent, name) as here:
            for below in self.names(here):
                if deadline_s is not None and time.monotonic() > deadline_s:
                    raise TimeoutError(errno.ETIMEDOUT, "there was no time to remove it all", here.path)
                if stat.S_ISDIR(self.status(here, below).st_mode):
                    self.remove_tree(here, below, deadline_s=deadline_s)
                else:
                    self.unlink(here, below)
        self.remove_folder(parent, name)

    def second_handle(self, folder: Folder) -> Folder:
        """The same folder once more, to be closed on its own."""
        return folder if folder.fd < 0 else Folder(folder.path, os.dup(folder.fd))

    # ------------------------------------------------------------------ durability

    def start_writeback(self, fd: int, offset: int, length_bytes: int) -> None:
        """Begin to write a part of a file to the disk without waiting."""
        durability.start_writeback(fd, offset, length_bytes)

    def sync_file(self, fd: int) -> None:
        """Make one file's bytes durable."""
        durability.sync_file(fd)

    def sync_folder(self, folder: Folder) -> None:
        """Make the names in one folder durable."""
        if folder.fd >= 0:
            durability.sync_folder(folder.fd)

    def sync_all(self, folder: Folder) -> bool:
        """Make everything written below the folder's file system durable; False where there is no such call."""
        try:
            durability.sync_whole(folder.fd)
        except durability.NotSupported:
            return False
        return True

    def sync_each(
        self,
        files: Iterable[tuple[Folder, str]],
        folders: Iterable[tuple[Folder, str]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Make single files, and then the names in single folders, durable: eight at a time, nobody else disturbed.

        ``check`` is asked between them and may raise, which ends the work.
        """
        pool = ThreadPoolExecutor(_SYNC_POOL, thread_name_prefix="sync")
        try:
            for _ in pool.map(self._sync_one_file, files):
                check()
            for _ in pool.map(self._sync_one_folder, folders):
                check()
        finally:
            pool.shutdown(cancel_futures=True)

    def sync_gently(
        self,
        files: Iterable[tuple[Folder, str]],
        folders: Iterable[tuple[Folder, str]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """As :meth:`sync_each`, one at a time: after each the disk is left to others for three times as long.

        Syncs that stand in a row before somebody's own add up to what that one waits for.
        """
        for sync, items in ((self._sync_one_file, files), (self._sync_one_folder, folders)):
            for item in items:
                begun_s = time.monotonic()
                sync(item)
                check()
                self._sleep(min(_GENTLE_REST * (time.monotonic() - begun_s), _LONGEST_REST_S))

    def _sync_one_file(self, item: tuple[Folder, str]) -> None:
        parent, name = item
        # Windows flushes only through a handle that may write.
        fd = self.open_file(parent, name, writable=sys.platform == "win32")
        try:
            self.sync_file(fd)
        finally:
            self.close_file(fd)

    def _sync_one_folder(self, item: tuple[Folder, str]) -> None:
        parent, name = item
        if parent.fd < 0:
            return
        if not name:
            self.sync_folder(parent)
            return
        with self.folder(parent, name) as opened:
            self.sync_folder(opened)

    # ------------------------------------------------------------------ inside

    def _path(self, parent: Folder, name: str) -> str:
        path = os.path.join(parent.path, *name.split("/")) if "/" in name else os.path.join(parent.path, name)
        return extended(path)

    def _patiently(self, action: Callable[[], None]) -> None:
        """Do it again a few times while a scanner holds the file."""
        delay_s = _RETRY_DELAY_S
        for _ in range(_RETRIES - 1):
            try:
                action()
                return
            except OSError as error:
                if getattr(error, "winerror", None) not in _HELD_BY_SCANNER:
                    raise
            self._sleep(delay_s)
            delay_s *= 2
        action()
