"""Rests within a long look: as long as its work asks for, and no longer than nobody waits."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from etiket_gui.domain.errors import Stopped
from etiket_gui.worker.lanes import BeatingStopToken
from etiket_gui.worker.leisure import Leisure
from tests.support.patience import patient_s


class Work:
    """Processor time that a test spends."""

    def __init__(self) -> None:
        self.used_s = 5.0

    def __call__(self) -> float:
        return self.used_s


def _token(share: float, work: Work) -> tuple[BeatingStopToken, Leisure]:
    token = BeatingStopToken()
    leisure = Leisure(share, work)
    token.take_leisure(leisure)
    return token, leisure


def test_rest_is_as_long_as_the_work_asks_for() -> None:
    work = Work()
    token, leisure = _token(0.1, work)
    token.check()
    assert leisure.rested_s == 0.0, "nothing was done yet"
    work.used_s += 0.02
    token.check()
    assert 0.18 <= leisure.rested_s < patient_s(1.0)
    rested_s = leisure.rested_s
    token.check()
    assert leisure.rested_s == rested_s, "nothing was done since"


def test_a_rest_gives_signs_of_life() -> None:
    work = Work()
    _, leisure = _token(0.01, work)
    work.used_s += 0.022
    signs: list[float] = []
    leisure.rest_if_due(lambda: signs.append(time.monotonic()))
    assert len(signs) >= 2


def test_who_waits_ends_the_rest_and_all_that_would_follow() -> None:
    work = Work()
    token, leisure = _token(1e-6, work)
    work.used_s += 1.0
    timer = threading.Timer(0.1, token.hurry)
    timer.start()
    token.check()
    timer.join()
    work.used_s += 1.0
    token.check()
    assert leisure.rested_s < patient_s(20.0), "and not eleven days"


def test_a_stop_ends_the_rest() -> None:
    work = Work()
    token, _ = _token(1e-6, work)
    work.used_s += 1.0
    timer = threading.Timer(0.1, token.stop)
    timer.start()
    with pytest.raises(Stopped):
        token.check()
    timer.join()


@pytest.mark.parametrize("word", ["hurry", "stop"])
def test_a_word_that_came_before_the_look_began_counts(word: str) -> None:
    """A worker that only starts reads it while it still loads what the look needs."""
    work = Work()
    token, leisure = BeatingStopToken(), Leisure(1e-6, work)
    getattr(token, word)()
    token.take_leisure(leisure)
    work.used_s += 1.0
    # Whoever rests all the same is let go, so that the test ends.
    timer = threading.Timer(patient_s(2.0), leisure.hurry)
    timer.start()
    with contextlib.suppress(Stopped):
        token.check()
    timer.cancel()
    assert leisure.rested_s == 0.0


def test_a_look_without_leisure_never_rests() -> None:
    token = BeatingStopToken()
    token.hurry()
    begun_s = time.monotonic()
    for _ in range(1000):
        token.check()
    assert time.monotonic() - begun_s < patient_s(1.0)
