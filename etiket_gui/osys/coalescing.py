"""Gathers changed paths into few batches: pure, with the clock as an argument, and never losing a path."""

from __future__ import annotations

import os
from collections.abc import Callable

DEBOUNCE_S = 0.15
#: A run that begins in a file that has just grown is told of within this, so that its points are here within 2 s.
LONGEST_WAIT_S = 1.5
MOST_PER_FOLDER = 500
MOST_PATHS = 20_000


class PathCoalescer:
    """Paths wait until ``debounce_s`` passed without a new one, but no longer than ``longest_wait_s``.

    More than ``most_per_folder`` paths of one folder become that folder: "look at all of it". More than
    ``most_paths`` in all become the folders they lie in and, where that is not enough, the folders above those. A path
    that was in the batch before may wait for the longest time: a file that grows all day wakes nobody five times a
    second.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        debounce_s: float = DEBOUNCE_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        most_per_folder: int = MOST_PER_FOLDER,
        most_paths: int = MOST_PATHS,
    ) -> None:
        self._now_s = now_s
        self._debounce_s = debounce_s
        self._longest_wait_s = longest_wait_s
        self._most_per_folder = most_per_folder
        self._most_paths = most_paths
        self._names: dict[str, set[str]] = {}
        self._whole: set[str] = set()
        self._count = 0
        self._first_s = 0.0
        self._due_s: float | None = None
        self._recent: frozenset[str] = frozenset()

    @property
    def due_s(self) -> float | None:
        """When the batch is to be taken, on the clock given; None while there is nothing."""
        return self._due_s

    def add(self, path: str, *, is_final: bool = True) -> None:
        """A path changed; ``is_final`` False: more changes of it are to be expected soon."""
        now_s = self._now_s()
        if self._due_s is None:
            self._first_s = now_s
        latest_s = self._first_s + self._longest_wait_s
        is_news = is_final or path not in self._recent
        if is_news:
            self._due_s = min(now_s + self._debounce_s, latest_s)
        elif self._due_s is None:
            self._due_s = latest_s
        folder, name = os.path.split(path)
        self._insert(folder, name, path)

    def take(self) -> list[str]:
        """The batch, sorted; a folder in it that had too many changes stands for everything below it."""
        paths = [
            os.path.join(folder, name) if name else folder for folder in self._names for name in self._names[folder]
        ]
        paths.extend(self._whole)
        paths.sort()
        self._names.clear()
        self._whole.clear()
        self._count = 0
        self._due_s = None
        self._recent = frozenset(paths)
        return paths

    def _insert(self, folder: str, name: str, path: str) -> None:
        if folder in self._whole or path in self._whole:
            return
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = set()
        if name in names:
            return
        names.add(name)
        self._count += 1
        if len(names) > self._most_per_folder:
            self._stand_for(folder)
        if self._count + len(self._whole) > self._most_paths:
            self._go_up()

    def _stand_for(self, folder: str) -> None:
        self._count -= len(self._names.pop(folder, ()))
        self._whole.add(folder)

    def _go_up(self) -> None:
        """Too many paths in all: their folders, then the folders above those, until few are left."""
        for folder in list(self._names):
            self._stand_for(folder)
        while len(self._whole) > self._most_paths // 2:
            above = {os.path.dirname(folder) for folder in self._whole}
            if len(above) == len(self._whole):
                break
            self._whole = above
