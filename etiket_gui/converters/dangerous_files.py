"""Remembers which files ended the process that opened them, so that one damaged file costs itself and nothing else.

For some damaged files HDF5 ends the whole process, for others it never comes back. A note is left in a folder before
a file is opened and taken away afterwards. A note of a process that is gone makes its file a suspect: it is opened
once more with nothing else open beside it, and after a second end it is not opened any more until it changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from etiket_gui.domain.errors import ConversionFailed, SourceChanged

_ALONE, _BESIDE = "alone", "beside"
#: How long another file may keep a suspect from being opened, and the other way round.
_LONGEST_WAIT_S = 15.0


class DangerousFile(ConversionFailed):
    """A file that ended each process that opened it."""

    title = "Damaged file"
    default_advice = (
        "The file was left as it is and everything else goes on. Look whether the program that made it still opens it; "
        "it is tried again when it changes."
    )


def _dangerous(path: str, work: str) -> DangerousFile:
    if not work:
        return DangerousFile(f"{path} is damaged: reading it ended the program that read it.", path=path)
    return DangerousFile(
        f"{path}: {work} ended the program that ran it, or never came to an end.",
        advice="The original files are archived as they are and everything else goes on; it is tried again when the "
        "file changes.",
        path=path,
    )


class _Notes:
    """The notes of this process. ``folder`` None keeps none."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._changed = threading.Condition()
        self._open: dict[str, int] = {}
        self._alone: int | None = None

    def enter(self, folder: Path, name: str, path: str, work: str) -> None:
        """Leave a note, and wait for one's turn where that is needed. Raises DangerousFile and SourceChanged."""
        with self._changed:
            left = _left_behind(folder, name)
            if any(note.endswith(_ALONE) for note in left):
                raise _dangerous(path, work)
            is_mine = self._alone == threading.get_ident()
            self._wait(lambda: self._alone in {None, threading.get_ident()}, path)
            if left and not is_mine:
                self._wait(lambda: not self._open and self._alone is None, path)
                self._alone = threading.get_ident()
            self._open[name] = self._open.get(name, 0) + 1
            with contextlib.suppress(OSError):
                # Without notes, because the disk is full, everything goes on as well as it did.
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}-{os.getpid()}-{_ALONE if left else _BESIDE}").touch()

    def _wait(self, is_so: Callable[[], bool], path: str) -> None:
        end_s = time.monotonic() + _LONGEST_WAIT_S
        while not is_so():
            rest_s = end_s - time.monotonic()
            if rest_s <= 0 or not self._changed.wait(rest_s):
                raise SourceChanged(f"{path} waits for another file that is being looked at.", path=path)

    def leave(self, folder: Path, name: str) -> None:
        """Take the note away: the process outlived the file."""
        with self._changed:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
                if self._alone == threading.get_ident():
                    self._alone = None
                own = [f"{name}-{os.getpid()}-{how}" for how in (_ALONE, _BESIDE)]
                _remove(folder, [*_left_behind(folder, name), *own])
                self._changed.notify_all()

    def forget(self, folder: Path) -> None:
        """Take all notes of this process away: it ends in order, whatever is still open."""
        with contextlib.suppress(OSError):
            _remove(folder, [note for note in os.listdir(folder) if note.split("-")[1] == str(os.getpid())])


_notes = _Notes()


def keep_notes_in(folder: Path | None) -> None:
    """Where this process leaves its notes from now on; None: nowhere."""
    _notes.folder = folder


def forget_own_notes() -> None:
    """At the orderly end of a process that may be cut off in the middle of a file."""
    if _notes.folder is not None:
        _notes.forget(_notes.folder)


@contextlib.contextmanager
def opening(path: str, work: str = "") -> Iterator[None]:
    """Around everything that a library does with a file. Raises DangerousFile, and SourceChanged to come back later.

    ``work`` names what is done with it where the doing, not the file, may be what ends the process: a plug-in's
    converter. Without a folder for notes it does nothing.
    """
    folder = _notes.folder
    if folder is None:
        yield
        return
    name = _name_of(path, work)
    _notes.enter(folder, name, path, work)
    try:
        yield
    finally:
        _notes.leave(folder, name)


def _name_of(path: str, work: str) -> str:
    """A name for the file as it is now, and for what is done with it."""
    try:
        status = os.stat(path)
        state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except OSError:
        state = (0, 0, 0)
    return hashlib.blake2b(f"{path!r} {state}{work}".encode(), digest_size=16).hexdigest()


def _remove(folder: Path, notes: list[str]) -> None:
    for note in notes:
        with contextlib.suppress(OSError):
            (folder / note).unlink()


def _left_behind(folder: Path, name: str) -> list[str]:
    """The notes about a file whose processes are gone."""
    try:
        found = [note for note in os.listdir(folder) if note.startswith(name)]
    except OSError:
        return []
    return [note for note in found if not psutil.pid_exists(int(note.split("-")[1]))]
