"""Where everything lies in a folder archive: names of folders, titles, records and blobs, and the checks they pass."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etiket_gui.domain.errors import NameTooLong, UnsafeName
from etiket_gui.domain.names import is_windows_safe

MARKER = ".rmearchive"
MARKER_TEXT = b"# A folder archive of measurements. Please do not move or edit what is in here.\n"
OWN = ".etiket"
IDENTITY = ".etiket/archive.json"
SOURCES = ".etiket/sources"
TITLES = ".etiket/titles"
STAGING = ".etiket/tmp"
QUARANTINE = ".etiket/quarantine"
LOCKS = ".etiket/locks"
BROWSE = "browse"
BLOBS = "blobs"
DEFAULT_WORKSPACE = "Global Public Workspace"

#: The folders of our own that an archive has from its creation on, parents first.
OWN_FOLDERS = (OWN, SOURCES, TITLES, STAGING, QUARANTINE, LOCKS)

_MAX_SLUG = 60
_MAX_COMPONENT_BYTES = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STAGING = re.compile(rf"({_UUID})-([0-9a-f]{{12}})")
_UUID_EXACT = re.compile(_UUID)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?!\d)")
_UNSHOWN = re.compile('[<>:"/\\\\|?*\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ArchiveLayout:
    """The paths of one archive. ``root`` is absolute; every other path is relative to it and ``/``-separated."""

    root: str
    default_workspace: str = DEFAULT_WORKSPACE

    def absolute(self, relative: str) -> str:
        """The path on this machine of a relative path of the archive."""
        return os.path.join(self.root, *relative.split("/")) if relative else self.root

    def workspace(self, scope: str) -> str:
        """The workspace folder of a scope ("" is the default). Raises UnsafeName and NameTooLong."""
        return check_workspace(scope or self.default_workspace)


def check_component(name: str) -> str:
    """The name itself, when it may be one folder or file name on every operating system.

    Raises UnsafeName for a separator, ``..``, a hidden or reserved name, and NameTooLong above 255 bytes.
    """
    if not name:
        raise UnsafeName(name, "it is empty")
    if name.startswith("."):
        raise UnsafeName(name, "it starts with a dot, which the archive keeps for itself")
    if name[0] == " " or not is_windows_safe(name) or "\x7f" in name:
        raise UnsafeName(name, "it cannot be the name of one folder on every operating system")
    try:
        length_bytes = len(name.encode())
    except UnicodeEncodeError as error:
        raise UnsafeName(name, "it is not text") from error
    if length_bytes > _MAX_COMPONENT_BYTES:
        raise NameTooLong(f"The name {name!r} has {length_bytes} bytes; a folder archive can hold 255.", path=name)
    return name


def check_workspace(name: str) -> str:
    """The name itself, when it may be a workspace. Raises UnsafeName and NameTooLong."""
    check_component(name)
    if name.casefold() == BROWSE:
        raise UnsafeName(name, "the archive keeps that folder for its browsable tree")
    return name


def join_remote(workspace: str, title: str) -> str:
    """The archive's identity of a dataset: ``<workspace>/<title>``."""
    return f"{workspace}/{title}"


def split_remote(remote: str) -> tuple[str, str]:
    """(workspace, title) of a remote, checked before anything is joined. Raises UnsafeName and NameTooLong."""
    workspace, separator, title = remote.partition("/")
    if not separator:
        raise UnsafeName(remote, "it does not name a workspace and a title")
    return check_workspace(workspace), check_component(title)


def check_uuid(uuid: str) -> str:
    """The uuid itself, when it may be part of a path. Raises UnsafeName."""
    if _UUID_EXACT.fullmatch(uuid) is None:
        raise UnsafeName(uuid, "it is not a uuid in lower case")
    return uuid


def slug_of(name: str) -> str:
    """A name for a title: ``[a-z0-9-]``, starting with a letter, at most 60 characters, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if slug and not slug[0].isalpha():
        slug = f"d-{slug}"
    return slug[:_MAX_SLUG].rstrip("-") or "dataset"


def title_of(uuid: str, name: str, *, attempt: int = 1) -> str:
    """The title of a dataset first published under that name; ``attempt`` > 1 evades a foreign folder."""
    title = f"{slug_of(name)}-{uuid_tail(uuid)}"
    return title if attempt == 1 else f"{title}-{attempt}"


def uuid_tail(uuid: str) -> str:
    """The 12 hex digits by which a title names its dataset. Raises UnsafeName."""
    return check_uuid(uuid).replace("-", "")[:12]


def title_folder(workspace: str, title: str) -> str:
    """The folder that holds the records and blobs of a title."""
    return f"{workspace}/{title}"


def record_name(title: str, version: str) -> str:
    """The file name of a record."""
    return f"{title}-v{version}.yml"


def version_in_name(title: str, file_name: str) -> str | None:
    """The text between ``<title>-v`` and ``.yml``, or None where the file is no record of this title."""
    if file_name.startswith(f"{title}-v") and file_name.endswith(".yml"):
        return file_name[len(title) + 2 : -4]
    return None


def is_sha256(text: object) -> bool:
    """Whether this is a lower-case hex SHA-256, and so may be part of a path."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def blob_in_title(sha256: str) -> str:
    """The path of a blob inside its title folder. Raises UnsafeName for anything but a SHA-256."""
    if not is_sha256(sha256):
        raise UnsafeName(str(sha256), "it is not a SHA-256 in lower-case hex")
    return f"{BLOBS}/{sha256[:2]}/{sha256}"


def blob_path(workspace: str, title: str, sha256: str) -> str:
    """The path of a blob. Raises UnsafeName for anything but a SHA-256."""
    return f"{workspace}/{title}/{blob_in_title(sha256)}"


def pointer_path(uuid: str, workspace: str) -> str:
    """The file that decides which title a dataset has in a workspace. Raises UnsafeName."""
    short = hashlib.sha256(workspace.encode()).hexdigest()[:12]
    return f"{TITLES}/{check_uuid(uuid)[:2]}/{uuid}@{short}"


def pointer_text(workspace: str, title: str) -> bytes:
    """The content of a title pointer."""
    return f"{workspace}\n{title}".encode()


def parse_pointer(data: bytes, workspace: str) -> str | None:
    """The title a pointer names, or None where its content is torn or is about another workspace."""
    try:
        named, separator, title = data.decode().partition("\n")
        if not separator or named != workspace:
            return None
        return check_component(title)
    except (UnicodeDecodeError, UnsafeName, NameTooLong):
        return None


def source_path(uuid: str) -> str:
    """The file that remembers a source. Raises UnsafeName."""
    return f"{SOURCES}/{check_uuid(uuid)}.json"


def staging_name(agent: str, number: int) -> str:
    """The name of a temporary folder: whose it is, and a number below 2**48."""
    return f"{check_uuid(agent)}-{number:012x}"


def staging_owner(name: str) -> str | None:
    """The agent uuid in the name of a temporary, or None where the name is not exactly of our pattern."""
    match = _STAGING.fullmatch(name)
    return match.group(1) if match else None


def safe_component(name: str, *, fallback: str = "_") -> str:
    """A name of one folder made for people to browse: safe on every system, at most 120 characters, not reversible."""
    shown = _UNSHOWN.sub("_", name.encode("utf-8", "replace").decode()).strip()[:120]
    while len(shown.encode()) > 200:
        shown = shown[:-1]
    shown = shown.rstrip(". ")
    if not shown:
        return fallback
    if shown.startswith(".") or not is_windows_safe(shown):
        shown = f"_{shown}"
    return shown


def browse_path(source_name: str, name: str, collected: str | None, earliest_ns: int) -> str:
    """The browsable folder of a dataset: ``browse/<source>/<year>/<date>/<dataset>``.

    The date is that of ``collected`` (ISO 8601 text) and, without one, that of ``earliest_ns`` (ns since 1970 UTC)
    in the laboratory's time. Two datasets of one day may share the path; whoever makes the second one's folder
    adds `` -2`` and so on.
    """
    found = _DATE.match(collected) if collected else None
    if found:
        year, day = found.group(1), found.group()
    else:
        try:
            moment = (_EPOCH + timedelta(microseconds=earliest_ns // 1000)).astimezone()
        except (OverflowError, OSError, ValueError):
            moment = _EPOCH
        year, day = f"{moment.year:04d}", moment.date().isoformat()
    return f"{BROWSE}/{safe_component(source_name)}/{year}/{day}/{safe_component(name)}"
