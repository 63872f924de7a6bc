"""What is told of looks through sources: only those that last, for long enough to be read, and never one that ended."""

from __future__ import annotations

import pytest

from etiket_gui.bridge.scans import Scans
from etiket_gui.domain.events import EngineIdled, Event, ScanBroken, ScanFinished, ScanStarted

BEGUN = ScanStarted(1, "Fridge")
FINISHED = ScanFinished(1, "Fridge", 10, 0, 0, 0.2)


def test_a_look_is_told_once_it_has_lasted_a_second() -> None:
    scans = Scans()
    assert scans.note(BEGUN, 100.0)
    assert scans.under_way(100.9) == {}
    assert scans.changes_in_s(100.0) == pytest.approx(1.0)
    assert scans.under_way(101.0) == {1: pytest.approx(1.0)}
    assert scans.under_way(160.0) == {1: pytest.approx(60.0)}


def test_a_short_look_is_never_told() -> None:
    scans = Scans()
    scans.note(BEGUN, 100.0)
    scans.note(FINISHED, 100.3)
    assert [scans.under_way(100.0 + tenth / 10) for tenth in range(40)] == [{}] * 40


@pytest.mark.parametrize("end", [FINISHED, ScanBroken(1, "Fridge")], ids=["finished", "broken off"])
def test_what_was_told_stays_for_a_second_and_then_goes(end: Event) -> None:
    scans = Scans()
    scans.note(BEGUN, 100.0)
    scans.note(end, 101.1)
    assert scans.under_way(101.9) == {1: pytest.approx(1.1)}
    assert scans.changes_in_s(101.5) == pytest.approx(0.5)
    assert scans.under_way(102.0) == {}


def test_a_long_look_is_over_when_it_ends() -> None:
    scans = Scans()
    scans.note(BEGUN, 100.0)
    scans.note(FINISHED, 130.0)
    assert scans.under_way(130.0) == {}


def test_sources_are_told_apart_and_other_events_say_nothing() -> None:
    scans = Scans()
    scans.note(BEGUN, 100.0)
    scans.note(ScanStarted(2, "NAS"), 101.0)
    assert not scans.note(EngineIdled(), 102.0)
    scans.note(FINISHED, 103.0)
    assert scans.under_way(103.0) == {2: pytest.approx(2.0)}


def test_looks_that_began_before_are_taken_over_and_forgotten_with_the_engine() -> None:
    scans = Scans()
    scans.take([(7, 30.0)], 100.0)
    assert scans.under_way(101.0) == {7: pytest.approx(31.0)}
    scans.forget_all()
    assert scans.under_way(101.0) == {}
