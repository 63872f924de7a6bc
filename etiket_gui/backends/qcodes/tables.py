"""The result table as it is, cell by cell: stored beside the sweeps where they cannot hold every cell exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from etiket_gui.backends.qcodes.cells import Array
from etiket_gui.backends.qcodes.columns import Budget, Column
from etiket_gui.backends.qcodes.points import slices
from etiket_gui.backends.qcodes.runs import quoted
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.converters.netcdf import TEXT, Group, Text, Variable, safe_name
from etiket_gui.domain.stopping import StopToken

ROW = "row"
#: What a cell holds, as SQLite tells types apart.
NULL, WHOLE, REAL, WORDS, BYTES = range(5)
_KINDS = {int: WHOLE, float: REAL, str: WORDS, bytes: BYTES}


@dataclass(slots=True)
class _Cells:
    """One column of the table: what each cell is, and the values of each kind one after the other."""

    name: str
    kinds: Column
    whole: Column
    real: Column
    words: Column
    content: Column
    lengths: Column

    @classmethod
    def empty(cls, name: str, budget: Budget) -> _Cells:
        return cls(name, *(Column(budget) for _ in range(6)))

    def take(self, cells: tuple[Any, ...]) -> None:
        self.kinds.append(np.fromiter((_KINDS.get(type(cell), NULL) for cell in cells), np.int8, len(cells)))
        self.whole.append(np.array([cell for cell in cells if type(cell) is int], dtype=np.int64))
        self.real.append(np.array([cell for cell in cells if type(cell) is float], dtype=np.float64))
        words = [cell for cell in cells if type(cell) is str]
        if words:
            texts = np.empty(len(words), object)
            texts[:] = words
            self.words.append(texts)
        blobs = [cell for cell in cells if type(cell) is bytes]
        if blobs:
            self.lengths.append(np.array([len(blob) for blob in blobs], dtype=np.int64))
            self.content.append(np.frombuffer(b"".join(blobs), dtype=np.uint8))

    def variables(self, dims: dict[str, int]) -> Iterator[Variable]:
        """One variable for the kinds, and one for each kind that occurs."""
        name = safe_name(self.name)
        yield _variable(f"{name}.kind", (ROW,), self.kinds, {"meaning": "0 NULL, 1 whole, 2 real, 3 text, 4 bytes"})
        for part, column in (
            ("whole", self.whole), ("real", self.real), ("text", self.words), ("bytes", self.content),
            ("lengths", self.lengths),
        ):  # fmt: skip
            if column.count:
                dims[f"{name}.{part}_n"] = column.count
                yield _variable(f"{name}.{part}", (f"{name}.{part}_n",), column, {})


def _variable(name: str, dims: tuple[str, ...], column: Column, attributes: dict[str, Any]) -> Variable:
    dtype: np.dtype[Any] | Text = TEXT if column.dtype.kind == "O" else column.dtype
    return Variable(name, dims, dtype, attributes, column.blocks)


def whole_table(access: Access, table: str, last_id: int, budget: Budget, stop: StopToken) -> Group:
    """Every cell of a result table up to a row."""

    def look(reader: Reader) -> list[str]:
        return [str(row[1]) for row in reader.query(f"PRAGMA table_info({quoted(table)})")]

    names = [name for name in access.look(look, stop) if name != "id"]
    columns = [_Cells.empty(name, budget) for name in names]
    ids = Column(budget)
    for rows in slices(access, table, names, 0, last_id, stop, kinds={}):
        cells = list(zip(*rows, strict=True))
        ids.append(np.array(cells[0], dtype=np.int64))
        for column, values in zip(columns, cells[1:], strict=True):
            column.take(values)
    dims = {ROW: ids.count}
    variables = [_variable("id", (ROW,), ids, {})]
    for column in columns:
        variables += column.variables(dims)
    return Group(dims, variables, {"columns": names})


def cells_of(kinds: Array, whole: Array, real: Array, words: Array, content: bytes, lengths: Array) -> Iterator[Any]:
    """The cells again, from what :func:`whole_table` stored of one column."""
    values = {WHOLE: iter(whole.tolist()), REAL: iter(real.tolist()), WORDS: iter(words.tolist())}
    place, sizes = 0, iter(lengths.tolist())
    for kind in kinds.tolist():
        if kind == BYTES:
            size = next(sizes)
            yield content[place : place + size]
            place += size
        else:
            yield None if kind == NULL else next(values[kind])
