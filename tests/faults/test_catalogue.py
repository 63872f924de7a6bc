"""The catalogue of faults as a whole: every case promised has a test, every other one is in the roadmap."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.fault_tests import fault_tests

PROJECT = Path(__file__).resolve().parents[2]


def _cases(text: str) -> set[str]:
    """F01, F03 to F05: the identifiers in a list like ``1 3-5``."""
    found: set[str] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found |= {f"F{number:02}" for number in range(int(first), int(last or first) + 1)}
    return found


#: Without a window and without servers, these are shown by tests.
PROMISED = _cases("1-9 11-34 38 74 75 78-86 88 93 94 97 101 102 108-117")
#: The rest of the sections on files, names, volumes and the local machine.
REST_OF_SECTIONS = _cases("10 35-37 87 89-92 95 96 98-100")
MOST_UNTESTABLE = 5


def _open_in_the_roadmap() -> set[str]:
    text = (PROJECT / "docs" / "roadmap.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\* ((?:F\d+(?:, | and )?)+):", text, re.MULTILINE)
    return {case for line in lines for case in re.findall(r"F\d+", line)}


def test_every_promised_fault_has_a_test_or_is_named_as_untestable() -> None:
    missing = PROMISED - {test.fault for test in fault_tests()}
    assert missing - _open_in_the_roadmap() == set()
    assert len(missing) <= MOST_UNTESTABLE


def test_every_other_fault_of_these_sections_has_a_test_or_is_in_the_roadmap() -> None:
    shown = {test.fault for test in fault_tests()}
    assert REST_OF_SECTIONS - shown - _open_in_the_roadmap() == set()


def test_roadmap_names_no_fault_that_has_a_test() -> None:
    assert _open_in_the_roadmap() & PROMISED & {test.fault for test in fault_tests()} == set()
