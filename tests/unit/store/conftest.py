"""A fresh store for each test of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.store_bench import StoreBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StoreBench]:
    """One source, one destination, nothing found yet."""
    made = StoreBench(tmp_path / "store.sqlite")
    yield made
    made.close()


@pytest.fixture
def two_way_bench(tmp_path: Path) -> Iterator[StoreBench]:
    """One source that goes to two destinations."""
    made = StoreBench(tmp_path / "store.sqlite", destinations=2)
    yield made
    made.close()
