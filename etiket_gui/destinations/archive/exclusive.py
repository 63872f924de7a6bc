"""Gives a file its final name only where that name is free, on every file system."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress

from etiket_gui.destinations.archive.layout import LOCKS
from etiket_gui.destinations.archive.session import WriteSession
from etiket_gui.domain import guards
from etiket_gui.domain.errors import FileBusy
from etiket_gui.osys.durability import NotSupported
from etiket_gui.osys.files import Folder

#: A lock older than this was left by a writer that died.
_STALE_LOCK_S = 600.0


def publish_file(session: WriteSession, parent: Folder, name: str, target: Folder, target_name: str) -> None:
    """Move a file from the temporary folder to a name that must be free.

    Raises FileExistsError where anything is there, FileBusy where another writer holds the name, and OSError.
    """
    files = session.files
    if not guards.is_on("exclusive-publish"):
        files.rename(parent, name, target, target_name)
        return
    try:
        files.publish_file(parent, name, target, target_name)
    except NotSupported:
        _publish_under_lock(session, parent, name, target, target_name)


def _publish_under_lock(session: WriteSession, parent: Folder, name: str, target: Folder, target_name: str) -> None:
    files = session.files
    path = os.path.relpath(os.path.join(target.path, target_name), session.layout.root)
    lock = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with files.folder(session.root, LOCKS, make=True) as locks:
        _take(session, locks, lock, path)
        try:
            try:
                files.status(target, target_name)
            except FileNotFoundError:
                files.rename(parent, name, target, target_name)
            else:
                raise FileExistsError(target_name)
        finally:
            with suppress(OSError):
                files.unlink(locks, lock)


def _take(session: WriteSession, locks: Folder, lock: str, path: str) -> None:
    files = session.files
    try:
        files.close_file(files.create(locks, lock, 0o644))
        return
    except FileExistsError:
        pass
    with suppress(FileNotFoundError):
        if time.time() - files.status(locks, lock).st_mtime > _STALE_LOCK_S:
            files.unlink(locks, lock)
    try:
        files.close_file(files.create(locks, lock, 0o644))
    except FileExistsError as error:
        raise FileBusy(f"Another program is just writing {path} in the archive.", path=path) from error
