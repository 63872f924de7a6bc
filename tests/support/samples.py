"""Where the real sample files are: ETIKET_GUI_CORPUS, or a samples folder beside the project."""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "samples"
MISSING = "no sample files: set ETIKET_GUI_CORPUS to their folder"


def corpus_folder() -> Path | None:
    """The folder of sample files, or None where there is none on this machine."""
    named = os.environ.get("ETIKET_GUI_CORPUS")
    folder = Path(named) if named else _BESIDE
    return folder if folder.is_dir() else None
