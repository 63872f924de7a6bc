"""``python -m etiket_gui`` starts what its arguments name and imports nothing heavy before it knows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etiket_gui import __main__
from etiket_gui.cli import main as command_line
from etiket_gui.worker import process


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "--json"], ["status", "--json"]),
        ([], []),
        (["--headless"], ["run"]),
        (["--home", "/x", "--headless"], ["--home", "/x", "run"]),
        (["--headless", "--home", "/x"], ["--home", "/x", "run"]),
    ],
)
def test_command_line_gets_the_arguments(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    called: list[list[str]] = []

    def run(argv: list[str]) -> int:
        called.append(argv)
        return 3

    monkeypatch.setattr(command_line, "main", run)
    assert __main__.main(arguments) == 3
    assert called == [expected]


@pytest.mark.parametrize(("arguments", "role"), [(["--worker"], "work"), (["--worker", "--role", "watch"], "watch")])
def test_worker_gets_its_role(monkeypatch: pytest.MonkeyPatch, arguments: list[str], role: str) -> None:
    called: list[str] = []

    def run(given: str = "work") -> int:
        called.append(given)
        return 0

    monkeypatch.setattr(process, "main", run)
    assert __main__.main(arguments) == 0
    assert called == [role]


def test_module_imports_nothing_before_it_knows_what_to_do() -> None:
    script = (
        "import sys; before = set(sys.modules); import etiket_gui.__main__;"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('etiket_gui')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['etiket_gui', 'etiket_gui.__main__']"
