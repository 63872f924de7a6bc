"""The command line as a function, with folders to work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CommandLineRunner, make_datasets


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> CommandLineRunner:
    """``cli("status", "--json")`` gives exit code, stdout and stderr."""
    return CommandLineRunner(capsys)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with three datasets."""
    return make_datasets(tmp_path / "data", "run 1", "run 2 µ", "run 3")


@pytest.fixture
def configured(cli: CommandLineRunner, data: Path, tmp_path: Path) -> CommandLineRunner:
    """A home with the archive ``arch`` and the source ``lab``."""
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0.2s")
    return cli
