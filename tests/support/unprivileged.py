"""Lets a permission test bite although the tests run as root: root's right to pass by permissions is laid down."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_PASS_BY_PERMISSIONS = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def permissions_count() -> Iterator[None]:
    """Within this, and in this thread, a folder with mode 0 cannot be listed, also by root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    before, now = (_Data * 2)(), (_Data * 2)()
    for data in (before, now):
        header = _Header(_VERSION_3, 0)
        if library.capget(ctypes.byref(header), ctypes.byref(data)) != 0:
            raise OSError(ctypes.get_errno(), "capget")
    now[0].effective &= ~_PASS_BY_PERMISSIONS
    _set(library, now)
    try:
        yield
    finally:
        _set(library, before)


def _set(library: ctypes.CDLL, data: ctypes.Array[_Data]) -> None:
    header = _Header(_VERSION_3, 0)
    if library.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
