"""Datasets made of real files, ready to be handed to a destination."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from etiket_gui.domain.content import DatasetReference, Description, FileEntry, Outgoing, RemoteVersion, SourceFile
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind

SOURCE_UUID = "11111111-1111-4111-8111-111111111111"
AGENT = "aaaaaaaa-1111-4111-8111-111111111111"
OTHER_AGENT = "bbbbbbbb-1111-4111-8111-111111111111"


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder; returns it."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def source_files(folder: Path) -> tuple[SourceFile, ...]:
    """Every entry below a folder as a backend sees it: files, links, and folders with nothing in them."""
    found = []
    for here, folders, names in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(here, name))]
        if not folders and not names and here != str(folder):
            found.append(_entry(folder, here))
        found.extend(_entry(folder, os.path.join(here, name)) for name in (*names, *linked))
    return tuple(sorted(found, key=lambda file: file.entry.name))


def _entry(folder: Path, path: str) -> SourceFile:
    status = os.lstat(path)
    kind = EntryKind.FILE
    if stat.S_ISLNK(status.st_mode):
        kind = EntryKind.LINK
    elif stat.S_ISDIR(status.st_mode):
        kind = EntryKind.FOLDER
    entry = FileEntry(
        to_portable(os.path.relpath(path, folder).replace(os.sep, "/")),
        kind,
        status.st_size if kind is EntryKind.FILE else 0,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        is_executable=bool(status.st_mode & 0o100) and kind is EntryKind.FILE,
        link_target=to_portable(os.readlink(path)) if kind is EntryKind.LINK else None,
    )
    return SourceFile(entry, path)


def reference(name: str, *, source_uuid: str = SOURCE_UUID) -> DatasetReference:
    """The identity of a dataset of that name in a folder source."""
    made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source_uuid}/{name}"))
    return DatasetReference(made, source_uuid, "Fridge", "folder", "source", name)


def outgoing(
    folder: Path,
    *,
    name: str = "",
    scope: str = "",
    previous: RemoteVersion | None = None,
    confirm: Callable[[], None] = lambda: None,
    is_provisional: bool = False,
    source_uuid: str = SOURCE_UUID,
    **description: Any,
) -> Outgoing:
    """The dataset in a folder as it is now."""
    name = name or folder.name
    return Outgoing(
        reference(name, source_uuid=source_uuid),
        scope,
        Description(description.pop("title", name), name, **description),
        source_files(folder),
        previous,
        confirm,
        is_provisional,
    )
