"""An archive to read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stored_archive import StoredArchive


@pytest.fixture
def archive(tmp_path: Path) -> StoredArchive:
    """An empty archive."""
    return StoredArchive(tmp_path / "archive")
