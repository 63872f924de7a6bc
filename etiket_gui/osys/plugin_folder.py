"""The folder in which a person may put plug-ins: used only where nobody else could have put something into it."""

from __future__ import annotations

import importlib
import os
import stat
import sys
import threading
from pathlib import Path

_lock = threading.Lock()
_folder: Path | None = None


def use(folder: Path) -> None:
    """From now on plug-ins of this process may lie in that folder (as ``pip install --target`` puts them there)."""
    global _folder
    with _lock:
        if _folder is not None and _folder != folder:
            _leave(_folder)
        _folder = folder
    look()


def look() -> str:
    """Look at the folder again; returns why it is not used, empty where it is or where there is none.

    A folder that is refused is taken off the import path; what was imported from it before stays until a restart.
    """
    with _lock:
        if _folder is None:
            return ""
        refusal = why_refused(_folder)
        if refusal or not _folder.is_dir():
            _leave(_folder)
        elif os.fspath(_folder) not in sys.path:
            # At the end: nothing in it can stand in front of what is installed.
            sys.path.append(os.fspath(_folder))
            importlib.invalidate_caches()
        return refusal


def _leave(left: Path) -> None:
    while os.fspath(left) in sys.path:
        sys.path.remove(os.fspath(left))


def why_refused(folder: Path) -> str:
    """Why plug-ins of that folder are not used, in a sentence; empty when they may be, or when there is no folder."""
    try:
        status = os.stat(folder)
        if not stat.S_ISDIR(status.st_mode):
            return f"{folder} is not a folder."
        entries = [(entry.path, entry.stat()) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{folder} cannot be looked into: {error.strerror or error}."
    if sys.platform == "win32":
        # The rights of a folder in the user's profile come from the profile.
        return ""
    for path, found in ((str(folder), status), *entries):
        if found.st_uid != os.geteuid():
            return f"{path} belongs to another account, so no plug-in is loaded from {folder}."
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{path} can be written by other accounts, so no plug-in is loaded from {folder}: chmod go-w {path}"
    return ""
