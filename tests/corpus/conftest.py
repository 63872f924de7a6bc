"""Tests over the real sample files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.samples import MISSING, corpus_folder

_HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in here is a corpus test; without sample files it is skipped, saying why."""
    missing = corpus_folder() is None
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.corpus)
            if missing:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample files; only to be read."""
    folder = corpus_folder()
    assert folder is not None
    return folder
