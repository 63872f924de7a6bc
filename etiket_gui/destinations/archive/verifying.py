"""Reads stored blobs back and tells which are not what their name says, and whether the bytes came from the disk."""

from __future__ import annotations

import errno
import functools
import hashlib
import mmap
import os
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etiket_gui.destinations.api import FileVerification
from etiket_gui.destinations.archive.layout import BLOBS
from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import FileLayer, Folder

CHUNK_BYTES = 1024 * 1024

#: What is wrong with one file, as opposed to a disk or share that went away.
_ONE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.EINVAL, errno.EISDIR}


@dataclass(frozen=True, slots=True)
class BlobCheck:
    """What reading the blobs of one version found; ``is_from_disk`` says that none of them was in the cache."""

    files: int
    size_bytes: int
    differences: tuple[FileVerification, ...]
    is_from_disk: bool


def check_blobs(
    files: FileLayer, title: Folder, entries: Iterable[FileEntry], stop: StopToken, *, may_lack_empty: bool
) -> BlobCheck:
    """Hash every blob that the entries name, each once. ``may_lack_empty``: an empty file needs no blob.

    Raises Stopped, and OSError where the archive itself goes away.
    """
    names: dict[tuple[str, int], list[str]] = {}
    for entry in entries:
        if entry.sha256 is not None:
            names.setdefault((entry.sha256, entry.size_bytes), []).append(entry.name)
    differences: list[FileVerification] = []
    size_bytes = 0
    is_from_disk = True
    buffer = bytearray(CHUNK_BYTES)
    for (sha256, expected_bytes), owners in names.items():
        stop.check()
        problem, done_bytes, was_cached = _check_blob(files, title, sha256, expected_bytes, buffer, stop)
        if problem == "missing" and expected_bytes == 0 and may_lack_empty:
            problem = ""
        size_bytes += done_bytes
        is_from_disk = is_from_disk and not was_cached
        if problem:
            differences.extend(FileVerification(name, problem) for name in owners)
    return BlobCheck(sum(len(owners) for owners in names.values()), size_bytes, tuple(differences), is_from_disk)


def _check_blob(
    files: FileLayer, title: Folder, sha256: str, expected_bytes: int, buffer: bytearray, stop: StopToken
) -> tuple[str, int, bool]:
    """(what is wrong or "", bytes read, whether they may have come from the cache)."""
    try:
        with files.folder(title, f"{BLOBS}/{sha256[:2]}") as folder:
            descriptor = files.open_file(folder, sha256)
    except OSError as error:
        return _told(error), 0, False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return "is not a file", 0, False
        if found.st_size != expected_bytes:
            return f"differs: it has {found.st_size} bytes instead of {expected_bytes}", 0, False
        drop_from_cache(descriptor)
        was_cached = is_in_cache(descriptor, expected_bytes)
        hasher = hashlib.sha256()
        view = memoryview(buffer)
        done_bytes = 0
        while length := _read_into(descriptor, view):
            stop.check()
            hasher.update(view[:length])
            done_bytes += length
        # A verification of a whole archive must not push everything else out of the machine's memory.
        drop_from_cache(descriptor)
        is_equal = hasher.hexdigest() == sha256 or not guards.is_on("hash-on-verify")
        return "" if is_equal else "differs: its content was changed", done_bytes, was_cached
    except OSError as error:
        return _told(error), 0, False
    finally:
        files.close_file(descriptor)


def _told(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "missing"
    if error.errno == errno.ELOOP:
        return "is a symbolic link, which is not followed"
    if error.errno in _ONE_FILE:
        return f"cannot be read: {error.strerror}"
    raise error


if sys.platform == "win32":

    def _read_into(descriptor: int, view: memoryview) -> int:
        data = os.read(descriptor, len(view))
        view[: len(data)] = data
        return len(data)

    def drop_from_cache(descriptor: int) -> None:
        """Windows has no such call."""

else:

    def _read_into(descriptor: int, view: memoryview) -> int:
        return os.readv(descriptor, [view])

    def drop_from_cache(descriptor: int) -> None:
        """Ask the system to forget the pages of an open file that are already on the disk."""
        if sys.platform == "linux":
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@functools.cache
def _mincore() -> Callable[[int, int, object], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).mincore
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    call.restype = ctypes.c_int
    return call


def is_in_cache(descriptor: int, size_bytes: int) -> bool:
    """Whether any page of the open file is in memory; True as well where the system does not tell."""
    if size_bytes == 0:
        return False
    if sys.platform != "linux":
        return True
    mincore = _mincore()
    if mincore is None:
        return True
    import ctypes

    pages = ctypes.create_string_buffer(-(-size_bytes // mmap.PAGESIZE))
    try:
        # A private writable map is the only kind ctypes takes an address of; nothing is ever written to it.
        with mmap.mmap(descriptor, size_bytes, access=mmap.ACCESS_COPY) as mapped:
            first = ctypes.c_char.from_buffer(mapped)
            try:
                failed = mincore(ctypes.addressof(first), size_bytes, pages)
            finally:
                del first
    except (OSError, ValueError):
        return True
    return bool(failed) or pages.raw.count(b"\0") != len(pages)
