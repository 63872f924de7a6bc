"""The newest points of running measurements on this machine: one small file of numbers for each, appended to.

Beside ``<uuid>.points`` (rows of little-endian float64, one value for each column) lies ``<uuid>.json``, which says how
many rows are good, what the columns are, and where in the measurement to go on. It is replaced whole after the rows
were written, so a reader never sees half a row. Nothing here is the measurement: it may be thrown away at any time.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.domain.live import LiveColumn, LiveSlice

#: Beyond so many rows every second one is left out, then every fourth…: a plot shows no more.
LARGEST_ROWS = 100_000
_VERSION = 1


@dataclass(frozen=True, slots=True)
class LivePoints:
    """What is kept of one running measurement. ``columns`` hold every ``stride``-th point; ``at_ns`` is UTC."""

    uuid: str
    columns: tuple[LiveColumn, ...]
    point_count: int
    expected_count: int | None
    shape: tuple[int, ...]
    stride: int
    at_ns: int
    cursor: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """How many points are kept."""
        return len(self.columns[0].values) if self.columns else 0


@dataclass(frozen=True, slots=True)
class LiveProgress:
    """How far a running measurement is; ``expected_count`` is None while nobody knows. ``at_ns`` is UTC."""

    uuid: str
    point_count: int
    expected_count: int | None
    at_ns: int


def read_progress(folder: Path, uuid: str) -> LiveProgress | None:
    """How far the measurement was when it was last looked at; None when nothing is kept of it. Reads no points."""
    head = _read_head(folder, uuid)
    if head is None:
        return None
    return LiveProgress(uuid, head["points"], head["expected"], head["at_ns"])


def read_points(folder: Path, uuid: str) -> LivePoints | None:
    """Everything kept of a running measurement; None when there is nothing, or nothing that can be read."""
    head = _read_head(folder, uuid)
    if head is None:
        return None
    width, rows = len(head["columns"]), head["rows"]
    values = array("d")
    if width and rows:
        try:
            with open(_rows_path(folder, uuid), "rb") as stream:
                values.frombytes(stream.read(rows * width * 8))
        except (OSError, ValueError):
            return None
        if len(values) != rows * width:
            return None
    columns = tuple(
        LiveColumn(name, label, unit, tuple(axes), values[place::width])
        for place, (name, label, unit, axes) in enumerate(head["columns"])
    )
    return LivePoints(
        uuid, columns, head["points"], head["expected"], tuple(head["shape"]), head["stride"], head["at_ns"],
        head["cursor"],
    )  # fmt: skip


def keep_points(folder: Path, uuid: str, told: LiveSlice) -> LiveProgress:
    """Add a slice to what is kept; one that begins at point 0 or has other columns replaces it. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shown = [[column.name, column.label, column.unit, list(column.axes)] for column in told.columns]
    head = _read_head(folder, uuid)
    is_continued = (
        head is not None
        and told.first_point > 0
        and (not told.columns or (head["columns"] == shown and head["points"] == told.first_point))
    )
    if head is None or not is_continued:
        head = {"columns": shown, "rows": 0, "stride": 1}
        first_point = told.first_point
    else:
        first_point = head["points"]
    stride, width = int(head["stride"]), len(head["columns"])
    new_rows = _rows_of(told, first_point, stride)
    rows = head["rows"] + (len(new_rows) // width if width else 0)
    path = _rows_path(folder, uuid)
    if rows > LARGEST_ROWS and width:
        kept = array("d")
        if head["rows"]:
            with open(path, "rb") as stream:
                kept.frombytes(stream.read(head["rows"] * width * 8))
        kept.extend(new_rows)
        while rows > LARGEST_ROWS:
            kept, stride = _every_second(kept, width), stride * 2
            rows = len(kept) // width
        temporary = path.with_suffix(".points.part")
        temporary.write_bytes(kept.tobytes())
        os.replace(temporary, path)
    else:
        # Rows that were written and never told of are written over.
        with open(path, "r+b" if path.exists() else "w+b") as stream:
            stream.seek(head["rows"] * width * 8)
            stream.write(new_rows.tobytes())
            stream.truncate()
    at_ns = time.time_ns()
    written = {
        "version": _VERSION, "columns": head["columns"], "rows": rows, "stride": stride, "points": told.point_count,
        "expected": told.expected_count, "shape": list(told.shape), "cursor": dict(told.cursor), "at_ns": at_ns,
    }  # fmt: skip
    temporary = _head_path(folder, uuid).with_suffix(".json.part")
    temporary.write_text(json.dumps(written), encoding="utf-8")
    os.replace(temporary, _head_path(folder, uuid))
    return LiveProgress(uuid, told.point_count, told.expected_count, at_ns)


def cursor_of(folder: Path, uuid: str) -> Mapping[str, Any]:
    """Where to go on; empty when nothing is kept."""
    head = _read_head(folder, uuid)
    return {} if head is None else dict(head["cursor"])


def forget_points(folder: Path, uuid: str) -> None:
    """Throw away what is kept of a measurement that is over."""
    for path in (_head_path(folder, uuid), _rows_path(folder, uuid)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def kept_uuids(folder: Path) -> Iterator[str]:
    """The measurements of which something is kept."""
    if folder.is_dir():
        yield from sorted(path.stem for path in folder.glob("*.json"))


def _every_second(rows: array[float], width: int) -> array[float]:
    kept = array("d")
    for start in range(0, len(rows), 2 * width):
        kept.extend(rows[start : start + width])
    return kept


def _rows_of(told: LiveSlice, first_point: int, stride: int) -> array[float]:
    """The slice's points as rows; of those the ones a stride from the first point of all apart."""
    count = max((len(column.values) for column in told.columns), default=0)
    rows = array("d")
    for place in range(-first_point % stride, count, stride):
        rows.extend(column.values[place] if place < len(column.values) else math.nan for column in told.columns)
    return rows


def _read_head(folder: Path, uuid: str) -> dict[str, Any] | None:
    try:
        head = json.loads(_head_path(folder, uuid).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_ours = isinstance(head, dict) and head.get("version") == _VERSION
    return head if is_ours else None


def _head_path(folder: Path, uuid: str) -> Path:
    return folder / f"{uuid}.json"


def _rows_path(folder: Path, uuid: str) -> Path:
    return folder / f"{uuid}.points"
