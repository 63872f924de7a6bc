"""Whether packaging/run.sh means the window or the command line."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest

from tests.unit.packaging.test_environments import LIBRARY


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module that starts the program, on a machine with Qt's libraries."""
    environments = types.ModuleType("environments")
    environments.missing_libraries = lambda libraries: []  # type: ignore[attr-defined]
    environments.QT_WINDOWS = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "environments", environments)
    spec = importlib.util.spec_from_file_location("packaging_launch_window", LIBRARY / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return module


def test_without_arguments_a_display_means_the_window(launch: types.ModuleType) -> None:
    assert launch.wants_window([])
    assert launch.wants_window(["--hidden"])


@pytest.mark.parametrize("arguments", [["status"], ["--help"], ["--home", "/x"], ["--hidden", "run"]])
def test_arguments_mean_the_command_line(launch: types.ModuleType, arguments: list[str]) -> None:
    assert not launch.wants_window(arguments)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there a window can always be shown")
def test_without_a_display_nothing_means_the_window(launch: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    assert not launch.wants_window([])
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert launch.wants_window([])


def test_window_that_cannot_be_shown_is_not_meant(launch: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.environments, "missing_libraries", lambda libraries: ["libxcb-cursor0"])
    assert launch.wants_window([]) == (sys.platform in {"win32", "darwin"})
