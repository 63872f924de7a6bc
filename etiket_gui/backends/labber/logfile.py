"""One Labber file: which logs are in it, and where their parts are; opened without any lock and for a moment only."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from etiket_gui.converters.dangerous_files import opening
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, SourceChanged, source_error
from etiket_gui.domain.states import RetryClass
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source

ENDING = ".hdf5"
_DELAYS_S = (0.02, 0.04, 0.08, 0.16, 0.2)
_BROKEN_FILE = "broken HDF5 file"
_FURTHER_LOG = re.compile(r"Log_(\d+)")
#: What h5py raises for a file that is cut off, half written, or no HDF5 file at all.
BROKEN = (OSError, KeyError, RuntimeError, ValueError, OverflowError, MemoryError, TypeError, AttributeError)


class NotALog(EtiketError):
    """A file that is HDF5 or looks like it, but holds no Labber log; ``rule`` counts it in a few words."""

    title = "Not a Labber log"
    retry_class = RetryClass.ON_CHANGE

    def __init__(self, reason: str, rule: str, *, path: str | None = None) -> None:
        super().__init__(reason, path=path)
        self.rule = rule

    @property
    def is_broken(self) -> bool:
        """Whether it may be a log all the same, damaged or just being written."""
        return self.rule == _BROKEN_FILE


@dataclass(frozen=True, slots=True)
class FileKey:
    """What of a file's directory entry tells that it is still the same."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileKey:
        """From a stat."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class LogHead:
    """What tells one log from another: its number in the file (1 is the file's own), its names and its state.

    ``position`` counts the logs of a file from 1 on; numbers may be missing in between.
    ``created_s`` and ``file_created_s`` are seconds since 1970 and None where the file does not say.
    ``is_completed`` is None where it does not say either. ``entries`` counts what is there, ``expected`` what will be.
    """

    number: int
    position: int
    log_name: str
    created_s: float | None
    file_created_s: float | None
    is_completed: bool | None
    entries: int
    expected: int
    version: str

    @property
    def identifier(self) -> str | None:
        """The name that the log has wherever its file lies, or None where the file says too little."""
        if self.file_created_s is None:
            return None
        return f"{self.file_created_s:.6f}/{self.log_name}/{self.number}"


@contextlib.contextmanager
def open_log_file(path: str, stop: StopToken, expected: FileKey | None = None) -> Iterator[tuple[h5py.File, FileKey]]:
    """The open file and its key. Tried again while it is being written.

    Raises SourceChanged when it is not what ``expected`` says or changes at each try, NotALog when it is quiet and
    no HDF5 file, DangerousFile when it ended the process that opened it, and the known source failures.
    """
    with opening(path):
        yield from _opened(path, stop, expected)


def _opened(path: str, stop: StopToken, expected: FileKey | None) -> Iterator[tuple[h5py.File, FileKey]]:
    failure: Exception | None = None
    before: FileKey | None = None
    for delay_s in (*_DELAYS_S, None):
        stop.check()
        with contextlib.ExitStack() as held:
            try:
                raw = held.enter_context(os.fdopen(open_source(path), "rb"))
            except OSError as error:
                raise source_error(error, path) from error
            key = FileKey.of(os.fstat(raw.fileno()))
            if expected is not None and key != expected and guards.is_on("whole-file-is-checked"):
                raise SourceChanged(f"{path} changed after it was looked at.", path=path)
            try:
                # Opened through a Python file, HDF5 never sees a path and so takes no lock.
                is_lockless = guards.is_on("hdf5-without-locks")
                opened = h5py.File(raw, "r", locking=False) if is_lockless else h5py.File(path, "r")
                file = held.enter_context(opened)
            except BROKEN as error:
                failure = error
            else:
                yield file, key
                if FileKey.of(os.fstat(raw.fileno())) != key and guards.is_on("whole-file-is-checked"):
                    raise SourceChanged(f"{path} changed while it was being read.", path=path)
                return
            after = FileKey.of(os.fstat(raw.fileno()))
        if delay_s is None:
            break
        if after == before:
            break
        before = after
        stop.wait(delay_s)
    if before is not None and after != before:
        raise SourceChanged(f"{path} is being written.", path=path)
    raise NotALog(f"{path} is no HDF5 file: {failure}.", _BROKEN_FILE, path=path) from failure


def log_heads(file: h5py.File, path: str) -> list[LogHead]:
    """The logs of an open file in their order. Raises NotALog with the reason, and what h5py raises."""
    if not _is_log(file):
        names = set(file)
        if names and names <= {"Instrument config", "Instruments"}:
            raise NotALog(
                f"{path} is a configuration of Labber's instrument server: it holds settings and no measurement.",
                "Labber server configuration",
                path=path,
            )
        raise NotALog(f"{path} is an HDF5 file, but no Labber log.", "HDF5 file that is no Labber log", path=path)
    root_created_s = _seconds(file)
    heads = [_head(file, 1, 1, file, root_created_s)]
    further = sorted(int(found[1]) for name in file if (found := _FURTHER_LOG.fullmatch(name)))
    for number in further:
        group = file[f"Log_{number}"]
        if _is_log(group):
            heads.append(_head(group, number, len(heads) + 1, file, root_created_s))
    return heads


def log_group(file: h5py.File, number: int) -> h5py.Group:
    """The group of one log."""
    return file if number == 1 else file[f"Log_{number}"]


def text_of(value: Any) -> str:
    """An attribute or a field of a table as text."""
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts_of(value: Any) -> list[str]:
    """A list of texts, without empty ones; anything but text (an empty list is stored as numbers) gives none."""
    items = np.atleast_1d(np.asarray(value, dtype=object)).flat
    found = [text_of(item).strip() for item in items if isinstance(item, str | bytes)]
    return [text for text in found if text]


def rows_of(table: h5py.Dataset) -> list[dict[str, Any]]:
    """A table as rows by field name; a table of plain texts, as other programs write it, has numbered fields."""
    values = table[()]
    if values.dtype.names is not None:
        return [dict(zip(values.dtype.names, row, strict=True)) for row in values.reshape(-1)]
    plain = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    return [{str(number): item for number, item in enumerate(row)} for row in plain]


def channel_names(table: h5py.Dataset) -> list[str]:
    """The first column of a table: the names of channels."""
    return [text_of(next(iter(row.values()))) for row in rows_of(table)]


def _is_log(group: h5py.Group) -> bool:
    data = group.get("Data")
    return isinstance(data, h5py.Group) and "Data" in data and "Channel names" in data and "Log list" in group


def _seconds(group: h5py.Group) -> float | None:
    value = group.attrs.get("creation_time")
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if np.isfinite(seconds) else None


def _head(group: h5py.Group, number: int, position: int, file: h5py.File, file_created_s: float | None) -> LogHead:
    data = group["Data"]
    values = data["Data"]
    completed = data.attrs.get("Completed")
    entries = values.shape[2] if len(values.shape) == 3 else 1
    expected = entries
    if len(values.shape) == 3 and values.maxshape[2] is not None:
        expected = max(entries, values.maxshape[2])
    created_s = _seconds(group)
    return LogHead(
        number=number,
        position=position,
        log_name=text_of(group.attrs.get("log_name", file.attrs.get("log_name", ""))),
        created_s=file_created_s if created_s is None else created_s,
        file_created_s=file_created_s,
        is_completed=None if completed is None else bool(completed),
        entries=entries,
        expected=expected,
        version=text_of(file.attrs.get("version", "")),
    )
