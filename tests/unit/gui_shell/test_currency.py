"""The time of a statement is told only when it is not of now, and it is the time from which nothing is known."""

from __future__ import annotations

from etiket_gui.gui.currency import DOUBT_AFTER_S, Currency

S = 10**9
LONG = int(DOUBT_AFTER_S + 1) * S


class _Clock:
    def __init__(self) -> None:
        self.ns = 1_800_000_000 * S

    def __call__(self) -> int:
        return self.ns


def test_an_engine_that_answers_is_of_now() -> None:
    clock = _Clock()
    currency = Currency(clock)
    for _ in range(100):
        assert currency.note_asked()
        clock.ns += S
        currency.note_answer()
        clock.ns += LONG
        assert currency.as_of_ns == 0


def test_an_engine_that_does_not_answer_is_told_with_the_time_it_was_asked() -> None:
    clock = _Clock()
    currency = Currency(clock)
    asked_ns = clock.ns
    assert currency.note_asked()
    clock.ns += S
    assert currency.as_of_ns == 0
    clock.ns += LONG
    assert not currency.note_asked()
    assert currency.as_of_ns == asked_ns
    currency.note_refused()
    assert currency.note_asked()
    clock.ns += LONG
    currency.note_refused()
    assert currency.as_of_ns == asked_ns
    assert not currency.is_store_away
    currency.note_answer()
    assert currency.as_of_ns == 0


def test_a_store_that_is_away_for_a_moment_is_not_told() -> None:
    clock = _Clock()
    currency = Currency(clock)
    away_ns = clock.ns
    currency.note_store(is_away=True)
    clock.ns += S
    currency.note_store(is_away=True)
    assert currency.as_of_ns == 0
    clock.ns += LONG
    assert (currency.as_of_ns, currency.is_store_away) == (away_ns, True)
    currency.note_store(is_away=False)
    assert (currency.as_of_ns, currency.is_store_away) == (0, False)


def test_an_engine_that_ended_owes_no_answer() -> None:
    clock = _Clock()
    currency = Currency(clock)
    currency.note_asked()
    currency.forget_engine()
    clock.ns += LONG
    assert currency.as_of_ns == 0
