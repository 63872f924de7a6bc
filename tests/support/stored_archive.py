"""Puts versions into a folder archive with plain file calls, so that reading is tested without the program's writer."""

from __future__ import annotations

import hashlib
import os
import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.destinations.archive.browsing import BrowseMode, BrowseTree
from etiket_gui.destinations.archive.layout import (
    MARKER,
    OWN_FOLDERS,
    ArchiveLayout,
    browse_path,
    join_remote,
    pointer_path,
    pointer_text,
    record_name,
    title_of,
)
from etiket_gui.destinations.archive.reading import ArchiveReader
from etiket_gui.destinations.archive.record import RecordFacts, build_record, encode_record, is_live_version
from etiket_gui.domain.content import DatasetReference, Description, FileEntry, snapshot_digest
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind

SOURCE = "22222222-2222-4222-8222-222222222222"
MTIME_NS = 1_600_000_000_123_456_789
PUBLISHED_NS = 1_700_000_000_000_000_000


def uuid_of(name: str) -> str:
    """A fixed uuid for a dataset of that name."""
    return str(uuids.uuid5(uuids.NAMESPACE_URL, name))


def sha256_of(content: bytes) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class StoredArchive:
    """An archive below ``root``; what its reader reported as damaged is in ``damages``."""

    root: Path
    scope: str = ""
    damages: list[EtiketError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = ArchiveLayout(str(self.root))
        self.root.mkdir(parents=True)
        (self.root / MARKER).write_bytes(b"")
        for folder in OWN_FOLDERS:
            (self.root / folder).mkdir()
        self.reader = ArchiveReader(self.layout, on_damage=self.damages.append)

    def browse(self, mode: BrowseMode = "links") -> BrowseTree:
        """The archive's browsable tree."""
        return BrowseTree(self.reader, mode)

    def blob(self, remote: str, content: bytes) -> Path:
        """Store content under a dataset; returns the blob."""
        sha256 = sha256_of(content)
        path = self.root / remote / "blobs" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(content)
            path.chmod(0o444)
        return path

    def remote(self, name: str) -> str:
        """The remote of a dataset of that name."""
        return join_remote(self.layout.workspace(self.scope), title_of(uuid_of(name), name))

    def record_path(self, name: str, version: str) -> Path:
        """Where the record of a version lies."""
        remote = self.remote(name)
        return self.root / remote / record_name(remote.partition("/")[2], version)

    def add(
        self,
        name: str,
        files: Mapping[str, bytes] | None = None,
        *,
        version: str = "1.0.0",
        links: Mapping[str, str] | None = None,
        folders: tuple[str, ...] = (),
        executable: tuple[str, ...] = (),
        text: str = "",
        keywords: tuple[str, ...] = (),
        source_uuid: str = SOURCE,
        identifier: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> str:
        """Store a version of a dataset; file names are as the operating system has them. Returns the remote."""
        remote = self.remote(name)
        workspace, _, title = remote.partition("/")
        entries = [
            FileEntry(
                to_portable(file), EntryKind.FILE, len(content), MTIME_NS,
                is_executable=file in executable, sha256=sha256_of(content),
            )
            for file, content in (files or {}).items()
        ]  # fmt: skip
        for content in (files or {}).values():
            self.blob(remote, content)
        for link, target in (links or {}).items():
            entries.append(FileEntry(to_portable(link), EntryKind.LINK, 0, MTIME_NS, link_target=to_portable(target)))
        entries += [FileEntry(to_portable(folder), EntryKind.FOLDER, 0, MTIME_NS) for folder in folders]
        uuid = uuid_of(name)
        identifier = identifier or f"2024/{name}"
        description = Description(
            name, identifier, collected="2024-03-01T10:00:00", text=text, keywords=keywords,
            attributes={"fridge": "Bluefors 3", "field (T)": 0.5}, details=details or {},
        )  # fmt: skip
        is_live = is_live_version(version)
        facts = RecordFacts(
            title, version, snapshot_digest(description, entries, is_provisional=is_live), PUBLISHED_NS, is_live,
            self.scope, DatasetReference(uuid, source_uuid, "fridge", "folder", "source", identifier), description,
            browse_path("fridge", name, description.collected, 0), uuid_of("agent"), "pc",
        )  # fmt: skip
        self.record_path(name, version).parent.mkdir(parents=True, exist_ok=True)
        self.record_path(name, version).write_bytes(encode_record(build_record(facts, entries)))
        pointer = self.root / pointer_path(uuid, workspace)
        pointer.parent.mkdir(exist_ok=True)
        pointer.write_bytes(pointer_text(workspace, title))
        return remote


def tree_of(folder: Path) -> dict[bytes, bytes]:
    """Every file (its content), link ("-> target") and empty folder ("/") below a folder, by its raw relative name."""
    found: dict[bytes, bytes] = {}
    top = os.fsencode(folder)
    for here, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(here, name)
            relative = os.path.relpath(path, top)
            if os.path.islink(path):
                found[relative] = b"-> " + os.readlink(path)
            elif os.path.isdir(path):
                if not os.listdir(path):
                    found[relative] = b"/"
            else:
                with open(path, "rb") as file:
                    found[relative] = file.read()
    return found
