"""Runs in an environment with real QCoDeS: lists databases, and compares what we made with what it makes itself.

    python with_qcodes.py list DATABASE                     its runs as JSON, by QCoDeS' own loading
    python with_qcodes.py compare DATABASE FOLDER           each run with FOLDER/<guid>.h5; differences as JSON
    python with_qcodes.py equal DATABASE OTHER              each run of OTHER with the same run of DATABASE

Databases are copied first: QCoDeS upgrades what it opens.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["QCODES_TELEMETRY"] = "0"
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import numpy as np  # noqa: E402
import qcodes  # noqa: E402
from qcodes.dataset import initialise_or_create_database_at, load_by_guid, load_from_netcdf  # noqa: E402
from qcodes.dataset.data_set_in_memory import DataSetInMem  # noqa: E402
from qcodes.dataset.sqlite.database import connect  # noqa: E402

qcodes.config.logger.start_logging_on_import = "never"
#: QCoDeS reads numbers as text of 15 digits, so it is the one that rounds.
TOLERANCE = 6e-15


def private_copy(database: str) -> str:
    """A copy with its -wal that QCoDeS may upgrade."""
    folder = tempfile.mkdtemp(prefix="qcodes-oracle-")
    for suffix in ("", "-wal"):
        if os.path.exists(database + suffix):
            shutil.copyfile(database + suffix, os.path.join(folder, os.path.basename(database) + suffix))
    return os.path.join(folder, os.path.basename(database))


def guids_of(database: str) -> list[str]:
    """All guids in the order of the runs."""
    initialise_or_create_database_at(database)
    connection = connect(database)
    try:
        return [guid for (guid,) in connection.execute("SELECT guid FROM runs ORDER BY run_id")]
    finally:
        connection.close()


def is_close(here: Any, there: Any) -> bool:
    """Equal values, NaN and text included."""
    here, there = np.asarray(here), np.asarray(there)
    if here.shape != there.shape:
        return False
    if here.dtype.kind in "OUS" or there.dtype.kind in "OUS":
        return [str(item) for item in here.flat] == [str(item) for item in there.flat]
    return bool(np.allclose(here, there, rtol=TOLERANCE, atol=0, equal_nan=True))


def sorted_along(array: Any) -> Any:
    """With every axis in ascending order: QCoDeS sorts grids it finds by itself, we keep the order of measurement."""
    for dim in array.dims:
        if dim in array.indexes and dim not in {"index", "multi_index"} and array.indexes[dim].is_unique:
            array = array.sortby(dim)
    return array


def differences(dataset: Any, path: Path, other_database: str) -> list[str]:
    """What differs between QCoDeS' own reading of a run and a file that was made of it."""
    found: list[str] = []
    loaded = load_from_netcdf(path, path_to_db=other_database)
    for name in ("guid", "snapshot", "description", "run_timestamp_raw", "completed_timestamp_raw", "name", "exp_name",
                 "sample_name", "captured_run_id", "captured_counter", "parent_dataset_links"):  # fmt: skip
        if getattr(dataset, name) != getattr(loaded, name):
            found.append(f"{name}: {getattr(dataset, name)!r} != {getattr(loaded, name)!r}"[:300])
    here = {key: value for key, value in dataset.metadata.items() if key != "export_info"}
    there = {key: value for key, value in loaded.metadata.items() if key != "export_info"}
    if here != there:
        found.append(f"metadata: {here} != {there}")
    if isinstance(dataset, DataSetInMem):
        return found
    made = loaded.cache._load_xr_dataset()
    try:
        wanted = dataset.to_xarray_dataset()
    except Exception as error:  # noqa: BLE001 - what QCoDeS cannot export is no measure
        return [*found, f"unmeasured: QCoDeS cannot export it: {type(error).__name__}"]
    if set(wanted.data_vars) != set(made.data_vars):
        found.append(f"variables: {sorted(wanted.data_vars)} != {sorted(made.data_vars)}")
        return found
    for name in wanted.data_vars:
        one, other = sorted_along(wanted[name]), sorted_along(made[name])
        if one.dims != other.dims:
            found.append(f"{name}: dims {one.dims} != {other.dims}")
            continue
        if one.dtype.kind != other.dtype.kind and {one.dtype.kind, other.dtype.kind} - set("OUT"):
            found.append(f"{name}: type {one.dtype} != {other.dtype}")
        if not is_close(one.values, other.values):
            found.append(f"{name}: values")
        for key in ("units", "long_name", "paramtype", "name", "label", "unit"):
            if one.attrs.get(key) != other.attrs.get(key):
                found.append(f"{name}: {key} {one.attrs.get(key)!r} != {other.attrs.get(key)!r}")
        for coordinate in one.coords:
            if coordinate not in other.coords:
                found.append(f"{name}: no coordinate {coordinate}")
            elif coordinate != "multi_index":
                if not is_close(one.coords[coordinate].values, other.coords[coordinate].values):
                    found.append(f"{name}: coordinate {coordinate}")
                for key in ("units", "long_name"):
                    if wanted[coordinate].attrs.get(key) != made[coordinate].attrs.get(key):
                        found.append(f"{coordinate}: {key}")
    return found + data_differences(dataset, loaded)


def data_differences(dataset: Any, loaded: Any) -> list[str]:
    """Whether the loaded file gives the same points as the database."""
    found = []
    raw = loaded.cache.data()
    for name, columns in dataset.get_parameter_data().items():
        if name not in raw:
            found.append(f"data: no {name}")
            continue
        names = [key for key in columns if key in raw[name]]
        here, there = points(columns, names), points(raw[name], names)
        if len(there) > len(here):
            # A grid with holes: places that were not measured are NaN.
            there = [point for point in there if not is_nan(point[names.index(name)])]
        if len(here) != len(there) or not all(
            is_close(one, other) for one, other in zip(zip(*here, strict=True), zip(*there, strict=True), strict=True)
        ):
            found.append(f"data of {name}: {len(here)} and {len(there)} points")
    return found


def points(columns: Any, names: list[str]) -> list[tuple[Any, ...]]:
    """All points as tuples, in an order that does not depend on the last digits."""
    arrays = [np.asarray(np.concatenate(columns[name]) if columns[name].dtype == object and columns[name].size and
              isinstance(columns[name].flat[0], np.ndarray) else columns[name]).ravel() for name in names]  # fmt: skip
    return sorted(zip(*(array.tolist() for array in arrays), strict=True), key=order_key)


def order_key(point: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """NaN last, complex by its parts, text as text; rounded to ten digits."""
    key: list[tuple[str, Any]] = []
    for value in reversed(point):
        if isinstance(value, complex):
            key.append(("c", (float(f"{value.real:.10g}"), float(f"{value.imag:.10g}"))))
        elif isinstance(value, str):
            key.append(("s", value))
        elif is_nan(value):
            key.append(("z", 0.0))
        else:
            key.append(("c", (float(f"{value:.10g}"), 0.0)))
    return key


def is_nan(value: Any) -> bool:
    """Whether a value is no number."""
    return isinstance(value, float | complex) and value != value


def listed(database: str) -> list[dict[str, Any]]:
    """What QCoDeS says of every run."""
    copy = private_copy(database)
    rows = []
    for guid in guids_of(copy):
        dataset = load_by_guid(guid)
        rows.append(
            {
                "guid": dataset.guid,
                "name": dataset.name,
                "run_timestamp": dataset.run_timestamp_raw,
                "is_completed": bool(dataset.completed),
                "has_snapshot": dataset.snapshot is not None,
                "points": {} if isinstance(dataset, DataSetInMem) else {
                    name: int(np.asarray(columns[name]).size) for name, columns in dataset.get_parameter_data().items()
                },
            }
        )  # fmt: skip
    return rows


def compared(database: str, folder: str) -> dict[str, list[str]]:
    """Differences of every run; an empty list where there is none."""
    copy = private_copy(database)
    other = os.path.join(os.path.dirname(copy), "elsewhere.db")
    found = {}
    for guid in guids_of(copy):
        path = Path(folder) / f"{guid}.h5"
        found[guid] = differences(load_by_guid(guid), path, other) if path.exists() else ["was not made"]
    return found


def equal(database: str, rebuilt: str) -> dict[str, list[str]]:
    """Differences between runs of a database and those that were put into another one from an archive."""
    copy, other = private_copy(database), private_copy(rebuilt)
    found: dict[str, list[str]] = {}
    wanted = guids_of(copy)
    values = {}
    for guid in wanted:
        dataset = load_by_guid(guid)
        values[guid] = (dataset, dataset.get_parameter_data())
    for guid in guids_of(other):
        connection = connect(other)
        dataset = qcodes.dataset.load_by_guid(guid, connection)
        one, data = values[guid]
        found[guid] = [
            f"{name}: {getattr(one, name)!r} != {getattr(dataset, name)!r}"[:200]
            for name in ("guid", "name", "exp_name", "sample_name", "snapshot", "description", "run_timestamp_raw",
                         "completed_timestamp_raw", "completed", "captured_run_id", "metadata", "parent_dataset_links")
            if getattr(one, name) != getattr(dataset, name)
        ]  # fmt: skip
        there = dataset.get_parameter_data()
        if set(there) != set(data):
            found[guid].append(f"trees: {sorted(data)} != {sorted(there)}")
        for name in set(there) & set(data):
            if set(data[name]) != set(there[name]):
                found[guid].append(f"columns of {name}: {sorted(data[name])} != {sorted(there[name])}")
                continue
            for column, array in data[name].items():
                if not is_close(array, there[name][column]):
                    found[guid].append(f"values of {name}/{column}")
        connection.close()
    return found


if __name__ == "__main__":
    work = {"list": listed, "compare": compared, "equal": equal}[sys.argv[1]]
    result = work(*sys.argv[2:])
    sys.stdout.flush()
    print("\nRESULT " + json.dumps(result))
