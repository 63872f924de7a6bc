"""Reads a run's points, a short look at a time, into one long column for each parameter of each tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from etiket_gui.backends.qcodes.cells import Array, numbers, texts, unpacked
from etiket_gui.backends.qcodes.columns import Budget, Column
from etiket_gui.backends.qcodes.interdependencies import Interdependencies, Tree
from etiket_gui.backends.qcodes.runs import quoted
from etiket_gui.backends.sqlite_access import Access, Reader, Way
from etiket_gui.domain import guards
from etiket_gui.domain.stopping import StopToken

_FIRST_ROWS = 2000
_FIRST_BLOB_ROWS = 20
_MOST_ROWS = 50_000
#: So many pieces describe which rows belong to a tree; a table with more is stored as it is beside the sweeps.
_MOST_RUNS = 2000
Rows = Array | list[tuple[object, ...]]
_BLOB_KINDS = frozenset({"array", "complex"})


@dataclass(slots=True)
class Runs:
    """Numbers in order as (first, step, count) pieces; None in ``pieces`` when there were too many of them."""

    pieces: list[list[int]] | None = field(default_factory=list)

    def append(self, values: Array) -> None:
        """Add numbers at the end."""
        if self.pieces is None or not values.size:
            return
        cuts = np.flatnonzero(np.diff(values, n=2)) + 1 if values.size > 2 else np.zeros(0, np.int64)
        if cuts.size > _MOST_RUNS:
            self.pieces = None
            return
        start = 0
        for end in [*cuts.tolist(), values.size - 1]:
            while start <= end:
                step = int(values[start + 1] - values[start]) if start < end else 1
                self._add(int(values[start]), step, end - start + 1)
                start = end + 1
        if len(self.pieces) > _MOST_RUNS:
            self.pieces = None

    def _add(self, first: int, step: int, count: int) -> None:
        pieces = self.pieces
        if pieces is None:
            return
        if pieces:
            last = pieces[-1]
            gap = first - (last[0] + last[1] * (last[2] - 1))
            if last[2] == 1 and (count == 1 or gap == step):
                last[1], last[2] = gap, 1 + count
                return
            if gap == last[1] and (count == 1 or step == last[1]):
                last[2] += count
                return
        pieces.append([first, step, count])


@dataclass(slots=True)
class TreePoints:
    """The points of one tree: equally long columns, the rows they come from, and how many values each row gave."""

    tree: Tree
    columns: dict[str, Column]
    rows: Runs = field(default_factory=Runs)
    #: (values, rows) pieces; only for trees with arrays.
    lengths: list[list[int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many values each column has."""
        return self.columns[self.tree.name].count

    def note_lengths(self, sizes: Sequence[int]) -> None:
        """Remember how many values each of the next rows gave."""
        for size in sizes:
            if self.lengths and self.lengths[-1][0] == size:
                self.lengths[-1][1] += 1
            else:
                self.lengths.append([size, 1])


@dataclass(slots=True)
class Points:
    """All points of a run. ``is_complete`` says that the trees hold every cell of the table exactly."""

    trees: list[TreePoints]
    row_count: int = 0
    last_id: int = 0
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first look at a result table saw: its columns, and all rows of a short one."""

    names: tuple[str, ...]
    rows: Rows | None = None


def begin(reader: Reader, table: str, last_id: int, kinds: Mapping[str, str]) -> Begun:
    """The columns of a table, and its rows up to ``last_id`` if they are few enough for this very look."""
    names = _column_names(reader, table)
    most = _FIRST_ROWS if all(kinds.get(name, "array") not in _BLOB_KINDS for name in names) else _FIRST_BLOB_ROWS
    if not names or last_id == 0:
        return Begun(names, [])
    if last_id > most:
        return Begun(names)
    chosen = ", ".join(["id", *(quoted(name) for name in names)])
    sql = f"SELECT {chosen} FROM {quoted(table)} WHERE id <= ? ORDER BY id"  # noqa: S608
    return Begun(names, reader.query(sql, (last_id,)))


def _column_names(reader: Reader, table: str) -> tuple[str, ...]:
    return tuple(str(row[1]) for row in reader.query(f"PRAGMA table_info({quoted(table)})") if row[1] != "id")


class PointReader:
    """Reads one result table up to the row ``last_id``."""

    def __init__(
        self, access: Access, table: str, found: Interdependencies, budget: Budget, begun: Begun | None = None
    ) -> None:
        self._access = access
        self._begun = begun
        self._table = table
        self._found = found
        self._budget = budget
        self._kinds = {name: parameter.kind for name, parameter in found.parameters.items()}

    def read(self, last_id: int, stop: StopToken, *, after: int = 0) -> Points:
        """All rows after ``after`` and up to ``last_id``. Raises what :meth:`Access.look` raises."""
        trees = [
            TreePoints(tree, {name: Column(self._budget) for name in tree.columns}) for tree in self._found.trees()
        ]
        points = Points(trees)
        begun = self._begun
        if begun is None:
            begun = Begun(self._access.look(lambda reader: _column_names(reader, self._table), stop))
        names = list(begun.names)
        is_extra = any(name not in self._kinds for name in names)
        trees[:] = [tree for tree in trees if all(name in names for name in tree.tree.columns)]
        points.is_complete = not is_extra and len(trees) == len(self._found.trees())
        parts: Iterable[Rows] = (
            slices(self._access, self._table, names, after, last_id, stop, kinds=self._kinds)
            if begun.rows is None
            else [begun.rows]
        )
        for rows in parts:
            if not len(rows):
                continue
            if isinstance(rows, np.ndarray):
                ids = rows[:, 0].astype(np.int64)
                self._take_numbers(points, ids, {name: rows[:, place + 1] for place, name in enumerate(names)})
            else:
                columns = list(zip(*rows, strict=True))
                ids = np.array(columns[0], dtype=np.int64)
                self._take(points, ids, dict(zip(names, columns[1:], strict=True)))
            points.row_count += ids.size
            points.last_id = int(ids[-1])
        return points

    @staticmethod
    def _take_numbers(points: Points, ids: Array, values: Mapping[str, Array]) -> None:
        """Rows in which every cell is a number: all of them belong to every tree."""
        left = set(values)
        whole = {name: np.ascontiguousarray(column) for name, column in values.items()}
        for tree in points.trees:
            tree.rows.append(ids)
            for name in tree.tree.columns:
                tree.columns[name].append(whole[name])
                left.discard(name)
        if left:
            points.is_complete = False

    def _take(self, points: Points, ids: Array, cells: Mapping[str, tuple[object, ...]]) -> None:
        masks = {name: _mask(values) for name, values in cells.items()}
        covered: dict[str, Array] = {name: np.zeros(ids.size, dtype=bool) for name in cells}
        decoded: dict[str, Array] = {}
        for tree in points.trees:
            mask = masks[tree.tree.name]
            if mask is not None and not mask.any():
                continue
            tree.rows.append(ids if mask is None else ids[mask])
            if tree.rows.pieces is None:
                points.is_complete = False
            for name in tree.tree.columns:
                other = masks[name]
                covered[name] |= True if mask is None else mask
                if other is not None and not (other if mask is None else other[mask]).all():
                    points.is_complete = False
            self._append(points, tree, cells, mask, decoded)
        for name, mask in masks.items():
            left = ~covered[name]
            if left.any() and (mask is None or (mask & left).any()):
                points.is_complete = False

    def _append(
        self,
        points: Points,
        tree: TreePoints,
        cells: Mapping[str, tuple[object, ...]],
        mask: Array | None,
        decoded: dict[str, Array],
    ) -> None:
        blobs: dict[str, list[Array]] = {}
        sizes: list[int] | None = None
        for name in tree.tree.columns:
            if self._kinds[name] in _BLOB_KINDS:
                values = cells[name] if mask is None else [cells[name][place] for place in np.flatnonzero(mask)]
                blobs[name] = [unpacked(cell) for cell in values]
                own = [array.size for array in blobs[name]]
                sizes = own if sizes is None else [max(pair) for pair in zip(sizes, own, strict=True)]
        if sizes is not None and "array" in {self._kinds[name] for name in tree.tree.columns}:
            tree.note_lengths(sizes)
        for name in tree.tree.columns:
            if name in blobs and sizes is not None:
                tree.columns[name].append(self._joined(points, blobs[name], sizes))
                continue
            if name not in decoded:
                if self._kinds[name] == "text":
                    decoded[name] = texts(cells[name])
                else:
                    decoded[name], is_exact = numbers(cells[name])
                    points.is_complete = points.is_complete and is_exact
            chosen = decoded[name] if mask is None else decoded[name][mask]
            tree.columns[name].append(chosen if sizes is None else np.repeat(chosen, sizes))

    @staticmethod
    def _joined(points: Points, arrays: list[Array], sizes: list[int]) -> Array:
        """Arrays one after the other; a single value is repeated, one of another length is filled up with NaN."""
        pieces = []
        for array, size in zip(arrays, sizes, strict=True):
            flat = array.reshape(-1)
            if flat.size == 1 and size != 1:
                flat = np.repeat(flat, size)
            elif flat.size != size:
                points.is_complete = False
                filled = np.full(size, np.nan, dtype=np.result_type(flat.dtype, np.float64))
                filled[: flat.size] = flat
                flat = filled
            pieces.append(flat)
        if not pieces:
            return np.zeros(0)
        if len({piece.dtype for piece in pieces}) > 1 and any(piece.dtype.kind == "O" for piece in pieces):
            return texts([str(item) for piece in pieces for item in piece])
        return np.concatenate(pieces)


def slices(
    access: Access,
    table: str,
    names: Sequence[str],
    after: int,
    last_id: int,
    stop: StopToken,
    *,
    kinds: Mapping[str, str],
) -> Iterator[Rows]:
    """The rows of a table (id first) after ``after`` and up to ``last_id``, as many a look as its time allows.

    Rows come as one float64 array where every cell is a number, else as tuples. ``kinds`` are those of the columns,
    as far as they are known.
    """
    table_sql = f"FROM {quoted(table)} WHERE id > ? AND id <= ? ORDER BY id"
    values_sql = ", ".join(quoted(name) for name in names)
    may_be_numbers = bool(names) and all(kinds.get(name) == "numeric" for name in names)
    count = _FIRST_ROWS if all(kinds.get(name, "array") not in _BLOB_KINDS for name in names) else _FIRST_BLOB_ROWS

    def look(reader: Reader) -> Rows | None:
        if not may_be_numbers:
            return reader.query(
                f"SELECT {', '.join(['id', *map(quoted, names)])} {table_sql} LIMIT ?", (after, last_id, count)
            )
        upper = min(after + count, last_id)
        rows = reader.numbers(f"SELECT {values_sql} {table_sql}", (after, upper), len(names))
        if rows is None or rows.shape[0] == upper - after:
            # Without gaps the numbers of the rows need not be read.
            return None if rows is None else np.column_stack((np.arange(after + 1, upper + 1, dtype=np.float64), rows))
        return reader.numbers(f"SELECT id, {values_sql} {table_sql} LIMIT ?", (after, last_id, count), len(names) + 1)

    if not guards.is_on("short-looks"):
        count = last_id
    while after < last_id:
        rows = access.look(look, stop)
        if rows is None:
            # A NULL, or a number that is none: this table is read cell by cell from here on.
            may_be_numbers = False
            count = max(count // 4, _FIRST_BLOB_ROWS)
            continue
        took_s = access.last_work_s
        if not len(rows):
            return
        after = int(rows[-1, 0]) if isinstance(rows, np.ndarray) else int(str(rows[-1][0]))
        is_last = len(rows) < count
        yield rows
        if is_last:
            return
        if took_s > access.slice_s / 2:
            count = max(count // 2, 1)
        elif took_s < access.slice_s / 4:
            count = min(2 * count, _MOST_ROWS)
        if access.last_way is Way.SHARED:
            # Somebody may be writing: leave at least as much time as was taken.
            stop.wait(min(took_s, access.slice_s))


def _mask(values: tuple[object, ...]) -> Array | None:
    """Where there is a value; None when there is one everywhere."""
    if None not in values:
        return None
    return np.fromiter((value is not None for value in values), dtype=bool, count=len(values))
