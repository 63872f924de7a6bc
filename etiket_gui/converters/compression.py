"""From which size on the variables of a netCDF4 file are compressed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from etiket_gui.domain import guards

#: Smaller variables are stored as they are: compressed ones would be larger and slower to make.
COMPRESSED_FROM_BYTES = 64 * 1024
_PROVISIONAL_FROM_BYTES = 512
_from_bytes: ContextVar[int] = ContextVar("compressed_from_bytes", default=COMPRESSED_FROM_BYTES)


def compressed_from_bytes() -> int:
    """The size from which on a variable is compressed, in this thread and now."""
    return _from_bytes.get()


@contextmanager
def provisional() -> Iterator[None]:
    """Compress small variables too: no provisional file is then larger than the final one of the same run."""
    token = _from_bytes.set(
        _PROVISIONAL_FROM_BYTES if guards.is_on("provisional-is-no-larger") else COMPRESSED_FROM_BYTES
    )
    try:
        yield
    finally:
        _from_bytes.reset(token)
