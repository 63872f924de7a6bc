"""The netCDF file of a run that QCoDeS kept in memory: where it is, whether it is that run's, and taking it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import h5py

from etiket_gui.backends.qcodes.runs import RunRow
from etiket_gui.converters.dangerous_files import DangerousFile, opening
from etiket_gui.domain.errors import ConversionFailed, EtiketError, FileBusy, SourceChanged, source_error
from etiket_gui.domain.states import RetryClass
from etiket_gui.osys.files import open_source

#: A file that cannot be opened and changed within this time may not be whole yet.
STILL_WRITTEN_S = 60.0
_BROKEN = (OSError, KeyError, RuntimeError, ValueError, TypeError)


class DataElsewhere(EtiketError):
    """The database names a run whose points are in no file that is here."""

    title = "The points of a run are not here"
    retry_class: RetryClass = RetryClass.ON_CHANGE
    default_advice: ClassVar[str] = (
        "What the database knows of it is archived. Export the run from QCoDeS, or put the exported file beside the "
        "database or into a folder there whose name begins with exports; then retry this dataset."
    )


def take_export(database: str, row: RunRow, target: Path) -> tuple[EtiketError, ...]:
    """Copy the run's exported file to ``target``; what a person must know of it. Nothing is made where there is none.

    A damaged file is taken as it is, once nobody seems to write it any more. Raises FileBusy, SourceChanged and what
    looking raises.
    """
    damaged: tuple[str, EtiketError] | None = None
    for path in _candidates(database, row):
        try:
            guid = _guid_of(path)
        except DangerousFile as error:
            damaged = damaged or (path, error)
            continue
        except _BROKEN as error:
            why = ConversionFailed(
                f"{path} cannot be opened: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
                advice="It is archived as it is. Look whether QCoDeS still opens it, and export the run again if not.",
                path=path,
            )
            damaged = damaged or (path, why)
            continue
        if guid in {row.guid, ""}:
            _copy(path, target)
            return ()
    if damaged is not None:
        path, problem = damaged
        if _is_fresh(path):
            raise FileBusy(f"{path} cannot be opened yet: it may still be written or copied.", path=path)
        _copy(path, target)
        return (problem,)
    told = _told_path(row)
    where = f"the file it was exported to ({told}) is not on this machine" if told else "it was not exported"
    return (
        DataElsewhere(
            f"QCoDeS kept the points of run {row.captured_run_id} in memory, and {where}.", path=told or None
        ),
    )


def _told_path(row: RunRow) -> str:
    info = row.metadata.get("export_info")
    told: Any = None
    if isinstance(info, str):
        try:
            told = json.loads(info)
        except ValueError:
            told = None
    paths = told.get("export_paths") if isinstance(told, dict) else None
    path = paths.get("nc") if isinstance(paths, dict) else None
    return path if isinstance(path, str) else ""


def _candidates(database: str, row: RunRow) -> Iterator[str]:
    """Where it was written, then that name or the guid beside the database and in folders called exports*."""
    folder = os.path.dirname(database)
    path = _told_path(row)
    names = []
    if path:
        if os.path.isfile(path):
            yield path
        names.append(path.replace("\\", "/").rsplit("/", 1)[-1])
    try:
        below = sorted(
            entry.path for entry in os.scandir(folder) if entry.name.startswith("exports") and entry.is_dir()
        )
        for place in (folder, *below):
            listed = sorted(entry.name for entry in os.scandir(place))
            yield from (os.path.join(place, name) for name in names if name in listed)
            if row.guid:
                yield from (os.path.join(place, name) for name in listed if name.endswith(f"_{row.guid}.nc"))
    except OSError as error:
        raise source_error(error, folder) from error


def _guid_of(path: str) -> str:
    """Which run a file says it is of; empty where it does not say. Raises what h5py raises for a damaged file."""
    with opening(path), os.fdopen(open_source(path), "rb") as raw, h5py.File(raw, "r", locking=False) as file:
        guid = file.attrs.get("guid", "")
        return guid.decode("utf-8", "replace") if isinstance(guid, bytes) else str(guid)


def _is_fresh(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError as error:
        raise source_error(error, path) from error
    return abs(time.time() - max(status.st_mtime, status.st_ctime)) < STILL_WRITTEN_S


def _copy(path: str, target: Path) -> None:
    try:
        before = os.stat(path)
        shutil.copyfile(path, target)
        after = os.stat(path)
    except OSError as error:
        raise source_error(error, path) from error
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise SourceChanged(f"{path} changed while it was being read.", path=path)
