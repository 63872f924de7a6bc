"""The test of the tests: every fault test turns red when the guard it names is switched off."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fault_tests import FaultTest, fault_tests, guards_in_the_program, outcomes_without

FAULT_TESTS = fault_tests()
GUARDS = guards_in_the_program()


Outcomes = dict[str, set[str]]


@pytest.fixture(scope="module")
def outcomes_without_guard(request: pytest.FixtureRequest) -> dict[str, Outcomes | Exception]:
    """Guard to what became of its tests while it was off; all runs are over when this returns."""
    asked = {item.callspec.params["test"] for item in request.session.items if _is_red_test(item)}  # type: ignore[attr-defined]
    nodes: dict[str, list[str]] = {}
    for test in FAULT_TESTS:
        if test in asked and test.node not in nodes.setdefault(test.guard, []):
            nodes[test.guard].append(test.node)

    def run(guard: str) -> Outcomes | Exception:
        try:
            return outcomes_without(guard, nodes[guard])
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            return error

    # Most of these tests wait more than they compute.
    with ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), thread_name_prefix="guard-off") as pool:
        return dict(zip(nodes, pool.map(run, nodes), strict=True))


def _is_red_test(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == "test_fault_test_turns_red_without_its_guard"


@pytest.mark.guards
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "test", [test for test in FAULT_TESTS if test.guard in GUARDS], ids=lambda test: f"{test.fault} {test.node}"
)
def test_fault_test_turns_red_without_its_guard(
    test: FaultTest, outcomes_without_guard: dict[str, Outcomes | Exception]
) -> None:
    result = outcomes_without_guard[test.guard]
    if isinstance(result, Exception):
        raise result
    outcomes = result.get(test.node, set())
    assert "broken" not in outcomes, f"{test.node} could not even start with the guard {test.guard!r} off"
    if outcomes == {"skipped"}:
        pytest.skip("the fault cannot be made on this machine, so its test does not run here either")
    assert "failed" in outcomes, f"{test.node} stays {sorted(outcomes)} with the guard {test.guard!r} off"


def test_every_fault_test_names_a_fault_or_an_invariant_and_a_guard_of_the_program() -> None:
    nameless = [test.node for test in FAULT_TESTS if not re.fullmatch(r"F\d{2,3}|I\d{1,2}", test.fault)]
    guardless = [f"{test.node} (guard {test.guard!r})" for test in FAULT_TESTS if test.guard not in GUARDS]
    assert not nameless
    assert not guardless


def test_every_guard_of_the_program_has_a_fault_test() -> None:
    shown = {test.guard for test in FAULT_TESTS}
    assert not {guard: modules for guard, modules in GUARDS.items() if guard not in shown}
