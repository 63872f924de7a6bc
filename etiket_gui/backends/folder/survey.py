"""One dataset folder as its directory entries show it: the cheap fingerprint, and the exact list of what is in it.

Opens no file. Symbolic links are entries and never followed; sockets, pipes and devices are counted and left alone.
"""

from __future__ import annotations

import errno
import operator
import os
import stat
import sys
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.backends.directories import leads_elsewhere
from etiket_gui.backends.folder.description import FILE_NAME
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken

_MASK = (1 << 64) - 1
_SIGN = 1 << 63
_LARGEST = (1 << 63) - 1
_COUNT_WEIGHT = 0x9E3779B97F4A7C15
_SPECIAL = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
#: With content, these are a part of the database beside them.
DATABASE_COMPANIONS = ("-wal", "-journal")


@dataclass(frozen=True, slots=True)
class FileSystemTraits:
    """What a file system's directory entries can be trusted for.

    ``has_stable_inodes``: the same file has the same inode after the next mount. ``renames_move_ctime``: a renamed
    file gets a new change time; where not, names enter the fingerprint. ``device`` stands for the volume in places.
    """

    has_stable_inodes: bool = True
    renames_move_ctime: bool = True
    device: str = ""


@dataclass(slots=True)
class Surveyed:
    """An entry with its stat and, for a link, its target as portable text."""

    name: str
    path: str
    kind: EntryKind
    status: os.stat_result
    link_target: str | None = None


@dataclass(slots=True)
class Survey:
    """Everything one look at a dataset folder found.

    ``entries`` are what would be sent, sorted by name; ``is_empty`` when no file and no link is among them, and
    ``file_count`` and ``size_bytes`` count the files alone. ``newest_ns`` is the newest modification or change time of
    the entries and the newest modification time of the folders. ``unreadable`` are (path, error) pairs, ``skipped``
    counts special files by kind. ``described_by`` is the description file, also where a rule leaves it out.
    """

    fingerprint: int
    entries: list[Surveyed] = field(default_factory=list)
    size_bytes: int = 0
    file_count: int = 0
    is_empty: bool = True
    newest_ns: int = 0
    unreadable: list[tuple[str, OSError]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    described_by: os.stat_result | None = None


class Surveyor:
    """Looks at dataset folders of one source. Not thread-safe: one backend, one thread.

    ``number`` is added to every fingerprint, so that a change of the rules moves them all.
    """

    def __init__(self, traits: FileSystemTraits, rules: IgnoreRules) -> None:
        self.traits = traits
        self.rules = rules
        self.key = _fingerprint_key(traits)
        self.with_names = not traits.renames_move_ctime
        self.start = rules.number() if guards.is_on("rules-in-fingerprint") else 0
        self.follow = not guards.is_on("links-are-entries")
        # Two hard links to one file would cancel each other out in an exclusive or.
        self.fold = operator.add if guards.is_on("sum-not-xor") else operator.xor

    def fingerprint(self, path: str, stop: StopToken) -> int | None:
        """The fingerprint of a folder and everything below, or None where only :meth:`survey` can tell.

        The one loop that runs over every unchanged file of a source: it makes no list and looks at no name.
        """
        if self.fold is not operator.add:
            return None
        total = self.start
        count = 0
        key = self.key
        with_names = self.with_names
        follow = self.follow
        scandir = os.scandir
        is_stopped = stop.check
        crc32 = zlib.crc32
        fsencode = os.fsencode
        folders = [path]
        try:
            while folders:
                is_stopped()
                with scandir(folders.pop()) as entries:
                    for entry in entries:
                        if not entry.is_file(follow_symlinks=follow):
                            if entry.is_dir(follow_symlinks=follow):
                                if sys.platform == "win32" and leads_elsewhere(entry):
                                    return None
                                folders.append(entry.path)
                            elif not entry.is_symlink():
                                return None
                        total += hash(key(entry.stat(follow_symlinks=follow)))
                        count += 1
                        if with_names:
                            total += crc32(fsencode(entry.name))
        except OSError:
            return None
        return _signed(total + count * _COUNT_WEIGHT)

    def survey(self, path: str, rules: IgnoreRules, stop: StopToken) -> Survey:
        """The exact content of a folder. Raises OSError when the folder itself cannot be listed."""
        return _SurveyWalk(self, rules, stop).run(path)

    def file_entry(self, item: Surveyed) -> FileEntry:
        """The entry as the manifest keeps it; numbers fit a signed 64-bit integer."""
        status = item.status
        is_file = item.kind is EntryKind.FILE
        return FileEntry(
            name=item.name,
            kind=item.kind,
            size_bytes=status.st_size if is_file else 0,
            mtime_ns=_bounded(status.st_mtime_ns),
            ctime_ns=_bounded(status.st_ctime_ns),
            inode=status.st_ino & _LARGEST if self.traits.has_stable_inodes else 0,
            is_executable=is_file and sys.platform != "win32" and bool(status.st_mode & stat.S_IXUSR),
            link_target=item.link_target,
        )

    def place(self, status: os.stat_result, device: str = "") -> str:
        """What identifies a folder across a rename: "device:inode", empty where there is nothing to go by."""
        if not status.st_ino or not self.traits.has_stable_inodes or not guards.is_on("place"):
            return ""
        return f"{device or status.st_dev}:{status.st_ino}"


class _SurveyWalk:
    """One run of :meth:`Surveyor.survey`."""

    def __init__(self, surveyor: Surveyor, rules: IgnoreRules, stop: StopToken) -> None:
        self._surveyor = surveyor
        self._rules = rules
        self._check_stop = stop.check if guards.is_on("stop-is-asked") else _never
        self._total = surveyor.start
        self._count = 0
        self._survey = Survey(0)
        self._to_portable = to_portable if guards.is_on("exact-names") else _careless_name
        self._follow = surveyor.follow
        self._keeps_special_out = guards.is_on("special-files")
        self._keeps_empty_files = guards.is_on("empty-files")

    def run(self, path: str) -> Survey:
        survey = self._survey
        survey.newest_ns = os.stat(path).st_mtime_ns
        folders: list[tuple[str, str, bool, os.stat_result | None]] = [(path, "", False, None)]
        parents: dict[str, tuple[str, os.stat_result]] = {}
        occupied: set[str] = set()
        while folders:
            self._check_stop()
            folder, prefix, is_ignored, status = folders.pop()
            if status is not None and not is_ignored:
                parents[prefix] = (folder, status)
            try:
                with os.scandir(folder) as listing:
                    found = (self._take(entry, prefix, is_ignored) for entry in listing)
                    folders.extend(below for below in found if below is not None)
            except OSError as error:
                if status is None:
                    raise
                if error.errno != errno.ENOENT:
                    survey.unreadable.append((folder, error))
                    occupied.add(prefix)
        self._keep_empty_folders(parents, occupied)
        survey.entries.sort(key=operator.attrgetter("name"))
        survey.fingerprint = _signed(self._total + self._count * _COUNT_WEIGHT)
        survey.newest_ns = _bounded(survey.newest_ns)
        return survey

    def _take(
        self, entry: os.DirEntry[str], prefix: str, is_ignored: bool
    ) -> tuple[str, str, bool, os.stat_result] | None:
        """Note one entry; returns the folder to walk next when it is one."""
        survey = self._survey
        try:
            status = entry.stat(follow_symlinks=self._follow)
            kind = self._kind(entry, status)
            target = to_portable(os.readlink(entry.path)) if kind is EntryKind.LINK else None
        except OSError as error:
            if error.errno != errno.ENOENT:
                survey.unreadable.append((entry.path, error))
            return None
        if kind is None:
            name = next((name for test, name in _SPECIAL if test(status.st_mode)), "special file")
            survey.skipped[name] = survey.skipped.get(name, 0) + 1
            return None
        self._count += 1
        self._total = self._surveyor.fold(self._total, hash(self._surveyor.key(status)))
        if self._surveyor.with_names:
            self._total += zlib.crc32(os.fsencode(entry.name))
        if self._count % 256 == 0:
            self._check_stop()
        name = prefix + self._to_portable(entry.name)
        if kind is EntryKind.FOLDER:
            is_ignored = is_ignored or self._rules.matches_folder(name)
            if not is_ignored:
                survey.newest_ns = max(survey.newest_ns, status.st_mtime_ns)
            return entry.path, f"{name}/", is_ignored, status
        if name == FILE_NAME and kind is EntryKind.FILE:
            survey.described_by = status
        if is_ignored or (self._rules.matches(name) and not self._completes_database(entry, name, status)):
            return None
        if not status.st_size and not self._keeps_empty_files:
            return None
        survey.entries.append(Surveyed(name, entry.path, kind, status, target))
        survey.newest_ns = max(survey.newest_ns, status.st_mtime_ns, status.st_ctime_ns)
        survey.is_empty = False
        if kind is EntryKind.FILE:
            survey.file_count += 1
            survey.size_bytes += status.st_size
        return None

    def _completes_database(self, entry: os.DirEntry[str], name: str, status: os.stat_result) -> bool:
        """Whether this is the -wal or -journal, with content, of a database that is sent: it is broken without it."""
        for ending in DATABASE_COMPANIONS:
            if name.endswith(ending) and status.st_size and stat.S_ISREG(status.st_mode):
                database = entry.path.removesuffix(ending)
                is_sent = os.path.isfile(database) and not self._rules.matches(name.removesuffix(ending))
                return is_sent and guards.is_on("database-pair")
        return False

    def _kind(self, entry: os.DirEntry[str], status: os.stat_result) -> EntryKind | None:
        mode = status.st_mode
        if stat.S_ISLNK(mode) or (sys.platform == "win32" and leads_elsewhere(entry)):
            return EntryKind.LINK
        if stat.S_ISDIR(mode):
            return EntryKind.FOLDER
        return EntryKind.FILE if stat.S_ISREG(mode) or not self._keeps_special_out else None

    def _keep_empty_folders(self, parents: dict[str, tuple[str, os.stat_result]], occupied: set[str]) -> None:
        """Add the folders in which nothing is sent as entries of their own; the folders above them are implied."""
        for item in self._survey.entries:
            occupied.add(item.name.rpartition("/")[0] + "/")
        for prefix in sorted(parents, key=len, reverse=True):
            if prefix not in occupied:
                folder, status = parents[prefix]
                self._survey.entries.append(Surveyed(prefix[:-1], folder, EntryKind.FOLDER, status))
            occupied.add(prefix[:-1].rpartition("/")[0] + "/")


def is_same_manifest(before: Sequence[FileEntry], now: Sequence[FileEntry]) -> bool:
    """Whether nothing that matters changed. An empty manifest is no proof of anything."""
    if not before or len(before) != len(now):
        return False
    by_name = guards.is_on("manifest-by-name")
    return sorted(_comparable(entry, by_name) for entry in before) == sorted(
        _comparable(entry, by_name) for entry in now
    )


def is_same_file(before: os.stat_result | None, now: os.stat_result | None) -> bool:
    """Whether two looks at a file's directory entry saw the same content, or both saw none."""
    if before is None or now is None:
        return before is now
    return (before.st_size, before.st_mtime_ns) == (now.st_size, now.st_mtime_ns)


def _comparable(entry: FileEntry, by_name: bool) -> tuple[Any, ...]:
    name = entry.name if by_name else ""
    if entry.kind is EntryKind.FOLDER:
        # A folder's own times move with files that are left out.
        return name, entry.kind.value, 0, 0, 0, 0, ""
    return (
        name, entry.kind.value, entry.size_bytes, entry.mtime_ns, entry.ctime_ns, entry.inode, entry.link_target or "",
    )  # fmt: skip


def _fingerprint_key(traits: FileSystemTraits) -> Callable[[os.stat_result], Any]:
    if not guards.is_on("fingerprint"):
        return operator.attrgetter("st_dev")
    names = ["st_size", "st_mtime_ns"]
    if guards.is_on("change-time"):
        names.append("st_ctime_ns")
    if traits.has_stable_inodes:
        names.append("st_ino")
    return operator.attrgetter(*names)


def _never() -> None:
    return None


def _careless_name(name: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def _signed(number: int) -> int:
    number &= _MASK
    return number - (1 << 64) if number & _SIGN else number


def _bounded(number: int) -> int:
    """A time that the store can hold; the year 2262 is as good as any later one."""
    if not guards.is_on("bounded-times"):
        return number
    return max(-_LARGEST, min(_LARGEST, number))
