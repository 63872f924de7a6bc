"""The real QCoDeS, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.samples import MISSING, corpus_folder

Oracle = Callable[..., Any]


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """Asks real QCoDeS; skipped where packaging/test.sh --oracles did not install it."""
    python = os.environ.get("ETIKET_GUI_QCODES_PYTHON")
    if not python:
        pytest.skip("real QCoDeS is not installed here (packaging/test.sh --oracles)")

    def ask(*arguments: object) -> Any:
        script = Path(__file__).parent / "with_qcodes.py"
        ran = subprocess.run(
            [python, str(script), *map(str, arguments)], capture_output=True, text=True, timeout=110, check=False
        )
        lines = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
        assert lines, ran.stderr[-3000:]
        return json.loads(lines[-1].removeprefix("RESULT "))

    return ask


@pytest.fixture(scope="session")
def samples() -> Path:
    """The QCoDeS samples."""
    folder = corpus_folder()
    if folder is None:
        pytest.skip(MISSING)
    return folder / "qcodes"
