"""Where the program's pictures and translations lie: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def resources_folder() -> Path:
    """The folder of icons and translations."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "resources"
    return installed if installed.is_dir() else package.parent / "resources"
