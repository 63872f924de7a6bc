"""What may go of a dataset folder while a program still writes into it: what is quiet, and text up to its last line.

A file of another kind (HDF5, a database, an archive, JSON…) that changed within the settle time may be half written,
and no look from outside can tell; it is left for the final version. Text that grows is copied, the copy is compared
with the file once more, and ends with the last whole line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.folder.survey import DATABASE_COMPANIONS, Surveyed, Surveyor
from etiket_gui.domain import guards
from etiket_gui.domain.content import SourceFile
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source

#: A growing file above this is left for the final version (bytes).
LARGEST_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 1 << 20
#: Documents: whole or of no use.
_WHOLE_ONLY = (".json", ".yaml", ".yml", ".xml", ".toml", *DATABASE_COMPANIONS)
_NS = 1_000_000_000


def growing_files(
    entries: Sequence[Surveyed], surveyor: Surveyor, settle_time_s: float, made: DerivedFiles, stop: StopToken
) -> tuple[SourceFile, ...]:
    """The files of one dataset that may go now, by name; copies are made in the work folder. Raises OSError."""
    now_ns = time.time_ns()
    files: list[SourceFile] = []
    for number, item in enumerate(entries):
        stop.check()
        entry = surveyor.file_entry(item)
        newest_ns = max(item.status.st_mtime_ns, item.status.st_ctime_ns)
        is_quiet = now_ns - newest_ns >= settle_time_s * _NS
        if item.kind is not EntryKind.FILE or is_quiet or not guards.is_on("half-written-files-wait"):
            files.append(SourceFile(entry, item.path))
            continue
        size_bytes = item.status.st_size
        if size_bytes > LARGEST_BYTES or item.name.lower().endswith(_WHOLE_ONLY):
            continue
        copy = made.path(f"{number}")
        kept_bytes = _copied_lines(item.path, size_bytes, copy, stop)
        if kept_bytes:
            copied = replace(entry, size_bytes=kept_bytes, ctime_ns=0, inode=0)
            files.append(SourceFile(copied, os.fspath(copy), is_derived=True))
        else:
            copy.unlink(missing_ok=True)
    return tuple(files)


def _copied_lines(path: str, size_bytes: int, target: Path, stop: StopToken) -> int:
    """Copy whole lines of text; returns how many bytes, 0 where it is no text or what was there changed meanwhile."""
    end = 0
    with open(target, "wb") as copy:
        for offset, block in _blocks(path, size_bytes):
            stop.check()
            if b"\0" in block:
                return 0
            copy.write(block)
            if (newline := block.rfind(b"\n")) >= 0:
                end = offset + newline + 1
        copy.truncate(end)
    with open(target, "rb") as copy:
        for _, block in _blocks(path, end):
            stop.check()
            if copy.read(len(block)) != block:
                return 0
        if copy.read(1):
            return 0
    return end


def _blocks(path: str, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    with os.fdopen(open_source(path), "rb") as file:
        offset = 0
        while offset < size_bytes and (block := file.read(min(_BLOCK_BYTES, size_bytes - offset))):
            yield offset, block
            offset += len(block)
