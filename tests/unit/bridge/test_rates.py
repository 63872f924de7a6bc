"""Rates are summed up by source and by destination, and never shown when nobody tells them any more."""

from __future__ import annotations

from etiket_gui.bridge.rates import TOLD_FOR_S, Rate, Rates
from etiket_gui.domain.events import EngineIdled, RouteMoved


def test_rates_are_summed_at_both_ends() -> None:
    rates = Rates()
    assert rates.note(RouteMoved(1, 7, 100.0, 1.0), 10.0)
    assert rates.note(RouteMoved(2, 7, 50.0, 2.0), 10.0)
    assert rates.note(RouteMoved(2, 8, 5.0, 0.0), 10.0)
    assert not rates.note(EngineIdled(), 10.0)
    assert rates.of_destination(7, 10.5) == Rate(150.0, 3.0)
    assert rates.of_source(2, 10.5) == Rate(55.0, 2.0)
    assert rates.whole(10.5) == Rate(155.0, 3.0)


def test_old_rates_are_none() -> None:
    rates = Rates()
    rates.note(RouteMoved(1, 7, 100.0, 1.0), 10.0)
    assert not rates.of_destination(7, 10.0 + TOLD_FOR_S).is_anything
    rates.note(RouteMoved(1, 7, 100.0, 1.0), 20.0)
    rates.note(RouteMoved(1, 7, 0.0, 0.0), 20.5)
    assert not rates.whole(20.5).is_anything
    rates.note(RouteMoved(1, 7, 100.0, 1.0), 21.0)
    rates.forget_all()
    assert not rates.whole(21.0).is_anything
