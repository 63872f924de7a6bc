"""The release record of a folder archive: built, written as text, parsed, and the versions it carries."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from etiket_gui.destinations.archive.layout import is_sha256, record_name, version_in_name
from etiket_gui.domain import guards
from etiket_gui.domain.content import DatasetReference, Description, FileEntry
from etiket_gui.domain.errors import DestinationDamaged, NameTooLong, UnsafeName
from etiket_gui.domain.names import check_relative, from_portable, to_portable
from etiket_gui.domain.states import EntryKind

FORMAT = 1

#: A record larger than this is not one of ours and is not read.
MAX_RECORD_BYTES = 512 * 1024 * 1024

#: What an empty file is stored under; some programs leave it out of their records.
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
_LIVE = re.compile(r"live\.(\d+)")
# Other programs read records as YAML, in whatever encoding their system prefers: all but the characters that only
# YAML's own escapes could name is written as ASCII.
_NOT_ASCII = re.compile("[\x7f-\uffff]")
_MAX_DEPTH = 400
_MAX_NESTING = 500
_MAX_VALUES = 20_000_000

#: A record of ours ends with its seal: the SHA-256 of the text as it would be without.
_END, _SEAL = b"}}", b',"seal":"%s"}}'
_SEALED = re.compile(rb',"seal":"([0-9a-f]{64})"}}\Z')
_SEAL_BYTES = len(_SEAL % (b"0" * 64))

#: rmellipse refuses kinds it does not know and passes over this one: neither a folder to make nor a file to fetch.
_LINK_ITEM = "H5_Group"


class Change(Enum):
    """What differs between a dataset and the newest final version that is stored of it."""

    FIRST = "first"
    FILES = "files"
    DESCRIPTION = "description"


def is_version(text: str) -> bool:
    """Whether this is a semantic version."""
    return _SEMVER.fullmatch(text) is not None


def version_key(version: str) -> tuple[Any, ...]:
    """What to sort semantic versions by, oldest first; build metadata decides nothing but ties.

    Raises ValueError where the text is no semantic version.
    """
    match = _SEMVER.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a semantic version")
    major, minor, patch, before, build = match.groups()
    if before is None:
        rank: tuple[Any, ...] = (1,)
    else:
        rank = (0, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".")))
    return (int(major), int(minor), int(patch), rank, build or "")


def is_live_version(version: str) -> bool:
    """Whether this is one of our provisional versions, ``X.Y.Z-live.N``."""
    match = _SEMVER.fullmatch(version)
    return match is not None and match.group(4) is not None and _LIVE.fullmatch(match.group(4)) is not None


def versions_in(title: str, names: Iterable[str]) -> list[str]:
    """The versions whose records are among the file names of a title folder, oldest first."""
    found = [version for name in names if (version := version_in_name(title, name)) is not None and is_version(version)]
    return sorted(found, key=version_key)


def next_version(existing: Iterable[str], change: Change, *, is_provisional: bool = False) -> str:
    """The version to publish beside the existing ones.

    1.0.0 first; the minor number rises when a file was added, changed or removed, the patch number when only the
    description differs. A provisional version is ``-live.N`` of the version that would come next.
    """
    known = [version for version in existing if is_version(version)]
    finals = sorted((version for version in known if not is_live_version(version)), key=version_key)
    if not finals:
        base = "1.0.0"
    else:
        major, minor, patch = version_key(finals[-1])[:3]
        base = f"{major}.{minor}.{patch + 1}" if change is Change.DESCRIPTION else f"{major}.{minor + 1}.0"
    if not is_provisional:
        return base
    numbers = [0]
    for version in known:
        match = _SEMVER.fullmatch(version)
        live = _LIVE.fullmatch(match.group(4)) if match and match.group(4) else None
        if live:
            numbers.append(int(live.group(1)))
    return f"{base}-live.{max(numbers) + 1}"


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What a record says beside its files. Times in ns since 1970 UTC."""

    title: str
    version: str
    digest: str
    published_ns: int
    is_provisional: bool
    scope: str
    reference: DatasetReference
    description: Description
    browse: str
    agent: str
    host: str


def build_record(facts: RecordFacts, entries: Iterable[FileEntry]) -> dict[str, Any]:
    """The record as a JSON object.

    Raises UnsafeName where a name may not be joined below a folder, occurs twice, or is a file and a folder at once,
    and NameTooLong where it lies deeper than 400 folders.
    """
    project: dict[str, Any] = {"/path/": ".", "/attrs/": {}, "/item/": "Directory"}
    folders: dict[str, dict[str, Any]] = {"": project}
    links: list[list[Any]] = []
    empty: list[list[Any]] = []
    size_bytes = file_count = 0
    earliest: int | None = None
    for entry in entries:
        name = entry.name
        check_relative(name)
        above, _, last = name.rpartition("/")
        parent = folders.get(above)
        if parent is None:
            parent = _make_folders(above, folders)
        if entry.kind is EntryKind.FOLDER:
            _make_folders(name, folders)
            empty.append([name, entry.mtime_ns])
            continue
        if last in parent:
            raise UnsafeName(name, "the dataset has two entries of that name")
        if entry.kind is EntryKind.LINK:
            parent[last] = {"/path/": name, "/attrs/": {}, "/item/": _LINK_ITEM, "/link/": entry.link_target}
            links.append([name, entry.link_target, entry.mtime_ns])
            continue
        parent[last] = {
            "/path/": name,
            "/attrs/": {},
            "/item/": "File",
            "/file-type/": "misc",
            "/bpid/": entry.sha256,
            "/bytes/": entry.size_bytes,
            "/sha256/": entry.sha256,
            "/mtime_ns/": entry.mtime_ns,
            "/executable/": entry.is_executable,
        }
        size_bytes += entry.size_bytes
        file_count += 1
        if earliest is None or entry.mtime_ns < earliest:
            earliest = entry.mtime_ns
    return {
        "title": f"{facts.title}-v{facts.version}",
        "title_versionless": facts.title,
        "version": facts.version,
        "workflow_config_path": "",
        "workflow": {"jobs": {}, "edges": [], "data_pointers": {}, "release": {}},
        "requirements": [],
        "datasets": {},
        "project": project,
        "etiket": {
            "format": FORMAT,
            "digest": facts.digest,
            "published_ns": facts.published_ns,
            "provisional": facts.is_provisional,
            "scope": facts.scope,
            "reference": facts.reference.to_json(),
            "description": facts.description.to_json(),
            "browse": facts.browse,
            "agent": facts.agent,
            "host": facts.host,
            "earliest_mtime_ns": earliest,
            "links": links,
            "empty_folders": empty,
            "size_bytes": size_bytes,
            "file_count": file_count,
        },
    }


def _make_folders(name: str, folders: dict[str, dict[str, Any]]) -> dict[str, Any]:
    known = folders.get(name)
    if known is not None:
        return known
    if name.count("/") >= _MAX_DEPTH and guards.is_on("deep-names-are-refused"):
        raise NameTooLong(f"{name} lies more than {_MAX_DEPTH} folders deep.", path=name)
    above, _, last = name.rpartition("/")
    parent = _make_folders(above, folders)
    if last in parent:
        raise UnsafeName(name, "the dataset has a file and a folder of that name")
    folder: dict[str, Any] = {"/path/": name, "/attrs/": {}, "/item/": "Directory"}
    parent[last] = folder
    folders[name] = folder
    return folder


def encode_record(record: Mapping[str, Any]) -> bytes:
    """The record's text: compact JSON that is YAML as well. A record of ours ends with the SHA-256 of its text."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    if not text.isascii() or "\x7f" in text:
        text = _NOT_ASCII.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    data = text.encode()
    if not data.endswith(_END) or "etiket" not in record:
        return data
    return data[: -len(_END)] + _SEAL % hashlib.sha256(data).hexdigest().encode()


def is_altered(data: bytes) -> bool:
    """Whether a record's text is not what was written, by its seal; False where it never had one."""
    sealed = _SEALED.search(data, max(0, len(data) - _SEAL_BYTES))
    if sealed is None:
        return False
    whole = hashlib.sha256(data[: sealed.start()] + _END).hexdigest()
    return whole.encode() != sealed.group(1) and guards.is_on("altered-records-are-told")


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read. ``facts`` is None for a record of another program, whose ``project`` alone counts.

    ``is_altered``: it can be understood, but is not what was written; what it says may be wrong.
    """

    title: str
    version: str
    facts: RecordFacts | None
    project: Mapping[str, Any]
    size_bytes: int
    file_count: int
    raw: Mapping[str, Any]
    is_altered: bool = False

    def entries(self) -> Iterator[FileEntry]:
        """Every file, link and empty folder, names checked. Raises UnsafeName and DestinationDamaged."""
        yield from _walk(self.project, "", self.title, is_portable=self.facts is not None)
        for kind, listed in ((EntryKind.LINK, "links"), (EntryKind.FOLDER, "empty_folders")):
            for row in (self.raw.get("etiket") or {}).get(listed) or ():
                try:
                    name, mtime_ns = str(row[0]), int(row[-1])
                    target = str(row[1]) if kind is EntryKind.LINK else None
                except (TypeError, ValueError, LookupError) as error:
                    raise _broken(record_name(self.title, self.version), f"its list of {listed} is wrong") from error
                checked_parts(name)
                yield FileEntry(name, kind, 0, mtime_ns, link_target=target)

    def blobs(self) -> dict[str, int]:
        """SHA-256 to size in bytes of every blob the record names. Raises UnsafeName and DestinationDamaged."""
        return {entry.sha256: entry.size_bytes for entry in self.entries() if entry.sha256 is not None}


def checked_parts(name: str) -> tuple[str, ...]:
    """The components of a portable name of a record, safe to join below a folder. Raises UnsafeName."""
    if guards.is_on("check-names"):
        return check_relative(name)
    return tuple(from_portable(name).split("/"))


def _walk(folder: Mapping[str, Any], above: str, title: str, *, is_portable: bool) -> Iterator[FileEntry]:
    waiting = [(folder, above)]
    while waiting:
        here, prefix = waiting.pop()
        for key, item in here.items():
            if key.startswith("/") or not isinstance(item, Mapping):
                continue
            part = key if is_portable else to_portable(key)
            name = f"{prefix}/{part}" if prefix else part
            match item.get("/item/"):
                case "Directory":
                    waiting.append((item, name))
                case "File" | "H5_File":
                    yield _file_entry(item, name, title)


def _file_entry(item: Mapping[str, Any], name: str, title: str) -> FileEntry:
    checked_parts(name)
    sha256 = item.get("/sha256/") or item.get("/bpid/")
    size_bytes = item.get("/bytes/")
    if sha256 is None and size_bytes == 0:
        sha256 = EMPTY_SHA256
    if not is_sha256(sha256) or not isinstance(size_bytes, int) or size_bytes < 0:
        raise DestinationDamaged(
            f"The record of {title} does not say which bytes belong to {name}.",
            advice="Send the dataset again, or restore the record from a backup of the archive.",
            path=name,
        )
    mtime_ns = item.get("/mtime_ns/")
    return FileEntry(
        name,
        EntryKind.FILE,
        size_bytes,
        mtime_ns if isinstance(mtime_ns, int) else 0,
        is_executable=bool(item.get("/executable/")),
        sha256=sha256,
    )


def _broken(path: str, why: str) -> DestinationDamaged:
    return DestinationDamaged(
        f"The record {path} cannot be understood: {why}.",
        advice="Restore it from a backup of the archive, or move it away: the dataset is then sent again.",
        path=path,
    )


def parse_record(data: bytes, path: str) -> Record:
    """The record in a file's bytes: JSON, or YAML as other programs write it. ``path`` is for the sentence.

    Raises DestinationDamaged where it is empty, torn or makes no sense.
    """
    value = _load(data, path)
    if not isinstance(value, dict):
        raise _broken(path, "it is not a mapping")
    title, version, project = value.get("title_versionless"), value.get("version"), value.get("project")
    if not isinstance(version, str) or not is_version(version):
        raise _broken(path, "it states no semantic version")
    if not isinstance(title, str):
        whole = value.get("title")
        if not isinstance(whole, str) or not whole.endswith(f"-v{version}"):
            raise _broken(path, "it states no title")
        title = whole[: -len(version) - 2]
    if not isinstance(project, dict):
        raise _broken(path, "it lists no files")
    own = value.get("etiket")
    try:
        facts = _facts(own, title, version) if isinstance(own, dict) else None
        size_bytes, file_count = (own["size_bytes"], own["file_count"]) if facts and own else _measure(project, title)
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"a part is missing or wrong ({type(error).__name__}: {error})") from error
    return Record(title, version, facts, project, int(size_bytes), int(file_count), value, is_altered(data))


def _load(data: bytes, path: str) -> object:
    if not data.strip():
        raise _broken(path, "it is empty")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    except ValueError as error:
        if data.startswith(b'{"title":'):
            raise _broken(path, f"it ends or breaks in the middle ({error})") from error
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if not _is_harmless(yaml.parse(data, Loader=loader)):
            raise _broken(path, "it is nested too deeply or repeats itself without end")
        return yaml.load(data, Loader=loader)  # noqa: S506 - a safe loader either way
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _broken(path, f"it is neither JSON nor YAML ({str(error).splitlines()[0]})") from error


def _is_harmless(events: Iterable[Any]) -> bool:
    """Whether YAML stays shallow and small when its aliases are written out.

    The loader of libyaml recurses in C: too deep a record ends the process, and a few aliases can stand for billions
    of values.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in events:
        anchor = getattr(event, "anchor", None)
        match type(event).__name__:
            case "MappingStartEvent" | "SequenceStartEvent":
                open_nodes.append((anchor, total))
                total += 1
            case "MappingEndEvent" | "SequenceEndEvent":
                opened, before = open_nodes.pop()
                if opened:
                    sizes[opened] = total - before
            case "AliasEvent":
                total += sizes.get(anchor or "", 1)
            case "ScalarEvent":
                total += 1
        if len(open_nodes) > _MAX_NESTING or total > _MAX_VALUES:
            return False
    return True


def _facts(own: Mapping[str, Any], title: str, version: str) -> RecordFacts:
    if own["format"] != FORMAT:
        raise ValueError(f"format {own['format']} is newer than this program")
    return RecordFacts(
        title=title,
        version=version,
        digest=str(own["digest"]),
        published_ns=int(own["published_ns"]),
        is_provisional=bool(own["provisional"]),
        scope=str(own["scope"]),
        reference=DatasetReference.from_json(own["reference"]),
        description=Description.from_json(own["description"]),
        browse=str(own["browse"]),
        agent=str(own["agent"]),
        host=str(own["host"]),
    )


def _measure(project: Mapping[str, Any], title: str) -> tuple[int, int]:
    sizes = [entry.size_bytes for entry in _walk(project, "", title, is_portable=False)]
    return sum(sizes), len(sizes)
