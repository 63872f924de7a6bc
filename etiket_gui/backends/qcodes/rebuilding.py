"""Builds a QCoDeS database again from what was archived of its runs, so that QCoDeS opens it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.qcodes.cells import Array
from etiket_gui.backends.qcodes.interdependencies import Interdependencies, Tree, from_description
from etiket_gui.backends.qcodes.reading import MEASUREMENT, METADATA
from etiket_gui.backends.qcodes.runs import OWN_COLUMNS, quoted
from etiket_gui.backends.qcodes.tables import cells_of
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.stopping import StopToken

_SCHEMA = """
CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name TEXT, sample_name TEXT, start_time INTEGER,
    end_time INTEGER, run_counter INTEGER, format_string TEXT);
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id INTEGER, name TEXT, result_table_name TEXT,
    result_counter INTEGER, run_timestamp INTEGER, completed_timestamp INTEGER, is_completed BOOL, parameters TEXT,
    guid TEXT, run_description TEXT, snapshot TEXT, captured_run_id INTEGER, captured_counter INTEGER,
    parent_datasets TEXT, FOREIGN KEY(exp_id) REFERENCES experiments(exp_id));
CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id INTEGER, parameter TEXT, label TEXT, unit TEXT,
    inferred_from TEXT, FOREIGN KEY(run_id) REFERENCES runs(run_id));
CREATE TABLE dependencies (dependent INTEGER, independent INTEGER, axis_num INTEGER);
CREATE INDEX IX_runs_exp_id ON runs (exp_id DESC);
CREATE INDEX IX_runs_guid ON runs (guid DESC);
CREATE INDEX IX_runs_captured_run_id ON runs (captured_run_id DESC);
PRAGMA user_version=9;
"""
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a new database holds: its runs, and what could not be had exactly."""

    path: str
    run_count: int
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Archived:
    """One run as it was restored into a folder."""

    folder: Path
    metadata: Mapping[str, Any]
    description: str = ""
    snapshot: str | None = None
    found: Interdependencies = field(default_factory=lambda: Interdependencies({}))

    @property
    def started_s(self) -> float:
        """When the run started, for the order of runs."""
        return float(self.metadata.get("run_timestamp") or 0.0)


def rebuild_database(path: Path, folders: Sequence[Path], stop: StopToken) -> Rebuilt:
    """Make a database of the runs in these folders, each as a restore left it.

    QCoDeS opens it with equal guids, points, snapshots and metadata. Raises UsageError when a folder holds no QCoDeS
    run or ``path`` is there already, OSError and Stopped; no half database is left behind.
    """
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already, and nothing is overwritten.", advice="Name another file.")
    runs = sorted((_opened(folder) for folder in folders), key=lambda run: (run.started_s, run.folder.name))
    part = path.with_name(f".{path.name}.part")
    notes: list[str] = []
    try:
        part.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.executescript(_SCHEMA)
            builder = _Builder(connection)
            for run in runs:
                stop.check()
                notes += builder.add(run, stop)
        os.rename(part, path) if os.name == "nt" else os.link(part, path)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already, and nothing is overwritten.") from error
    finally:
        part.unlink(missing_ok=True)
    return Rebuilt(os.fspath(path), len(runs), tuple(notes))


def _opened(folder: Path) -> _Archived:
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        run = _Archived(folder, metadata)
        run.description = json.dumps(metadata["run_description"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder.name} was not archived from a QCoDeS database.",
            advice="Only such datasets can be put into a database again; restore the others as files.",
        ) from error
    measurement = folder / MEASUREMENT
    if measurement.exists():
        with h5py.File(measurement, "r", locking=False) as file:
            run.description = str(file.attrs.get("run_description", run.description))
            snapshot = str(file.attrs.get("snapshot", "null"))
            run.snapshot = None if snapshot == "null" else snapshot
    run.found = from_description(run.description)
    return run


class _Builder:
    """Writes runs into one new database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._experiments: dict[tuple[str, str], int] = {}
        self._columns = set(OWN_COLUMNS)
        self._run_id = 0

    def add(self, run: _Archived, stop: StopToken) -> list[str]:
        """Add one run; returns what is to be said of it."""
        connection = self._connection
        self._run_id += 1
        metadata = run.metadata
        experiment = self._experiment(str(metadata.get("experiment", "")), str(metadata.get("sample", "")), run)
        connection.execute("BEGIN")
        connection.execute("UPDATE experiments SET run_counter = run_counter + 1 WHERE exp_id = ?", (experiment,))
        ((counter,),) = connection.execute("SELECT run_counter FROM experiments WHERE exp_id = ?", (experiment,))
        table = f"results-{experiment}-{counter}"
        parents = metadata.get("parent_datasets")
        connection.execute(
            f"INSERT INTO runs ({', '.join(OWN_COLUMNS)}) VALUES ({', '.join('?' * len(OWN_COLUMNS))})",  # noqa: S608
            (
                self._run_id, experiment, metadata.get("name"), table, counter, metadata.get("run_timestamp"),
                metadata.get("completed_timestamp"), int(bool(metadata.get("is_completed"))),
                metadata.get("parameters") or ",".join(run.found.parameters), _guid(metadata), run.description,
                run.snapshot, parents if isinstance(parents, str) else json.dumps(parents or []),
                metadata.get("captured_run_id"), metadata.get("captured_counter"),
            ),
        )  # fmt: skip
        self._annotate(metadata.get("metadata") or {})
        self._describe(run.found)
        columns = "".join(f", {quoted(item.name)} {item.kind}" for item in run.found.parameters.values())
        connection.execute(f"CREATE TABLE {quoted(table)} (id INTEGER PRIMARY KEY{columns})")
        notes = self._fill(run, table, stop)
        connection.execute("COMMIT")
        return notes

    def _experiment(self, name: str, sample: str, run: _Archived) -> int:
        number = self._experiments.get((name, sample))
        if number is None:
            number = self._experiments[(name, sample)] = len(self._experiments) + 1
            self._connection.execute(
                "INSERT INTO experiments VALUES (?, ?, ?, ?, NULL, 0, '{}-{}-{}')",
                (number, name, sample, run.started_s),
            )
        return number

    def _annotate(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name not in self._columns:
                self._connection.execute(f"ALTER TABLE runs ADD COLUMN {quoted(name)}")
                self._columns.add(name)
            self._connection.execute(
                f"UPDATE runs SET {quoted(name)} = ? WHERE run_id = ?",  # noqa: S608
                (value, self._run_id),
            )

    def _describe(self, found: Interdependencies) -> None:
        layouts: dict[str, int | None] = {}
        for item in found.parameters.values():
            bases = ", ".join(found.inferred_from.get(item.name, ()))
            layouts[item.name] = self._connection.execute(
                "INSERT INTO layouts (run_id, parameter, label, unit, inferred_from) VALUES (?, ?, ?, ?, ?)",
                (self._run_id, item.name, item.label, item.unit, bases),
            ).lastrowid
        for name, setpoints in found.depends_on.items():
            for axis, setpoint in enumerate(setpoints):
                self._connection.execute(
                    "INSERT INTO dependencies VALUES (?, ?, ?)", (layouts[name], layouts[setpoint], axis)
                )

    def _fill(self, run: _Archived, table: str, stop: StopToken) -> list[str]:
        measurement = run.folder / MEASUREMENT
        if not measurement.exists():
            return [f"{run.metadata.get('name')}: no points were archived of it."]
        with h5py.File(measurement, "r", locking=False) as file:
            source = _Measurement(file, run)
            for names, rows in source.rows():
                stop.check()
                chosen = ", ".join(map(quoted, names))
                marks = ", ".join("?" * len(names))
                self._connection.executemany(
                    f"INSERT INTO {quoted(table)} ({chosen}) VALUES ({marks})",  # noqa: S608
                    rows,
                )
        return []


class _Measurement:
    """The rows of a result table, from a measurement.h5."""

    def __init__(self, file: h5py.File, run: _Archived) -> None:
        self._file = file
        self._found = run.found
        self._told: Mapping[str, Any] = run.metadata.get("points") or {}
        self._kinds = {name: parameter.kind for name, parameter in run.found.parameters.items()}

    def rows(self) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
        """Column names and some rows of them, until all are told."""
        table = next(
            (group for group in self._file.values() if isinstance(group, h5py.Group) and "columns" in group.attrs), None
        )
        if table is not None:
            yield from self._whole_table(table)
            return
        merged: dict[int, dict[str, Any]] = {}
        next_row = 1
        for tree in self._found.trees():
            place = self._place_of(tree.name)
            if place is None:
                continue
            columns = self._tree(tree, place)
            count = len(next(iter(columns.values())))
            ids = _numbers(self._told.get(tree.name, {}).get("rows"), next_row, count)
            next_row += count
            for position, row in enumerate(ids):
                merged.setdefault(row, {}).update({name: values[position] for name, values in columns.items()})
        names = list(self._found.parameters)
        ids = sorted(merged)
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            some = ids[start : start + _ROWS_AT_ONCE]
            yield ["id", *names], [(row, *(merged[row].get(name) for name in names)) for row in some]

    @staticmethod
    def _whole_table(table: h5py.Group) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
        names = [str(name) for name in np.atleast_1d(table.attrs["columns"])]

        def part(name: str, suffix: str) -> Array:
            key = f"{name}.{suffix}"
            if key not in table:
                return np.zeros(0)
            values = table[key].asstr()[...] if suffix == "text" else table[key][...]
            return np.asarray(values)

        columns = [
            cells_of(
                part(name, "kind"), part(name, "whole"), part(name, "real"), part(name, "text"),
                part(name, "bytes").astype(np.uint8).tobytes(), part(name, "lengths"),
            )
            for name in names
        ]  # fmt: skip
        yield ["id", *names], list(zip(table["id"][...].tolist(), *columns, strict=True))

    def _place_of(self, name: str) -> h5py.Group | None:
        """The root or the group that holds a tree's values."""
        if name in self._file and isinstance(self._file[name], h5py.Dataset):
            return self._file
        for key in self._file:
            group = self._file[key]
            if isinstance(group, h5py.Group) and key != "order" and name in group:
                return group
        return None

    def _tree(self, tree: Tree, place: h5py.Group) -> dict[str, list[Any]]:
        """Cells of each column of one tree, one per row, in the order of measurement."""
        main = place[tree.name]
        dims = _dims(main)
        shape = main.shape
        count = int(self._told.get(tree.name, {}).get("count", main.size))
        order = self._file.get("order")
        is_ordered = isinstance(order, h5py.Group) and tree.name in order
        flat = order[tree.name][...] if is_ordered else np.arange(count)
        per_axis = dict(zip(dims, np.unravel_index(flat, shape), strict=True)) if flat.size else {}
        flats: dict[str, Array] = {}
        for name in tree.columns:
            if name in place:
                flats[name] = self._values(place, name, dims, per_axis, flat)
        if "multi_index" in dims:
            levels = str(place["multi_index"].attrs["compress"]).split(" ")
            codes = place["multi_index"][...][flat]
            spots = np.unravel_index(codes, tuple(place[name].size for name in levels))
            flats |= {name: _read(place[name])[spot] for name, spot in zip(levels, spots, strict=True)}
        lengths = [
            size for size, rows in self._told.get(tree.name, {}).get("lengths") or [[1, count]] for _ in range(rows)
        ]
        return {name: self._cells(name, values, lengths) for name, values in flats.items()}

    @staticmethod
    def _values(place: h5py.Group, name: str, dims: Sequence[str], per_axis: Mapping[str, Array], flat: Array) -> Array:
        own = _dims(place[name])
        values = _read(place[name])
        if not flat.size or "multi_index" in dims:
            return values[: flat.size] if own == tuple(dims) else values[:0]
        if own == tuple(dims):
            return values.reshape(-1)[flat]
        return values[tuple(per_axis[axis] for axis in own)]

    def _cells(self, name: str, values: Array, lengths: Sequence[int]) -> list[Any]:
        kind = self._kinds[name]
        if kind in {"numeric", "text"}:
            starts = np.cumsum([0, *lengths[:-1]]) if lengths else np.zeros(0, int)
            chosen = values[starts[: values.size]] if max(lengths, default=1) != 1 else values
            return [_number(value) if kind == "numeric" else str(value) for value in chosen.tolist()]
        cells = []
        start = 0
        for size in lengths:
            piece = values[start : start + size]
            cells.append(_npy(piece[:1] if kind == "complex" else piece))
            start += size
        return cells


def _read(dataset: h5py.Dataset) -> Array:
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(dataset.asstr()[...], dtype=object)
    return np.asarray(dataset[...])


def _dims(dataset: h5py.Dataset) -> tuple[str, ...]:
    if dataset.is_scale:
        return (str(dataset.name).rsplit("/", 1)[-1],)
    return tuple(str(dim[0].name).rsplit("/", 1)[-1] for dim in dataset.dims)


def _numbers(pieces: Sequence[Sequence[int]] | None, first: int, count: int) -> list[int]:
    if not pieces:
        return list(range(first, first + count))
    return [start + step * place for start, step, number in pieces for place in range(number)]


def _number(value: float) -> float | str:
    return "nan" if math.isnan(value) else value


def _npy(values: Array) -> bytes:
    if values.dtype.kind == "O":
        values = values.astype(str)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _guid(metadata: Mapping[str, Any]) -> str:
    """The run's guid, or for a run from before guids one that is always the same."""
    guid = metadata.get("guid")
    if guid:
        return str(guid)
    text = json.dumps([metadata.get(name) for name in ("name", "experiment", "sample", "run_timestamp")])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-0000-0000-0000-{int(1000 * float(metadata.get('run_timestamp') or 0)):012x}"
