"""The jobs "diagnostics_preview" and "diagnostics_save": the file is made once, looked at, and saved as it was seen.

The command line writes it, in a process of its own, so that both give the same file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from etiket_gui.domain.errors import Stopped, UsageError
from etiket_gui.worker.desk.job import DeskJob

_EXCERPT = 20_000
_POLL_S = 0.2


def _kept(job: DeskJob) -> Path:
    return job.home.work / "diagnostics" / "preview.zip"


def preview(job: DeskJob) -> dict[str, Any]:
    """Make the file; returns ``parts``: for each its name, size_bytes and the beginning of its text."""
    made = _kept(job)
    made.parent.mkdir(parents=True, exist_ok=True)
    made.unlink(missing_ok=True)
    _write(job, made)
    parts = []
    with zipfile.ZipFile(made) as archive:
        for item in archive.infolist():
            with archive.open(item) as file:
                text = file.read(_EXCERPT).decode("utf-8", "replace")
            parts.append({"name": item.filename, "size_bytes": item.file_size, "text": text})
    return {"parts": parts, "size_bytes": made.stat().st_size}


def save(job: DeskJob) -> dict[str, Any]:
    """Save the file that was previewed to ``path``, or a new one where none was; never over another file."""
    target = job.path("path")
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already; choose another name.", path=str(target))
    made = _kept(job)
    if not made.is_file():
        made.parent.mkdir(parents=True, exist_ok=True)
        _write(job, made)
    try:
        with open(made, "rb") as source, open(target, "xb") as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}.", path=str(target)) from error
    made.unlink(missing_ok=True)
    return {"path": str(target), "size_bytes": target.stat().st_size}


def _write(job: DeskJob, path: Path) -> None:
    """Run the command that writes the diagnostics. Raises UsageError with what it said."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "etiket_gui"]
    command = [*program, "--home", str(job.home.root), "export-diagnostics", str(path)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        while True:
            try:
                code = process.wait(_POLL_S)
                break
            except subprocess.TimeoutExpired:
                if job.stop.is_stopped:
                    process.kill()
                    process.wait()
                    raise Stopped("The diagnostics were cancelled.") from None
        if code:
            said.seek(0)
            text = said.read(4000).decode("utf-8", "replace").strip()
            raise UsageError(f"The diagnostics could not be collected: {text or f'code {code}'}")
