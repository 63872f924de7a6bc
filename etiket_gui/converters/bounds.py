"""Keeps a converter within bounds of disk and memory: one that goes beyond them is asked to end, then ended."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from etiket_gui.domain import guards
from etiket_gui.domain.errors import ConversionFailed, Stopped
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.processes import resident_bytes

log = logging.getLogger(__name__)

_GIB = 1 << 30
_ENDED_BY_BOUNDS = 70


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one conversion may take. ``times_input`` bounds its result by its input, but never below ``result_bytes``.

    ``free_bytes`` is what must stay free on the disk of the work folder, ``memory_bytes`` by how much the process may
    grow. It is looked at every ``every_s``; one that was asked to end has ``grace_s`` for that.
    """

    result_bytes: int = 4 * _GIB
    times_input: int = 20
    free_bytes: int = _GIB
    memory_bytes: int = 4 * _GIB
    every_s: float = 0.5
    grace_s: float = 20.0


BOUNDS = Bounds()


class BoundedStop(StopToken):
    """The stop token of one conversion: stopped with the work it belongs to, or because it goes beyond its bounds."""

    def __init__(self, other: StopToken) -> None:
        super().__init__()
        self._other = other
        self.beyond = ""

    @property
    def is_stopped(self) -> bool:
        """Whether the work was asked to end."""
        return self._other.is_stopped or super().is_stopped

    def check(self) -> None:
        """Raise Stopped when it is."""
        self._other.check()
        super().check()


@contextmanager
def bounded(source: Path, output: Path, stop: StopToken, bounds: Bounds | None = None) -> Iterator[BoundedStop]:
    """Around one conversion of ``source`` into the folder ``output``; gives the stop token for the converter.

    Raises ConversionFailed when it went beyond its bounds. One that does not ask its stop token then has this process
    ended around it: whatever else it would write, a measurement on this machine needs that disk and memory more.
    """
    token = BoundedStop(stop)
    if not guards.is_on("converters-are-bounded"):
        yield token
        return
    is_over = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(source, output, token, is_over, bounds or BOUNDS), name="bounds", daemon=True
    )
    watch.start()
    try:
        yield token
    except Stopped:
        stop.check()
        if not token.beyond:
            raise
    except BaseException:
        # What it raises because its disk is full or its files were closed is said better below.
        stop.check()
        if not token.beyond:
            raise
    finally:
        is_over.set()
        watch.join()
    if token.beyond:
        raise ConversionFailed(token.beyond)


def _watch(source: Path, output: Path, token: BoundedStop, is_over: threading.Event, bounds: Bounds) -> None:
    before_bytes, largest_bytes = resident_bytes(), 0
    while not is_over.wait(bounds.every_s):
        if not largest_bytes:
            # Not before the first look: a small conversion is over by then, and a folder may hold many files.
            largest_bytes = max(bounds.result_bytes, bounds.times_input * _size_bytes(source))
        token.beyond = _beyond(output, largest_bytes, before_bytes, bounds)
        if token.beyond:
            break
    else:
        return
    token.stop()
    if not is_over.wait(bounds.grace_s):
        log.error("A converter %s It did not end when it was asked to, so its process ends.", token.beyond)
        os._exit(_ENDED_BY_BOUNDS)


def _beyond(output: Path, largest_bytes: int, before_bytes: int, bounds: Bounds) -> str:
    size_bytes = _size_bytes(output)
    if size_bytes > largest_bytes:
        return f"wrote {size_bytes / _GIB:.3g} GiB, more than {largest_bytes / _GIB:.3g} GiB, and was stopped."
    if size_bytes and shutil.disk_usage(output).free < bounds.free_bytes:
        return f"left less than {bounds.free_bytes / _GIB:.3g} GiB free on the disk it writes to, and was stopped."
    grown_bytes = resident_bytes() - before_bytes
    most_bytes = min(bounds.memory_bytes, psutil.virtual_memory().total // 2)
    if grown_bytes > most_bytes:
        return f"took {grown_bytes / _GIB:.3g} GiB of memory, more than {most_bytes / _GIB:.3g} GiB, and was stopped."
    return ""


def _size_bytes(path: Path) -> int:
    """The size of a file, or of everything in a folder; what goes meanwhile does not count."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        found = 0
        for folder, _, names in os.walk(path):
            for name in names:
                try:
                    found += os.lstat(os.path.join(folder, name)).st_size
                except OSError:
                    continue
    except OSError:
        return 0
    return found
