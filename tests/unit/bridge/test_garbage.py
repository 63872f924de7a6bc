"""While a window is open, Python looks for garbage on the window's thread only."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from etiket_gui.bridge import garbage
from etiket_gui.bridge.garbage import GarbageRounds


class _Circle:
    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def rounds(qtbot: QtBot) -> Iterator[GarbageRounds]:
    """Rounds that are under way."""
    made = GarbageRounds()
    made.start()
    yield made
    made.stop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_circles_are_freed_between_the_events_of_the_window(rounds: GarbageRounds, qtbot: QtBot) -> None:
    gone = weakref.ref(_Circle())
    kept = [[] for _ in range(2000)]  # type: ignore[var-annotated]
    qtbot.waitUntil(lambda: gone() is None)
    assert len(kept) == 2000


def test_no_other_thread_looks_for_garbage(rounds: GarbageRounds) -> None:
    where: list[str] = []

    def note(phase: str, _: object) -> None:
        where.append(threading.current_thread().name)

    gc.callbacks.append(note)
    try:
        made: list[list[int]] = []
        thread = threading.Thread(target=lambda: made.extend([] for _ in range(100_000)), name="maker")
        thread.start()
        thread.join()
        rounds.look()
    finally:
        gc.callbacks.remove(note)
    assert where
    assert "maker" not in where


def test_everything_is_gone_through_now_and_then(rounds: GarbageRounds, monkeypatch: pytest.MonkeyPatch) -> None:
    circle = _Circle()
    gone = weakref.ref(circle)
    gc.collect()
    del circle
    rounds.look()
    assert gone() is not None, "an old circle was found by a round through the young"
    monkeypatch.setattr(garbage, "FULL_EVERY_S", 0.0)
    rounds.look()
    assert gone() is None
