"""The runner of the checks and tests: what is red is red, what is empty is said, and nothing heavy runs unasked."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[3] / "packaging" / "lib"


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    monkeypatch.syspath_prepend(str(LIBRARY))
    before = set(sys.modules)
    yield importlib.import_module("suites")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _expression(step: object) -> str:
    command: list[str] = step.command  # type: ignore[attr-defined]
    return command[command.index("-m", command.index("pytest")) + 1]


def test_core_runs_neither_servers_nor_oracles(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = suites._tests("python", tmp_path, suites._parse([]))
    assert [step.title for step in steps] == [
        "core tests", "crash tests", "crash campaign", "coverage data", "coverage",
    ]  # fmt: skip
    assert _expression(steps[0]) == "not servers and not oracles and not crash"
    assert _expression(steps[1]) == "not servers and not oracles and crash and not slow"
    assert _expression(steps[2]) == "not servers and not oracles and crash and slow"
    assert f"--fail-under={suites.COVERAGE_PERCENT}" in steps[-1].command


def test_heavy_suites_run_when_asked(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = suites._tests("python", tmp_path, suites._parse(["--servers", "--oracles"]))
    assert [_expression(step) for step in steps[-2:]] == ["servers", "oracles"]


def test_a_suite_without_tests_is_no_failure_but_said(
    suites: types.ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    step = suites.Step("oracles tests", [sys.executable, "-c", "raise SystemExit(5)"], may_be_empty=True)
    suites.run_now(step)
    assert step.is_good
    assert step.verdict == "no tests yet"
    assert "no tests of this kind yet" in capfd.readouterr().out


def test_core_tests_must_not_be_empty(suites: types.ModuleType) -> None:
    step = suites.Step("core tests", [sys.executable, "-c", "raise SystemExit(5)"])
    suites.run_now(step)
    assert not step.is_good


def test_checks_run_together_are_shown_in_order(suites: types.ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    steps = [
        suites.Step("slow", [sys.executable, "-c", "import time; time.sleep(0.3); print('first')"]),
        suites.Step("red", [sys.executable, "-c", "print('second'); raise SystemExit(1)"]),
    ]
    suites.run_together(steps)
    shown = capfd.readouterr().out
    assert shown.index("first") < shown.index("second")
    assert [step.verdict for step in steps] == ["ok", "FAILED (1)"]


def test_pins_are_read_without_their_comments(suites: types.ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# why\nrsync   # compared with\n\nrclone\n", encoding="utf-8")
    assert suites._lines_of(tmp_path / "a.txt") == ["rsync", "rclone"]
