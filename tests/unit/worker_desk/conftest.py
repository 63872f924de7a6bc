"""Runs one job of the window's child process here, without the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.settings.home import Home
from etiket_gui.worker.desk.job import DeskJob
from etiket_gui.worker.desk.kinds import handler_of
from tests.support.command_line import CommandLineRunner

RunJob = Callable[..., dict[str, Any]]


@pytest.fixture
def home(home_folder: Path) -> Home:
    return Home(home_folder)


@pytest.fixture
def told() -> list[dict[str, Any]]:
    """What the job of this test told on its way."""
    return []


@pytest.fixture
def run_job(home: Home, told: list[dict[str, Any]]) -> RunJob:
    def run(job_kind: str, /, **parameters: Any) -> dict[str, Any]:
        handler = handler_of(job_kind)
        assert handler is not None
        return handler(DeskJob(1, job_kind, parameters, home, lambda body: told.append(dict(body))))

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder source with three datasets at depth 1 and files that patterns leave out."""
    root = tmp_path / "fridge data"
    for number in range(3):
        dataset = root / f"run {number}"
        dataset.mkdir(parents=True)
        (dataset / "data.csv").write_bytes(b"x,y\n1,2\n" * 10)
        (dataset / "Thumbs.db").write_bytes(b"thumb")
    (root / "run 0" / "__pycache__").mkdir()
    (root / "run 0" / "__pycache__" / "a.pyc").write_bytes(b"1")
    (root / "run 0" / "__pycache__" / "b.pyc").write_bytes(b"22")
    (root / "notes.txt").write_text("above")
    return root


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> CommandLineRunner:
    """The command line, to configure the home of this test."""
    return CommandLineRunner(capsys)
