"""What a folder tree holds at one moment, byte for byte, and how two such moments differ."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a tree. Times in ns; ``content`` is a SHA-256, a link's target, or "" for everything else."""

    kind: str
    mode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int
    content: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A tree at one moment; names are relative, the root itself is "."."""

    root: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Every name in the tree."""
        return set(self.entries)

    def files(self) -> dict[str, str]:
        """Name to SHA-256 of every regular file."""
        return {name: entry.content for name, entry in self.entries.items() if entry.kind == "file"}


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Lower-case hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(path: str) -> Entry:
    seen = os.lstat(path)
    content = ""
    if stat.S_ISLNK(seen.st_mode):
        kind, content = "link", os.readlink(path)
    elif stat.S_ISDIR(seen.st_mode):
        kind = "folder"
    elif stat.S_ISREG(seen.st_mode):
        kind = "file"
        try:
            content = sha256_of(path)
        except PermissionError:
            content = "may not be read"
    else:
        kind = "special"
    size_bytes = seen.st_size if kind == "file" else 0
    mode = stat.S_IMODE(seen.st_mode)
    return Entry(kind, mode, size_bytes, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_nlink, content)


def take_manifest(root: str | os.PathLike[str], *, without: Iterable[str | os.PathLike[str]] = ()) -> Manifest:
    """Read a whole tree; ``without`` are folders (absolute) that are left out together with everything below."""
    top = os.path.abspath(root)
    left_out = {os.path.abspath(folder) for folder in without}
    entries: dict[str, Entry] = {".": _entry(top)} if os.path.lexists(top) else {}
    waiting = [top] if os.path.isdir(top) else []
    while waiting:
        here = waiting.pop()
        try:
            names = os.listdir(here)
        except PermissionError:
            continue
        for name in names:
            path = os.path.join(here, name)
            if path in left_out:
                continue
            entry = _entry(path)
            entries[os.path.relpath(path, top)] = entry
            if entry.kind == "folder":
                waiting.append(path)
    return Manifest(Path(top), entries)


#: What must be equal for a source to count as untouched. The link count tells of hard links made to a source file.
UNTOUCHED = ("kind", "mode", "size_bytes", "mtime_ns", "ctime_ns", "inode", "links", "content")
#: What a restore brings back.
RESTORED = ("kind", "size_bytes", "content")


def differences(before: Manifest, after: Manifest, *, parts: Iterable[str] = UNTOUCHED) -> list[str]:
    """Sentences about everything that appeared, disappeared or changed."""
    sentences = [f"{name} appeared" for name in sorted(after.names() - before.names())]
    sentences += [f"{name} disappeared" for name in sorted(before.names() - after.names())]
    for name in sorted(before.names() & after.names()):
        old, new = before.entries[name], after.entries[name]
        sentences += [
            f"{name}: {part} was {getattr(old, part)!r} and is {getattr(new, part)!r}"
            for part in parts
            if getattr(old, part) != getattr(new, part)
        ]
    return sentences


def changes_since(before: Manifest, *, without: Iterable[str | os.PathLike[str]] = ()) -> list[str]:
    """What changed in that tree until now."""
    return differences(before, take_manifest(before.root, without=without))
