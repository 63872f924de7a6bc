"""What is left of a crash of the program: found at the next start, shown once, without secrets. No Qt here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etiket_gui.credentials.logs import CRASH_FILE
from etiket_gui.credentials.redaction import redact

_MOST_BYTES = 200_000
_MOST_KEPT = 5


@dataclass(frozen=True, slots=True)
class CrashReport:
    """When the program crashed (ns since 1970 UTC), where the report is kept, and what it says, redacted."""

    at_ns: int
    path: Path
    text: str


def take_last_crash(logs: Path, *, hide: Callable[[str], str] | None = None) -> CrashReport | None:
    """The report of a crash nobody was shown yet; it is put aside, so that it is shown once. None: there was none.

    Never raises: a folder that cannot be written must not stop the start.
    """
    path = logs / CRASH_FILE
    try:
        found = path.stat()
        if not found.st_size:
            return None
        with path.open("rb") as file:
            file.seek(max(0, found.st_size - _MOST_BYTES))
            text = file.read().decode("utf-8", "backslashreplace")
    except OSError:
        return None
    stamp = datetime.fromtimestamp(found.st_mtime, UTC).strftime("%Y%m%d-%H%M%S")
    kept = path.with_name(f"crash-{stamp}.log")
    try:
        os.replace(path, kept)
        _remove_old(logs)
    except OSError:
        kept = path
    return CrashReport(found.st_mtime_ns, kept, (hide or hide_account)(text))


def hide_account(text: str) -> str:
    """The text without secrets and without the account's folder."""
    hidden = redact(text)
    folder = os.path.expanduser("~")
    return hidden.replace(folder, "~") if len(folder) > 2 else hidden


def _remove_old(logs: Path) -> None:
    kept = sorted(path for path in logs.iterdir() if re.fullmatch(r"crash-\d{8}-\d{6}\.log", path.name))
    for path in kept[:-_MOST_KEPT]:
        path.unlink()
