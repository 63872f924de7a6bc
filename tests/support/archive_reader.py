"""Reads a folder archive with json and hashlib alone; shares no code with the program it judges."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN_RECORD_KEYS = {
    "title",
    "title_versionless",
    "version",
    "project",
    "datasets",
    "requirements",
    "workflow",
    "etiket",
}
_EMPTY = hashlib.sha256(b"").hexdigest()


def version_order(version: str) -> tuple[Any, ...]:
    """What semantic versions are sorted by; a provisional one comes before its final one."""
    match = SEMVER.fullmatch(version)
    if match is None:
        return (-1,)
    before = match.group(4)
    parts = () if before is None else tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split("."))
    return (int(match.group(1)), int(match.group(2)), int(match.group(3)), before is None, parts)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One published record. ``files`` maps portable names to (SHA-256, size in bytes)."""

    path: Path
    workspace: str
    title: str
    version: str
    uuid: str
    source_uuid: str
    identifier: str
    birth_ordinal: int
    digest: str
    is_provisional: bool
    is_ours: bool
    browse: str
    name: str
    files: Mapping[str, tuple[str, int]]
    links: Mapping[str, str]
    empty_folders: tuple[str, ...]


@dataclass(slots=True)
class ArchiveContent:
    """Everything under final names in one archive, and sentences about what should not be there."""

    root: Path
    records: list[StoredRecord] = field(default_factory=list)
    #: (workspace, title, sha256) of every stored blob
    blobs: dict[tuple[str, str, str], Path] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    orphans: list[Path] = field(default_factory=list)
    temporaries: list[Path] = field(default_factory=list)

    def versions_of(self, uuid: str) -> list[StoredRecord]:
        """The records of a dataset, oldest version first."""
        return sorted((r for r in self.records if r.uuid == uuid), key=lambda r: version_order(r.version))

    def newest(self) -> dict[str, StoredRecord]:
        """Dataset uuid to its newest record."""
        found: dict[str, StoredRecord] = {}
        for record in sorted(self.records, key=lambda r: version_order(r.version)):
            found[record.uuid] = record
        return found


def _walk(node: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, item in node.items():
        if key.startswith("/") or not isinstance(item, dict):
            continue
        name = f"{above}/{key}" if above else key
        yield name, item
        if item.get("/item/") == "Directory":
            yield from _walk(item, name)


def _read_record(path: Path, workspace: str, title: str, content: ArchiveContent) -> StoredRecord | None:
    version = path.name.removeprefix(f"{title}-v").removesuffix(".yml")
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        content.wrong.append(f"record {path} is torn or no JSON ({error})")
        return None
    if not isinstance(value, dict):
        content.wrong.append(f"record {path} is no mapping")
        return None
    own = value.get("etiket") or {}
    for key in sorted(_OWN_RECORD_KEYS - set(value)):
        content.wrong.append(f"record {path} lacks {key!r}")
    if value.get("title_versionless") != title or value.get("version") != version:
        content.wrong.append(f"record {path} says it is {value.get('title_versionless')!r} {value.get('version')!r}")
    files: dict[str, tuple[str, int]] = {}
    for name, item in _walk(value.get("project") or {}, ""):
        kind = item.get("/item/")
        if kind not in {"File", "H5_File"}:
            continue
        sha256, size_bytes = item.get("/sha256/") or item.get("/bpid/"), item.get("/bytes/")
        if sha256 is None and size_bytes == 0:
            sha256 = _EMPTY
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or not isinstance(size_bytes, int):
            content.wrong.append(f"record {path}: {name} has no digest or size")
            continue
        if item.get("/path/") != name:
            content.wrong.append(f"record {path}: {name} says its path is {item.get('/path/')!r}")
        if any(part in {"", ".", ".."} for part in name.split("/")) or "\\" in name[:1] or name.startswith("/"):
            content.wrong.append(f"record {path}: the name {name!r} leaves its folder")
        files[name] = (sha256, size_bytes)
    reference, description = own.get("reference") or {}, own.get("description") or {}
    measured = (len(files), sum(size_bytes for _, size_bytes in files.values()))
    if own and (own.get("file_count"), own.get("size_bytes")) != measured:
        content.wrong.append(f"record {path} miscounts its files or bytes")
    return StoredRecord(
        path=path,
        workspace=workspace,
        title=title,
        version=version,
        uuid=str(reference.get("uuid", "")),
        source_uuid=str(reference.get("source_uuid", "")),
        identifier=str(reference.get("identifier", "")),
        birth_ordinal=int(reference.get("birth_ordinal", 1)),
        digest=str(own.get("digest", "")),
        is_provisional=bool(own.get("provisional", False)),
        is_ours=bool(own),
        browse=str(own.get("browse", "")),
        name=str(description.get("name", "")),
        files=files,
        links={row[0]: row[1] for row in own.get("links") or ()},
        empty_folders=tuple(row[0] for row in own.get("empty_folders") or ()),
    )


def _read_blobs(folder: Path, workspace: str, title: str, content: ArchiveContent, *, is_hashed: bool) -> None:
    for prefix in sorted(os.listdir(folder)):
        below = folder / prefix
        if not re.fullmatch(r"[0-9a-f]{2}", prefix) or not below.is_dir() or below.is_symlink():
            content.wrong.append(f"{below} does not belong among blobs")
            continue
        for name in sorted(os.listdir(below)):
            path = below / name
            if not _SHA256.fullmatch(name) or not name.startswith(prefix) or path.is_symlink() or not path.is_file():
                content.wrong.append(f"{path} does not belong among blobs")
                continue
            content.blobs[workspace, title, name] = path
            if is_hashed:
                with open(path, "rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != name:
                        content.wrong.append(f"blob {path} does not hold the bytes its name says")


def read_archive(
    root: str | os.PathLike[str], *, is_hashed: bool = True, foreign_titles: bool = False
) -> ArchiveContent:
    """Read a whole archive, hash every blob, and note all that breaks its layout.

    ``foreign_titles`` allows records of other programs (YAML), which are then not read.
    """
    top = Path(root)
    content = ArchiveContent(top)
    if not top.exists():
        return content
    if not (top / ".rmearchive").is_file() and any(top.iterdir()):
        content.wrong.append(f"{top} lacks its marker .rmearchive")
    for workspace in sorted(os.listdir(top)):
        folder = top / workspace
        if workspace in {".rmearchive", ".etiket", "browse"}:
            continue
        if workspace == "index.html" and folder.is_file() and not folder.is_symlink():
            continue
        if not folder.is_dir() or folder.is_symlink() or workspace.startswith("."):
            content.wrong.append(f"{folder} does not belong in an archive")
            continue
        for title in sorted(os.listdir(folder)):
            _read_title(folder / title, workspace, title, content, is_hashed=is_hashed, is_foreign=foreign_titles)
    for place in (top / ".etiket" / "tmp", top / ".etiket" / "quarantine"):
        if place.is_dir():
            content.temporaries += [place / name for name in os.listdir(place)]
    _check_references(content)
    return content


def _read_title(
    folder: Path, workspace: str, title: str, content: ArchiveContent, *, is_hashed: bool, is_foreign: bool
) -> None:
    if not folder.is_dir() or folder.is_symlink():
        content.wrong.append(f"{folder} does not belong in a workspace")
        return
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name == "blobs" and path.is_dir() and not path.is_symlink():
            _read_blobs(path, workspace, title, content, is_hashed=is_hashed)
        elif (
            name.startswith(f"{title}-v")
            and name.endswith(".yml")
            and SEMVER.fullmatch(name[len(title) + 2 : -4])
            and path.is_file()
            and not path.is_symlink()
        ):
            if is_foreign and not path.read_bytes().startswith(b"{"):
                continue
            record = _read_record(path, workspace, title, content)
            if record is not None:
                content.records.append(record)
        else:
            content.wrong.append(f"{path} does not belong in a title folder")


def _check_references(content: ArchiveContent) -> None:
    named: set[tuple[str, str, str]] = set()
    for record in content.records:
        for name, (sha256, size_bytes) in record.files.items():
            key = (record.workspace, record.title, sha256)
            named.add(key)
            blob = content.blobs.get(key)
            if blob is None:
                content.wrong.append(f"record {record.path}: the bytes of {name} ({sha256}) are not stored")
            elif blob.stat().st_size != size_bytes:
                stored_bytes = blob.stat().st_size
                content.wrong.append(f"record {record.path}: {name} has {size_bytes} bytes, its blob {stored_bytes}")
    content.orphans = sorted(path for key, path in content.blobs.items() if key not in named)


def doubles(content: ArchiveContent) -> list[str]:
    """I3: sentences about anything that is stored twice."""
    sentences = []
    titles: dict[tuple[str, str], set[str]] = {}
    owners: dict[tuple[str, str], set[str]] = {}
    birth: dict[tuple[str, str, int], set[str]] = {}
    for record in content.records:
        if not record.is_ours:
            continue
        titles.setdefault((record.workspace, record.uuid), set()).add(record.title)
        owners.setdefault((record.workspace, record.title), set()).add(record.uuid)
    for (_, uuid), found in titles.items():
        if len(found) > 1:
            sentences.append(f"dataset {uuid} is stored under several titles: {sorted(found)}")
    for (workspace, title), uuids in owners.items():
        if len(uuids) > 1:
            sentences.append(f"{workspace}/{title} holds several datasets: {sorted(uuids)}")
    for uuid in {record.uuid for record in content.records if record.is_ours}:
        # Renamed later, another dataset may have the name it had at its birth.
        born = content.versions_of(uuid)[0]
        if version_order(born.version)[3]:
            birth.setdefault((born.source_uuid, born.identifier, born.birth_ordinal), set()).add(uuid)
    for (source, identifier, ordinal), uuids in birth.items():
        if len(uuids) > 1:
            sentences.append(f"{identifier} (birth {ordinal}) of source {source} is stored as {sorted(uuids)}")
    for uuid in {record.uuid for record in content.records if record.is_ours}:
        versions = content.versions_of(uuid)
        for older, newer in itertools.pairwise(versions):
            if older.digest == newer.digest and older.workspace == newer.workspace:
                sentences.append(f"{newer.path}: the same content as {older.version} was published again")
    return sentences


def browse_differences(content: ArchiveContent) -> list[str]:
    """Sentences about SHA256SUMS of the browsable tree that list bytes which no version of the dataset holds."""
    sentences = []
    # Datasets of one name and day wish for the same folder; all but the first get a number behind it.
    wished: dict[str, set[str]] = {}
    for record in content.newest().values():
        wished.setdefault(record.browse, set()).add(record.uuid)
    for record in content.newest().values():
        sums = content.root / record.browse / "SHA256SUMS"
        if not record.browse or not sums.is_file():
            continue
        known = {
            sha256
            for uuid in wished[record.browse]
            for version in content.versions_of(uuid)
            for sha256, _ in version.files.values()
        }
        for line in sums.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            digest, _, name = line.lstrip("\\").partition("  ")
            if digest not in known and not _is_drawn(sums.parent / name, digest):
                sentences.append(f"{sums} lists {digest}, which no version holds")
    return sentences


def _is_drawn(path: Path, digest: str) -> bool:
    """Whether this is the picture beside a dataset, which is drawn from it and stored in no version."""
    return path.name == "preview.png" and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def read_receipt_files(packed: bytes) -> list[tuple[str, int, str | None]]:
    """The rows (name, size in bytes, SHA-256) of a receipt as the store keeps them."""
    return [(row[0], row[1], row[2]) for row in json.loads(zlib.decompress(packed))]
