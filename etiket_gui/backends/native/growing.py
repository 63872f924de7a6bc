"""HDF5 files that another program may be writing: opened as one of many readers, for moments, without a lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from etiket_gui.converters.dangerous_files import opening
from etiket_gui.domain.errors import SourceChanged, source_error
from etiket_gui.osys.files import open_source

Array = npt.NDArray[Any]
#: Where a client writes how much of a dataset is really there; what lies beyond is only reserved.
CURSOR = "__cursor"
#: Where HDF5 notes in a file's first bytes that somebody writes it: bit 0, and bit 2 where readers are welcome.
_HEAD_BYTES, _FLAGS_AT, _VERSION_WITH_FLAGS, _WRITING = 12, 11, 3, 0b101


@contextmanager
def opened(path: str) -> Iterator[h5py.File]:
    """The file as it is now; also one whose writer died and left its mark.

    Raises SourceChanged while it cannot be understood, and the known source failures. What h5py reports inside is
    SourceChanged too: only a file that is being written changes under a reader.
    """
    with opening(path), contextlib.ExitStack() as stack:
        file = _opened_at_rest(path, stack) or _opened_growing(path, stack)
        try:
            yield file
        except (OSError, RuntimeError, KeyError) as error:
            raise SourceChanged(f"{path} changed while it was being read: {error}", path=path) from error


def _opened_at_rest(path: str, stack: contextlib.ExitStack) -> h5py.File | None:
    """A file that nobody writes, read without moving its access time; None for any other."""
    try:
        plain = stack.enter_context(os.fdopen(open_source(path), "rb"))
    except OSError as error:
        raise source_error(error, path) from error
    head = plain.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or (head[8] >= _VERSION_WITH_FLAGS and head[_FLAGS_AT] & _WRITING):
        return None
    try:
        return stack.enter_context(h5py.File(plain, "r", locking=False))
    except OSError as error:
        raise SourceChanged(f"{path} cannot be read just now: {error}", path=path) from error


def _opened_growing(path: str, stack: contextlib.ExitStack) -> h5py.File:
    try:
        # An ordinary reader is refused while a writer is there, and for ever after one was killed.
        return stack.enter_context(h5py.File(path, "r", swmr=True, locking=False))
    except OSError as error:
        if error.errno:
            raise source_error(error, path) from error
        raise SourceChanged(f"{path} cannot be read just now: {error}", path=path) from error


def extent(dataset: h5py.Dataset) -> tuple[int, ...]:
    """The shape of what is written of a dataset."""
    cursor = dataset.attrs.get(CURSOR)
    if cursor is None:
        return tuple(dataset.shape)
    written = np.atleast_1d(cursor).astype(int).tolist()
    shape = list(dataset.shape)
    for place, size in enumerate(written[: len(shape)]):
        shape[place] = max(0, min(size, shape[place]))
    return tuple(shape)


def text_of(value: Any) -> str:
    """An attribute as text, empty where there is none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, np.ndarray):
        return text_of(value.reshape(-1)[0]) if value.size else ""
    return "" if value is None else str(value)
