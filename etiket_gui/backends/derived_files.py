"""Files that a backend makes of one dataset in the work folder: the same dataset gives the same entries."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etiket_gui.domain.content import FileEntry, SourceFile
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind


class DerivedFiles:
    """A folder of its own below the work folder for what is made of one dataset; emptied when it is made again."""

    def __init__(self, work_folder: Path, identifier: str) -> None:
        self.folder = work_folder / f"derived-{hashlib.sha256(identifier.encode()).hexdigest()[:20]}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def path(self, name: str) -> Path:
        """Where the file of that name is to be made."""
        return self.folder / name

    def write_json(self, name: str, value: object) -> None:
        """Write a value as JSON that every reader takes: keys sorted, NaN and infinities as text."""
        text = json.dumps(
            strict_json(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=str
        )
        self.path(name).write_bytes(text.encode("utf-8", "backslashreplace") + b"\n")

    def files(self, changed_ns: int) -> tuple[SourceFile, ...]:
        """Every file that was made, by name. ``changed_ns`` is when the measurement changed last, and so did they."""
        found = []
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, ns=(changed_ns, changed_ns))
                name = to_portable(path.relative_to(self.folder).as_posix())
                entry = FileEntry(name, EntryKind.FILE, path.stat().st_size, changed_ns)
                found.append(SourceFile(entry, str(path), is_derived=True))
        return tuple(sorted(found, key=lambda file: file.entry.name))

    def discard(self) -> None:
        """Remove the folder, because making its files failed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def strict_json(value: object) -> Any:
    """The value with NaN and infinities as text, which strict JSON has no numbers for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(key): strict_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(item) for item in value]
    return value
