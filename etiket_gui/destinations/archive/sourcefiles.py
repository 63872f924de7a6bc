"""Reads source files without disturbing them, and refuses what changed between two looks."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable

from etiket_gui.domain import guards
from etiket_gui.domain.content import SourceFile
from etiket_gui.domain.errors import SourceChanged, source_error
from etiket_gui.osys.files import open_source

#: Up to this size a file is read whole; beyond, it is copied by the system while it is hashed.
SMALL_FILE_BYTES = 1024 * 1024
HASH_CHUNK_BYTES = 1024 * 1024


def check_unchanged_since_look(file: SourceFile, status: os.stat_result) -> None:
    """Compare a source file with what its backend saw. Raises SourceChanged."""
    entry = file.entry
    if not stat.S_ISREG(status.st_mode):
        raise SourceChanged(f"{file.path} is no longer a regular file.", path=file.path)
    is_same = status.st_size == entry.size_bytes and (
        file.is_derived
        or (
            status.st_mtime_ns == entry.mtime_ns
            and (not entry.ctime_ns or status.st_ctime_ns == entry.ctime_ns)
            and (not entry.inode or status.st_ino == entry.inode)
        )
    )
    if not is_same and guards.is_on("compare-before-read"):
        raise SourceChanged(f"{file.path} changed after it was looked at.", path=file.path)


def check_unchanged_while_read(file: SourceFile, before: os.stat_result, after: os.stat_result) -> None:
    """Compare two looks at an open source file, before its first and after its last byte. Raises SourceChanged."""
    is_same = (
        before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )
    if not is_same and guards.is_on("restat-after-read"):
        raise SourceChanged(f"{file.path} changed while it was being read.", path=file.path)


def check_expected(file: SourceFile, sha256: str) -> None:
    """Compare with the hash a backend took, where it took one. Raises SourceChanged."""
    if file.entry.sha256 is not None and file.entry.sha256 != sha256:
        raise SourceChanged(f"{file.path} holds other bytes than when it was looked at.", path=file.path)


def read_small(file: SourceFile) -> tuple[bytes, str]:
    """(content, SHA-256) of a small source file, read once. Raises SourceChanged and the known source failures."""
    path = file.path
    try:
        fd = open_source(path)
        try:
            before = os.fstat(fd)
            check_unchanged_since_look(file, before)
            data = os.read(fd, before.st_size + 1)
            while len(data) < before.st_size and (more := os.read(fd, before.st_size + 1 - len(data))):
                data += more
            after = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise source_error(error, path) from error
    check_unchanged_while_read(file, before, after)
    if len(data) != before.st_size and guards.is_on("restat-after-read"):
        raise SourceChanged(f"{path} has other bytes than its size says.", path=path)
    sha256 = hashlib.sha256(data).hexdigest()
    check_expected(file, sha256)
    return data, sha256


def hash_descriptor(fd: int, size_bytes: int, check: Callable[[], None]) -> str:
    """SHA-256 in hex of an open file's whole content, of whatever length it has. Raises OSError and Stopped."""
    if size_bytes <= SMALL_FILE_BYTES and sys.platform != "win32":
        data = os.pread(fd, size_bytes + 1, 0)
        if len(data) == size_bytes:
            return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    os.lseek(fd, 0, os.SEEK_SET)
    while data := os.read(fd, HASH_CHUNK_BYTES):
        digest.update(data)
        check()
    return digest.hexdigest()
