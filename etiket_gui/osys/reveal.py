"""Shows a file or folder in the system's file manager; may start a program, so never called where waiting matters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from etiket_gui.domain.errors import SourceGone, UsageError

_DBUS = (
    "dbus-send", "--session", "--print-reply", "--reply-timeout=3000", "--dest=org.freedesktop.FileManager1",
    "/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems",
)  # fmt: skip
_TIMEOUT_S = 10.0

Start = Callable[[Sequence[str]], int]


def reveal(path: Path, *, platform: str = sys.platform, start: Start | None = None) -> Path:
    """Show ``path`` marked in its folder, or its nearest folder that is still there; returns what was shown.

    Raises SourceGone when nothing of the path is there any more, UsageError when no file manager can be started.
    """
    shown = _nearest(path)
    start = _run if start is None else start
    for command in _commands(shown, platform):
        if start(command) == 0:
            return shown
    raise UsageError(f"No file manager could show {shown}.", advice="Open the folder by hand.", path=str(shown))


def _nearest(path: Path) -> Path:
    for candidate in (path, *path.parents):
        if os.path.lexists(candidate) and (candidate == path or candidate != candidate.parent):
            return candidate
    raise SourceGone(f"{path} is no longer there, nor any folder above it.", path=str(path))


def _commands(path: Path, platform: str) -> list[list[str]]:
    """What may show it, the best first."""
    if platform == "win32":
        # The explorer always ends with 1.
        return [["explorer", str(path) if path.is_dir() else f"/select,{path}"]]
    if platform == "darwin":
        return [["open", str(path)] if path.is_dir() else ["open", "-R", str(path)]]
    folder = path if path.is_dir() and not path.is_symlink() else path.parent
    found = []
    if folder != path and shutil.which(_DBUS[0]) and os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        found.append([*_DBUS, f"array:string:{path.as_uri()}", "string:"])
    return [*found, ["xdg-open", str(folder)]]


def _run(command: Sequence[str]) -> int:
    """Start it without any of our environment that is not for it; its exit code, or 1 when it cannot be started."""
    environment = {name: value for name, value in os.environ.items() if name not in {"LD_LIBRARY_PATH", "PYTHONPATH"}}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
            timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        # It stays open, as file managers do.
        return 0
    except OSError:
        return 1
    return 0 if sys.platform == "win32" else done.returncode
