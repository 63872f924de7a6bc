"""The oracle of Labber logs is an independent reading of the raw arrays: the program itself cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in here is an oracle test."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.oracles)
