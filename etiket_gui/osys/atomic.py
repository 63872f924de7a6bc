"""Small files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from etiket_gui.osys import durability


def write_atomically(path: Path | str, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file's content: written beside it, synced, renamed over, folder synced. Raises OSError.

    A reader sees the old content or the new one, also after a power cut; a failure leaves the old file as it was.
    """
    target = os.fspath(path)
    folder = os.path.dirname(target) or "."
    temporary = os.path.join(folder, f".{secrets.token_hex(6)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(temporary, flags, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            durability.sync_file(fd)
        finally:
            os.close(fd)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_parent(target)


def sync_parent(path: Path | str) -> None:
    """Make the entry of a file in its folder durable where the system can. Raises OSError."""
    if sys.platform == "win32":
        return
    fd = os.open(os.path.dirname(os.fspath(path)) or ".", os.O_RDONLY)
    try:
        durability.sync_folder(fd)
    finally:
        os.close(fd)
