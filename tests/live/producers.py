"""Measuring programs as a source sees them: each begins runs, adds points, stops or ends, at the test's word."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from etiket_gui.record import Recorder
from tests.support.core_tools_database import Array, CoreToolsDatabase, measured, sweep
from tests.support.labber_files import write_log
from tests.support.qcodes_database import QCoDeSFile
from tests.support.quantify_files import measurement_folder, write_data

#: Points that every run here will have when it is over.
PLANNED = 40


class Run(Protocol):
    """One measurement that is being made; ``count`` points were written so far."""

    name: str
    count: int

    def measure(self, points: int = 1) -> None:
        """Write so many more points; they are on the disk afterwards."""

    def finish(self) -> None:
        """Write what is missing to :data:`PLANNED` and end the run."""

    def leave(self) -> None:
        """As when the program is killed: nothing says that the run is over."""


class Producer(Protocol):
    """One program and the place it writes to."""

    #: Whether a backend tells points of its runs.
    tells_points: bool

    def begin(self, name: str) -> Run:
        """Begin a run; nothing is measured yet."""

    def close(self) -> None:
        """The program ends."""


def value_at(place: int) -> float:
    """What is measured at a point."""
    return place * 0.25


class QCoDeS:
    """A QCoDeS database of schema 9; every point is a transaction."""

    tells_points = True

    def __init__(self, folder: Path, *, wal: bool) -> None:
        folder.mkdir()
        self.path = folder / "experiments.db"
        self.file = QCoDeSFile(self.path, wal=wal)

    def begin(self, name: str) -> QCoDeSRun:
        """See :class:`Producer`."""
        return QCoDeSRun(self.file, name)

    def close(self) -> None:
        """See :class:`Producer`."""
        self.file.close()


class QCoDeSRun:
    """A run in a database."""

    def __init__(self, file: QCoDeSFile, name: str) -> None:
        self.name, self.count, self._file = name, 0, file
        self._id = file.start(name, shapes={"y": (PLANNED,)})

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`."""
        places = range(self.count, self.count + points)
        self._file.add(self._id, [{"x": float(place), "y": value_at(place)} for place in places])
        self.count += points

    def finish(self) -> None:
        """See :class:`Run`."""
        if self.count < PLANNED:
            self.measure(PLANNED - self.count)
        self._file.finish(self._id)

    def leave(self) -> None:
        """See :class:`Run`."""


class Quantify:
    """A Quantify data directory; each update writes the dataset file anew."""

    tells_points = True

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder
        self._begun = 0

    def begin(self, name: str) -> QuantifyRun:
        """See :class:`Producer`."""
        self._begun += 1
        now = dt.datetime.now().astimezone()
        tuid = f"{now:%Y%m%d-%H%M%S}-{self._begun:03d}-0a1b2c"
        return QuantifyRun(measurement_folder(self.path, tuid, name), tuid, name)

    def close(self) -> None:
        """See :class:`Producer`."""


class QuantifyRun:
    """A folder with a TUID."""

    def __init__(self, folder: Path, tuid: str, name: str) -> None:
        self.name, self.count = name, 0
        self._folder, self._tuid = folder, tuid
        (folder / "snapshot.json").write_text(json.dumps({"instruments": {}}))
        self._write()

    def _write(self) -> None:
        values = np.full(PLANNED, np.nan)
        values[: self.count] = [value_at(place) for place in range(self.count)]
        write_data(self._folder / "dataset.hdf5", [np.arange(PLANNED) * 1.0], [values], {"tuid": self._tuid})

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`."""
        self.count += points
        self._write()

    def finish(self) -> None:
        """See :class:`Run`."""
        self.measure(PLANNED - self.count)

    def leave(self) -> None:
        """See :class:`Run`."""


class Labber:
    """A folder of logs; each entry is one value of the outer step, with two points."""

    tells_points = True

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder

    def begin(self, name: str) -> LabberRun:
        """See :class:`Producer`."""
        return LabberRun(self.path / f"{name}.hdf5", name)

    def close(self) -> None:
        """See :class:`Producer`."""


class LabberRun:
    """A log of :data:`PLANNED` points in entries of two."""

    def __init__(self, path: Path, name: str) -> None:
        self.name, self.count, self._path = name, 0, path
        values = np.array([value_at(place) for place in range(PLANNED)])
        steps = [("Frequency", [0.0, 1.0]), ("Power", np.arange(PLANNED // 2) * 1.0)]
        with h5py.File(path, "x", locking=False) as file:
            write_log(file, steps, [("Signal", values)], entries=0, is_completed=False, name=name,
                      created_s=dt.datetime.now(dt.UTC).timestamp())  # fmt: skip

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`; points come in twos."""
        with h5py.File(self._path, "r+", locking=False) as file:
            data, stamps = file["Data/Data"], file["Data/Time stamp"]
            for _ in range(-(-points // 2)):
                entry = data.shape[2]
                data.resize(entry + 1, axis=2)
                data[:, 0, entry] = [0.0, 1.0]
                data[:, 1, entry] = float(entry)
                data[:, 2, entry] = [value_at(self.count), value_at(self.count + 1)]
                del file["Data/Time stamp"]
                stamps = file.create_dataset("Data/Time stamp", data=np.arange(entry + 1) * 0.5)
                self.count += 2
            assert stamps.shape == (data.shape[2],)

    def finish(self) -> None:
        """See :class:`Run`."""
        if self.count < PLANNED:
            self.measure(PLANNED - self.count)
        with h5py.File(self._path, "r+", locking=False) as file:
            file["Data"].attrs["Completed"] = True

    def leave(self) -> None:
        """See :class:`Run`."""


class Native:
    """Our own recorder."""

    tells_points = True

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder
        self._runs: list[NativeRun] = []

    def begin(self, name: str) -> NativeRun:
        """See :class:`Producer`."""
        run = NativeRun(self.path, name)
        self._runs.append(run)
        return run

    def close(self) -> None:
        """Threads and open files of recordings that were left."""
        for run in self._runs:
            run.end()


class NativeRun:
    """One recording."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.count = name, 0
        self._recorder: Recorder | None = Recorder(name, folder=folder, shape=(PLANNED,))
        self._recorder.__enter__()
        self._recorder.quantity("x", unit="V")
        self._recorder.quantity("y", unit="A", axes=("x",))

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`."""
        assert self._recorder is not None
        for _ in range(points):
            self._recorder.add(x=float(self.count), y=value_at(self.count))
            self.count += 1
        self._recorder.flush()

    def finish(self) -> None:
        """See :class:`Run`."""
        if self.count < PLANNED:
            self.measure(PLANNED - self.count)
        self.end()

    def leave(self) -> None:
        """See :class:`Run`."""

    def end(self) -> None:
        """Leave the ``with`` block."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.__exit__(None, None, None)


class CoreTools:
    """A core-tools database in a real PostgreSQL."""

    tells_points = True

    def __init__(self, database: CoreToolsDatabase) -> None:
        self.database = database

    def begin(self, name: str) -> CoreToolsRun:
        """See :class:`Producer`."""
        return CoreToolsRun(self.database, name)

    def close(self) -> None:
        """See :class:`Producer`."""


class CoreToolsRun:
    """One measurement of one quantity."""

    def __init__(self, database: CoreToolsDatabase, name: str) -> None:
        self.name, self.count, self._database = name, 0, database
        steps = sweep("vP1", np.arange(PLANNED) * 1.0)
        self._values: Array = measured("signal", np.zeros(0), steps, shape=(PLANNED,))
        now_s = dt.datetime.now(dt.UTC).timestamp()
        self._uuid = database.measure(
            name, [self._values, steps], is_complete=False, started_s=now_s, uuid=uuid.uuid4().int >> 68
        )

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`."""
        places = range(self.count, self.count + points)
        self._database.append(self._uuid, self._values, [value_at(place) for place in places])
        self.count += points

    def finish(self) -> None:
        """See :class:`Run`."""
        if self.count < PLANNED:
            self.measure(PLANNED - self.count)
        self._database.update(self._uuid, completed=True, stop_time=dt.datetime.now())

    def leave(self) -> None:
        """See :class:`Run`."""


class Folders:
    """Any program that writes files into a folder for each measurement."""

    tells_points = False

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder

    def begin(self, name: str) -> FolderRun:
        """See :class:`Producer`."""
        return FolderRun(self.path / name, name)

    def close(self) -> None:
        """See :class:`Producer`."""


class FolderRun:
    """A folder with a table that grows."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.count = name, 0
        folder.mkdir()
        self.path = folder / "table.csv"
        self.path.write_text("x,y\n")

    def measure(self, points: int = 1) -> None:
        """See :class:`Run`."""
        with open(self.path, "a") as stream:
            for _ in range(points):
                stream.write(f"{self.count},{value_at(self.count)}\n")
                self.count += 1

    def finish(self) -> None:
        """See :class:`Run`: nothing but quiet tells that it is over."""
        self.measure(max(PLANNED - self.count, 0))

    def leave(self) -> None:
        """See :class:`Run`."""


def source_of(producer: Any, *, interrupted_after_s: float | None = None) -> tuple[str, dict[str, Any]]:
    """Backend and options of the source that a producer writes to."""
    limit = {} if interrupted_after_s is None else {"interrupted_after": interrupted_after_s}
    match producer:
        case QCoDeS():
            return "qcodes", {"database_path": str(producer.path), **limit}
        case Quantify():
            return "quantify", {"data_directory": str(producer.path), "settle_time": 0.3, **limit}
        case Labber():
            return "labber", {"log_directory": str(producer.path), "settle_time": 0.3, **limit}
        case Native():
            return "native", {"data_directory": str(producer.path), "settle_time": 0.3, **limit}
        case CoreTools():
            return "core_tools", {**producer.database.options(), **limit}
        case Folders():
            return "folder", {"root_directory": str(producer.path), "level": 1, "settle_time": 1.2}
    raise TypeError(f"{producer!r} is no producer")


def kept_values(columns: Sequence[Any]) -> list[float]:
    """What was measured: the values of the one column that has axes."""
    (column,) = [column for column in columns if column.axes]
    return [float(value) for value in column.values]
