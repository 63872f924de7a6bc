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


def _numbers(text: str) -> NDArray[np.int64]:
    """The same for numpy, seven times as fast."""
    import numpy as np

    pieces = []
    start = 0
    while start < len(text):
        end = text.find(",", start + _SCANNED_AT_ONCE)
        if end < 0:
            end = len(text)
        pieces.append(np.fromstring(text[start:end], dtype=np.int64, sep=","))
        start = end + 1
    return np.concatenate(pieces)


def listed_ids(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> array[int]:
    """The ids that a statement with one column ``id`` gives, in its order.

    SQLite makes one text of them and lets go of the interpreter meanwhile.
    """
    found = connection.execute(f"SELECT group_concat(id) FROM ({statement})", values).fetchone()[0]
    if found and len(found) > 8 * MANY:
        return array("q", _numbers(found).tobytes())
    return parsed_ids(found or "")


def ordered_ids(
    connection: sqlite3.Connection, statement: str, values: Sequence[object], *, is_descending: bool
) -> array[int]:
    """The ids of a statement with two whole numbers ``id`` and ``key``, by key, the newest id first among equals.

    For many rows: sorting is done by numpy, which lets go of the interpreter.
    """
    text, keys = connection.execute(
        f"SELECT group_concat(id), group_concat(coalesce(key, {NOTHING})) FROM ({statement})",
        values,
    ).fetchone()
    if not text:
        return array("q")

    ids, order = _numbers(text), _numbers(keys)
    return _ordered(ids, order, is_descending=is_descending)


def newest_by_id(connection: sqlite3.Connection, ids: array[int], statement: str, *, is_descending: bool) -> array[int]:
    """``ids`` ordered by the ``key`` that a statement with ``id`` and ``key`` gives for each, newest id first.

    An id of which it says nothing comes before all others, or behind them when descending.
    """
    text, keys = connection.execute(f"SELECT group_concat(id), group_concat(key) FROM ({statement})").fetchone()
    if not text:
        return _by_key(ids, None, None, is_descending=is_descending)
    return _by_key(ids, _numbers(text), _numbers(keys), is_descending=is_descending)


def grouped_by_text(
    connection: sqlite3.Connection, ids: array[int], statement: str, *, is_descending: bool
) -> array[int]:
    """``ids`` ordered as a statement says that gives one list of ids for each equal text, in the order of the texts.

    An id that is in none comes before all others, or behind them when descending.
    """
    import numpy as np

    groups = [_numbers(text) for (text,) in connection.execute(statement)]
    if not groups:
        return _by_key(ids, None, None, is_descending=is_descending)
    ranks = np.repeat(np.arange(len(groups), dtype=np.int64), [len(group) for group in groups])
    return _by_key(ids, np.concatenate(groups), ranks, is_descending=is_descending)


def _by_key(
    ids: array[int], told: NDArray[np.int64] | None, keys: NDArray[np.int64] | None, *, is_descending: bool
) -> array[int]:
    import numpy as np

    wanted = np.frombuffer(ids, np.int64) if ids else np.empty(0, np.int64)
    order = np.full(len(wanted), NOTHING, np.int64)
    if told is not None and keys is not None and len(wanted):
        last = int(max(wanted.max(), told.max()))
        if last < _SPARSE * (len(wanted) + len(told)):
            by_id = np.full(last + 1, NOTHING, np.int64)
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
    if len(ids) and not np.all(ids[1:] > ids[:-1]):
        by_id = np.argsort(ids)
        ids, order = ids[by_id], order[by_id]
    ids, order = ids[::-1], order[::-1]
    places = np.argsort(-order if is_descending else order, kind="stable")
    return array("q", ids[places].tobytes())
