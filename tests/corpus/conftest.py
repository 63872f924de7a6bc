"""Where the real sample files are: ETIKET_GUI_CORPUS, or a samples folder beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "samples"


def corpus_folder() -> Path | None:
    """The folder of sample files, or None where there is none on this machine."""
    named = os.environ.get("ETIKET_GUI_CORPUS")
    folder = Path(named) if named else _BESIDE
    return folder if folder.is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in here is a corpus test; without sample files it is skipped, saying why."""
    missing = corpus_folder() is None
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.corpus)
            if missing:
                item.add_marker(pytest.mark.skip(reason="no sample files: set ETIKET_GUI_CORPUS to their folder"))


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample files; only to be read."""
    folder = corpus_folder()
    assert folder is not None
    return folder
