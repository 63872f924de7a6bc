"""A desktop of the test's own, and measurements of an account that uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desktop import NEEDED, Desktop
from tests.support.lab_folders import write_lab


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    """An X server with a window manager; everything started on it ends with the test."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path / "desktop"
    folder.mkdir()
    made = Desktop(folder, size="1920x1080")
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def measurements(account_folder: Path) -> Path:
    """Six datasets of two days, where the first start looks by itself."""
    root = account_folder / "data"
    write_lab(root, range(6), a_day=3)
    return root
