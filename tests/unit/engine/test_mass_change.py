"""A mass change is noticed by count and share, within an hour."""

from __future__ import annotations

from etiket_gui.engine.mass_change import WINDOW_S, MassChangeWatch


def test_more_than_fifty_and_more_than_a_tenth_is_too_much() -> None:
    watch = MassChangeWatch()
    watch.note(range(51), 0.0)
    assert watch.is_too_much(509)
    assert not watch.is_too_much(510)


def test_fifty_are_never_too_much() -> None:
    watch = MassChangeWatch()
    watch.note(range(50), 0.0)
    assert not watch.is_too_much(50)


def test_the_same_dataset_counts_once_however_often_it_changes() -> None:
    watch = MassChangeWatch()
    for second in range(200):
        watch.note([7], float(second))
    assert watch.changed_count == 1


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    watch = MassChangeWatch()
    watch.note(range(60), 0.0)
    watch.note([], WINDOW_S + 1.0)
    assert watch.changed_count == 0


def test_an_answer_starts_the_count_anew() -> None:
    watch = MassChangeWatch()
    watch.note(range(60), 0.0)
    watch.accept()
    assert not watch.is_too_much(60)
