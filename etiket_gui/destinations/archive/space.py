"""The space that is kept free on the archive's disk, and how much of the rest a batch may use."""

from __future__ import annotations

from etiket_gui.destinations.archive.session import WriteSession, archive_errors
from etiket_gui.domain import guards
from etiket_gui.domain.errors import DestinationFull


def kept_free_bytes(total_bytes: int, percent: float, floor_bytes: int) -> int:
    """What is kept free of a disk: a percentage or so many bytes, whichever is smaller."""
    return min(int(total_bytes * percent / 100), floor_bytes)


#: With so much room left, what does not fit is too large, and the disk is not full: smaller datasets go on.
ROOM_FOR_OTHERS_BYTES = 64 * 1024 * 1024


class FreeFloor:
    """Counts what a batch adds against the free space there was at its start.

    The floor is ``percent`` of the disk or ``floor_bytes``, whichever is smaller.
    """

    def __init__(self, session: WriteSession, percent: float, floor_bytes: int) -> None:
        self._session = session
        with archive_errors(session.layout.root):
            free_bytes, total_bytes = session.files.space(session.root)
        self._floor_bytes = kept_free_bytes(total_bytes, percent, floor_bytes)
        self._left_bytes = free_bytes - self._floor_bytes

    def check(self, needed_bytes: int) -> None:
        """Raises DestinationFull, before a byte is written, where that many more would go below the floor.

        It concerns this dataset alone while there is room for smaller ones.
        """
        if needed_bytes <= self._left_bytes or not guards.is_on("free-floor"):
            return
        root = self._session.layout.root
        free_bytes = self._left_bytes + self._floor_bytes
        error = DestinationFull(
            f"The disk of the archive {root} has {_size(free_bytes)} free; {_size(needed_bytes)} are to be added and "
            f"{_size(self._floor_bytes)} are always kept free.",
            path=root,
        )
        if self._left_bytes >= ROOM_FOR_OTHERS_BYTES and guards.is_on("too-large-holds-up-nothing"):
            error.concerns_all = False
            error.advice = "Make space there; it is tried again by itself. Smaller datasets go on meanwhile."
        raise error

    def use(self, size_bytes: int) -> None:
        """That many bytes were added."""
        self._left_bytes -= size_bytes


def _size(size_bytes: int) -> str:
    value, unit = float(max(size_bytes, 0)), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
