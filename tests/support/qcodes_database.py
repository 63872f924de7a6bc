"""Databases of every QCoDeS schema version, written with sqlite3 alone, and what a source of one is looked at with."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.qcodes.backend import QCoDeSBackend
from etiket_gui.backends.qcodes.config import QCoDeSConfig
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory

START_S = 1_700_000_000.25
_EXPERIMENTS = """CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name TEXT, sample_name TEXT,
    start_time INTEGER, end_time INTEGER, run_counter INTEGER, format_string TEXT)"""
_RUNS = """CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id INTEGER, name TEXT, result_table_name TEXT,
    result_counter INTEGER, run_timestamp INTEGER, completed_timestamp INTEGER, is_completed BOOL, parameters TEXT{},
    FOREIGN KEY(exp_id) REFERENCES experiments(exp_id))"""
_LAYOUTS = """CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id INTEGER, parameter TEXT, label TEXT,
    unit TEXT, inferred_from TEXT, FOREIGN KEY(run_id) REFERENCES runs(run_id))"""
_DEPENDENCIES = "CREATE TABLE dependencies (dependent INTEGER, independent INTEGER, axis_num INTEGER)"
#: The schema version each column came with.
_SINCE = (
    (1, "guid TEXT"), (3, "run_description TEXT"), (5, "snapshot TEXT"), (7, "captured_run_id INTEGER"),
    (7, "captured_counter INTEGER"), (8, "parent_datasets TEXT"),
)  # fmt: skip


@dataclass(frozen=True)
class P:
    """A parameter of a run to be written."""

    name: str
    on: tuple[str, ...] = ()
    kind: str = "numeric"
    label: str = ""
    unit: str = ""
    inferred_from: tuple[str, ...] = ()

    def spec(self) -> dict[str, str]:
        """As descriptions hold it."""
        return {"name": self.name, "paramtype": self.kind, "label": self.label, "unit": self.unit}


X, Y = P("x", label="Gate µ", unit="mV"), P("y", ("x",), label="Signal", unit="V")


def npy(values: Any) -> bytes:
    """An array as QCoDeS stores it in a cell."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values), allow_pickle=False)
    return buffer.getvalue()


def guid_of(number: int) -> str:
    """A guid that is as long as real ones."""
    return f"{number:08x}-0000-0000-0000-01a1fb738f66"


class QCoDeSFile:
    """A database that is written as a measurement would; each call is one committed transaction."""

    def __init__(self, path: Path, *, version: int = 9, wal: bool = False) -> None:
        self.path = path
        self.version = version
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
        columns = "".join(f", {column}" for since, column in _SINCE if version >= since)
        for sql in (_EXPERIMENTS, _RUNS.format(columns), _LAYOUTS, _DEPENDENCIES):
            self.connection.execute(sql)
        if version >= 2:
            self.connection.execute("CREATE INDEX IX_runs_exp_id ON runs (exp_id DESC)")
            self.connection.execute("CREATE INDEX IX_runs_guid ON runs (guid DESC)")
        if version >= 9:
            self.connection.execute("CREATE INDEX IX_runs_captured_run_id ON runs (captured_run_id DESC)")
        self.connection.execute(f"PRAGMA user_version={version}")
        self.connection.execute(
            "INSERT INTO experiments VALUES (1, 'cooldown 3', 'chip A7 α', ?, NULL, 0, '{}-{}-{}')", (START_S,)
        )

    @classmethod
    def again(cls, path: Path) -> QCoDeSFile:
        """A database that is there already, opened as the person's next kernel does."""
        file = cls.__new__(cls)
        file.path = path
        file.connection = sqlite3.connect(path, isolation_level=None)
        file.version = int(file.connection.execute("PRAGMA user_version").fetchone()[0])
        return file

    def close(self) -> None:
        """As when the kernel of the person ends."""
        self.connection.close()

    def start(
        self,
        name: str,
        parameters: Sequence[P] = (X, Y),
        *,
        number: int | None = None,
        snapshot: object = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        has_table: bool = True,
    ) -> int:
        """Begin a run; its number is what is returned."""
        db = self.connection
        db.execute("BEGIN")
        run_id = number or int(db.execute("SELECT coalesce(max(run_id), 0) + 1 FROM runs").fetchone()[0])
        table = f"results-1-{run_id}"
        db.execute(
            "INSERT INTO runs (run_id, exp_id, name, result_table_name, result_counter, run_timestamp, is_completed, "
            "parameters) VALUES (?, 1, ?, ?, ?, ?, 0, ?)",
            (run_id, name, table, run_id, START_S + run_id, ",".join(item.name for item in parameters)),
        )
        values = {
            "guid": guid_of(run_id),
            "run_description": json.dumps(self._description(parameters, shapes)),
            "snapshot": None if snapshot is None else json.dumps(snapshot),
            "captured_run_id": run_id,
            "captured_counter": run_id,
            "parent_datasets": "[]",
        }
        for since, column in _SINCE:
            key = column.split()[0]
            if self.version >= since:
                db.execute(f"UPDATE runs SET {key} = ? WHERE run_id = ?", (values[key], run_id))
        layouts = {}
        for item in parameters:
            cursor = db.execute(
                "INSERT INTO layouts (run_id, parameter, label, unit, inferred_from) VALUES (?, ?, ?, ?, ?)",
                (run_id, item.name, item.label, item.unit, ", ".join(item.inferred_from)),
            )
            layouts[item.name] = cursor.lastrowid
        for item in parameters:
            for axis, setpoint in enumerate(item.on):
                db.execute("INSERT INTO dependencies VALUES (?, ?, ?)", (layouts[item.name], layouts[setpoint], axis))
        if has_table:
            columns = "".join(f', "{item.name}" {item.kind}' for item in parameters)
            db.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY{columns})')
        db.execute("COMMIT")
        return run_id

    def _description(self, parameters: Sequence[P], shapes: Mapping[str, Sequence[int]] | None) -> dict[str, Any]:
        older = {
            "paramspecs": [
                {**item.spec(), "inferred_from": list(item.inferred_from), "depends_on": list(item.on)}
                for item in parameters
            ]
        }
        if self.version < 6:
            return {"interdependencies": older}
        touched = {name for item in parameters for name in (*item.on, *item.inferred_from)}
        newer = {
            "parameters": {item.name: item.spec() for item in parameters},
            "dependencies": {item.name: list(item.on) for item in parameters if item.on},
            "inferences": {item.name: list(item.inferred_from) for item in parameters if item.inferred_from},
            "standalones": [
                item.name for item in parameters if not item.on and not item.inferred_from and item.name not in touched
            ],
        }
        return {
            "version": 3,
            "interdependencies": older,
            "interdependencies_": newer,
            "shapes": None if shapes is None else {name: list(shape) for name, shape in shapes.items()},
        }

    def add(self, run_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows of results in one transaction."""
        db = self.connection
        db.execute("BEGIN")
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            db.execute(f'INSERT INTO "results-1-{run_id}" ({names}) VALUES ({marks})', tuple(row.values()))
        db.execute("COMMIT")

    def finish(self, run_id: int) -> None:
        """The last thing a run does."""
        self.connection.execute(
            "UPDATE runs SET is_completed = 1, completed_timestamp = ? WHERE run_id = ?",
            (START_S + run_id + 0.5, run_id),
        )

    def run(self, name: str, count: int = 5, **more: Any) -> int:
        """A whole finished run of ``count`` points."""
        run_id = self.start(name, **more)
        self.add(run_id, [{"x": place, "y": place * 0.1} for place in range(count)])
        self.finish(run_id)
        return run_id

    def many(self, count: int, points: int = 3) -> None:
        """Many small finished runs in one transaction."""
        db = self.connection
        first = int(db.execute("SELECT coalesce(max(run_id), 0) + 1 FROM runs").fetchone()[0])
        description = json.dumps(self._description((X, Y), None))
        snapshot = json.dumps({"station": "x" * 2000})
        db.execute("BEGIN")
        for run_id in range(first, first + count):
            table = f"results-1-{run_id}"
            db.execute(
                "INSERT INTO runs (run_id, exp_id, name, result_table_name, result_counter, run_timestamp, "
                "completed_timestamp, is_completed, parameters, guid, run_description, snapshot, parent_datasets, "
                "captured_run_id, captured_counter) VALUES (?, 1, ?, ?, ?, ?, ?, 1, 'x,y', ?, ?, ?, '[]', ?, ?)",
                (
                    run_id, f"point {run_id}", table, run_id, START_S + run_id, START_S + run_id + 0.5, guid_of(run_id),
                    description, snapshot, run_id, run_id,
                ),
            )  # fmt: skip
            db.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, "x" numeric, "y" numeric)')
            db.executemany(f'INSERT INTO "{table}" (x, y) VALUES (?, ?)', [(x, x * 0.1) for x in range(points)])
        db.execute("COMMIT")

    def annotate(self, run_id: int, key: str, value: object) -> None:
        """Add metadata to a run, as a person does it long afterwards."""
        there = {row[1] for row in self.connection.execute("PRAGMA table_info(runs)")}
        column = '"' + key.replace('"', '""') + '"'
        if key not in there:
            self.connection.execute(f"ALTER TABLE runs ADD COLUMN {column}")
        self.connection.execute(f"UPDATE runs SET {column} = ? WHERE run_id = ?", (value, run_id))


@dataclass
class QCoDeSSource:
    """A backend on a database, and what a store would know of it."""

    path: Path
    work_folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    known: KnownInMemory = field(default_factory=KnownInMemory)

    def __post_init__(self) -> None:
        config = QCoDeSConfig(database_path=str(self.path), **{"is_network_folder": False, **self.options})
        self.backend = QCoDeSBackend(config, BackendContext(SOURCE_UUID, self.work_folder))
        self.summary = DiscoverySummary(0)

    def look(self, **request: Any) -> dict[str, Found]:
        """One look; what it reports is known afterwards."""
        found: dict[str, Found] = {}
        self.summary = self.backend.discover(
            DiscoveryRequest(**request), self.known, lambda item: found.__setitem__(item.identifier, item), StopToken()
        )
        self.known.known.update({name: item.fingerprint for name, item in found.items()})
        for name in self.summary.missing:
            self.known.known.pop(name, None)
        return found

    def hint(self) -> dict[str, Found]:
        """A look after the watcher saw the database change."""
        return self.look(paths=(str(self.path),))

    def read(self, identifier: str) -> Content:
        """Read a dataset."""
        return self.backend.read(identifier, StopToken())

    def file(self, identifier: str, name: str = "measurement.h5") -> Path:
        """Read a dataset and give one of its files."""
        content = self.read(identifier)
        return Path(next(file.path for file in content.files if file.entry.name == name))
