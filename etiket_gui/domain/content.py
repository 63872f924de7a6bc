"""What a dataset consists of, as frozen values that cross threads and processes.

Names of files are *portable names*: relative, ``/``-separated text made by :mod:`etiket_gui.domain.names`,
so that a name no encoding knows survives JSON, SQLite and a terminal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import EntryKind, RunState

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One entry of a dataset: a file, a symbolic link with its target text, or an empty folder.

    ``sha256`` is lower-case hex and ``None`` until the content was read; links and folders never have one.
    Times are nanoseconds since 1970 UTC; ``inode`` is 0 where the file system has none.
    """

    name: str
    kind: EntryKind
    size_bytes: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0
    is_executable: bool = False
    sha256: str | None = None
    link_target: str | None = None

    def to_row(self) -> list[Any]:
        """The entry as a JSON list; :meth:`from_row` turns it back."""
        return [
            self.name,
            self.kind.value,
            self.size_bytes,
            self.mtime_ns,
            self.ctime_ns,
            self.inode,
            int(self.is_executable),
            self.sha256,
            self.link_target,
        ]

    @classmethod
    def from_row(cls, row: list[Any]) -> FileEntry:
        """Rebuild an entry from :meth:`to_row`'s list."""
        return cls(row[0], EntryKind(row[1]), row[2], row[3], row[4], row[5], bool(row[6]), row[7], row[8])

    def digest_item(self) -> list[Any]:
        """What of this entry enters the snapshot digest: never a time, never an inode."""
        if self.kind is EntryKind.LINK:
            return [self.name, 0, f"link:{self.link_target}"]
        if self.kind is EntryKind.FOLDER:
            return [self.name, 0, "folder"]
        return [self.name, self.size_bytes, self.sha256]


@dataclass(frozen=True, slots=True)
class Description:
    """What is known about a dataset beside its files; part of the snapshot digest.

    ``collected`` is ISO 8601 text; without a zone it is the laboratory's local time, kept as it was written so
    that the same input gives the same digest on every machine. ``details`` holds what only one backend knows.
    """

    name: str
    identifier: str
    run_state: RunState = RunState.COMPLETE
    collected: str | None = None
    text: str = ""
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    previous_identifiers: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field; :meth:`from_json` turns it back."""
        return {
            "name": self.name,
            "identifier": self.identifier,
            "run_state": self.run_state.value,
            "collected": self.collected,
            "text": self.text,
            "attributes": dict(self.attributes),
            "keywords": list(self.keywords),
            "previous_identifiers": list(self.previous_identifiers),
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Description:
        """Rebuild a description; fields a newer version added are ignored."""
        return cls(
            name=str(value["name"]),
            identifier=str(value["identifier"]),
            run_state=RunState(value.get("run_state", RunState.COMPLETE.value)),
            collected=value.get("collected"),
            text=value.get("text", ""),
            attributes=dict(value.get("attributes") or {}),
            keywords=tuple(value.get("keywords") or ()),
            previous_identifiers=tuple(value.get("previous_identifiers") or ()),
            details=dict(value.get("details") or {}),
        )


def canonical_json(value: object) -> bytes:
    """The one JSON text of a value: sorted keys, no white space, UTF-8. Equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode()


def snapshot_digest(description: Description, entries: Iterable[FileEntry], *, is_provisional: bool = False) -> str:
    """Lower-case hex SHA-256 of the canonical JSON of description, provisional flag and sorted entries.

    Raises ValueError when a file's content was not read yet: such a digest would not name what is stored.
    """
    items = sorted(entry.digest_item() for entry in entries)
    if any(item[2] is None for item in items):
        unread = next(item[0] for item in items if item[2] is None)
        raise ValueError(f"the content of {unread!r} was not read, so the snapshot has no digest yet")
    content = {"description": description.to_json(), "provisional": is_provisional, "files": items}
    return hashlib.sha256(canonical_json(content)).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset as one look at its source saw it; nothing was opened for it.

    ``fingerprint`` is a signed 64-bit number that changes whenever the source may hold something new, and
    ``place`` identifies the thing itself across a rename ("device:inode", empty where there is none).
    ``newest_change_ns`` is the newest of all modification and change times; ``is_unchanged`` says that an exact
    comparison with the manifest found nothing new although the fingerprint moved.
    """

    identifier: str
    name: str
    fingerprint: int
    run_state: RunState = RunState.COMPLETE
    newest_change_ns: int = 0
    looked_at_ns: int = 0
    size_bytes: int = 0
    file_count: int = 0
    place: str = ""
    collected_ns: int | None = None
    has_completion_mark: bool = False
    is_unchanged: bool = False

    def to_row(self) -> list[Any]:
        """The find as a JSON list; :meth:`from_row` turns it back."""
        return [
            self.identifier,
            self.name,
            self.fingerprint,
            self.run_state.value,
            self.newest_change_ns,
            self.looked_at_ns,
            self.size_bytes,
            self.file_count,
            self.place,
            self.collected_ns,
            int(self.has_completion_mark),
            int(self.is_unchanged),
        ]

    @classmethod
    def from_row(cls, row: list[Any]) -> Found:
        """Rebuild a find from :meth:`to_row`'s list."""
        return cls(
            row[0], row[1], row[2], RunState(row[3]), row[4], row[5], row[6], row[7], row[8], row[9], bool(row[10]),
            bool(row[11]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a source that could not be read: its path as portable name, and why.

    ``advice`` is empty where it takes a right that this account does not have.
    """

    path: str
    reason: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class DiscoverySummary:
    """What a finished look says beside the datasets it reported.

    ``missing`` are known identifiers that were looked for and are not there; never one below an unreadable part.
    ``root_place`` identifies the root itself ("device:inode"). ``stray_files`` lie above the dataset depth.
    """

    seen_count: int
    missing: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    stray_files: int = 0
    root_place: str = ""
    duration_s: float = 0.0
    is_complete_scan: bool = True
    skipped: Mapping[str, int] = field(default_factory=dict)
    cursor: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field; :meth:`from_json` turns it back."""
        return {
            "seen_count": self.seen_count,
            "missing": list(self.missing),
            "unreadable": [[item.path, item.reason, item.advice] for item in self.unreadable],
            "stray_files": self.stray_files,
            "root_place": self.root_place,
            "duration_s": self.duration_s,
            "is_complete_scan": self.is_complete_scan,
            "skipped": dict(self.skipped),
            "cursor": dict(self.cursor),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DiscoverySummary:
        """Rebuild a summary from :meth:`to_json`'s object."""
        return cls(
            seen_count=value["seen_count"],
            missing=tuple(value["missing"]),
            unreadable=tuple(Unreadable(*item) for item in value["unreadable"]),
            stray_files=value["stray_files"],
            root_place=value["root_place"],
            duration_s=value["duration_s"],
            is_complete_scan=value["is_complete_scan"],
            skipped=dict(value["skipped"]),
            cursor=dict(value["cursor"]),
        )


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An entry of a dataset and where its bytes lie on this machine.

    ``path`` is absolute; ``is_derived`` marks a file made in the work folder (a conversion, a preview).
    """

    entry: FileEntry
    path: str
    is_derived: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a backend read of one dataset: its description, its files, and the fingerprint of that very state.

    ``problems`` are what a person should know although the rest is sent: a conversion that failed, for one.
    """

    description: Description
    files: tuple[SourceFile, ...]
    fingerprint: int
    problems: tuple[EtiketError, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetReference:
    """Which dataset: everything a destination writes down so that a lost store can be rebuilt."""

    uuid: str
    source_uuid: str
    source_name: str
    backend: str
    realm: str
    identifier: str
    birth_ordinal: int = 1
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field; :meth:`from_json` turns it back."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DatasetReference:
        """Rebuild a reference; fields a newer version added are ignored."""
        return cls(**{name: value[name] for name in cls.__slots__ if name in value})


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """One version of a dataset at a destination: the destination's own identity of it, and its snapshot digest."""

    remote: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One dataset on its way to a destination.

    ``confirm`` looks at the source once more and raises :class:`~etiket_gui.domain.errors.SourceChanged` when it
    is no longer what was read; a destination calls it after the last byte was read and before it publishes.
    """

    reference: DatasetReference
    scope: str
    description: Description
    files: tuple[SourceFile, ...]
    previous: RemoteVersion | None
    confirm: Callable[[], None]
    is_provisional: bool = False
