"""A pytest plug-in that writes what became of each test as JSON, for whoever started this pytest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.fault_tests import OUTCOMES_VARIABLE

_outcomes: dict[str, list[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note one phase of one test; a failure after the test (a leak, a broken invariant) counts as the test's."""
    found = _outcomes.setdefault(report.nodeid, [])
    if report.when == "call" or (report.when == "setup" and report.skipped):
        found.append(report.outcome)
    elif report.failed:
        found.append("failed" if report.when == "teardown" else "broken")


def pytest_sessionfinish() -> None:
    """Write what was noted."""
    place = os.environ.get(OUTCOMES_VARIABLE)
    if place:
        Path(place).write_text(json.dumps(_outcomes), encoding="utf-8")
