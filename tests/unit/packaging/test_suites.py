"""The runner of the checks and tests: what is red is red, what is empty is said, and nothing heavy runs unasked."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

LIBRARY = Path(__file__).resolve().parents[3] / "packaging" / "lib"


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    monkeypatch.syspath_prepend(str(LIBRARY))
    before = set(sys.modules)
    yield importlib.import_module("suites")
    for name in set(sys.modules) - before:
        del sys.modules[name]


_CAMPAIGN = "not servers and not oracles and not desktop and crash and slow"


_CORE = {"core tests", "tests that run alone", "crash tests", "coverage data", "coverage"}


def _expression(step: object) -> str:
    command: list[str] = step.command  # type: ignore[attr-defined]
    return command[command.index("-m", command.index("pytest")) + 1]


def test_core_runs_nothing_heavy(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = suites._tests("python", tmp_path, suites._parse([]))
    assert [step.title for step in steps] == ["core tests", "tests that run alone", "crash tests"]
    core = "not servers and not oracles and not desktop"
    assert _expression(steps[0]) == f"{core} and not crash and not guards and not alone"
    assert _expression(steps[1]) == f"{core} and alone and not crash and not guards"
    assert _expression(steps[2]) == f"{core} and crash and not slow"
    assert not any("coverage" in step.command for step in steps)


def test_full_run_measures_what_the_core_tests_reach(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = suites._tests("python", tmp_path, suites._parse(["--full"]))
    assert [step.title for step in steps if "coverage" in step.command] == [
        "core tests", "tests that run alone", "crash tests", "coverage data", "coverage",
    ]  # fmt: skip
    assert f"--fail-under={suites.COVERAGE_PERCENT}" in steps[4].command
    some = suites._tests("python", tmp_path, suites._parse(["--full", "--", "-k", "one"]))
    assert not any("coverage" in step.command for step in some), "a part of the tests says nothing about the whole"


_UNSTEADY = """
import pathlib
import pytest

@pytest.mark.alone
@pytest.mark.parametrize("number", range({count}))
def test_number(number):
    seen = pathlib.Path(__file__).with_name(f"seen-{{number}}")
    is_first = not seen.exists()
    seen.touch()
    assert number not in {red} and (number not in {unsteady} or not is_first)
"""


def _step_of(suites: types.ModuleType, folder: Path, *, asked: Sequence[str] = (), **numbers: object) -> object:
    """A step as the runner makes them, over a module of its own."""
    (folder / "test_some.py").write_text(_UNSTEADY.format(**numbers))
    return _run(suites, folder, asked)


def _run(suites: types.ModuleType, folder: Path, asked: Sequence[str] = ()) -> object:
    given = ["--", "--rootdir", str(folder), "-c", os.devnull, *asked, str(folder)]
    step = suites._tests(sys.executable, folder, suites._parse(given))[1]
    step.look_for_tests = []
    suites.run_now(step)
    return step


def test_a_few_that_failed_run_once_more_and_are_told_by_name(
    suites: types.ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    step = _step_of(suites, tmp_path, count=9, red=[], unsteady=[2, 3])
    assert step.is_good  # type: ignore[attr-defined]
    assert step.verdict == "ok, 2 at the second try"  # type: ignore[attr-defined]
    assert step.unsteady == ["test_some::test_number[2]", "test_some::test_number[3]"]  # type: ignore[attr-defined]
    assert step.counts == suites.Counts(passed=9, second_tries=2)  # type: ignore[attr-defined]
    assert "9 passed, 0 failed, 2 rerun in" in suites._total([step], 1.0)
    assert "2 failed, 7 passed" in capfd.readouterr().out, "the first try is shown"


def test_what_fails_again_is_red(suites: types.ModuleType, tmp_path: Path) -> None:
    step = _step_of(suites, tmp_path, count=4, red=[1], unsteady=[2])
    assert step.verdict == "FAILED (1)"  # type: ignore[attr-defined]
    assert step.counts == suites.Counts(passed=2, failed=2)  # type: ignore[attr-defined]


def test_many_that_fail_are_not_tried_again(suites: types.ModuleType, tmp_path: Path) -> None:
    step = _step_of(suites, tmp_path, count=8, red=[], unsteady=list(range(suites.MOST_SECOND_TRIES + 1)))
    assert step.verdict == "FAILED (1)"  # type: ignore[attr-defined]


_NOT_READ_AT_FIRST = """
import os
import pathlib
import pytest
seen = pathlib.Path(__file__).with_name(f"seen-{os.environ.get('PYTEST_XDIST_WORKER')}")
if not seen.exists():
    seen.touch()
    raise OSError("not now")

@pytest.mark.alone
def test_that_has_never_run():
    assert False
"""


def test_a_module_that_could_not_be_read_gets_no_second_try_for_all_in_it_was_left_out(
    suites: types.ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "test_then.py").write_text(_NOT_READ_AT_FIRST)
    step = _step_of(suites, tmp_path, asked=["-n", "2"], count=2, red=[], unsteady=[1])
    assert step.verdict == "FAILED (1)"  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked", [["-x"], ["-vx"], ["--maxfail=1"], ["--maxfail", "1"], ["--exitfirst"]])
def test_a_run_that_ends_at_a_failure_is_red_for_what_came_after_it_has_not_run(
    suites: types.ModuleType, tmp_path: Path, asked: list[str]
) -> None:
    step = _step_of(suites, tmp_path, asked=asked, count=4, red=[3], unsteady=[1])
    assert step.verdict == "FAILED (1)"  # type: ignore[attr-defined]


def _at_a_time(step: object) -> int:
    command: list[str] = step.command  # type: ignore[attr-defined]
    return int(command[command.index("-n") + 1]) if "-n" in command else 1


def test_what_promises_a_time_runs_one_at_a_time(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = suites._tests("python", tmp_path, suites._parse(["--full"]))
    together = {step.title for step in steps if _at_a_time(step) > 1}
    assert together == {"core tests", "crash tests", "crash campaign"}


def test_what_is_asked_of_pytest_counts_more_than_how_many_run_and_less_than_which(
    suites: types.ModuleType, tmp_path: Path
) -> None:
    step = suites._tests("python", tmp_path, suites._parse(["--", "-n", "0", "-m", "slow"]))[0]
    assert step.command.index("0") > step.command.index(str(suites._AT_A_TIME))
    assert step.command[-3] == "-m", "of several, pytest takes the last"
    assert "and not alone" in step.command[-2]


def test_every_test_runs_in_one_step_of_the_full_run(suites: types.ModuleType, tmp_path: Path) -> None:
    steps = [step for step in suites._tests("python", tmp_path, suites._parse(["--full"])) if step.report]
    names = ("servers", "oracles", "desktop", "crash", "slow", "alone", "guards")
    for chosen in itertools.product((False, True), repeat=len(names)):
        marks = {name for name, is_there in zip(names, chosen, strict=True) if is_there}
        if len(marks & {"servers", "oracles", "desktop"}) > 1 or {"crash", "guards"} <= marks:
            continue
        run = [step.title for step in steps if Expression.compile(_expression(step)).evaluate(marks.__contains__)]
        # A test of the guards that is marked for another suite would run in both; there is none.
        assert len(run) == 1 or ("guards" in marks and len(marks & {"servers", "oracles", "desktop"}) == 1), marks


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["--servers"], ["servers", _CAMPAIGN, "guards"]),
        (["--servers", "--oracles"], ["servers", "oracles", _CAMPAIGN, "guards"]),
        (["--desktop"], ["desktop", _CAMPAIGN, "guards"]),
        (["--full"], ["servers", "oracles", "desktop", _CAMPAIGN, "guards"]),
    ],
)
def test_heavy_suites_run_when_asked(
    suites: types.ModuleType, tmp_path: Path, arguments: list[str], added: list[str]
) -> None:
    steps = suites._tests("python", tmp_path, suites._parse(arguments))
    assert [_expression(step) for step in steps if step.title not in _CORE] == added


def test_a_suite_without_tests_is_not_started_but_said(
    suites: types.ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    step = suites.Step(
        "oracles tests",
        [sys.executable, "-c", "print('started'); raise SystemExit(1)"],
        look_for_tests=[sys.executable, "-c", "print('1940 deselected'); raise SystemExit(5)"],
    )
    suites.run_now(step)
    assert step.is_good
    assert step.verdict == "no tests yet"
    shown = capfd.readouterr().out
    assert "no tests of this kind yet" in shown
    assert "started" not in shown
    assert "deselected" not in shown


def test_a_suite_whose_tests_cannot_be_collected_is_red(suites: types.ModuleType) -> None:
    step = suites.Step(
        "oracles tests",
        [sys.executable, "-c", "raise SystemExit(2)"],
        look_for_tests=[sys.executable, "-c", "raise SystemExit(2)"],
    )
    suites.run_now(step)
    assert step.verdict == "FAILED (2)"


def test_total_sums_what_real_pytest_reports(suites: types.ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.parametrize('number', range(5))\n"
        "def test_number(number):\n    assert number != 2\n\n"
        "def test_skipped():\n    pytest.skip('why')\n\n"
        "@pytest.fixture\ndef broken():\n    raise OSError\n\n"
        "def test_broken(broken):\n    pass\n"
    )
    report = tmp_path / "report.xml"
    pytest_run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    step = suites.Step("core tests", [*pytest_run, "-c", os.devnull, f"--junit-xml={report}"], report=report)
    suites.run_now(step)
    assert step.counts == suites.Counts(passed=4, failed=1, skipped=1, errors=1)
    other = suites.Step("ruff check", [], exit_code=1)
    assert suites._total([step, step, other], 1617.0) == (
        "========== 8 passed, 2 failed, 2 skipped, 3 errors in 1617.00s ==========".center(80, "=")
    )


def test_total_of_a_green_run_has_no_failure(suites: types.ModuleType) -> None:
    good = suites.Step("ruff check", [])
    assert " 0 passed, 0 failed in 3.00s " in suites._total([good], 3.0)


def test_tests_that_died_before_their_report_are_an_error(suites: types.ModuleType, tmp_path: Path) -> None:
    step = suites.Step("core tests", [], report=tmp_path / "missing.xml", exit_code=-9)
    assert step.counts == suites.Counts(errors=1)


def test_everything_missing_of_the_system_is_asked_for_in_one_line(
    suites: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], str]] = []
    monkeypatch.setattr(suites.environments, "missing_venv", lambda: ["python3.11-venv"])
    monkeypatch.setattr(suites.environments, "missing_libraries", list)
    monkeypatch.setattr(suites.environments, "missing_system_packages", list)
    monkeypatch.setattr(suites.environments, "install_system_packages", lambda *told: asked.append(told))
    suites._prepare_system(suites._parse([]))
    assert asked.pop()[0] == ["python3.11-venv", *suites.environments.QT_OFFSCREEN]
    suites._prepare_system(suites._parse(["--desktop"]))
    (packages, why) = asked.pop()
    assert packages[:2] == ["python3.11-venv", "libgl1"]
    assert {"xvfb", "libxcb-icccm4", "fonts-noto-core"} <= set(packages)
    assert len(set(packages)) == len(packages)
    assert "X server" in why


def test_nothing_missing_installs_nothing(suites: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("missing_libraries", "missing_system_packages"):
        monkeypatch.setattr(suites.environments, name, lambda wanted: [])
    monkeypatch.setattr(suites.environments, "missing_venv", list)
    monkeypatch.setattr(suites.environments, "install_system_packages", lambda *told: pytest.fail("not asked for"))
    suites._prepare_system(suites._parse(["--full"]))


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
