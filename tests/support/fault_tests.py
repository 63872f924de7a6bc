"""Finds every test that carries a fault mark, and runs such tests with one guard switched off."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import PATIENCE_VARIABLE

PROJECT = Path(__file__).resolve().parents[2]
OUTCOMES_VARIABLE = "ETIKET_GUI_TEST_OUTCOMES"
GUARDS_VARIABLE = "ETIKET_GUI_TEST_GUARDS_OFF"
#: A test that only hangs without its guard is red as well, but should not take long.
TIMEOUT_S = 60
BATCH_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class FaultTest:
    """One marked test function: where it is, which fault it shows and which guard protects from it."""

    node: str
    fault: str
    guard: str


def _marks(decorators: Iterable[ast.expr]) -> Iterator[tuple[str, str]]:
    for decorator in decorators:
        if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith("mark.fault"):
            continue
        named = {keyword.arg: keyword.value for keyword in decorator.keywords}
        values = [*decorator.args, *(named[name] for name in ("identifier", "guard") if name in named)]
        texts = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        yield texts[0] if texts else "", texts[1] if len(texts) > 1 else ""


def fault_tests(folder: Path = PROJECT / "tests") -> list[FaultTest]:
    """Every marked test below the folder, read from the sources without importing them."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.fault" not in text:
            continue
        node = path.relative_to(PROJECT).as_posix()
        for item in ast.parse(text).body:
            if isinstance(item, ast.FunctionDef):
                found += [FaultTest(f"{node}::{item.name}", *mark) for mark in _marks(item.decorator_list)]
            elif isinstance(item, ast.ClassDef):
                above = list(_marks(item.decorator_list))
                for inner in item.body:
                    if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_"):
                        marks = [*above, *_marks(inner.decorator_list)]
                        found += [FaultTest(f"{node}::{item.name}::{inner.name}", *mark) for mark in marks]
    return found


def guards_in_the_program(package: Path = PROJECT / "etiket_gui") -> dict[str, list[str]]:
    """The name of every guard the program asks for, and the modules that do."""
    asked: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "is_on(" not in text:
            continue
        tree = ast.parse(text)
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("is_on") and node.args:
                argument: ast.expr | None = node.args[0]
                if isinstance(argument, ast.Name):
                    argument = constants.get(argument.id)
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    asked.setdefault(argument.value, []).append(path.relative_to(package).as_posix())
    return asked


def outcomes_without(guard: str, nodes: Iterable[str]) -> dict[str, set[str]]:
    """Run these tests in a process whose guard is off; test function to the outcomes of its cases.

    An outcome is ``passed``, ``skipped``, ``failed`` (in the test or in what checks it afterwards) or ``broken`` (it
    could not even start). Raises RuntimeError when pytest itself did not work.
    """
    chosen = list(nodes)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "outcomes.json"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE"))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.support.outcome_report"]
        done = subprocess.run(
            [*command, f"--timeout={TIMEOUT_S}", f"--basetemp={scratch}/tmp", *chosen],
            cwd=PROJECT,
            env={**kept, GUARDS_VARIABLE: guard, OUTCOMES_VARIABLE: str(report), PATIENCE_VARIABLE: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BATCH_TIMEOUT_S,
            check=False,
        )
        if not report.is_file():
            raise RuntimeError(f"pytest did not run with the guard {guard!r} off:\n{done.stdout[-4000:]}")
        listed: dict[str, list[str]] = json.loads(report.read_text(encoding="utf-8"))
    outcomes: dict[str, set[str]] = {}
    for node, found in listed.items():
        outcomes.setdefault(node.partition("[")[0], set()).update(found)
    return outcomes
