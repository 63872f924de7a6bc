"""Whose turn it is with the interpreter: longer for a paint, shorter for who is waited for, then as before."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from etiket_gui.bridge.interpreter import HELD_S, SHARED_S, held, share_finely, shared


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before_s = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before_s)


def test_a_paint_is_not_interrupted_but_who_it_waits_for_gets_on() -> None:
    share_finely()
    with held():
        assert sys.getswitchinterval() == pytest.approx(HELD_S)
        with shared():
            assert sys.getswitchinterval() == pytest.approx(SHARED_S)
        assert sys.getswitchinterval() == pytest.approx(HELD_S)
    assert sys.getswitchinterval() == pytest.approx(SHARED_S)


def test_others_get_on_as_before_after_a_paint_that_failed() -> None:
    share_finely()
    with pytest.raises(ZeroDivisionError), held():
        raise ZeroDivisionError
    assert sys.getswitchinterval() == pytest.approx(SHARED_S)


def test_who_shares_even_more_finely_is_left_alone() -> None:
    sys.setswitchinterval(SHARED_S / 2)
    share_finely()
    assert sys.getswitchinterval() == pytest.approx(SHARED_S / 2)
