"""What is said of a file's time: whether a change right now could be given the same."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from etiket_gui.osys.file_times import granularity_ns, is_young

_S, _MS = 10**9, 10**6
_FINE_NS = 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("time_ns", "least_ns", "most_ns"),
    [
        (1_700_000_000 * _S, 2 * _S, 2 * _S + 50 * _MS),
        (1_700_000_000_120_000_000, 10 * _MS, 60 * _MS),
        (_FINE_NS, 2 * _MS, 50 * _MS),
    ],
)
def test_a_time_is_as_coarse_as_the_file_systems_that_tell_such_times(
    time_ns: int, least_ns: int, most_ns: int
) -> None:
    assert least_ns <= granularity_ns(time_ns) <= most_ns


def test_a_file_is_young_until_no_change_can_be_given_its_time_any_more() -> None:
    past_ns = _FINE_NS + granularity_ns(_FINE_NS)
    assert is_young(_FINE_NS, _FINE_NS, _FINE_NS)
    assert is_young(_FINE_NS, past_ns, past_ns)
    assert not is_young(_FINE_NS, past_ns + 1, past_ns + 1)


def test_a_file_that_changes_while_it_is_looked_at_is_young_however_long_that_takes() -> None:
    assert is_young(_FINE_NS, _FINE_NS - 10 * _S, _FINE_NS + 10 * _S)


def test_a_time_of_the_next_moment_is_young_and_one_of_another_clock_is_believed() -> None:
    assert is_young(_FINE_NS + _MS, _FINE_NS, _FINE_NS)
    assert not is_young(_FINE_NS + 3600 * _S, _FINE_NS, _FINE_NS)


def test_a_file_that_is_written_now_is_young_on_every_file_system(tmp_path: Path) -> None:
    path = tmp_path / "now"
    for _ in range(20):
        began_ns = time.time_ns()
        path.write_bytes(b"1")
        assert is_young(os.stat(path).st_mtime_ns, began_ns, time.time_ns())
