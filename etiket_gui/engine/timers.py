"""Things to be done at a time, by key, on one thread; monotonic seconds."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable


class Timers:
    """At most one pending time per key; setting a key again replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._actions: dict[Hashable, tuple[int, float, Callable[[], None]]] = {}
        self._numbers = itertools.count()

    def at(self, key: Hashable, due_s: float, action: Callable[[], None]) -> None:
        """Run ``action`` once at or after ``due_s``."""
        number = next(self._numbers)
        self._actions[key] = (number, due_s, action)
        heapq.heappush(self._heap, (due_s, number, key))

    def not_later_than(self, key: Hashable, due_s: float, action: Callable[[], None]) -> None:
        """Like :meth:`at`, but an earlier pending time stays."""
        pending = self._actions.get(key)
        if pending is None or due_s < pending[1]:
            self.at(key, due_s, action)

    def cancel(self, key: Hashable) -> None:
        """Forget a pending time."""
        self._actions.pop(key, None)

    def next_due_s(self) -> float | None:
        """When the next action is due, or None when nothing is pending."""
        while self._heap:
            due_s, number, key = self._heap[0]
            pending = self._actions.get(key)
            if pending is not None and pending[0] == number:
                return due_s
            heapq.heappop(self._heap)
        return None

    def run_due(self, now_s: float) -> int:
        """Run what is due; returns how many actions ran."""
        ran = 0
        while (due_s := self.next_due_s()) is not None and due_s <= now_s:
            _, _, key = heapq.heappop(self._heap)
            _, _, action = self._actions.pop(key)
            action()
            ran += 1
        return ran
