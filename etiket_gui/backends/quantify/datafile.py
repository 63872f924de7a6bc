"""Reads a dataset file of Quantify, HDF5 or netCDF-3, whole and checked, so that its writer never notices.

Quantify writes the whole file anew at every update, and a look in between finds half of it. A small file is read into
memory at once and counts only when its size and time are the same afterwards; a torn one is read again.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import h5py
import numpy as np

from etiket_gui.backends.quantify.classic import MAGIC, ClassicFile
from etiket_gui.converters.dangerous_files import opening
from etiket_gui.domain import guards
from etiket_gui.domain.errors import ConversionFailed, SourceChanged, source_error
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.file_times import is_young
from etiket_gui.osys.files import open_source

#: Larger files are read piece by piece where they lie; they are not rewritten several times a second.
WHOLE_BYTES = 64 << 20
TRIES = 6
_DELAYS_S = (0.02, 0.04, 0.08, 0.16, 0.2)
_YOUNG_DELAY_S = 0.02
_HIDDEN = frozenset(
    ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties",
     "_nc3_strict", "_FillValue")
)  # fmt: skip
_ONLY_A_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
#: What h5py and the netCDF-3 reader raise for a file that is cut off or half rewritten.
BROKEN = (OSError, KeyError, RuntimeError, ValueError, OverflowError, MemoryError, TypeError)


@dataclass(frozen=True, slots=True)
class Array:
    """One variable: ``read(start, stop)`` gives its rows; text is str, complex values are numpy's."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    read: Callable[[int, int], np.ndarray[Any, Any]]

    @property
    def is_text(self) -> bool:
        """Whether its values are text."""
        return self.dtype.kind in "OSU"

    def whole(self) -> np.ndarray[Any, Any]:
        """All values."""
        return self.read(0, self.shape[0] if self.shape else 1)


@dataclass(frozen=True, slots=True)
class DataFile:
    """An open dataset file. ``key`` is (size, mtime in ns) of the state that was read.

    ``raw`` is the whole file where it is in memory, else empty. ``left_out`` names what is no variable of numbers or
    text.
    """

    dims: Mapping[str, int]
    arrays: Mapping[str, Array]
    attributes: Mapping[str, Any]
    key: tuple[int, int]
    raw: bytes = b""
    left_out: tuple[str, ...] = ()


class Torn(SourceChanged):
    """The file was being written at each try."""


@contextlib.contextmanager
def open_data(path: str, stop: StopToken) -> Iterator[DataFile]:
    """The content of a dataset file; small ones in memory, so that it can be kept open as long as needed.

    Raises Torn when it changed at every try, ConversionFailed when it is quiet and still makes no sense, also while its
    values are read, SourceGone, PermissionRefused and the other known source failures.
    """
    with opening(path):
        yield from _opened(path, stop)


def _opened(path: str, stop: StopToken) -> Iterator[DataFile]:
    before: tuple[int, int] | None = None
    for delay_s in (*_DELAYS_S, None):
        stop.check()
        with contextlib.ExitStack() as held:
            try:
                file, key = _held_open(path, held)
                opened = _checked(_understood(file, key, held), path)
                if isinstance(file, io.BytesIO):
                    opened = replace(opened, raw=file.getvalue())
            except _Moved as moved:
                before = moved.key
            except BROKEN as error:
                if isinstance(error, OSError) and error.errno and error.filename:
                    raise source_error(error, path) from error
                status = _key(path)
                if delay_s is None and status == before:
                    raise ConversionFailed(f"{path} is no dataset that can be read: {error}.", path=path) from error
                before = status
            else:
                yield opened
                if _key(path) != key and guards.is_on("whole-file-is-checked") and key[0] > WHOLE_BYTES:
                    raise Torn(f"{path} changed while it was being read.", path=path)
                return
        if delay_s is not None:
            stop.wait(delay_s)
    raise Torn(f"{path} is being written.", path=path)


class _Moved(Exception):
    """The file was not the same after it was read."""

    def __init__(self, key: tuple[int, int]) -> None:
        super().__init__()
        self.key = key


def _checked(data: DataFile, path: str) -> DataFile:
    """The same with arrays whose failures have names: the head of a file may be whole and its values damaged."""

    def careful(array: Array) -> Array:
        def read(start: int, stop: int) -> np.ndarray[Any, Any]:
            try:
                return array.read(start, stop)
            except BROKEN as error:
                if _key(path) != data.key:
                    raise Torn(f"{path} changed while it was being read.", path=path) from error
                raise ConversionFailed(
                    f"The values of {array.name} in {path} are damaged: {error}.", path=path
                ) from error

        return replace(array, read=read)

    return replace(data, arrays={name: careful(array) for name, array in data.arrays.items()})


def _key(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise source_error(error, path) from error
    return status.st_size, status.st_mtime_ns


def _held_open(path: str, held: contextlib.ExitStack) -> tuple[BinaryIO, tuple[int, int]]:
    try:
        file = held.enter_context(os.fdopen(open_source(path), "rb"))
    except OSError as error:
        raise source_error(error, path) from error
    status = os.fstat(file.fileno())
    key = (status.st_size, status.st_mtime_ns)
    if key[0] > WHOLE_BYTES:
        return file, key
    began_ns = time.time_ns()
    data = file.read(key[0] + 1)
    after = os.fstat(file.fileno())
    file.close()
    is_same = (after.st_size, after.st_mtime_ns) == key and len(data) == key[0] and _key(path) == key
    if is_same and is_young(key[1], began_ns, time.time_ns()):
        # What is being written just now may keep this time and this size: it is believed when it stays as it is.
        time.sleep(_YOUNG_DELAY_S)
        is_same = _key(path) == key and _content(path, key[0]) == data
    if not is_same and guards.is_on("whole-file-is-checked"):
        raise _Moved((after.st_size, after.st_mtime_ns))
    return io.BytesIO(data), key


def _content(path: str, size_bytes: int) -> bytes:
    """A small file as it is now, as far as it is not larger than it was."""
    try:
        with os.fdopen(open_source(path), "rb") as file:
            return file.read(size_bytes + 1)
    except OSError as error:
        raise source_error(error, path) from error


def _understood(file: BinaryIO, key: tuple[int, int], held: contextlib.ExitStack) -> DataFile:
    magic = file.read(4)
    file.seek(0)
    if magic in MAGIC:
        return _from_classic(ClassicFile(file), key)
    if magic != b"\x89HDF":
        raise ValueError("it is neither HDF5 nor netCDF-3")
    # A file object knows no locks; the argument is for the day when somebody passes a path.
    return _from_hdf5(held.enter_context(h5py.File(file, "r", locking=False)), key)


def _from_classic(file: ClassicFile, key: tuple[int, int]) -> DataFile:
    arrays: dict[str, Array] = {}
    left_out = []
    for name, variable in file.variables.items():
        if variable.dtype.kind == "S":
            left_out.append(name)
            continue
        arrays[name] = Array(
            name,
            variable.dims,
            variable.shape,
            variable.dtype.newbyteorder("="),
            {key: value for key, value in variable.attributes.items() if key not in _HIDDEN},
            lambda start, stop, variable=variable: file.values(variable, start, stop),  # type: ignore[misc]
        )
    if not arrays:
        raise ValueError("it holds no variable")
    return DataFile(file.dims, arrays, file.attributes, key, left_out=tuple(left_out))


def _from_hdf5(file: h5py.File, key: tuple[int, int]) -> DataFile:
    scales: dict[Any, str] = {}
    dims: dict[str, int] = {}
    datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
    for name, item in datasets.items():
        if item.attrs.get("CLASS") == b"DIMENSION_SCALE":
            scales[h5py.h5o.get_info(item.id).addr] = name
            dims[name] = item.shape[0] if item.shape else 1
    arrays: dict[str, Array] = {}
    left_out = [name for name, item in file.items() if not isinstance(item, h5py.Dataset)]
    for name, item in datasets.items():
        if bytes(item.attrs.get("NAME", b"")).startswith(_ONLY_A_DIMENSION):
            continue
        if item.dtype.kind not in "biufc" and h5py.check_string_dtype(item.dtype) is None:
            left_out.append(name)
            continue
        own = _dims_of(file, item, name, scales, dims)
        for dim, size in zip(own, item.shape, strict=True):
            dims.setdefault(dim, size)
        arrays[name] = Array(name, own, item.shape, item.dtype, _attributes(item.attrs), _reader(item))
    if not arrays:
        raise KeyError("it holds no variable")
    return DataFile(dims, arrays, _attributes(file.attrs), key, left_out=tuple(sorted(left_out)))


def _reader(item: h5py.Dataset) -> Callable[[int, int], np.ndarray[Any, Any]]:
    is_text = h5py.check_string_dtype(item.dtype) is not None

    def read(start: int, stop: int) -> np.ndarray[Any, Any]:
        source = item.asstr(errors="replace") if is_text else item
        values = source[start:stop] if item.shape else np.asarray(source[()])
        return values if is_text else values.astype(values.dtype.newbyteorder("="), copy=False)

    return read


def _dims_of(
    file: h5py.File, item: h5py.Dataset, name: str, scales: Mapping[Any, str], dims: Mapping[str, int]
) -> tuple[str, ...]:
    if item.attrs.get("CLASS") == b"DIMENSION_SCALE" and len(item.shape) == 1:
        return (name,)
    references = item.attrs.get("DIMENSION_LIST")
    found = []
    for axis, size in enumerate(item.shape):
        dim = ""
        if references is not None and len(references) > axis and len(references[axis]):
            dim = scales.get(h5py.h5o.get_info(file[references[axis][0]].id).addr, "")
        if not dim:
            dim = next((name for name, length in dims.items() if length == size), f"dim_{axis}")
        found.append(dim)
    if len(set(found)) != len(found):
        found = [f"{name}_{axis}" for axis in range(len(item.shape))]
    return tuple(found)


def _attributes(stored: h5py.AttributeManager) -> dict[str, Any]:
    """Attributes as plain values: text, numbers and lists of them; a list of one number is that number."""
    found: dict[str, Any] = {}
    for name in sorted(stored):
        if name in _HIDDEN:
            continue
        value = stored[name]
        if isinstance(value, h5py.Empty):
            found[name] = ""
            continue
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
            value = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in value.flat]
        if isinstance(value, list | np.ndarray) and len(value) == 1:
            value = value[0]
        found[name] = value
    return found
