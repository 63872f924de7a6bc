"""Timers run once, in order, and can be replaced."""

from __future__ import annotations

from etiket_gui.engine.timers import Timers


def test_actions_run_once_and_in_the_order_of_their_times() -> None:
    timers, ran = Timers(), []
    timers.at("b", 2.0, lambda: ran.append("b"))
    timers.at("a", 1.0, lambda: ran.append("a"))
    assert timers.next_due_s() == 1.0
    assert timers.run_due(2.0) == 2
    assert ran == ["a", "b"]
    assert timers.run_due(99.0) == 0
    assert timers.next_due_s() is None


def test_setting_a_key_again_replaces_its_time() -> None:
    timers, ran = Timers(), []
    timers.at("a", 1.0, lambda: ran.append("old"))
    timers.at("a", 5.0, lambda: ran.append("new"))
    timers.run_due(4.0)
    assert ran == []
    timers.run_due(5.0)
    assert ran == ["new"]


def test_not_later_than_keeps_the_earlier_time() -> None:
    timers, ran = Timers(), []
    timers.at("a", 1.0, lambda: ran.append("early"))
    timers.not_later_than("a", 5.0, lambda: ran.append("late"))
    assert timers.next_due_s() == 1.0
    timers.not_later_than("a", 0.5, lambda: ran.append("earlier"))
    timers.run_due(1.0)
    assert ran == ["earlier"]


def test_a_cancelled_action_never_runs() -> None:
    timers, ran = Timers(), []
    timers.at("a", 1.0, lambda: ran.append("a"))
    timers.cancel("a")
    assert timers.next_due_s() is None
    timers.run_due(9.0)
    assert ran == []


def test_an_action_may_set_its_own_key_again() -> None:
    timers, ran = Timers(), []

    def again() -> None:
        ran.append(len(ran))
        timers.at("tick", 10.0 * (len(ran) + 1), again)

    timers.at("tick", 10.0, again)
    timers.run_due(10.0)
    assert timers.next_due_s() == 20.0
    timers.run_due(30.0)
    assert ran == [0, 1, 2]
