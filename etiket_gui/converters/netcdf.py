"""Writes netCDF4 files through h5py: the same input gives the same bytes, and memory does not grow with the data."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from etiket_gui.converters.compression import compressed_from_bytes
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.stopping import StopToken

#: What is written and compressed at once; also what one variable needs in memory while it is written.
CHUNK_BYTES = 1 << 20
#: What must stay free while a file is written: what HDF5 holds back, and the next block.
_ROOM_BYTES = 16 << 20
#: Against level 1: 15 % more time on noise, a quarter smaller on values of a digitiser.
GZIP_LEVEL = 4
_NOT_A_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."
_RESERVED = frozenset(
    {"REFERENCE_LIST", "CLASS", "DIMENSION_LIST", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties"}
)
_LONGEST_NAME_BYTES = 255
_TEXT_DTYPE: Final[np.dtype[Any]] = h5py.string_dtype()
_TEXT_TYPE: Final = h5py.h5t.py_create(_TEXT_DTYPE, logical=True)
_SCALAR: Final = h5py.h5s.create(h5py.h5s.SCALAR)


class Text:
    """The type of variables that hold text; their blocks are object arrays of str."""

    def __repr__(self) -> str:
        return "TEXT"


TEXT: Final = Text()


class NoRoom(EtiketError):
    """The disk on which converted files are made is full."""

    title = "No room for converted files"
    default_advice = "Make room on the disk where this program keeps its files; it goes on by itself."


class CannotConvert(EtiketError):
    """Data that a netCDF4 file cannot hold, or blocks that do not fit the shape that was promised."""

    title = "Cannot be converted"


def _no_blocks() -> Iterator[np.ndarray[Any, Any]]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: ``blocks`` gives its values in order, as often as it is called.

    A block has the shape ``(n, *rest)`` with the rest of the variable's own shape, or is flat: then it continues
    where the one before ended, in row-major order. Together they give every value exactly once. ``dtype`` is a
    numpy type (bool, integers, floats, complex) or :data:`TEXT`. A variable named like its only dimension is that
    dimension's coordinate; further coordinates are named in ``attributes["coordinates"]``, separated by blanks.
    """

    name: str
    dims: tuple[str, ...]
    dtype: np.dtype[Any] | Text
    attributes: Mapping[str, Any] = field(default_factory=dict)
    blocks: Callable[[], Iterator[np.ndarray[Any, Any]]] = _no_blocks

    @classmethod
    def of(cls, name: str, dims: tuple[str, ...], values: Any, attributes: Mapping[str, Any] | None = None) -> Variable:
        """A variable whose values are in memory; text where they are str."""
        array = np.asarray(values)
        is_text = array.dtype.kind in "OUS"
        whole = array.astype(object) if is_text else array
        return cls(name, dims, TEXT if is_text else array.dtype, attributes or {}, lambda: iter((whole,)))


@dataclass(frozen=True, slots=True)
class Group:
    """A group below the root, with dimensions, variables and attributes of its own."""

    dims: Mapping[str, int]
    variables: Sequence[Variable]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@functools.lru_cache(maxsize=1024)
def safe_name(text: str) -> str:
    """A name a netCDF4 variable, dimension or attribute can have, as near to ``text`` as possible; never empty."""
    plain = unicodedata.normalize("NFC", _storable(text))
    plain = "".join(character for character in plain if unicodedata.category(character) != "Cc")
    plain = re.sub(r"/", "_", plain).strip()
    if not plain or plain in {".", ".."} or not (plain[0].isalnum() or plain[0] == "_" or ord(plain[0]) > 127):
        plain = f"_{plain}"
    while len(plain.encode()) > _LONGEST_NAME_BYTES:
        plain = plain[:-1]
    return plain


def write_netcdf(
    path: str | os.PathLike[str],
    dims: Mapping[str, int],
    variables: Sequence[Variable],
    attributes: Mapping[str, Any],
    stop: StopToken,
    *,
    groups: Mapping[str, Group] | None = None,
) -> None:
    """Write a netCDF4 file that ``xarray.open_dataset(path, engine="h5netcdf")`` opens; replaces what lies there.

    ``dims`` gives every dimension's length. Attributes are str, int, float, bool, numpy numbers, or lists and arrays
    of them; None is left out. Raises CannotConvert when the data does not fit, NoRoom, Stopped, and OSError; what was
    begun is removed then.
    """
    target = Path(path)
    try:
        # locking=False: see the rule for every HDF5 file; nobody else knows this one yet.
        with h5py.File(_access(target), "w") as file:
            _write_group(file, dims, variables, attributes, stop)
            for name, group in (groups or {}).items():
                _write_group(_new_group(file, name), group.dims, group.variables, group.attributes, stop)
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise


def _access(target: Path) -> h5py.h5f.FileID:
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    creation.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_V110)
    access.set_file_locking(False, True)
    return h5py.h5f.create(os.fsencode(target), h5py.h5f.ACC_TRUNC, creation, access)


def _new_group(file: h5py.File, name: str) -> h5py.Group:
    creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    creation.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    return h5py.Group(h5py.h5g.create(file.id, name.encode(), gcpl=creation))


def _write_group(
    group: h5py.Group,
    dims: Mapping[str, int],
    variables: Sequence[Variable],
    attributes: Mapping[str, Any],
    stop: StopToken,
) -> None:
    for name, value in attributes.items():
        _write_attribute(group, name, value)
    by_name = {variable.name: variable for variable in variables}
    if len(by_name) != len(variables):
        raise CannotConvert("Two variables of one file have the same name.")
    numbers = {name: number for number, name in enumerate(dims)}
    scales: dict[str, h5py.Dataset] = {}
    for name, size in dims.items():
        variable = by_name.get(name)
        if variable is not None and variable.dims != (name,):
            raise CannotConvert(f"The variable {name!r} has the name of a dimension, but other dimensions.")
        if variable is None:
            scale = group.create_dataset(name, (size,), ">f4", maxshape=(None,) if size == 0 else None)
            label = _NOT_A_VARIABLE + f"{size:10}".encode("ascii")
        else:
            scale = _create(group, variable, dims)
            label = name.encode()
        h5py.h5ds.set_scale(scale.id, label)
        scale.attrs["_Netcdf4Dimid"] = np.int32(numbers[name])
        scales[name] = scale
    made = {name: scales[name] if name in scales else _create(group, by_name[name], dims) for name in by_name}
    for variable in variables:
        stop.check()
        dataset = made[variable.name]
        if variable.name not in scales:
            for axis, name in enumerate(variable.dims):
                h5py.h5ds.attach_scale(dataset.id, scales[name].id, axis)
        for name, value in _attributes_of(variable).items():
            _write_attribute(dataset, name, value)
        _fill(dataset, variable, stop)


def _create(group: h5py.Group, variable: Variable, dims: Mapping[str, int]) -> h5py.Dataset:
    missing = [name for name in variable.dims if name not in dims]
    if missing:
        raise CannotConvert(f"The variable {variable.name!r} uses the dimension {missing[0]!r}, which has no length.")
    shape = tuple(dims[name] for name in variable.dims)
    dtype = _stored_dtype(variable)
    options: dict[str, Any] = {}
    if 0 in shape:
        # A dimension of no length can only be an unlimited one in netCDF.
        options["maxshape"] = tuple(None if size == 0 else size for size in shape)
        options["chunks"] = tuple(max(1, min(size, 1024)) for size in shape)
    elif shape and math.prod(shape) * dtype.itemsize >= compressed_from_bytes():
        options["chunks"] = _chunks(shape, dtype.itemsize)
        if not isinstance(variable.dtype, Text):
            options |= {"compression": "gzip", "compression_opts": GZIP_LEVEL, "shuffle": True}
    if not isinstance(variable.dtype, Text):
        # Every value is written, so filling the space before that would only cost time.
        options["fill_time"] = "never" if 0 not in shape else "alloc"
    return group.create_dataset(variable.name, shape, dtype, track_times=False, **options)


def _stored_dtype(variable: Variable) -> np.dtype[Any]:
    if isinstance(variable.dtype, Text):
        return _TEXT_DTYPE
    dtype: np.dtype[Any] = np.dtype(variable.dtype)
    if dtype.kind == "b":
        return np.dtype(np.int8)
    if dtype.kind not in "iufc" or dtype.itemsize > np.dtype(np.complex128).itemsize:
        raise CannotConvert(f"The variable {variable.name!r} has the type {dtype}, which a netCDF4 file cannot hold.")
    return dtype


def _attributes_of(variable: Variable) -> dict[str, Any]:
    attributes = dict(variable.attributes)
    if not isinstance(variable.dtype, Text) and np.dtype(variable.dtype).kind == "b":
        attributes.setdefault("dtype", "bool")
    return attributes


def _chunks(shape: tuple[int, ...], item_bytes: int) -> tuple[int, ...]:
    """Chunks of about :data:`CHUNK_BYTES`: whole rows together, or parts of a row where one is larger than that."""
    chunk = list(shape)
    rest = max(1, CHUNK_BYTES // item_bytes)
    for axis in range(len(shape) - 1, -1, -1):
        chunk[axis] = max(1, min(shape[axis], rest))
        rest //= chunk[axis]
    return tuple(chunk)


def _fill(dataset: h5py.Dataset, variable: Variable, stop: StopToken) -> None:
    # Asked once: HDF5 finds each of these out anew.
    shape, dtype, chunks, path = dataset.shape, dataset.dtype, dataset.chunks, dataset.file.filename
    count = math.prod(shape)
    done = 0
    waiting: list[np.ndarray[Any, Any]] = []
    waiting_count = 0
    row = math.prod(shape[1:])
    band = row * (chunks[0] if chunks else max(1, CHUNK_BYTES // max(1, row * dtype.itemsize)))

    def put(start: int, flat: np.ndarray[Any, Any]) -> None:
        _check_room(path)
        _put(dataset, variable, start, flat, shape, dtype)

    for block in variable.blocks():
        stop.check()
        if block.ndim > 1 and block.shape[1:] != shape[1:]:
            raise CannotConvert(
                f"A block of {variable.name!r} has the shape {block.shape}, which does not fit {shape}."
            )
        flat = block.reshape(-1)
        if done + waiting_count + flat.size > count:
            raise CannotConvert(f"The blocks of {variable.name!r} hold more than the {count} values of {shape}.")
        waiting.append(flat)
        waiting_count += flat.size
        if waiting_count >= band > 0:
            joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            whole = waiting_count // band * band
            for start in range(0, whole, band):
                stop.check()
                put(done + start, joined[start : start + band])
            done += whole
            waiting, waiting_count = [joined[whole:].copy()], waiting_count - whole
    if waiting_count:
        put(done, np.concatenate(waiting))
    done += waiting_count
    if done != count:
        raise CannotConvert(f"The blocks of {variable.name!r} hold {done} of the {count} values of {shape}.")


def _put(
    dataset: h5py.Dataset,
    variable: Variable,
    start: int,
    flat: np.ndarray[Any, Any],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> None:
    """Write whole rows from the flat position on."""
    row = math.prod(shape[1:])
    if shape and (flat.size % row or start % row):
        raise CannotConvert(f"The blocks of {variable.name!r} do not fill its last row.")
    if isinstance(variable.dtype, Text):
        values = np.array([_storable(str(value)) for value in flat], dtype=object)
        if not shape:
            dataset[()] = values[0]
            return
    else:
        values = np.ascontiguousarray(flat, dtype=dtype)
        if flat.size == math.prod(shape):
            # All at once, without the selection that h5py works out for a part.
            dataset.id.write(h5py.h5s.ALL, h5py.h5s.ALL, values.reshape(shape))
            return
    first = start // row
    dataset[first : first + flat.size // row] = values.reshape((flat.size // row, *shape[1:]))


def _check_room(path: str) -> None:
    """HDF5 cannot close a file that it could not write, and ends the process later on."""
    free_bytes = shutil.disk_usage(os.path.dirname(path)).free
    if free_bytes < _ROOM_BYTES:
        raise NoRoom(f"The disk of {path} is full: {free_bytes >> 20} MiB are left.", path=path)


def _write_attribute(target: h5py.Group | h5py.Dataset, name: str, value: Any) -> None:
    if value is None:
        return
    key = safe_name(name)
    if key in _RESERVED:
        key = f"_{key}"
    while h5py.h5a.exists(target.id, key.encode()):
        # Two names that are the same but for what a name cannot hold: neither takes the other's place.
        key += "_"
    if isinstance(value, str):
        # As target.attrs.create does it, without what that finds out anew for each attribute.
        attribute = h5py.h5a.create(target.id, key.encode(), _TEXT_TYPE, _SCALAR)
        attribute.write(np.array(_storable(value), dtype=_TEXT_DTYPE))
        return
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(item, str) for item in array.flat)):
        texts = np.array([_storable(str(item)) for item in array.flat], dtype=object)
        target.attrs.create(key, texts, dtype=_TEXT_DTYPE)
    elif array.dtype.kind == "b":
        target.attrs.create(key, array.astype(np.int8))
    elif array.dtype.kind in "iuf":
        # As for texts.
        space = h5py.h5s.create_simple(array.shape)
        kept = np.asarray(array, order="C")
        h5py.h5a.create(target.id, key.encode(), h5py.h5t.py_create(kept.dtype, logical=True), space).write(kept)
    elif array.dtype.kind == "c":
        target.attrs.create(key, array)
    else:
        raise CannotConvert(f"The attribute {name!r} is a {type(value).__name__}, which a netCDF4 file cannot hold.")


def _storable(text: str) -> str:
    """Text as UTF-8 without NUL can hold it: NUL becomes the sign for it, half characters become escapes."""
    return text.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode("utf-8")
