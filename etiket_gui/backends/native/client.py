"""The local database of an eTiKeT client, read-only: its datasets, their files on this computer, and running files.

Only the tables of datasets are read; the table of the user's settings holds secrets and is never asked. What that
client has already sent to its server is its own business and no part of a dataset's state here.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import stat
import time
import uuid as uuid_module
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.directories import free_name
from etiket_gui.backends.native.clientfile import newest_points
from etiket_gui.backends.native.growing import opened
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.domain.content import Content, Description, FileEntry, Found, Scalar, SourceFile, Unreadable
from etiket_gui.domain.errors import EtiketError, PermissionRefused, SourceGone, source_error
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind, RunState
from etiket_gui.domain.stopping import StopToken

#: The database below the client's shared folder.
DATABASE = os.path.join("sql", "etiket_db.sql")
_METADATA = "metadata.json"
_CACHE = "HDF5_CACHE"
_WRITING = "writing"
_DATASETS_PER_LOOK = 500
_NS = 1_000_000_000
_LEADS_ELSEWHERE = re.compile(r"[/\\\x00]|^\.\.?$")
_NOT_HERE = "no file on this computer"
_DATASET_COLUMNS = (
    "d.id, d.uuid, d.alt_uid, d.collected, d.created, d.name, d.creator, d.description, d.notes, d.keywords, d.ranking,"
    " s.uuid, s.name"
)


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One version of one file, and where it is on this computer."""

    uuid: str
    version: str
    name: str
    label: str
    kind: str
    is_writing: bool
    path: str
    status: os.stat_result


@dataclass(slots=True)
class ClientDataset:
    """One row of the client's datasets with what belongs to it. Times are the client's own texts in UTC."""

    row_id: int
    uuid: str
    alt_uid: str
    collected: str
    created: str
    name: str
    creator: str
    description: str
    notes: str
    keywords: tuple[str, ...]
    ranking: int
    scope_uuid: str
    scope_name: str
    attributes: dict[str, Scalar] = field(default_factory=dict)
    files: list[ClientFile] = field(default_factory=list)
    #: Why one of its files cannot be looked at; the dataset is then there, but never sent without that file.
    failure: EtiketError | None = None

    @property
    def newest_ns(self) -> int:
        """When the newest of its files changed."""
        return max((max(file.status.st_mtime_ns, file.status.st_ctime_ns) for file in self.files), default=0)

    @property
    def fingerprint(self) -> int:
        """A number for all of its content that the client's own syncing does not touch."""
        told = [
            (self.alt_uid, self.collected, self.name, self.creator, self.description, self.notes, self.keywords),
            (self.ranking, self.scope_uuid, self.scope_name, sorted(self.attributes.items())),
            [
                (file.uuid, file.version, file.name, file.kind, file.is_writing, file.path, file.status.st_size,
                 file.status.st_mtime_ns, file.status.st_ctime_ns, file.status.st_ino)
                for file in self.files
            ],
        ]  # fmt: skip
        return int.from_bytes(hashlib.blake2b(repr(told).encode(), digest_size=8).digest(), "big", signed=True)

    def state(self, now_ns: int, interrupted_after_s: float) -> RunState:
        """Running as long as a file is being written; interrupted when none has changed for long."""
        writing = [file for file in self.files if file.is_writing]
        if not writing:
            return RunState.COMPLETE
        newest_ns = max(file.status.st_mtime_ns for file in writing)
        return RunState.INTERRUPTED if now_ns - newest_ns >= interrupted_after_s * _NS else RunState.LIVE


class ClientDatabase:
    """The datasets of one client. Nothing is kept open between two calls."""

    def __init__(self, root: str, copy_folder: Path, interrupted_after_s: float, *, copies_only: bool) -> None:
        self._root = root
        self._access = Access(
            os.path.join(root, DATABASE), copy_folder, copies_only=copies_only, kind="database of an eTiKeT client"
        )
        self._interrupted_after_s = interrupted_after_s
        self.skipped: dict[str, int] = {}
        self.unreadable: list[Unreadable] = []

    @property
    def is_there(self) -> bool:
        """Whether the root is a client's shared folder."""
        return os.path.isfile(self._access.path)

    def look(
        self, identifiers: Sequence[str] | None, known: Mapping[str, int], report: Callable[[Found], None],
        stop: StopToken,
    ) -> set[str]:  # fmt: skip
        """Report what is not the known one, of all datasets or of those asked for; returns what is there."""
        there: set[str] = set()
        self.skipped = {}
        self.unreadable = []
        for dataset in self._datasets(identifiers, stop):
            stop.check()
            if dataset.failure is not None:
                if dataset.failure.concerns_all:
                    raise dataset.failure
                advice = "" if isinstance(dataset.failure, PermissionRefused) else dataset.failure.advice
                self.unreadable.append(Unreadable(dataset.uuid, dataset.failure.reason, advice))
                there.add(dataset.uuid)
                continue
            if not dataset.files:
                self.skipped[_NOT_HERE] = self.skipped.get(_NOT_HERE, 0) + 1
                continue
            there.add(dataset.uuid)
            fingerprint = dataset.fingerprint
            if known.get(dataset.uuid) != fingerprint:
                report(self._found(dataset, fingerprint))
        return there

    def _found(self, dataset: ClientDataset, fingerprint: int) -> Found:
        now_ns = time.time_ns()
        state = dataset.state(now_ns, self._interrupted_after_s)
        return Found(
            identifier=dataset.uuid,
            name=dataset.name or dataset.uuid,
            fingerprint=fingerprint,
            run_state=state,
            newest_change_ns=min(dataset.newest_ns, now_ns),
            looked_at_ns=now_ns,
            size_bytes=sum(file.status.st_size for file in dataset.files),
            file_count=len(dataset.files),
            collected_ns=_ns_of(dataset.collected or dataset.created),
            has_completion_mark=state is RunState.COMPLETE,
        )

    def dataset(self, identifier: str, stop: StopToken) -> ClientDataset:
        """One dataset. Raises SourceGone, and the failure of a file of it that cannot be looked at."""
        for dataset in self._datasets([identifier], stop):
            if dataset.failure is not None:
                raise dataset.failure
            if dataset.files:
                return dataset
        raise SourceGone(f"The dataset {identifier} is not in {self._root} any more.", path=self._root)

    def read(self, identifier: str, work_folder: Path, stop: StopToken, *, is_growing: bool) -> Content:
        """The dataset's files as they lie there, and what the client knows of it in ``metadata.json``."""
        dataset = self.dataset(identifier, stop)
        files: list[SourceFile] = []
        details = []
        names = {_METADATA}
        for file in dataset.files:
            name = free_name(file.name, names)
            names.add(name)
            details.append({"file": name, "name": file.label, "type": file.kind, "version_id": file.version})
            if not (is_growing and file.is_writing):
                files.append(SourceFile(_entry(name, file.status), file.path))
        derived = DerivedFiles(work_folder, identifier)
        derived.write_json(_METADATA, _metadata(dataset, details))
        return Content(
            description=self.describe(dataset),
            files=tuple(sorted((*files, *derived.files(dataset.newest_ns)), key=lambda file: file.entry.name)),
            fingerprint=dataset.fingerprint,
        )

    def describe(self, dataset: ClientDataset) -> Description:
        """What is known of a dataset beside its files."""
        details: dict[str, Any] = {"scope": dataset.scope_name, "scope_uuid": dataset.scope_uuid}
        for name in ("alt_uid", "creator"):
            if getattr(dataset, name):
                details[name] = getattr(dataset, name)
        if dataset.ranking:
            details["ranking"] = dataset.ranking
        text = "\n\n".join(part for part in (dataset.description, dataset.notes) if part)
        return Description(
            name=dataset.name or dataset.uuid,
            identifier=dataset.uuid,
            run_state=dataset.state(time.time_ns(), self._interrupted_after_s),
            collected=_iso(dataset.collected or dataset.created),
            text=text,
            attributes={name: dataset.attributes[name] for name in sorted(dataset.attributes)},
            keywords=dataset.keywords,
            details=details,
        )

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points of the file that is being written; None when there is none yet."""
        dataset = self.dataset(identifier, stop)
        for file in dataset.files:
            # Until the first point the client keeps a lock beside the file.
            if file.is_writing and not os.path.exists(f"{file.path}.lock"):
                with opened(file.path) as data:
                    return newest_points(data, since)
        return None

    # -- rows --------------------------------------------------------------------------------------------------------

    def _datasets(self, identifiers: Sequence[str] | None, stop: StopToken) -> Iterable[ClientDataset]:
        if identifiers is not None:
            wanted = sorted({found for name in identifiers if (found := _hex(name)) is not None})
            for first in range(0, len(wanted), _DATASETS_PER_LOOK):
                yield from self._page(wanted[first : first + _DATASETS_PER_LOOK], 0, stop)
            return
        last_id = 0
        while page := self._page(None, last_id, stop):
            last_id = page[-1].row_id
            yield from page

    def _page(self, wanted: Sequence[str] | None, last_id: int, stop: StopToken) -> list[ClientDataset]:
        """Datasets with everything that belongs to them, from one state of the database."""
        condition = "d.id > ?"
        values: tuple[object, ...] = (last_id,)
        if wanted is not None:
            condition, values = f"d.uuid IN ({', '.join('?' * len(wanted))})", tuple(wanted)

        def work(reader: Reader) -> list[ClientDataset]:
            rows = reader.query(
                f"SELECT {_DATASET_COLUMNS} FROM datasets d LEFT JOIN scopes s ON s.id = d.scope_id"  # noqa: S608
                f" WHERE {condition} ORDER BY d.id LIMIT {_DATASETS_PER_LOOK}",
                values,
            )
            found = {int(str(row[0])): _dataset(row) for row in rows}
            if found:
                marks = ", ".join("?" * len(found))
                for owner, key, value in reader.query(
                    "SELECT l.dataset_id, a.key, a.value FROM ds_attr_link l"  # noqa: S608
                    f" JOIN dataset_attr a ON a.id = l.dataset_attr_id WHERE l.dataset_id IN ({marks})",
                    tuple(found),
                ):
                    found[int(str(owner))].attributes[str(key)] = _scalar(value)
                files = reader.query(
                    "SELECT dataset_id, uuid, version_id, filename, name, type, status, local_path FROM files"  # noqa: S608
                    f" WHERE dataset_id IN ({marks}) ORDER BY version_id, uuid",
                    tuple(found),
                )
                for file in files:
                    self._add_file(found[int(str(file[0]))], file[1:])
            return list(found.values())

        datasets = self._access.look(work, stop)
        for dataset in datasets:
            dataset.files = _named(dataset.files)
        return datasets

    def _add_file(self, dataset: ClientDataset, row: tuple[object, ...]) -> None:
        file_uuid, version, filename, label, kind, status, local_path = ("" if item is None else item for item in row)
        if str(kind).upper().endswith(_CACHE):
            return
        try:
            path, found = self._place_of(dataset, str(file_uuid), str(version), str(filename), str(local_path))
        except OSError as error:
            dataset.failure = source_error(error, str(error.filename))
            return
        if found is None:
            return
        dataset.files.append(
            ClientFile(
                uuid=_dashed(str(file_uuid)),
                version=str(version),
                name=to_portable(os.path.basename(path)),
                label=str(label),
                kind=str(kind),
                is_writing=str(status).lower() == _WRITING,
                path=path,
                status=found,
            )
        )

    def _place_of(
        self, dataset: ClientDataset, file_uuid: str, version: str, filename: str, local_path: str
    ) -> tuple[str, os.stat_result | None]:
        """Below the root where the client keeps it, also after the folder moved; else where the client says.

        None where there is no such file. Raises OSError where that cannot be told.
        """
        name = os.path.basename(filename.replace("\\", "/"))
        candidates = []
        if name and "\x00" not in name and not _LEADS_ELSEWHERE.search(version):
            for form in (_dashed, _plain):
                parts = [form(dataset.scope_uuid), form(dataset.uuid), form(file_uuid), version, name]
                candidates.append(os.path.join(self._root, "data", *parts))
        if os.path.isabs(local_path) and "\x00" not in local_path:
            candidates.append(local_path)
        for path in candidates:
            try:
                status = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(status.st_mode):
                return path, status
        return "", None


def _dataset(row: tuple[object, ...]) -> ClientDataset:
    texts = ["" if value is None else str(value) for value in row]
    try:
        words = json.loads(texts[9]) if texts[9] else []
    except ValueError:
        words = [texts[9]]
    return ClientDataset(
        row_id=int(texts[0]),
        uuid=_dashed(texts[1]),
        alt_uid=texts[2],
        collected=texts[3],
        created=texts[4],
        name=texts[5],
        creator=texts[6],
        description=texts[7],
        notes=texts[8],
        keywords=tuple(str(word) for word in words) if isinstance(words, list) else (),
        ranking=int(texts[10]) if texts[10].lstrip("-").isdecimal() else 0,
        scope_uuid=_dashed(texts[11]),
        scope_name=texts[12],
    )


def _named(files: Sequence[ClientFile]) -> list[ClientFile]:
    """The newest version of each file under its name, older ones in folders of their own; in order of these names."""
    newest: dict[str, ClientFile] = {}
    for file in files:
        before = newest.get(file.uuid)
        if before is None or _version_key(file.version) > _version_key(before.version):
            newest[file.uuid] = file
    named = [
        file
        if newest[file.uuid] is file
        else replace(file, name=f"older versions/{_plain_part(file.version)}/{file.name}")
        for file in files
    ]
    return sorted(named, key=lambda file: (file.name, _version_key(file.version), file.uuid))


def _plain_part(version: str) -> str:
    """A version as the name of a folder."""
    return "unnamed" if _LEADS_ELSEWHERE.search(version) or version.strip(". ") == "" else version


def _version_key(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)


def _entry(name: str, status: os.stat_result) -> FileEntry:
    return FileEntry(
        name, EntryKind.FILE, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
        is_executable=bool(status.st_mode & 0o100),
    )  # fmt: skip


def _metadata(dataset: ClientDataset, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("uuid", "alt_uid", "name", "collected", "created", "creator", "description", "notes", "ranking")
    known = {name: getattr(dataset, name) for name in names}
    scope = {"uuid": dataset.scope_uuid, "name": dataset.scope_name}
    return {
        **known,
        "keywords": list(dataset.keywords),
        "attributes": dataset.attributes,
        "scope": scope,
        "files": list(files),
    }


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _hex(text: str) -> str | None:
    try:
        return uuid_module.UUID(text).hex
    except ValueError:
        return None


def _dashed(text: str) -> str:
    plain = _hex(text)
    return text if plain is None else str(uuid_module.UUID(plain))


def _plain(text: str) -> str:
    return _hex(text) or text


def _iso(text: str) -> str | None:
    """The client's UTC text as ISO 8601."""
    return f"{text.strip().replace(' ', 'T')}+00:00" if text.strip() else None


def _ns_of(text: str) -> int | None:
    try:
        return int(datetime.datetime.fromisoformat(_iso(text) or "").timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError, OSError):
        return None
