"""A glance at a few pages of a database file: what a warm reader needs to see that only points were added.

SQLite parses the whole schema at each opening, 40 ms where there are 10 000 result tables. This reads the header, the
ends of two trees and single cells by itself, takes no lock and creates nothing; it believes what it saw only if
nothing was committed meanwhile, and says None whenever anything is not as expected. The format is that of
https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from etiket_gui.backends.sqlite_signature import exclusively

_HEADER = b"SQLite format 3\x00"
_SHM_HEADER_BYTES = 48
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_INTERIOR, _LEAF = 5, 13
_DEEPEST = 20
_MOST_FRAMES = 200_000


@dataclass(frozen=True, slots=True)
class Glance:
    """What was seen: the schema's number, the last row of each table, and a digest of each cell asked for."""

    schema: int
    last_rows: Mapping[str, int]
    cells: Mapping[int, bytes]


@dataclass(slots=True)
class WalIndex:
    """Where in a -wal the newest version of each page lies; kept between glances, so that only new frames are read."""

    salt: bytes = b""
    frames: int = 0
    places: dict[int, int] = field(default_factory=dict)


class _NotAsExpected(Exception):
    """The file is not what this module understands, or changed meanwhile."""


def glance(path: str, index: WalIndex, roots: Mapping[str, int], table: str, rows: Iterable[int]) -> Glance | None:
    """Look at the trees with these root pages, and at cells of ``table`` by row number.

    None when that is not possible just now; then SQLite itself is to be asked.
    """
    with exclusively(path):
        try:
            with cast("BinaryIO", open(path, "rb", buffering=0)) as database:
                return _Pages(path, database, index).look(roots, table, rows)
        except (OSError, _NotAsExpected, struct.error, IndexError):
            return None


class _Pages:
    """The pages of one database as of its last commit."""

    def __init__(self, path: str, database: BinaryIO, index: WalIndex) -> None:
        self._path = path
        self._database = database
        self._index = index
        self._wal: BinaryIO | None = None
        self._known: dict[int, bytes] = {}
        header = _read_at(database, 100, 0)
        if not header.startswith(_HEADER):
            raise _NotAsExpected
        size = int.from_bytes(header[16:18], "big")
        self._page_bytes = 65536 if size == 1 else size
        self._usable_bytes = self._page_bytes - header[20]
        self._is_wal = header[18] == 2

    def look(self, roots: Mapping[str, int], table: str, rows: Iterable[int]) -> Glance:
        before = self._state()
        try:
            if self._is_wal and before[1]:
                self._follow_wal(before[1])
            first = self._page(1)
            schema = int.from_bytes(first[40:44], "big")
            last_rows = {name: self._last_row(root) for name, root in roots.items()}
            cells = {row: self._cell(roots[table], row) for row in rows}
        finally:
            if self._wal is not None:
                self._wal.close()
        if self._state() != before:
            raise _NotAsExpected
        return Glance(schema, last_rows, cells)

    def _state(self) -> tuple[bytes, bytes]:
        """Changes with every commit: the change counter, and the header of the -shm where there is a -wal."""
        counter = _read_at(self._database, 16, 24)
        if not self._is_wal:
            if _has_content(self._path + "-journal"):
                raise _NotAsExpected
            return counter, b""
        if not _has_content(self._path + "-wal"):
            return counter, b""
        with open(self._path + "-shm", "rb", buffering=0) as shm:
            both = shm.read(2 * _SHM_HEADER_BYTES)
        here, there = both[:_SHM_HEADER_BYTES], both[_SHM_HEADER_BYTES:]
        if here != there or len(there) != _SHM_HEADER_BYTES:
            raise _NotAsExpected
        return b"", here

    def _follow_wal(self, shm: bytes) -> None:
        _, _, _, is_init, _, _, newest = struct.unpack_from("=IIIBBHI", shm)
        salt = shm[32:40]
        self._wal = cast("BinaryIO", open(self._path + "-wal", "rb", buffering=0))  # noqa: SIM115 - closed when the look ends
        if not is_init or _read_at(self._wal, 8, 16) != salt or newest > _MOST_FRAMES:
            raise _NotAsExpected
        index = self._index
        if index.salt != salt or newest < index.frames:
            index.salt, index.frames = salt, 0
            index.places.clear()
        step = _FRAME_HEADER_BYTES + self._page_bytes
        for frame in range(index.frames, newest):
            place = _WAL_HEADER_BYTES + frame * step
            header = _read_at(self._wal, _FRAME_HEADER_BYTES, place)
            if header[8:16] != salt:
                raise _NotAsExpected
            index.places[int.from_bytes(header[:4], "big")] = place + _FRAME_HEADER_BYTES
            index.frames = frame + 1

    def _page(self, number: int) -> bytes:
        page = self._known.get(number)
        if page is None:
            place = self._index.places.get(number) if self._wal is not None else None
            if place is None or self._wal is None:
                page = _read_at(self._database, self._page_bytes, (number - 1) * self._page_bytes)
            else:
                page = _read_at(self._wal, self._page_bytes, place)
            if len(page) != self._page_bytes or number < 1:
                raise _NotAsExpected
            self._known[number] = page
        return page

    def _last_row(self, root: int) -> int:
        number = root
        for _ in range(_DEEPEST):
            page = self._page(number)
            count = int.from_bytes(page[3:5], "big")
            if page[0] == _INTERIOR:
                number = int.from_bytes(page[8:12], "big")
            elif page[0] == _LEAF:
                return self._leaf_row(page, count - 1)[1] if count else 0
            else:
                break
        raise _NotAsExpected

    @staticmethod
    def _leaf_row(page: bytes, place: int) -> tuple[int, int, int]:
        """Payload size, row number and where the payload begins, of one cell of a leaf."""
        start = int.from_bytes(page[8 + 2 * place : 10 + 2 * place], "big")
        size, start = _varint(page, start)
        row, start = _varint(page, start)
        return size, row, start

    def _cell(self, root: int, row: int) -> bytes:
        """A digest of what of the row lies in its leaf: header, sizes and the first columns; empty without the row."""
        number = root
        for _ in range(_DEEPEST):
            page = self._page(number)
            count = int.from_bytes(page[3:5], "big")
            low, high = 0, count
            is_leaf = page[0] == _LEAF
            if not is_leaf and page[0] != _INTERIOR:
                break
            while low < high:
                middle = (low + high) // 2
                if is_leaf:
                    key = self._leaf_row(page, middle)[1]
                else:
                    start = int.from_bytes(page[12 + 2 * middle : 14 + 2 * middle], "big")
                    key = _varint(page, start + 4)[0]
                low, high = (middle + 1, high) if key < row else (low, middle)
            if is_leaf:
                return self._digest(page, low, row) if low < count else b""
            if low < count:
                start = int.from_bytes(page[12 + 2 * low : 14 + 2 * low], "big")
                number = int.from_bytes(page[start : start + 4], "big")
            else:
                number = int.from_bytes(page[8:12], "big")
        raise _NotAsExpected

    def _digest(self, page: bytes, place: int, row: int) -> bytes:
        size, found, start = self._leaf_row(page, place)
        if found != row:
            return b""
        usable = self._usable_bytes
        local = size
        if size > usable - 35:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            if local > usable - 35:
                local = least
        return hashlib.blake2b(page[start : start + local], digest_size=8, salt=size.to_bytes(8, "big")).digest()


def _read_at(file: BinaryIO, count: int, place: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _varint(page: bytes, start: int) -> tuple[int, int]:
    value = 0
    for place in range(8):
        byte = page[start + place]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, start + place + 1
    return (value << 8) | page[start + 8], start + 9


def _has_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False
