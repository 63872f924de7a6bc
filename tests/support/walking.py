"""Looks for files in folders that others change meanwhile: what goes away while it is looked at is not there."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path


def found_below(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder whose name matches a pattern; like ``rglob``, which stops at a folder that is gone."""
    return [
        Path(place, name) for place, _, names in os.walk(folder) for name in names if fnmatch.fnmatchcase(name, pattern)
    ]


def size_bytes(path: Path) -> int:
    """How large a file is; 0 once it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
