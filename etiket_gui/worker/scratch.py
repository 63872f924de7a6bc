"""Where a worker makes files from measurements: a folder of its own for each lane, and nothing left of dead workers."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import psutil

from etiket_gui.domain.content import SourceFile

_FOLDER = "scratch"


def scratch_folder(work_folder: Path, lane: str) -> Path:
    """This process's own folder for one lane; two lanes or workers never make the same file. Not made yet."""
    return work_folder / _FOLDER / f"{os.getpid()}-{lane}"


def sweep_scratch(work_folder: Path) -> int:
    """Remove what workers that no longer live have left behind; returns how many folders."""
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        for folder in (work_folder / _FOLDER).iterdir():
            number = folder.name.partition("-")[0]
            if number.isdecimal() and int(number) != os.getpid() and not psutil.pid_exists(int(number)):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


def leave_scratch(work_folder: Path, lanes: Iterable[str]) -> None:
    """Remove this process's own folders; at its end."""
    for lane in lanes:
        shutil.rmtree(scratch_folder(work_folder, lane), ignore_errors=True)


def discard_derived(files: Iterable[SourceFile]) -> None:
    """Remove files that were made of a dataset and are not needed any more, and folders that are empty then."""
    folders = set()
    for file in files:
        if file.is_derived:
            with contextlib.suppress(OSError):
                os.unlink(file.path)
            folders.add(os.path.dirname(file.path))
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
