"""Notices: problems only, one summary per source in a quarter of an hour, none while a measurement runs."""

from __future__ import annotations

import pytest

from etiket_gui.bridge.queries_shell import PlaceProblems
from etiket_gui.gui.notifications import QUIET_S, NoticePolicy


def problem(place: str, count: int, newest_ns: int) -> PlaceProblems:
    return PlaceProblems(place, count, newest_ns, "Cannot be read", f"file {newest_ns} may not be read")


def begun(*problems: PlaceProblems) -> NoticePolicy:
    policy = NoticePolicy()
    policy.begin(problems)
    return policy


def test_what_was_open_at_the_start_pops_up_never() -> None:
    policy = begun(problem("F", 3, 100))
    assert policy.due([problem("F", 3, 100)], 0.0, is_silent=False) == []


def test_new_problem_pops_up_once() -> None:
    policy = begun()
    (notice,) = policy.due([problem("F", 1, 200)], 0.0, is_silent=False)
    assert (notice.title, notice.body) == ("F: Cannot be read", "File 200 may not be read.")
    assert policy.due([problem("F", 1, 200)], 1e6, is_silent=False) == []


@pytest.mark.fault("F94", guard="notices-are-summed-up")
def test_five_thousand_problems_are_one_summary_in_a_quarter_of_an_hour() -> None:
    policy = begun()
    popped = []
    for number in range(5000):
        now_s = number * QUIET_S / 5001
        popped += policy.due([problem("F", number + 1, number + 1)], now_s, is_silent=False)
    assert len(popped) == 1
    (summary,) = policy.due([problem("F", 5000, 5000)], QUIET_S + 1, is_silent=False)
    assert summary.title == "F: 5\u202f000 problems"
    assert summary.body == "The newest: File 5000 may not be read."


def test_each_source_has_its_own_quiet_time() -> None:
    policy = begun()
    assert len(policy.due([problem("F", 1, 1), problem("G", 1, 1)], 0.0, is_silent=False)) == 2


@pytest.mark.fault("F113", guard="silent-while-measuring")
def test_nothing_pops_up_while_measuring_and_it_is_told_afterwards() -> None:
    policy = begun()
    assert policy.due([problem("F", 2, 50)], 0.0, is_silent=True) == []
    assert [notice.title for notice in policy.due([problem("F", 2, 50)], 1.0, is_silent=False)] == ["F: 2 problems"]


def test_long_reason_is_cut() -> None:
    policy = begun()
    long = PlaceProblems("", 1, 5, "Title", "x" * 5000)
    (notice,) = policy.due([long], 0.0, is_silent=False)
    assert len(notice.body) < 400
    assert notice.title == "Title."
