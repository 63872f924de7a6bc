"""Complete copies of a store: one file, whole or not there; standard library only."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from etiket_gui.store.failures import known_failures


def copy_store(path: Path, target: Path) -> None:
    """Copy the store at ``path`` (also while it is written) to ``target``, synced, by a temporary name.

    Any thread may call this. Raises StoreProblem when there is no room or the store is damaged.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    with known_failures(path):
        try:
            with (
                contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
                contextlib.closing(sqlite3.connect(temporary)) as copy,
            ):
                # One step reads one state of the store; in WAL mode nobody waits for it meanwhile.
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
