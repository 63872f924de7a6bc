"""Runs the checks and tests of this checkout in their own environments: what packaging/test.sh and test.ps1 call."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import environments

#: Below this share of lines and branches run by the core suite the run is red.
COVERAGE_PERCENT = 85
_NO_TESTS = 5
_HEAVY = ("servers", "oracles")
_DESCRIPTIONS = environments.CHECKOUT / "packaging" / "environments"


@dataclass
class Step:
    """One command and what became of it."""

    title: str
    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    seconds: float = 0.0
    exit_code: int = 0

    @property
    def verdict(self) -> str:
        """What the closing table says."""
        if self.exit_code == _NO_TESTS and self.may_be_empty:
            return "no tests yet"
        return "ok" if self.exit_code == 0 else f"FAILED ({self.exit_code})"

    @property
    def is_good(self) -> bool:
        """Whether the step leaves the run green."""
        return self.exit_code == 0 or (self.exit_code == _NO_TESTS and self.may_be_empty)


def _environment_of(step: Step) -> dict[str, str]:
    return {**os.environ, **step.variables}


def run_now(step: Step) -> None:
    """Run a step with its output on the terminal."""
    print(f"\n=== {step.title}", flush=True)
    started = time.monotonic()
    step.exit_code = subprocess.run(
        step.command, cwd=environments.CHECKOUT, env=_environment_of(step), stdin=subprocess.DEVNULL, check=False
    ).returncode
    step.seconds = time.monotonic() - started
    if step.verdict == "no tests yet":
        print("There are no tests of this kind yet; that is fine.", flush=True)


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


def _heavy_environments(suite: str) -> dict[str, str]:
    """Install what the heavy tests of a suite need; returns the variables by which they find it."""
    packages = []
    listed = _DESCRIPTIONS / f"{suite}.apt"
    if listed.is_file():
        packages = environments.missing_system_packages(_lines_of(listed))
    if packages:
        environments.install_system_packages(packages, f"The {suite} tests talk to real programs")
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
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", *asked.pytest_arguments]
    heavy = " and ".join(f"not {suite}" for suite in _HEAVY)
    measured = {"COVERAGE_FILE": str(scratch / "coverage")}
    coverage = [python, "-m", "coverage"]
    steps = [
        Step("core tests", [*coverage, "run", *pytest, "-m", f"{heavy} and not crash"], measured),
        Step(
            "crash tests",
            [*coverage, "run", *pytest, "-m", f"{heavy} and crash and not slow"],
            measured,
            may_be_empty=True,
        ),
        # Hundreds of starts: measuring what they run would tell nothing new and take twice the time.
        Step("crash campaign", [python, *pytest, "-m", f"{heavy} and crash and slow"], may_be_empty=True),
    ]
    if not asked.pytest_arguments:
        steps += [
            Step("coverage data", [*coverage, "combine", "--quiet"], measured),
            Step("coverage", [*coverage, "report", f"--fail-under={COVERAGE_PERCENT}"], measured),
        ]
    for suite in _HEAVY:
        if getattr(asked, suite):
            steps.append(Step(f"{suite} tests", [python, *pytest, "-m", suite], may_be_empty=True))
    return steps


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="packaging/test.sh", description="Install what is missing and run the checks and the core tests."
    )
    parser.add_argument("--servers", action="store_true", help="also the tests against real peers (rmellipse, rsync…)")
    parser.add_argument("--oracles", action="store_true", help="also the tests against real producers")
    parser.add_argument("pytest_arguments", nargs="*", help="after --: handed to pytest; coverage is then not judged")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Prepare, check, test, and close with a table; 0 when all is green, 1 when not, 2 when something is missing."""
    asked = _parse(arguments)
    # A shell that puts a job into the background makes it deaf to Ctrl-C, and the tests send exactly that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
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
    is_good = all(step.is_good for step in steps)
    print(f"{'GREEN' if is_good else 'RED'} after {time.monotonic() - started:.0f} s", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
