"""The job "ignore_preview": which files of a source each ignore pattern leaves out, while a person edits them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pathspec import GitIgnoreSpec

from etiket_gui.backends.api import FileBackend
from etiket_gui.backends.folder.ignoring import check_pattern
from etiket_gui.backends.folder.levels import ARCHIVE_MARK
from etiket_gui.backends.folder.survey import DATABASE_COMPANIONS
from etiket_gui.backends.registry import load_backend
from etiket_gui.domain.names import QUOTE, to_portable
from etiket_gui.domain.stopping import StopToken
from etiket_gui.worker.desk.job import DeskJob

EXAMPLES = 50
MOST_FILES = 100_000
_MOST_S = 20.0
#: A listing is used again for edits of the patterns that come soon after each other.
_KEPT_S = 120.0


@dataclass(slots=True)
class _Listing:
    """The files of a source by dataset: (dataset, name in it, size in bytes); stops at a bound of files and time."""

    key: tuple[str, int]
    made_s: float
    files: list[tuple[str, str, int]] = field(default_factory=list)
    is_whole: bool = True
    _names: frozenset[tuple[str, str]] | None = None

    def completes_database(self, dataset: str, name: str, size_bytes: int, spec: GitIgnoreSpec) -> bool:
        """Whether a file is sent whatever the patterns say: the -wal or -journal of a database that is sent."""
        ending = next((item for item in DATABASE_COMPANIONS if name.endswith(item)), "")
        if not ending or not size_bytes:
            return False
        if self._names is None:
            self._names = frozenset((place, item) for place, item, _ in self.files)
        database = name.removesuffix(ending)
        return (dataset, database) in self._names and not spec.check_file(database).include


_kept: _Listing | None = None
_lock = threading.Lock()


def preview_ignored(job: DeskJob) -> dict[str, Any]:
    """What each pattern hits.

    Parameters: backend, config with ``ignore``; a backend without such patterns gives an empty list. Returns
    ``patterns``: for each its ``pattern``, ``error`` (a sentence, empty when it is understood), ``count``,
    ``size_bytes`` and ``examples``; ``left_out`` and ``kept`` (numbers of files), and ``is_whole``.
    """
    kind = load_backend(job.text("backend"))
    config = job.mapping("config")
    patterns = config.get("ignore")
    root = config.get("root_directory") or config.get("data_directory")
    if not isinstance(patterns, list) or not isinstance(root, str) or not issubclass(kind, FileBackend):
        return {"patterns": [], "left_out": 0, "kept": 0, "is_whole": True}
    level = config.get("level", kind.level)
    listing = _listing(root, int(level) if isinstance(level, int) else 1, job.stop)
    return _hits([str(pattern) for pattern in patterns], listing, job.stop)


def _hits(patterns: Sequence[str], listing: _Listing, stop: StopToken) -> dict[str, Any]:
    errors = [_error(pattern) for pattern in patterns]
    good = [number for number, error in enumerate(errors) if not error]
    spec = GitIgnoreSpec.from_lines([patterns[number].replace(QUOTE, QUOTE + QUOTE) for number in good])
    counts, sizes = [0] * len(patterns), [0] * len(patterns)
    examples: list[list[str]] = [[] for _ in patterns]
    kept = 0
    for place, (dataset, name, size_bytes) in enumerate(listing.files):
        if place % 500 == 0:
            stop.check()
        result = spec.check_file(name)
        if not result.include or result.index is None or listing.completes_database(dataset, name, size_bytes, spec):
            kept += 1
            continue
        number = good[result.index]
        counts[number] += 1
        sizes[number] += size_bytes
        if len(examples[number]) < EXAMPLES:
            examples[number].append(f"{dataset}/{name}" if dataset else name)
    return {
        "patterns": [
            {
                "pattern": pattern,
                "error": errors[number],
                "count": counts[number],
                "size_bytes": sizes[number],
                "examples": examples[number],
            }
            for number, pattern in enumerate(patterns)
        ],
        "left_out": len(listing.files) - kept,
        "kept": kept,
        "is_whole": listing.is_whole,
    }


def _error(pattern: str) -> str:
    try:
        check_pattern(pattern)
    except ValueError as error:
        return str(error)
    return ""


def _listing(root: str, level: int, stop: StopToken) -> _Listing:
    global _kept
    key = (root, level)
    with _lock:
        if _kept is not None and _kept.key == key and time.monotonic() - _kept.made_s < _KEPT_S:
            return _kept
    listing = _Listing(key, time.monotonic())
    deadline_s = listing.made_s + _MOST_S
    for dataset, name, size_bytes in _files(root, level, stop):
        listing.files.append((dataset, name, size_bytes))
        if len(listing.files) >= MOST_FILES or time.monotonic() > deadline_s:
            listing.is_whole = False
            break
    with _lock:
        _kept = listing
    return listing


def _files(root: str, level: int, stop: StopToken) -> Iterator[tuple[str, str, int]]:
    """Every file below the depth of the datasets; with level -1 (marks) names count from the folder above them."""
    depth = max(level, 0) if level >= 0 else 1
    waiting = [("", 0)]
    while waiting:
        stop.check()
        relative, deep = waiting.pop()
        try:
            with os.scandir(os.path.join(root, relative) if relative else root) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError:
            continue
        if deep and any(entry.name == ARCHIVE_MARK for entry in found):
            continue
        for entry in found:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((name, deep + 1))
            elif deep >= depth:
                parts = to_portable(name).split("/")
                try:
                    size_bytes = entry.stat(follow_symlinks=False).st_size
                except OSError:
                    size_bytes = 0
                yield "/".join(parts[:depth]), "/".join(parts[depth:]), size_bytes
