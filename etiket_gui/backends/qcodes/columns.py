"""Long columns of values, in memory while they are small and in the work folder when they are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

#: All columns of one run together stay in memory up to here.
MEMORY_BYTES = 24 << 20
BLOCK_VALUES = 1 << 17
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class Budget:
    """How much memory the columns of one run take, and where they go when it is too much."""

    folder: Path
    used_bytes: int = 0
    files: int = 0

    def next_path(self) -> Path:
        """A file of its own for one column."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files += 1
        return self.folder / f"column-{self.files}.raw"


@dataclass(slots=True)
class _Piece:
    dtype: np.dtype[Any]
    count: int
    offset_bytes: int


@dataclass(slots=True)
class Column:
    """Values in order. Numbers of one type each piece; text is kept in memory."""

    budget: Budget
    count: int = 0
    _blocks: list[Array] = field(default_factory=list)
    _pieces: list[_Piece] = field(default_factory=list)
    _path: Path | None = None
    _file_bytes: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that holds every value; object for text."""
        dtypes = {piece.dtype for piece in self._pieces} | {block.dtype for block in self._blocks}
        if not dtypes:
            return np.dtype(np.float64)
        if any(dtype.kind == "O" for dtype in dtypes):
            return np.dtype(object)
        return np.result_type(*sorted(dtypes, key=str))

    def append(self, values: Array) -> None:
        """Add values at the end."""
        if not values.size:
            return
        self.count += values.size
        if values.dtype.kind == "O":
            self._blocks.append(values)
            return
        self._blocks.append(values)
        self.budget.used_bytes += values.nbytes
        if self.budget.used_bytes > MEMORY_BYTES:
            self._spill()

    def _spill(self) -> None:
        if any(block.dtype.kind == "O" for block in self._blocks):
            return
        if self._path is None:
            self._path = self.budget.next_path()
        with self._path.open("ab") as file:
            for block in self._blocks:
                np.ascontiguousarray(block).tofile(file)
                if self._pieces and self._pieces[-1].dtype == block.dtype:
                    self._pieces[-1].count += block.size
                else:
                    self._pieces.append(_Piece(block.dtype, block.size, self._file_bytes))
                self._file_bytes += block.nbytes
                self.budget.used_bytes -= block.nbytes
        self._blocks.clear()

    def blocks(self) -> Iterator[Array]:
        """All values in order, in blocks of one type."""
        dtype = self.dtype
        if self._path is not None:
            for piece in self._pieces:
                for start in range(0, piece.count, BLOCK_VALUES):
                    size = min(BLOCK_VALUES, piece.count - start)
                    offset = piece.offset_bytes + start * piece.dtype.itemsize
                    yield np.fromfile(self._path, piece.dtype, size, offset=offset).astype(dtype, copy=False)
        for block in self._blocks:
            for start in range(0, block.size, BLOCK_VALUES):
                yield block[start : start + BLOCK_VALUES].astype(dtype, copy=False)

    def whole(self) -> Array:
        """All values at once; for columns that are known to be small."""
        found = list(self.blocks())
        return np.concatenate(found) if found else np.zeros(0, self.dtype)

    def at(self, start: int, step: int, count: int) -> Array:
        """``count`` values from a position on, ``step`` apart."""
        wanted: list[Array] = []
        position, left = 0, count
        next_at = start
        for block in self.blocks():
            if left and next_at < position + block.size:
                some = block[next_at - position :: step][:left]
                wanted.append(some)
                left -= some.size
                next_at += some.size * step
            position += block.size
        return np.concatenate(wanted) if wanted else np.zeros(0, self.dtype)
