"""Runs the command line inside the test's process and keeps what it printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)


class CommandLineRunner:
    """``etiket-sync`` as a function."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        """Run one command."""
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    def ok(self, *arguments: object) -> Ended:
        """Run one command that must succeed."""
        ended = self(*arguments)
        assert ended.code == 0, ended
        return ended


def make_datasets(root: Path, *names: str) -> Path:
    """A folder with one dataset folder per name, each with two files that have been quiet for long."""
    import os

    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        for file, content in (("data.txt", f"data of {name}\n"), ("notes.txt", "µ\n")):
            (folder / file).write_text(content, encoding="utf-8")
            os.utime(folder / file, ns=(10**18, 10**18))
    return root
