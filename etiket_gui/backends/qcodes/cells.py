"""What the cells of a result table hold, as numpy values: numbers, text, and arrays in numpy's own format."""

from __future__ import annotations

import ast
import functools
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from etiket_gui.backends.sqlite_access import DatabaseBroken

Array = np.ndarray[Any, np.dtype[Any]]
_MAGIC = b"\x93NUMPY"
#: Above this a whole number may not be a float64 of the same value.
_EXACT = 2.0**53


def numbers(cells: Sequence[object]) -> tuple[Array, bool]:
    """Cells of a numeric column as float64 (NULL and text that is no number become NaN), and whether that is exact."""
    try:
        values = np.array(cells, dtype=np.float64)
    except (ValueError, TypeError):
        return _odd_numbers(cells)
    is_exact = True
    if values.size and np.nanmax(np.abs(values), initial=0.0) >= _EXACT:
        is_exact = all(not isinstance(cell, int) or int(float(cell)) == cell for cell in cells)
    return values, is_exact


def _odd_numbers(cells: Sequence[object]) -> tuple[Array, bool]:
    values = np.full(len(cells), np.nan)
    is_exact = True
    for place, cell in enumerate(cells):
        try:
            values[place] = float(unpacked(cell).reshape(-1)[0]) if isinstance(cell, bytes) else float(cell)  # type: ignore[arg-type]
        except (ValueError, TypeError, IndexError, DatabaseBroken):
            is_exact = is_exact and cell is None
    return values, is_exact


def texts(cells: Sequence[object]) -> Array:
    """Cells of a text column; NULL becomes empty text."""
    values = np.empty(len(cells), dtype=object)
    values[:] = ["" if cell is None else str(cell) for cell in cells]
    return values


def unpacked(cell: object) -> Array:
    """A cell of an array or complex column: an array of any dimension; NULL is one NaN, text is one text."""
    if isinstance(cell, bytes):
        return _from_npy(cell)
    if cell is None:
        return np.array([np.nan])
    if isinstance(cell, str):
        try:
            return np.array([float(cell)])
        except ValueError:
            return texts([cell])
    return np.array([cell], dtype=np.float64)


def _from_npy(data: bytes) -> Array:
    if data[:6] != _MAGIC:
        raise DatabaseBroken("A cell that should hold an array holds something else.")
    size = 2 if data[6] == 1 else 4
    start = 8 + size + int.from_bytes(data[8 : 8 + size], "little")
    try:
        dtype, is_fortran, shape = _header(data[8 + size : start])
        if dtype.kind == "O":
            raise ValueError("an array of Python objects")
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(data, dtype, count, start)
        values = values.reshape(shape[::-1]).T if is_fortran else values.reshape(shape)
    except (ValueError, SyntaxError, KeyError, TypeError):
        return _by_numpy(data)
    if values.dtype.kind in "US":
        return values.astype(str).astype(object)
    return values


@functools.lru_cache(maxsize=256)
def _header(text: bytes) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    header = ast.literal_eval(text.decode("utf-8").strip())
    return np.dtype(header["descr"]), bool(header["fortran_order"]), tuple(header["shape"])


def _by_numpy(data: bytes) -> Array:
    try:
        return np.asarray(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise DatabaseBroken(f"An array in the database cannot be read: {error}.") from error
