"""Paths beyond the 260 characters that Windows allows without asking."""

from __future__ import annotations

import ntpath
import sys

from etiket_gui.domain import guards


def extended_path(path: str, platform: str = sys.platform) -> str:
    r"""The path in Windows' extended form (``\\?\C:\…``, ``\\?\UNC\server\…``), for which no length limit holds.

    Every path joined below it is extended too. On other systems, and for a relative path, the path itself.
    """
    if platform != "win32" or not guards.is_on("extended-paths"):
        return path
    if path.startswith(("\\\\?\\", "\\\\.\\")) or not ntpath.isabs(path):
        return path
    # Windows resolves neither "/" nor ".." in an extended path.
    plain = ntpath.normpath(path)
    if plain.startswith("\\\\"):
        return f"\\\\?\\UNC\\{plain[2:]}"
    return f"\\\\?\\{plain}" if ntpath.splitdrive(plain)[0] else path
