"""Runs the checks and tests of this checkout in their own environments: what packaging/test.sh and test.ps1 call."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import environments

#: Below this share of lines and branches run by the core suite the run is red.
COVERAGE_PERCENT = 85
#: With more failing tests than that nothing is tried again: something is broken.
MOST_SECOND_TRIES = 5
_NO_TESTS, _TESTS_FAILED = 5, 1
#: Most tests wait for something most of their time: twice as many as two processors could run.
_AT_A_TIME = 4
#: What a JUnit file says of a module of which pytest does not know the tests.
_NOT_READ = "collection failure"
#: What asks pytest to end before all tests ran: -x, also among other letters, --exitfirst and --maxfail.
_ENDS_EARLY = re.compile(r"-[a-zA-Z]*x|--exitfirst|--maxfail|--sw|--stepwise")
_HEAVY = ("servers", "oracles", "desktop")
_REASONS = {
    "servers": "The servers tests talk to real programs",
    "oracles": "The oracles tests run real producers",
    "desktop": "The desktop tests open real windows on an X server of their own",
}
_DESCRIPTIONS = environments.CHECKOUT / "packaging" / "environments"


@dataclass(frozen=True)
class Counts:
    """What became of tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    #: Passed only when they ran once more, by themselves.
    second_tries: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.errors + other.errors,
            self.second_tries + other.second_tries,
        )


@dataclass
class Step:
    """One command and what became of it."""

    title: str
    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    #: Exits with pytest's code for "no tests" when there is nothing to run; the command is then not started.
    look_for_tests: list[str] = field(default_factory=list)
    #: Where pytest writes down what became of each test.
    report: Path | None = None
    #: Runs what failed once more, one at a time; without it nothing is tried twice.
    again: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = 0
    is_empty: bool = False
    #: The tests that failed and passed when they ran by themselves.
    unsteady: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """What the closing table says."""
        if self.is_empty:
            return "no tests yet"
        if self.unsteady and self.exit_code == 0:
            return f"ok, {len(self.unsteady)} at the second try"
        return "ok" if self.exit_code == 0 else f"FAILED ({self.exit_code})"

    @property
    def is_good(self) -> bool:
        """Whether the step leaves the run green."""
        return self.is_empty or self.exit_code == 0

    @property
    def counts(self) -> Counts:
        """What became of its tests; a step that failed without a failing test is an error of its own."""
        counts = Counts() if self.report is None else _read_report(self.report)
        if self.unsteady and self.exit_code == 0:
            counts = Counts(counts.passed + len(self.unsteady), 0, counts.skipped, 0, len(self.unsteady))
        if not self.is_good and not counts.failed and not counts.errors:
            counts += Counts(errors=1)
        return counts


def _read_report(report: Path) -> Counts:
    """The sums of a JUnit file; nothing when pytest did not come so far as to write it."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return Counts()
    tests, failed, skipped, errors = (
        sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "failures", "skipped", "errors")
    )
    return Counts(max(0, tests - failed - skipped - errors), failed, skipped, errors)


def _failed_in(report: Path) -> list[str]:
    """The tests of a JUnit file that failed or could not be set up.

    None where a module could not even be read, which several processes at a time only note: pytest remembers which of
    its tests failed, and none of that module's has run.
    """
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return []
    if any(error.get("message") == _NOT_READ for case in cases for error in case.iter("error")):
        return []
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    # A test that failed and could not be cleaned up after stands there twice.
    return list(dict.fromkeys(f"{case.get('classname')}::{case.get('name')}" for case in failed))


def _environment_of(step: Step) -> dict[str, str]:
    return {**os.environ, **step.variables}


def run_now(step: Step) -> None:
    """Run a step with its output on the terminal."""
    print(f"\n=== {step.title}", flush=True)
    started = time.monotonic()
    if step.look_for_tests:
        looked = subprocess.run(
            step.look_for_tests, cwd=environments.CHECKOUT, env=_environment_of(step), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        step.is_empty = looked.returncode == _NO_TESTS
    if step.is_empty:
        print("There are no tests of this kind yet; that is fine.", flush=True)
    else:
        step.exit_code = subprocess.run(
            step.command, cwd=environments.CHECKOUT, env=_environment_of(step), stdin=subprocess.DEVNULL, check=False
        ).returncode
        if step.exit_code == _TESTS_FAILED and step.again and step.report is not None:
            _try_again(step, _failed_in(step.report))
    step.seconds = time.monotonic() - started


def _try_again(step: Step, failed: list[str]) -> None:
    """Run the few tests that failed once more, alone: what fails again is red, what passes is told by name.

    Tests with real processes, displays and clocks can meet a moment in which the machine stands still. What went wrong
    the first time has been printed in full, and stays to be looked into.
    """
    if not 0 < len(failed) <= MOST_SECOND_TRIES:
        return
    print(f"\n=== {step.title}: {len(failed)} once more, one at a time", flush=True)
    again = subprocess.run(
        step.again, cwd=environments.CHECKOUT, env=_environment_of(step), stdin=subprocess.DEVNULL, check=False
    )
    if again.returncode == 0:
        step.exit_code, step.unsteady = 0, failed


def run_together(steps: list[Step]) -> None:
    """Run short steps two at a time, and show the output of each in order when all are done."""
    outputs: dict[int, str] = {}
    places = threading.Semaphore(2)

    def work(number: int, step: Step) -> None:
        with places:
            started = time.monotonic()
            done = subprocess.run(
                step.command, cwd=environments.CHECKOUT, env=_environment_of(step), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, errors="replace",
            )  # fmt: skip
            step.exit_code, step.seconds = done.returncode, time.monotonic() - started
            outputs[number] = done.stdout

    threads = [threading.Thread(target=work, args=item) for item in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, step in enumerate(steps):
        print(f"\n=== {step.title}\n{outputs[number].rstrip()}", flush=True)


def _lines_of(listed: Path) -> list[str]:
    """What a file lists, one a line, without its comments."""
    lines = (line.partition("#")[0].strip() for line in listed.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _prepare_system(asked: argparse.Namespace) -> None:
    """Install, in one go, what Python, Qt and the suites asked for need of the system."""
    libraries = environments.QT_WINDOWS if asked.desktop else environments.QT_OFFSCREEN
    missing = [*environments.missing_venv(), *environments.missing_libraries(libraries)]
    why = ["The program and its tests need parts of the system"] if missing else []
    for suite in _HEAVY:
        listed = _DESCRIPTIONS / f"{suite}.apt"
        if getattr(asked, suite) and listed.is_file():
            packages = environments.missing_system_packages(_lines_of(listed))
            if packages:
                missing += packages
                why.append(_REASONS[suite])
    if missing:
        environments.install_system_packages(list(dict.fromkeys(missing)), ". ".join(why))


def _heavy_environments(suite: str) -> dict[str, str]:
    """Make the environments of a suite; returns the variables by which its tests find them."""
    variables = {}
    for description in sorted((_DESCRIPTIONS / suite).glob("*.txt")):
        folder = environments.environment(description.stem, _lines_of(description))
        name = description.stem.upper().replace("-", "_")
        variables[f"ETIKET_GUI_{name}_PYTHON"] = str(environments.python_of(folder))
    return variables


def _checks(python: str, scripts: Path, cache: Path) -> list[Step]:
    suffix = ".exe" if os.name == "nt" else ""
    mypy = [python, "-m", "mypy", "--cache-dir"]
    return [
        Step("ruff check", [python, "-m", "ruff", "check", "--cache-dir", str(cache / "ruff"), "."]),
        Step("ruff format", [python, "-m", "ruff", "format", "--cache-dir", str(cache / "ruff"), "--check", "."]),
        Step("mypy --strict", [*mypy, str(cache / "mypy")]),
        Step("mypy --strict for Windows", [*mypy, str(cache / "mypy-win32"), "--platform", "win32"]),
        Step("mypy --strict for macOS", [*mypy, str(cache / "mypy-darwin"), "--platform", "darwin"]),
        Step("import contracts", [str(scripts / f"lint-imports{suffix}"), "--no-cache"]),
    ]


def _tests(python: str, scratch: Path, asked: argparse.Namespace) -> list[Step]:
    core = " and ".join(f"not {suite}" for suite in _HEAVY)
    measured = {"COVERAGE_FILE": str(scratch / "coverage")}
    coverage = [python, "-m", "coverage"]
    wanted = [suite for suite in _HEAVY if getattr(asked, suite)]
    # Measuring takes as long again as the tests themselves: it belongs to the full run.
    is_judged = bool(wanted) and not asked.pytest_arguments

    def tests(title: str, chosen: str, *, at_a_time: int = 1, is_core: bool = False) -> Step:
        report = scratch / f"{title}.xml"
        is_measured = is_core and is_judged
        # What failed is remembered there, for the second try.
        pytest = ["-m", "pytest", "-o", f"cache_dir={scratch / f'{title} cache'}"]
        # What is asked for comes later: "-n 0" is one process, for a debugger.
        shared = ["-n", str(at_a_time), "--dist", "worksteal"] if at_a_time > 1 else []
        selected = [*pytest, *shared, *asked.pytest_arguments, "-m", chosen]
        may_be_empty = bool(asked.pytest_arguments) and title != "core tests"
        # Where a run ends at a failure, what comes after it has not run: what failed is then not all there is to try.
        runs_all = not any(_ENDS_EARLY.match(argument) for argument in asked.pytest_arguments)
        alone = [*pytest, *asked.pytest_arguments, "-m", chosen, "--last-failed", "--last-failed-no-failures=none"]
        return Step(
            title,
            [*([*coverage, "run"] if is_measured else [python]), *selected, f"--junit-xml={report}"],
            measured if is_measured else {},
            [python, *selected, "--collect-only", "-qq"] if may_be_empty else [],
            report,
            [python, *alone] if runs_all else [],
        )

    steps = [
        tests("core tests", f"{core} and not crash and not guards and not alone", at_a_time=_AT_A_TIME, is_core=True),
        tests("tests that run alone", f"{core} and alone and not crash and not guards", is_core=True),
        tests("crash tests", f"{core} and crash and not slow", at_a_time=_AT_A_TIME, is_core=True),
    ]
    if is_judged:
        steps += [
            Step("coverage data", [*coverage, "combine", "--quiet"], measured),
            Step("coverage", [*coverage, "report", f"--fail-under={COVERAGE_PERCENT}"], measured),
        ]
    steps += [tests(f"{suite} tests", suite) for suite in wanted]
    if wanted:
        # Hundreds of starts: measuring what they run would tell nothing new and take twice the time.
        steps += [
            tests("crash campaign", f"{core} and crash and slow", at_a_time=_AT_A_TIME),
            # Starts as many tests at a time as there are processors, by itself.
            tests("guard tests", "guards"),
        ]
    return steps


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="packaging/test.sh", description="Install what is missing and run the checks and the core tests."
    )
    parser.add_argument("--servers", action="store_true", help="also the tests against real peers (rmellipse, rsync…)")
    parser.add_argument("--oracles", action="store_true", help="also the tests against real producers")
    parser.add_argument(
        "--desktop", action="store_true", help="also the tests on an X server with tray and file manager"
    )
    parser.add_argument(
        "--full", action="store_true", help="all of these; any of them also runs the guard tests and the crash campaign"
    )
    parser.add_argument("pytest_arguments", nargs="*", help="after --: handed to pytest; coverage is then not measured")
    asked = parser.parse_args(arguments)
    if asked.full:
        for suite in _HEAVY:
            setattr(asked, suite, True)
    return asked


def _total(steps: Iterable[Step], seconds: float) -> str:
    """All steps in one line, in the shape in which pytest sums up one."""
    counts = sum((step.counts for step in steps), Counts())
    told = f"{counts.passed} passed, {counts.failed} failed"
    if counts.skipped:
        told += f", {counts.skipped} skipped"
    if counts.errors:
        told += f", {counts.errors} error{'s' if counts.errors > 1 else ''}"
    if counts.second_tries:
        # The word that pytest's own plug-in for this has.
        told += f", {counts.second_tries} rerun"
    return f" {told} in {seconds:.2f}s ".center(80, "=")


def main(arguments: list[str]) -> int:
    """Prepare, check, test, and close with a table; 0 when all is green, 1 when not, 2 when something is missing."""
    asked = _parse(arguments)
    # A shell that puts a job into the background makes it deaf to Ctrl-C, and the tests send exactly that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        _prepare_system(asked)
        folder = environments.environment("test", environments.requirements("test"), key=str(environments.CHECKOUT))
        environments.install_editable(folder)
        variables: dict[str, str] = {}
        for suite in _HEAVY:
            if getattr(asked, suite):
                variables |= _heavy_environments(suite)
        os.environ.update(variables)
        cache = environments.cache_folder()
        if not os.access(environments.CHECKOUT, os.W_OK):
            os.environ["PYTHONPYCACHEPREFIX"] = str(cache / "bytecode")
    except environments.CannotPrepare as problem:
        environments.say(str(problem))
        return 2
    except KeyboardInterrupt:
        environments.say("Interrupted; nothing half was left behind.")
        return 130
    environments.say(f"Everything is installed ({time.monotonic() - started:.1f} s).")
    python = str(environments.python_of(folder))
    with tempfile.TemporaryDirectory(prefix="etiket-gui-tests-") as scratch:
        checks = _checks(python, Path(python).parent, cache)
        tests = _tests(python, Path(scratch), asked)
        run_together(checks)
        for step in tests:
            run_now(step)
        steps = checks + tests
        width = max(len(step.title) for step in steps)
        print("\n=== In all")
        for step in steps:
            print(f"{step.title:<{width}}  {step.seconds:7.1f} s  {step.verdict}")
        for step in tests:
            for name in step.unsteady:
                print(f"UNSTEADY: {name} passed only at the second try")
        is_good = all(step.is_good for step in steps)
        seconds = time.monotonic() - started
        print(f"{'GREEN' if is_good else 'RED'} after {seconds:.0f} s")
        print(_total(steps, seconds), flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
