"""Writes a generated package: whole, into a new folder, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from etiket_gui.domain.errors import UsageError


def write_package(target: Path, files: Mapping[str, str]) -> Path:
    """Write the files (relative path to text) into the folder ``target``, which must not be there yet.

    Raises UsageError; nothing is left behind then.
    """
    if os.path.lexists(target):
        raise UsageError(
            f"{target} is there already and is left as it is.",
            advice="Give another name, or move that folder away first.",
            path=str(target),
        )
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UsageError(f"Nothing can be written to {target.parent}: {error.strerror or error}.") from error
    try:
        for name, text in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        beside.chmod(0o755)
        os.rename(beside, target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target
