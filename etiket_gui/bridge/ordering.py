"""Long lists of numbers out of SQLite and into order, without holding up the other threads of the window."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Up to so many datasets SQLite orders by itself; beyond, its sorter is slower than reading the numbers and sorting.
MANY = 150_000
#: Stands for "no time": before everything that has one.
NOTHING = -(1 << 62)
#: Ids up to so many times their number are looked up by place, others are searched for.
_SPARSE = 8
_PARSED_AT_ONCE = 16_000
_SCANNED_AT_ONCE = 250_000
_SHORT = 1 << 16


def parsed_ids(text: str) -> array[int]:
    """The numbers of a comma-separated list, in short steps between which other threads may run."""
    ids: array[int] = array("q")
    start = 0
    while start < len(text):
        end = text.find(",", start + _PARSED_AT_ONCE)
        if end < 0:
            end = len(text)
        ids.extend(map(int, text[start:end].split(",")))
        start = end + 1
    return ids


def _numbers(text: str | None) -> NDArray[np.int64]:
    """The same for numpy, seven times as fast; none of None, which SQLite makes of no row."""
    import numpy as np

    if not text:
        return np.empty(0, np.int64)
    pieces = []
    start = 0
    while start < len(text):
        end = text.find(",", start + _SCANNED_AT_ONCE)
        if end < 0:
            end = len(text)
        pieces.append(np.fromstring(text[start:end], dtype=np.int64, sep=","))
        start = end + 1
    return np.concatenate(pieces)


def listed_ids(
    connection: sqlite3.Connection, statement: str, values: Sequence[object], without: NDArray[np.int64] | None = None
) -> array[int]:
    """The ids that a statement with one column ``id`` gives, in its order, but not those of ``without``.

    SQLite makes one text of them and lets go of the interpreter meanwhile.
    """
    found = connection.execute(f"SELECT group_concat(id) FROM ({statement})", values).fetchone()[0]
    if without is None and len(found or "") <= 8 * MANY:
        return parsed_ids(found or "")
    ids = _numbers(found)
    return array("q", ids[_are_kept(ids, without)].tobytes())


def few_ids(connection: sqlite3.Connection, statement: str) -> NDArray[np.int64] | None:
    """The ids that a statement with one column ``id`` gives, for ``without``; None when there are none."""
    found = _numbers(connection.execute(f"SELECT group_concat(id) FROM ({statement})").fetchone()[0])
    return found if len(found) else None


def ordered_ids(
    connection: sqlite3.Connection,
    statement: str,
    values: Sequence[object],
    *,
    is_descending: bool,
    without: NDArray[np.int64] | None = None,
) -> array[int]:
    """The ids of a statement with two whole numbers ``id`` and ``key``, by key, the newest id first among equals.

    For many rows: sorting is done by numpy, which lets go of the interpreter.
    """
    text, keys = connection.execute(
        f"SELECT group_concat(id), group_concat(coalesce(key, {NOTHING})) FROM ({statement})",
        values,
    ).fetchone()
    ids, order = _numbers(text), _numbers(keys)
    kept = _are_kept(ids, without)
    return _ordered(ids[kept], order[kept], is_descending=is_descending)


def newest_by_id(
    connection: sqlite3.Connection, ids: array[int], statement: str, *, is_descending: bool, default: int = NOTHING
) -> array[int]:
    """``ids`` ordered by the ``key`` that a statement with ``id`` and ``key`` gives for each, newest id first.

    An id of which it says nothing has the key ``default``: without one it comes before all others, or behind them when
    descending.
    """
    text, keys = connection.execute(f"SELECT group_concat(id), group_concat(key) FROM ({statement})").fetchone()
    return _by_key(ids, _numbers(text), _numbers(keys), default, is_descending=is_descending)


def mostly_equal_by_id(
    connection: sqlite3.Connection, ids: array[int], statement: str, usual: int, *, is_descending: bool
) -> array[int]:
    """Like :func:`newest_by_id` for keys most of which are ``usual``: a number that is not told takes no time."""
    same, text, keys = connection.execute(
        f"SELECT group_concat(id) FILTER (WHERE key = {usual}), group_concat(id) FILTER (WHERE key <> {usual}),"
        f" group_concat(key) FILTER (WHERE key <> {usual}) FROM ({statement})"
    ).fetchone()
    import numpy as np

    equal, others = _numbers(same), _numbers(text)
    told = np.concatenate([equal, others])
    order = np.concatenate([np.full(len(equal), usual, np.int64), _numbers(keys)])
    return _by_key(ids, told, order, NOTHING, is_descending=is_descending)


def grouped_by_text(
    connection: sqlite3.Connection, ids: array[int], statement: str, *, is_descending: bool
) -> array[int]:
    """``ids`` ordered as a statement says that gives, in the order of the texts, for each text two columns.

    These are ``ids``, a list of those that have it, and ``number``, how many they are. An id that is in none comes
    before all others, or behind them when descending.
    """
    import numpy as np

    text, numbers = connection.execute(f"SELECT group_concat(ids), group_concat(number) FROM ({statement})").fetchone()
    lengths = _numbers(numbers)
    ranks = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    return _by_key(ids, _numbers(text), ranks, NOTHING, is_descending=is_descending)


def _are_kept(ids: NDArray[np.int64], without: NDArray[np.int64] | None) -> NDArray[np.bool_] | slice:
    """Which of ``ids`` are not among ``without``, for indexing."""
    import numpy as np

    if without is None or not len(ids):
        return slice(None)
    last = int(max(ids.max(), without.max()))
    if last >= _SPARSE * (len(ids) + len(without)):
        return np.isin(ids, without, invert=True)
    is_kept = np.ones(last + 1, np.bool_)
    is_kept[without] = False
    return is_kept[ids]


def _by_key(
    ids: array[int], told: NDArray[np.int64], keys: NDArray[np.int64], default: int, *, is_descending: bool
) -> array[int]:
    import numpy as np

    wanted = np.frombuffer(ids, np.int64) if ids else np.empty(0, np.int64)
    order = np.full(len(wanted), default, np.int64)
    if len(told) and len(wanted):
        last = int(max(wanted.max(), told.max()))
        if last < _SPARSE * (len(wanted) + len(told)):
            by_id = np.full(last + 1, default, np.int64)
            by_id[told] = keys
            order = by_id[wanted]
        else:
            wanted = np.sort(wanted)
            places = np.minimum(np.searchsorted(wanted, told), len(wanted) - 1)
            is_wanted = wanted[places] == told
            order[places[is_wanted]] = keys[is_wanted]
    return _ordered(wanted, order, is_descending=is_descending)


def _ordered(ids: NDArray[np.int64], order: NDArray[np.int64], *, is_descending: bool) -> array[int]:
    import numpy as np

    # Mostly they come in their order already: then one stable sort is enough, and that is fast for few distinct keys.
    if not np.all(ids[1:] > ids[:-1]):
        by_id = np.argsort(ids)
        ids, order = ids[by_id], order[by_id]
    ids, order = ids[::-1], order[::-1]
    if len(order):
        smallest, largest = int(order.min()), int(order.max())
        if largest - smallest < _SHORT:
            # Short numbers are put in order by their digits, several times as fast.
            order = (largest - order if is_descending else order - smallest).astype(np.uint16)
            is_descending = False
    places = np.argsort(-order if is_descending else order, kind="stable")
    return array("q", ids[places].tobytes())
