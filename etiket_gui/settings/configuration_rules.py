"""The rules a configuration must keep, as pure checks on plain values: names, scopes, places, one source per share.

Whoever configures (command line, window) knows the plug-ins and passes what they say; nothing is loaded here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from etiket_gui.domain import guards
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.names import display, from_portable, to_portable
from etiket_gui.domain.states import ScopePolicy

LONGEST_NAME = 80
_PLACE_KEY = re.compile(r"(?:^|_)(?:directory|path|folder|root)$")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file that a source reads or a destination writes; ``path`` is as the operating system wants it.

    ``kind`` is ``source`` or ``destination``.
    """

    kind: str
    name: str
    path: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name} ({display(to_portable(self.path))})"


class WrittenSource(Protocol):
    """What a destination wrote down of a source; the plug-ins' StoredSource is one."""

    @property
    def uuid(self) -> str:
        """The source's uuid."""

    @property
    def name(self) -> str:
        """Its name on the machine that wrote it."""

    @property
    def backend(self) -> str:
        """The backend that reads it."""

    @property
    def host(self) -> str:
        """The machine that wrote it."""

    @property
    def root(self) -> str:
        """Where it lay there."""

    @property
    def share(self) -> str:
        """The network share it lay on, empty on a local disk."""

    @property
    def root_place(self) -> str:
        """``device:inode`` of its root there, empty where unknown."""


class Kinship(Enum):
    """How a source that is to be added relates to one that a destination knows."""

    SAME = "same"
    MAYBE = "maybe"
    OTHER = "other"


def check_name(kind: str, name: str) -> str:
    """The name, when a source or destination (``kind``) may be called so. Raises UsageError with the reason."""
    why = ""
    if not name or name != name.strip():
        why = "is empty or begins or ends with a space"
    elif len(name) > LONGEST_NAME:
        why = f"is longer than {LONGEST_NAME} characters"
    elif not name.isprintable():
        why = "has a character that cannot be shown"
    elif name.startswith("-"):
        why = "begins with a dash, like an option"
    elif set(name) & set(":=/\\"):
        why = "has one of the characters : = / \\"
    if why:
        raise UsageError(f"The name {display(name)!r} of a {kind} {why}. Choose another, for example: lab-{kind}")
    return name


def check_scopes(backend: str, policy: ScopePolicy, routes: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError when a route lacks the scope that the backend requires, or names one that it does not allow."""
    for destination, scope in routes:
        if policy is ScopePolicy.REQUIRED and not scope:
            raise UsageError(
                f"A source of the backend {backend} needs a scope at {destination}. Write --to {destination}:SCOPE"
            )
        if policy is ScopePolicy.DISABLED and scope:
            raise UsageError(
                f"The backend {backend} takes the scope from each dataset, so none can be given. "
                f"Write --to {destination}"
            )
        if scope != scope.strip() or not scope.isprintable():
            raise UsageError(f"The scope {display(scope)!r} begins or ends with a space, or cannot be shown.")


def places_of(kind: str, name: str, config: Mapping[str, Any]) -> tuple[Place, ...]:
    """The places in a configuration: absolute paths under keys that end in directory, path, folder or root."""
    return tuple(
        Place(kind, name, from_portable(value))
        for key, value in config.items()
        if isinstance(value, str) and os.path.isabs(value) and _PLACE_KEY.search(key)
    )


def check_places_apart(new: Sequence[Place], present: Iterable[Place], *, follows_links: bool) -> None:
    """Raise UsageError when a new place lies in a present one, or holds one.

    A dataset would be sent twice, or an archive would archive itself for ever. Two destinations may not share a
    folder, too. ``follows_links`` compares what the paths lead to, which touches the file system.
    """
    if not guards.is_on("places-apart"):
        return
    for place in new:
        for other in present:
            relation = _relation(place.path, other.path, follows_links=follows_links)
            if relation:
                raise UsageError(_refusal(place, other, relation))


def _relation(new: str, other: str, *, follows_links: bool) -> str:
    for text in (os.path.abspath, os.path.realpath) if follows_links else (os.path.abspath,):
        new_path, other_path = os.path.normcase(text(new)), os.path.normcase(text(other))
        if new_path == other_path:
            return "same"
        if _is_below(new_path, other_path):
            return "inside"
        if _is_below(other_path, new_path):
            return "around"
    if follows_links:
        return _relation_by_identity(new, other)
    return ""


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _relation_by_identity(new: str, other: str) -> str:
    """What ``st_dev`` and ``st_ino`` say: finds bind mounts and names that differ only in case."""
    new_line, other_line = _identities(new), _identities(other)
    if new_line and other_line and new_line[0] == other_line[0]:
        return "same"
    if other_line and other_line[0] in new_line:
        return "inside"
    if new_line and new_line[0] in other_line:
        return "around"
    return ""


def _identities(path: str) -> list[tuple[int, int]]:
    """Device and inode of the path and each folder above it; empty where the path does not exist."""
    line: list[tuple[int, int]] = []
    path = os.path.realpath(path)
    while True:
        try:
            status = os.stat(path)
        except OSError:
            return line
        if status.st_ino == 0:
            return []
        line.append((status.st_dev, status.st_ino))
        above = os.path.dirname(path)
        if above == path:
            return line
        path = above


def _refusal(new: Place, other: Place, relation: str) -> str:
    path = display(to_portable(new.path))
    match new.kind, other.kind, relation:
        case ("source", "source", "same"):
            return f"{path} is already {other}."
        case ("source", "source", "inside"):
            return f"{path} lies inside {other}, so its datasets would be archived twice."
        case ("source", "source", _):
            return f"{path} holds {other}, so its datasets would be archived twice."
        case ("source", "destination", "same" | "inside"):
            return f"{path} lies inside {other}, so the archive would archive itself. Choose the original folder."
        case ("source", "destination", _):
            return (
                f"{path} holds {other}, so the archive would archive itself. Move the archive out of the source, "
                "or add the folders beside it one by one."
            )
        case ("destination", "source", "same" | "inside"):
            return (
                f"{path} lies inside {other}: nothing is ever written into a source, and the archive would "
                "archive itself. Choose a folder outside of it."
            )
        case ("destination", "source", _):
            return f"{path} holds {other}, so the archive would archive itself. Choose a folder of its own."
        case (_, _, "same"):
            return f"{path} is already {other}."
        case _:
            return f"{path} and {other} lie inside each other. Choose a folder of its own for each archive."


def kinship(stored: WrittenSource, *, backend: str, host: str, root: str, share: str, root_place: str) -> Kinship:
    """How a source that is to be added relates to one written down at a destination.

    SAME: this machine wrote it for this very root. MAYBE: the same network share, or the same folder by its
    ``device:inode``, from another machine or from another path of this one; a person must say which. Two machines
    may well number their own disks alike, so from another machine the folder's own name must be the same, too.
    """
    if not guards.is_on("one-source-per-share") or stored.backend != backend:
        return Kinship.OTHER
    is_here = stored.host.casefold() == host.casefold()
    same_root = _normal_root(stored.root) == _normal_root(root)
    if is_here and same_root:
        return Kinship.SAME
    same_share = bool(share) and stored.share.casefold() == share.casefold()
    same_place = bool(root_place) and stored.root_place == root_place
    if same_share or (same_place and (is_here or _own_name(stored.root) == _own_name(root))):
        return Kinship.MAYBE
    return Kinship.OTHER


def _own_name(root: str) -> str:
    return root.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()


def _normal_root(root: str) -> str:
    return os.path.normcase(os.path.normpath(root)) if os.path.isabs(root) else root
