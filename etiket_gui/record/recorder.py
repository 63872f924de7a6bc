"""Records a measurement into a folder of its own while it runs: one file, numpy and h5py, no server and no set-up.

    from etiket_gui.record import Recorder

    with Recorder("Rabi of Q1", attributes={"sample": "SQ22"}, shape=(21,)) as run:
        run.axis("time", times, unit="s")
        run.quantity("amplitude", unit="V")
        run.quantity("signal", unit="mV", axes=("amplitude", "time"))
        for amplitude in amplitudes:
            run.add(amplitude=amplitude, signal=measure_trace(amplitude))

Every point is on the disk within half a second; after a crash everything up to then is there. ``record.h5`` can be
read while it grows (HDF5's single writer, many readers); ``record.json`` says what it is and how it ended.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import threading
import traceback
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import h5py
import numpy as np

FORMAT: Final = "etiket-gui record"
VERSION: Final = 1
DATA, DESCRIPTION = "record.h5", "record.json"
#: Where recordings go when the script names no folder: this variable, else a folder in the user's home.
VARIABLE: Final = "ETIKET_GUI_RECORDS"
_FLUSH_S = 0.5
_CHUNK_BYTES = 1 << 17
_NAME = re.compile(r"[^\W\d]\w*")
_PLAIN = (str, int, float, bool, type(None))


def default_folder() -> Path:
    """Where recordings go when no folder is named."""
    return Path(os.environ.get(VARIABLE) or Path.home() / "etiket records")


class Recorder:
    """One measurement, from the ``with`` to its end.

    ``attributes`` are numbers and short texts to find it by. ``shape`` is the grid that the points will fill, slowest
    sweep first, where that is known. Raises OSError when the folder cannot be written, ValueError and TypeError with
    a sentence for what cannot be recorded. May be used from several threads.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
        keywords: Sequence[str] = (),
        description: str = "",
        shape: Sequence[int] | None = None,
    ) -> None:
        if not name.strip():
            raise ValueError("The measurement's name is empty.")
        if shape is not None and (not shape or any(size < 1 for size in shape)):
            raise ValueError(f"The shape {tuple(shape)} is not that of a grid: give whole numbers above 0.")
        self.uuid = str(uuid.uuid4())
        now = datetime.datetime.now().astimezone()
        slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "run"
        number = self.uuid.replace("-", "")
        self.folder = Path(folder or default_folder()) / f"{now:%Y%m%d}" / f"{now:%H%M%S}_{slug}_{number}"
        self._about: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "uuid": self.uuid,
            "name": name,
            "description": description,
            "state": "announced",
            "started": None,
            "finished": None,
            "attributes": _checked(attributes or {}),
            "keywords": [str(word) for word in keywords],
            "shape": None if shape is None else [int(size) for size in shape],
            "points": 0,
        }
        self._file: Any = None
        self._axes: dict[str, Any] = {}
        self._described: dict[str, dict[str, Any]] = {}
        self._columns: dict[str, Any] = {}
        self._waiting: list[dict[str, np.ndarray[Any, Any]]] = []
        self._written = 0
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._flusher: threading.Thread | None = None
        self._failure: BaseException | None = None

    # -- before the first point --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        # v110 is the oldest layout that can be read while it is written. Nobody is locked out of a reader's look.
        self._file = h5py.File(self.folder / DATA, "x", libver=("v110", "v110"), locking=False)
        self._file.attrs.update({"format": FORMAT, "version": VERSION, "uuid": self.uuid, "name": self._about["name"]})
        self._about |= {"state": "running", "started": _now()}
        self._describe()
        return self

    def axis(self, name: str, values: Any, *, unit: str = "", label: str = "") -> None:
        """A fixed axis of arrays that each point has, such as the times of a trace; before the first point."""
        with self._lock:
            self._check_new(name)
            array = np.asarray(values)
            if array.ndim != 1 or array.dtype.kind not in "biuf":
                raise ValueError(f"The axis {name!r} must be a row of numbers, not {array.dtype} of {array.shape}.")
            made = self._file.create_dataset(name, data=array)
            made.attrs.update({"unit": unit, "label": label or name, "is_axis": True})
            self._axes[name] = array.size

    def quantity(self, name: str, *, unit: str = "", label: str = "", axes: Sequence[str] = ()) -> None:
        """Say more of a quantity than its name: unit, label, and what it depends on, slowest first.

        Optional, and only before the first point. ``axes`` are swept quantities, then the fixed axes of its arrays.
        """
        with self._lock:
            self._check_new(name)
            self._described[name] = {"unit": unit, "label": label or name, "axes": list(axes)}

    def _check_new(self, name: str) -> None:
        self._check_running()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a quantity: use letters, digits and _, as for a variable.")
        if name in self._axes or name in self._described:
            raise ValueError(f"{name!r} is described already.")
        if self._columns:
            raise ValueError(f"{name!r} comes too late: axes and quantities are described before the first point.")

    # -- points ------------------------------------------------------------------------------------------------------

    def add(self, **values: Any) -> None:
        """One point: a number or an array for each quantity, of the same shape each time.

        The first point decides what is recorded. A quantity that a later point leaves out is NaN there.
        """
        with self._lock:
            self._check_running()
            arrays = {name: _numbers(name, value) for name, value in values.items()}
            if not arrays:
                raise ValueError("A point needs a value: run.add(name=value).")
            if not self._columns:
                self._create(arrays)
            unknown = arrays.keys() - self._columns.keys()
            if unknown:
                raise ValueError(f"{min(unknown)!r} was not in the first point, so it cannot be recorded now.")
            self._waiting.append({name: self._fitting(name, arrays.get(name)) for name in self._columns})

    def _create(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        for name, described in self._described.items():
            known = {*self._described, *self._axes, *arrays}
            missing = [axis for axis in described["axes"] if axis not in known]
            if missing:
                raise ValueError(f"{name!r} depends on {missing[0]!r}, which is neither an axis nor a quantity.")
        for name, array in arrays.items():
            if not _NAME.fullmatch(name) or name in self._axes:
                raise ValueError(f"{name!r} is no name for a quantity, or the name of an axis.")
            inner = [axis for axis in self._described.get(name, {"axes": []})["axes"] if axis in self._axes]
            if inner and tuple(self._axes[axis] for axis in inner) != array.shape:
                sizes = tuple(self._axes[axis] for axis in inner)
                raise ValueError(f"{name!r} has the shape {array.shape}, but its axes {inner} have {sizes} values.")
        made = {}
        for name, array in arrays.items():
            about = self._described.get(name, {"unit": "", "label": name, "axes": []})
            rows = max(1, min(1024, _CHUNK_BYTES // max(1, array.nbytes)))
            column = self._file.create_dataset(
                name, (0, *array.shape), array.dtype, maxshape=(None, *array.shape), chunks=(rows, *array.shape)
            )
            column.attrs.update({"unit": about["unit"], "label": about["label"], "axes": json.dumps(about["axes"])})
            made[name] = column
        self._columns = made
        self._file.swmr_mode = True
        self._flusher = threading.Thread(target=self._flush_now_and_then, name="recorder", daemon=True)
        self._flusher.start()

    def _fitting(self, name: str, array: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
        column = self._columns[name]
        if array is None:
            if column.dtype.kind not in "fc":
                raise ValueError(f"{name!r} is missing in this point, and whole numbers have no NaN.")
            return np.full(column.shape[1:], np.nan, column.dtype)
        if array.shape != column.shape[1:]:
            raise ValueError(f"{name!r} has the shape {array.shape}, in the first point it was {column.shape[1:]}.")
        if not np.can_cast(array.dtype, column.dtype, "same_kind"):
            raise TypeError(f"{name!r} is {array.dtype} now, in the first point it was {column.dtype}.")
        return array.astype(column.dtype)

    def flush(self) -> None:
        """Write all points to the file now; it happens by itself every half second."""
        with self._lock:
            rows, self._waiting = self._waiting, []
            if not rows:
                return
            for name, column in self._columns.items():
                column.resize(self._written + len(rows), axis=0)
                column[self._written :] = np.stack([row[name] for row in rows])
                column.flush()
            self._written += len(rows)

    def _flush_now_and_then(self) -> None:
        while not self._end.wait(_FLUSH_S):
            try:
                self.flush()
            except (OSError, RuntimeError, ValueError) as error:
                self._failure = error
                return

    def _check_running(self) -> None:
        if self._failure is not None:
            raise OSError(f"The points could not be written to {self.folder}: {self._failure}") from self._failure
        if self._file is None:
            raise ValueError("Nothing is being recorded: use it inside of `with Recorder(…) as run:`.")

    def set(self, **attributes: Any) -> None:
        """Add or change attributes; also while points are recorded."""
        with self._lock:
            self._check_running()
            self._about["attributes"] |= _checked(attributes)
            self._describe()

    # -- the end -----------------------------------------------------------------------------------------------------

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self._end.set()
        if self._flusher is not None:
            self._flusher.join()
        with self._lock:
            try:
                if self._failure is None:
                    self.flush()
            except (OSError, RuntimeError, ValueError) as failure:
                self._failure = failure
            file, self._file = self._file, None
            file.close()
            is_whole = error is None and self._failure is None
            self._about |= {"state": "complete" if is_whole else "interrupted", "finished": _now()}
            if error is not None:
                self._about["error"] = "".join(traceback.format_exception(kind, error, trace))
            self._describe()
        if error is None and self._failure is not None:
            raise OSError(f"The points could not be written to {self.folder}: {self._failure}") from self._failure
        return False

    def _describe(self) -> None:
        """Write ``record.json``: whole or not at all."""
        self._about["points"] = self._written
        text = json.dumps(self._about, indent=1, ensure_ascii=False)
        beside = self.folder / f".{DESCRIPTION}.part"
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.folder / DESCRIPTION)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat()


def _numbers(name: str, value: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name!r} is {type(value).__name__}; only numbers and arrays of them are points.")
    if not array.size:
        raise ValueError(f"{name!r} is an empty array; leave it out of the point.")
    # A sweep may begin at 0 and go on with 0.5.
    return array.astype(float) if array.ndim == 0 and array.dtype.kind in "iu" else array


def _checked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in attributes.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if not isinstance(plain, _PLAIN) or (isinstance(plain, float) and not np.isfinite(plain)):
            raise TypeError(f"The attribute {name!r} is {value!r:.60}; attributes are texts, numbers, True and False.")
        found[str(name)] = plain
    return found
