"""Making writes survive a power cut, and renames that never replace: system calls Python has no name for."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Any

from etiket_gui.domain import guards

_NOREPLACE = 1
_EXCL_DARWIN = 4
_SYNC_FILE_RANGE_WRITE = 2
_FULLFSYNC_DARWIN = 51
_NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, getattr(errno, "EOPNOTSUPP", errno.ENOSYS), errno.EPERM})


def _library() -> Any:
    if sys.platform == "win32":
        return None
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


def _function(name: str, *arguments: Any) -> Any:
    library = _library()
    found = getattr(library, name, None) if library is not None else None
    if found is not None:
        found.argtypes = arguments
        found.restype = ctypes.c_int
    return found


_syncfs = _function("syncfs", ctypes.c_int) if sys.platform == "linux" else None
_sync_file_range = (
    _function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    if sys.platform == "linux"
    else None
)
_rename_names = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
if sys.platform == "linux":
    _renameat2 = _function("renameat2", *_rename_names)
elif sys.platform == "darwin":
    _renameat2 = _function("renameatx_np", *_rename_names)
else:
    _renameat2 = None


class NotSupported(OSError):
    """The system or the file system has no such call; the caller takes another way."""


def has_whole_sync() -> bool:
    """Whether one call can make everything written to a file system durable."""
    return _syncfs is not None


def sync_whole(folder_fd: int) -> None:
    """Make everything written to the file system of an open folder durable. Raises OSError and NotSupported."""
    if _syncfs is None:
        raise NotSupported(errno.ENOSYS, "no syncfs here")
    if _syncfs(folder_fd) != 0:
        code = ctypes.get_errno()
        if code in {errno.ENOSYS, errno.EINVAL}:
            raise NotSupported(code, os.strerror(code))
        raise OSError(code, os.strerror(code), "syncfs")


def sync_file(fd: int) -> None:
    """Make a file's bytes and size durable. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        try:
            # fsync alone leaves the bytes in the drive's cache there.
            fcntl.fcntl(fd, _FULLFSYNC_DARWIN)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            os.fsync(fd)
    elif sys.platform == "win32":
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def sync_folder(fd: int) -> None:
    """Make a folder's entries durable where the file system can. Raises OSError."""
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems refuse to sync a folder and write its entries through anyway.
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.EBADF, getattr(errno, "EOPNOTSUPP", errno.ENOSYS)}:
            raise


def start_writeback(fd: int, offset: int, length_bytes: int) -> None:
    """Begin to write that part of a file to the disk without waiting; a hint that may be ignored."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length_bytes, _SYNC_FILE_RANGE_WRITE)


def copy_range(source_fd: int, target_fd: int, offset: int, length_bytes: int) -> int:
    """Copy bytes between two open files at the same offset inside the kernel; returns how many, 0 at the end.

    Raises NotSupported where the two file systems cannot, OSError otherwise.
    """
    if sys.platform == "linux":
        try:
            return os.copy_file_range(source_fd, target_fd, length_bytes, offset, offset)
        except OSError as error:
            is_elsewhere = error.errno == errno.EXDEV and guards.is_on("copy-across-devices")
            if is_elsewhere or error.errno in _NOT_SUPPORTED | {errno.EBADF}:
                raise NotSupported(error.errno, error.strerror) from error
            raise
    else:
        raise NotSupported(errno.ENOSYS, "no copy_file_range here")


def rename_exclusive(source: str, source_fd: int, target: str, target_fd: int) -> None:
    """Rename below two open folders, never over anything that is there.

    Raises FileExistsError, OSError, and NotSupported where the file system has no such rename.
    """
    if _renameat2 is None:
        raise NotSupported(errno.ENOSYS, "no exclusive rename here")
    flags = _EXCL_DARWIN if sys.platform == "darwin" else _NOREPLACE
    if _renameat2(source_fd, os.fsencode(source), target_fd, os.fsencode(target), flags) != 0:
        code = ctypes.get_errno()
        if code in {errno.ENOSYS, errno.EINVAL, getattr(errno, "EOPNOTSUPP", errno.ENOSYS)}:
            raise NotSupported(code, os.strerror(code), target)
        raise OSError(code, os.strerror(code), target)
