"""``python -m etiket_gui`` starts what its arguments name and imports nothing heavy before it knows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etiket_gui import __main__, bootstrap
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
    monkeypatch.setattr(__main__, "has_display", lambda: False)
    assert __main__.main(arguments) == 3
    assert called == [expected]


@pytest.mark.parametrize(
    ("arguments", "home", "is_hidden"),
    [
        ([], None, False),
        (["--hidden"], None, True),
        (["--home", "/x"], "/x", False),
        (["--home=/x", "--hidden"], "/x", True),
    ],
)
def test_window_opens_where_there_is_a_display(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], home: str | None, is_hidden: bool
) -> None:
    started: list[tuple[str | None, bool]] = []

    def start(home_path: str | None, *, is_hidden: bool = False) -> int:
        started.append((home_path, is_hidden))
        return 4

    monkeypatch.setattr(__main__, "has_display", lambda: True)
    monkeypatch.setattr(bootstrap, "start_window", start)
    assert __main__.main(arguments) == 4
    assert started == [(home, is_hidden)]


def test_without_a_display_a_start_in_the_tray_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "has_display", lambda: False)
    assert __main__.main(["--hidden"]) == 2
    assert "no display" in capsys.readouterr().err


def test_help_of_the_window_needs_no_display(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--help"]) == 0
    assert "--hidden" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there a window can always be shown")
def test_display_that_is_named_but_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for display in ("", ":987654"):
        monkeypatch.setenv("DISPLAY", display)
        assert not __main__.has_display()


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
