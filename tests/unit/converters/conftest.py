"""What the tests of converters have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_zarr_threads() -> Iterator[None]:
    """zarr keeps threads for its work; here they end with the test that made them."""
    yield
    if "zarr" in sys.modules:
        from zarr.core.sync import cleanup_resources

        cleanup_resources()
