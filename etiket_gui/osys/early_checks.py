"""What must be true of this machine before anything starts: Python, SQLite, and a home that can be written."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from etiket_gui.domain import guards
from etiket_gui.domain.errors import PermissionRefused, StoreProblem, UsageError

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)


def check_machine(
    python: tuple[int, ...] = sys.version_info[:3], sqlite: tuple[int, ...] = sqlite3.sqlite_version_info
) -> None:
    """Refuse a Python or SQLite that is too old. Raises UsageError with what to install."""
    if python < OLDEST_PYTHON:
        raise UsageError(
            f"This program needs Python {_version(OLDEST_PYTHON)} or newer; this is {_version(python)}.",
            advice="Install a newer Python and make the environment again.",
        )
    if sqlite < OLDEST_SQLITE:
        raise UsageError(
            f"This program needs SQLite {_version(OLDEST_SQLITE)} or newer; this Python brings {_version(sqlite)}.",
            advice="Use a Python that brings a newer SQLite; those from python.org do.",
        )


def check_writable(folder: Path) -> None:
    """Make the folder if it is missing and prove that files can be made there.

    Raises PermissionRefused where this account may not write, StoreProblem when its disk is full or broken.
    """
    if not guards.is_on("home-writable"):
        return
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(b"?")
        probe.unlink()
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise PermissionRefused(
            f"{folder} cannot be written: {error.strerror}.",
            advice=f"Give this account the right to write to {folder}, or name another home with --home.",
            path=str(folder),
        ) from error
    except OSError as error:
        raise StoreProblem(
            f"{folder} cannot be written: {error.strerror or error}.",
            advice="Make space there, or name another home with --home.",
            path=str(folder),
        ) from error


def _version(parts: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in parts)
