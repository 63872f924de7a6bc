"""How one list of ids becomes another: which rows go, in which order the others stand then, and which rows come."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

#: More than so many rows that differ, or so many separate places, are no small change: the list is shown anew.
MOST_ROWS = 20_000
MOST_PLACES = 100

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ListChange:
    """Steps from one list to another, to be taken in this order.

    ``removed``: first and last row of each run that goes, the last one first, counted in the old list.
    ``order``: None, or the ids after that in their new order, where the order changes; ``moved`` is the span of rows
    that it concerns. ``inserted``: first and last row of each run that comes, the first one first, counted in the new
    list. ``is_small`` False: too much changed to go step by step.
    """

    removed: tuple[Span, ...] = ()
    order: array[int] | None = None
    moved: Span = (0, -1)
    inserted: tuple[Span, ...] = ()
    is_small: bool = True

    @property
    def is_nothing(self) -> bool:
        """Whether both lists are equal."""
        return self.is_small and not self.removed and not self.inserted and self.order is None


def list_change(old: array[int], new: array[int]) -> ListChange:
    """What is to be done to make ``new`` of ``old``; each id is in a list at most once."""
    if old == new:
        return ListChange()
    start = _common_start(old, new)
    end = _common_end(old, new, min(len(old), len(new)) - start)
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if len(old_middle) + len(new_middle) > MOST_ROWS:
        # Nothing is compared one by one: a run that only comes or goes is small whatever its length.
        if not old_middle:
            return ListChange(inserted=((start, start + len(new_middle) - 1),))
        if not new_middle:
            return ListChange(removed=((start, start + len(old_middle) - 1),))
        return ListChange(is_small=False)
    staying = set(old_middle).intersection(new_middle)
    removed = _spans(start + row for row, item in enumerate(old_middle) if item not in staying)
    inserted = _spans(start + row for row, item in enumerate(new_middle) if item not in staying)
    if len(removed) + len(inserted) > MOST_PLACES:
        return ListChange(is_small=False)
    kept_before = array("q", [item for item in old_middle if item in staying])
    kept_after = array("q", [item for item in new_middle if item in staying])
    order = None
    if kept_before != kept_after:
        order = old[:start] + kept_after + old[len(old) - end :]
    return ListChange(tuple(reversed(removed)), order, (start, start + len(kept_after) - 1), tuple(inserted))


def _common_start(old: array[int], new: array[int]) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: array[int], new: array[int], most: int) -> int:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _spans(rows: Iterable[int]) -> list[Span]:
    spans: list[Span] = []
    for row in rows:
        if spans and spans[-1][1] == row - 1:
            spans[-1] = (spans[-1][0], row)
        else:
            spans.append((row, row))
    return spans
