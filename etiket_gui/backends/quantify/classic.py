"""Reads netCDF-3 files ("classic", 64-bit offset and 64-bit data), which older Quantify wrote under the name .hdf5."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_TYPES = {1: ">i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: ">u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class ClassicVariable:
    """One variable: where its values lie in the file. ``stride_bytes`` is the step between records, 0 without them."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: dict[str, Any]
    offset: int
    stride_bytes: int


class ClassicFile:
    """A netCDF-3 file: ``dims``, ``attributes`` and ``variables`` by name. Raises ValueError for nonsense."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        magic = file.read(4)
        if magic not in MAGIC:
            raise ValueError("it does not begin as a netCDF-3 file")
        self._count_bytes = 8 if magic[3] == 5 else 4
        self._offset_bytes = 4 if magic[3] == 1 else 8
        records = self._count()
        self._record_count = 0 if records == (1 << 8 * self._count_bytes) - 1 else records
        lengths = self._list(_DIMENSIONS, lambda: (self._name(), self._count()))
        self._lengths = [(name, size) for name, size in lengths]
        self.dims = {name: size or self._record_count for name, size in lengths}
        self.attributes = self._attributes()
        variables = self._list(_VARIABLES, self._variable)
        in_records = [variable for variable, per_record in variables if per_record]
        stride = sum(per_record for _, per_record in variables)
        if len(in_records) == 1:
            # A single record variable is not padded.
            stride = int(np.prod(in_records[0].shape[1:], dtype=np.int64)) * in_records[0].dtype.itemsize
        self.variables = {
            variable.name: _with_stride(variable, stride if per_record else 0) for variable, per_record in variables
        }

    def values(self, variable: ClassicVariable, start: int, stop: int) -> np.ndarray[Any, Any]:
        """The values from row ``start`` to row ``stop``, in the machine's byte order; text as single characters."""
        row = int(np.prod(variable.shape[1:], dtype=np.int64))
        row_bytes = row * variable.dtype.itemsize
        shape = (stop - start, *variable.shape[1:]) if variable.shape else ()
        if not variable.shape:
            data = self._exactly(variable.offset, variable.dtype.itemsize)
        elif not variable.stride_bytes:
            data = self._exactly(variable.offset + start * row_bytes, (stop - start) * row_bytes)
        else:
            data = b"".join(
                self._exactly(variable.offset + number * variable.stride_bytes, row_bytes)
                for number in range(start, stop)
            )
        values = np.frombuffer(data, variable.dtype).reshape(shape)
        return values.astype(variable.dtype.newbyteorder("="))

    def _exactly(self, offset: int, size_bytes: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size_bytes)
        if len(data) != size_bytes:
            raise ValueError("it ends before its values do")
        return data

    def _number(self, size_bytes: int) -> int:
        data = self._file.read(size_bytes)
        if len(data) != size_bytes:
            raise ValueError("it ends in its header")
        return int.from_bytes(data, "big")

    def _count(self) -> int:
        return self._number(self._count_bytes)

    def _name(self) -> str:
        size = self._count()
        if size > _MOST:
            raise ValueError("its header makes no sense")
        return self._padded(size).decode("utf-8", "replace")

    def _padded(self, size_bytes: int) -> bytes:
        data = self._file.read(size_bytes)
        if len(data) != size_bytes:
            raise ValueError("it ends in its header")
        self._file.seek(-size_bytes % 4, io.SEEK_CUR)
        return data

    def _list(self, tag: int, read: Any) -> list[Any]:
        found, count = self._number(4), self._count()
        if found == 0 and count == 0:
            return []
        if found != tag or count > _MOST:
            raise ValueError("its header makes no sense")
        return [read() for _ in range(count)]

    def _attributes(self) -> dict[str, Any]:
        return dict(self._list(_ATTRIBUTES, self._attribute))

    def _attribute(self) -> tuple[str, Any]:
        name, kind, count = self._name(), self._number(4), self._count()
        dtype = self._type(kind)
        if count > _MOST:
            raise ValueError("its header makes no sense")
        data = self._padded(count * dtype.itemsize)
        if dtype.kind == "S":
            return name, data.decode("utf-8", "replace")
        values = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
        return name, values[0] if count == 1 else values

    def _variable(self) -> tuple[ClassicVariable, int]:
        """The variable, and how many bytes a record holds of it (0 for one without records)."""
        name = self._name()
        numbers = [self._count() for _ in range(self._count())]
        if any(number >= len(self._lengths) for number in numbers):
            raise ValueError("its header makes no sense")
        attributes = self._attributes()
        dtype = self._type(self._number(4))
        size, offset = self._count(), self._number(self._offset_bytes)
        dims = tuple(self._lengths[number][0] for number in numbers)
        is_record = bool(numbers) and self._lengths[numbers[0]][1] == 0
        shape = tuple(self.dims[dim] for dim in dims)
        return ClassicVariable(name, dims, shape, dtype, attributes, offset, 0), size if is_record else 0

    @staticmethod
    def _type(kind: int) -> np.dtype[Any]:
        if kind not in _TYPES:
            raise ValueError(f"it holds values of the unknown type {kind}")
        return np.dtype(_TYPES[kind])


def _with_stride(variable: ClassicVariable, stride_bytes: int) -> ClassicVariable:
    return ClassicVariable(
        variable.name, variable.dims, variable.shape, variable.dtype, variable.attributes, variable.offset, stride_bytes
    )


#: What a broken file may raise when it is read.
BROKEN = (ValueError, OverflowError, MemoryError)
