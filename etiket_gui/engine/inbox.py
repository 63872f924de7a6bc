"""What other threads want done on the coordinator's thread, and how much of it is taken at once."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

Action = Callable[[], None]

_MOST_AT_ONCE = 500
#: What comes in within this time of the last turn is taken in one turn: each costs a commit and a look at everything.
_GATHER_S = 0.015


class Inbox:
    """Actions in the order they came; put in from any thread, taken out by one."""

    def __init__(self) -> None:
        self._actions: queue.SimpleQueue[Action] = queue.SimpleQueue()
        self._turned_at_s = 0.0

    def put(self, action: Action) -> None:
        """Have an action run soon."""
        self._actions.put(action)

    def take(self, wait_s: float, *, may_gather: bool) -> list[Action]:
        """What is there within so many seconds; under load, ``may_gather`` waits a moment for what comes with it."""
        actions: list[Action] = []
        try:
            actions.append(self._actions.get(timeout=max(0.0, wait_s)))
            gather_s = self._turned_at_s + _GATHER_S - time.monotonic()
            if may_gather and gather_s > 0:
                time.sleep(gather_s)
            while len(actions) < _MOST_AT_ONCE:
                actions.append(self._actions.get_nowait())
        except queue.Empty:
            pass
        return actions

    def note_turn(self) -> None:
        """What was taken is done."""
        self._turned_at_s = time.monotonic()
