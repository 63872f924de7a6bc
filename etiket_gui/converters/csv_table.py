"""Understands a CSV file as instruments write it: encoding, separator, preamble, header, columns; read in one pass."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from etiket_gui.converters.api import quietly
from etiket_gui.domain.errors import ConversionFailed
from etiket_gui.domain.stopping import StopToken

BLOCK_ROWS = 8192
_SAMPLE_LINES = 400
_SAMPLE_BYTES = 1 << 20
_SEPARATORS = ("\t", ";", ",", "|")
_COMMENT = ("#", "!", "%", "//")
_LARGEST_CELL = 1 << 20
_EXACT = float(1 << 53)
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE)
_UNIT = re.compile(r"(?P<name>.+?)\s*[\[(](?P<unit>[^\[\]()]*)[\])]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name and unit as the header gives them, and what all its cells are."""

    name: str
    unit: str = ""
    is_text: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. ``spool`` holds the numbers of each block of rows, column after column, as float64.

    ``preamble`` are lines before the table and comments, in their order.
    """

    columns: tuple[Column, ...]
    row_count: int
    preamble: tuple[str, ...]
    spool: BinaryIO
    form: Form

    def numbers(self, column: int, stop: StopToken) -> Iterator[np.ndarray]:
        """The values of one column, block by block."""
        width = len(self.columns)
        for start in range(0, self.row_count, BLOCK_ROWS):
            stop.check()
            rows = min(BLOCK_ROWS, self.row_count - start)
            self.spool.seek((start * width + column * rows) * 8)
            yield np.frombuffer(self.spool.read(rows * 8), "<f8")

    def texts(self, column: int, stop: StopToken) -> Iterator[np.ndarray]:
        """The cells of one column, block by block, read from the file again."""
        block: list[str] = []
        for row in self.form.rows(stop):
            block.append(row[column] if column < len(row) else "")
            if len(block) == BLOCK_ROWS:
                yield np.array(block, dtype=object)
                block = []
        if block:
            yield np.array(block, dtype=object)


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written: encoding, separator (blanks where it is empty), width, and where its rows begin."""

    path: Path
    encoding: str
    separator: str
    width: int
    skipped_lines: int
    header: tuple[str, ...]
    preamble: tuple[str, ...] = field(default=())

    def rows(self, stop: StopToken) -> Iterator[list[str]]:
        """The cells of every row of the table. Raises ConversionFailed naming the line that does not fit."""
        with open(self.path, encoding=self.encoding, newline="", opener=quietly) as file:
            for _ in range(self.skipped_lines):
                next(file, "")
            place = self.skipped_lines
            for number, cells in enumerate(_cells(file, self.separator)):
                if number % 1024 == 0:
                    stop.check()
                if not cells or all(not cell for cell in cells) or cells[0].startswith(_COMMENT):
                    continue
                if len(cells) == self.width + 1 and not cells[-1]:
                    # A separator at the end of each line.
                    cells.pop()
                if len(cells) != self.width:
                    raise ConversionFailed(
                        f"{self.path.name}, about line {place + number + 1}: {len(cells)} cells where the table has "
                        f"{self.width}.",
                        path=str(self.path),
                    )
                yield cells


def read_table(path: Path, spool: BinaryIO, stop: StopToken) -> Table:
    """Read a file once; its numbers go into ``spool``. Raises ConversionFailed and OSError."""
    form = _form_of(path)
    columns = [array("d") for _ in range(form.width)]
    is_text, is_whole = [False] * form.width, [True] * form.width
    count = 0
    try:
        for row in form.rows(stop):
            for number, cell in enumerate(row):
                columns[number].append(_number(cell, form.separator, number, is_text, is_whole))
            count += 1
            if count % BLOCK_ROWS == 0:
                _spill(columns, spool)
        _spill(columns, spool)
    except (UnicodeError, csv.Error) as error:
        raise ConversionFailed(f"{path.name} cannot be read as a table: {error}.", path=str(path)) from error
    if not count:
        raise ConversionFailed(f"{path.name} holds no row of a table.", path=str(path))
    found = tuple(
        _column(name, number, is_text=is_text[number], is_whole=is_whole[number])
        for number, name in enumerate(form.header)
    )
    return Table(found, count, form.preamble, spool, form)


def _spill(columns: list[array[float]], spool: BinaryIO) -> None:
    for column in columns:
        spool.write(np.asarray(column, "<f8").tobytes())
        del column[:]


def _number(cell: str, separator: str, column: int, is_text: list[bool], is_whole: list[bool]) -> float:
    """The value of a cell, NaN where it is none; notes what the column can no longer be."""
    if not cell:
        is_whole[column] = False
        return np.nan
    if is_text[column]:
        return np.nan
    if _WHOLE.fullmatch(cell):
        value = float(cell)
        if abs(value) >= _EXACT:
            is_text[column] = True
        return value
    is_whole[column] = False
    value_text = _as_number(cell, separator)
    if value_text is None:
        is_text[column] = True
        return np.nan
    return float(value_text)


def _as_number(cell: str, separator: str) -> str | None:
    if _NUMBER.fullmatch(cell):
        return cell.replace("d", "e").replace("D", "e")
    if separator != "," and _DECIMAL_COMMA.fullmatch(cell):
        return cell.replace(",", ".")
    return None


def _column(name: str, number: int, *, is_text: bool, is_whole: bool) -> Column:
    found = _UNIT.fullmatch(name)
    if found:
        name, unit = found["name"].strip(), found["unit"].strip()
    else:
        unit = ""
    return Column(name or f"column_{number + 1}", unit, is_text, is_whole and not is_text)


def _form_of(path: Path) -> Form:
    with open(path, "rb", opener=quietly) as file:
        sample = file.read(_SAMPLE_BYTES)
        is_whole = len(sample) < _SAMPLE_BYTES
    encoding = _encoding_of(path, sample)
    text = sample.decode(encoding, "ignore")
    # Lines as an open file has them: str.splitlines would end one at a form feed or an ellipsis of another encoding.
    lines = list(io.StringIO(text, newline=""))
    if not is_whole:
        lines = lines[:-1]
    lines = lines[:_SAMPLE_LINES]
    best: tuple[int, int, str] | None = None
    for separator in (*_SEPARATORS, ""):
        width, fitting = _width(lines, separator)
        # More rows of one width are better; of equals the first separator is.
        if width > 1 and (best is None or fitting > best[1]):
            best = (width, fitting, separator)
    if best is None:
        width, fitting = _width(lines, ",")
        if not fitting:
            raise ConversionFailed(f"{path.name} holds no table.", path=str(path))
        best = (width, fitting, ",")
    width, _, separator = best
    return _with_header(path, encoding, separator, width, lines)


def _with_header(path: Path, encoding: str, separator: str, width: int, lines: list[str]) -> Form:
    preamble: list[str] = []
    header: tuple[str, ...] | None = None
    skipped = 0
    for line in lines:
        (cells,) = list(_cells(io.StringIO(line), separator)) or [[]]
        if len(cells) == width + 1 and not cells[-1]:
            cells.pop()
        is_table = len(cells) == width and not line.lstrip().startswith(_COMMENT)
        if not is_table:
            skipped += 1
            if line.strip():
                preamble.append(line.strip())
            continue
        if all(_as_number(cell, separator) is None for cell in cells) and any(cells):
            header = tuple(cells)
            skipped += 1
        break
    if header is None and preamble:
        # numpy.savetxt and many instruments write the header as a comment.
        last = preamble[-1].lstrip("#!%/ ")
        (cells,) = list(_cells(io.StringIO(last), separator)) or [[]]
        if len(cells) == width and any(cells):
            header = tuple(cells)
    return Form(path, encoding, separator, width, skipped, header or ("",) * width, tuple(preamble))


def _encoding_of(path: Path, sample: bytes) -> str:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\x00" in sample:
        raise ConversionFailed(f"{path.name} is no text: it holds NUL bytes.", path=str(path))
    if not sample.strip():
        raise ConversionFailed(f"{path.name} is empty.", path=str(path))
    encoding = "utf-8-sig" if sample.startswith(b"\xef\xbb\xbf") else "utf-8"
    decoder_rest = sample[:-4] if len(sample) == _SAMPLE_BYTES else sample
    try:
        decoder_rest.decode(encoding)
    except UnicodeDecodeError as error:
        if len(sample) == _SAMPLE_BYTES and error.start >= len(decoder_rest) - 4:
            return encoding
        text = sample.decode("latin-1")
        controls = sum(character < " " and character not in "\t\r\n\f" for character in text[:4096])
        if controls:
            raise ConversionFailed(f"{path.name} is no text.", path=str(path)) from error
        return "latin-1"
    return encoding


def _width(lines: list[str], separator: str) -> tuple[int, int]:
    """(how many cells most lines have, how many lines have them)."""
    counts: Counter[int] = Counter()
    for line in lines:
        if not line.strip() or line.lstrip().startswith(_COMMENT):
            continue
        cells = next(_cells(io.StringIO(line), separator), [])
        if cells and not cells[-1] and len(cells) > 1:
            cells.pop()
        counts[len(cells)] += 1
    if not counts:
        return 0, 0
    return max(counts.items(), key=lambda item: (item[1], item[0]))


def _cells(file: io.TextIOBase | io.StringIO, separator: str) -> Iterator[list[str]]:
    if not separator:
        for line in file:
            yield line.split()
        return
    csv.field_size_limit(_LARGEST_CELL)
    for row in csv.reader(file, delimiter=separator, strict=False):
        yield [cell.strip() for cell in row]
