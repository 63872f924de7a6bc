"""What is counted as missed by the watcher: what it had time to tell and did not, never what is only told late."""

from __future__ import annotations

from etiket_gui.domain.content import Found
from etiket_gui.engine.announced import GRACE_S, Announced

OLD_S = 3600.0


def _announced() -> Announced:
    made = Announced()
    made.folders = ("/data",)
    return made


def _found(name: str, age_s: float) -> Found:
    looked_ns = 10**18
    return Found(
        name, name, 1, newest_change_ns=looked_ns - int(age_s * 1e9), looked_at_ns=looked_ns, size_bytes=1,
        file_count=1, place=name,
    )  # fmt: skip


def test_what_lay_there_for_long_without_an_event_was_missed() -> None:
    announced = _announced()
    announced.keep(["/data/a/trace.csv"])
    assert announced.judge([_found("a", OLD_S), _found("b", OLD_S)], [], 100.0) == 1
    assert announced.due_s is None


def test_a_burst_whose_events_come_after_the_look_misses_nothing() -> None:
    announced = _announced()
    found = [_found(f"run {number}", 2.0) for number in range(3000)]
    assert announced.judge(found, ["/data/run 1/x"], 100.0) == 0
    now_s = 100.0
    for first in range(0, 3000, 500):
        now_s += 5.0
        announced.tell([f"/data/run {number}/x" for number in range(first, first + 500)], now_s)
        assert announced.take_missed(now_s) == 0
    assert announced.take_missed(now_s + 2 * GRACE_S) == 0
    assert announced.due_s is None


def test_a_watcher_that_still_tells_of_a_burst_is_waited_for_whatever_the_age() -> None:
    announced = _announced()
    announced.tell(["/data/run 0"], 99.0)
    assert announced.judge([_found("run 9", 60.0)], [], 100.0) == 0
    announced.tell(["/data/run 9/x"], 105.0)
    assert announced.take_missed(1000.0) == 0


def test_a_blind_watcher_is_noticed_also_with_what_is_new() -> None:
    announced = _announced()
    assert announced.judge([_found("run 1", 1.0), _found("run 2", 1.0)], [], 100.0) == 0
    assert announced.due_s == 100.0 + GRACE_S
    assert announced.take_missed(100.0 + GRACE_S - 1) == 0
    assert announced.take_missed(100.0 + GRACE_S) == 2
    assert announced.take_missed(1000.0) == 0


def test_a_watcher_that_tells_only_of_other_things_is_noticed_too() -> None:
    announced = _announced()
    announced.judge([_found("unseen", 1.0)], [], 100.0)
    missed = 0
    for second in range(101, 500):
        announced.tell(["/data/other/x"], float(second))
        missed += announced.take_missed(float(second))
    assert missed == 1


def test_an_event_of_the_watched_folder_itself_is_no_event_of_what_lies_in_it() -> None:
    announced = _announced()
    announced.keep(["/data"])
    assert announced.judge([_found("run 1", OLD_S), _found(".", OLD_S)], [], 100.0) == 1


def test_a_folder_that_is_told_as_a_whole_stands_for_what_lies_below_it() -> None:
    announced = _announced()
    announced.keep(["/data/2026-04-15"])
    found = [_found("2026-04-15/run 1", OLD_S), _found("2026-04-15/deep/run 2", OLD_S), _found("2026-04-16/x", OLD_S)]
    assert announced.judge(found, [], 100.0) == 1
    announced.judge([_found("2026-04-15/run 3", 1.0)], [], 200.0)
    announced.tell(["/data/2026-04-15"], 205.0)
    assert announced.take_missed(1000.0) == 0


def test_identifiers_that_are_no_paths_are_told_of_by_any_event() -> None:
    announced = _announced()
    announced.are_paths = False
    announced.tell(["/data/record.h5"], 100.0)
    assert announced.judge([_found("a1c288b9-b250", OLD_S)], [], 1000.0) == 0
    assert announced.judge([_found("a1c288b9-b251", OLD_S)], [], 2000.0) == 1, "nothing was told since"
    announced.judge([_found("a1c288b9-b252", 1.0)], [], 3000.0)
    announced.tell(["/data/record.h5"], 3005.0)
    assert announced.take_missed(4000.0) == 0
