"""Which log lies in which file of a log directory, found with as few openings as possible."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from etiket_gui.backends.directories import leads_elsewhere, signed_64
from etiket_gui.backends.directory_scan import Walk
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.backends.folder.levels import ARCHIVE_MARK
from etiket_gui.backends.labber.logfile import BROKEN, ENDING, FileKey, LogHead, NotALog, log_heads, open_log_file
from etiket_gui.domain.errors import EtiketError, SourceChanged, SourceGone, SourceOffline
from etiket_gui.domain.names import check_relative, to_portable
from etiket_gui.domain.stopping import StopToken

_NUMBER_WEIGHT = 0x9E3779B97F4A7C15
_REMEMBERED_FILES = 200_000


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that may hold logs: its portable name below the root, its path and its directory entry."""

    name: str
    path: str
    status: os.stat_result

    @property
    def key(self) -> FileKey:
        """What tells that it is still the same."""
        return FileKey.of(self.status)


def log_files(root: str, rules: IgnoreRules, walk: Walk, stop: StopToken, below: str = "") -> Iterator[LogFile]:
    """Every file below the root that may hold logs, in a stable order. Raises OSError for the root alone."""
    waiting = [(below, os.path.join(root, *below.split("/")) if below else root)]
    while waiting:
        stop.check()
        prefix, folder = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                walk.hide(prefix, folder, error)
            continue
        folders = []
        for entry in entries:
            plain = to_portable(entry.name)
            name = f"{prefix}/{plain}" if prefix else plain
            if entry.is_dir(follow_symlinks=False):
                if leads_elsewhere(entry):
                    walk.skip("link to another folder")
                elif rules.matches_level_folder(plain):
                    walk.skip("ignored folder")
                elif os.path.lexists(os.path.join(entry.path, ARCHIVE_MARK)):
                    walk.skip("archive")
                else:
                    folders.append((name, entry.path))
            elif rules.matches(plain):
                continue
            elif not entry.is_file(follow_symlinks=False) or not plain.lower().endswith(ENDING):
                walk.stray_files += 1
            else:
                try:
                    yield LogFile(name, entry.path, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
        waiting.extend(reversed(folders))


class LogIndex:
    """The logs of the files of one root, as far as they were opened; a file is opened again when it changed.

    ``is_inode_stable`` says whether a file keeps its inode number, so that it may count in fingerprints.
    ``source_uuid`` stands in the identifiers of logs that do not say themselves when they were made.
    """

    def __init__(self, root: str, rules: IgnoreRules, source_uuid: str, *, is_inode_stable: bool) -> None:
        self.root = root
        self._rules = rules
        self._source_uuid = source_uuid
        self._is_inode_stable = is_inode_stable
        self._heads: dict[str, tuple[FileKey, list[LogHead] | NotALog]] = {}
        self.places: dict[str, str] = {}

    def fingerprint(self, file: LogFile, position: int, *, has_own_name: bool) -> int:
        """The fingerprint of one log of a file, by its place among them: it moves with the file.

        ``has_own_name``: the log says itself who it is, and a new name of its file is a change. Another log is known
        by its file, which may be renamed without becoming another one.
        """
        status = file.status
        parts = [int(has_own_name), status.st_size, status.st_mtime_ns]
        if has_own_name:
            parts += [status.st_ctime_ns, zlib.crc32(os.fsencode(file.path))]
        if self._is_inode_stable:
            parts.append(status.st_ino)
        return signed_64(hash(tuple(parts)) + position * _NUMBER_WEIGHT)

    def identifier(self, file_name: str, head: LogHead) -> str:
        """The identifier of a log in a file of that name."""
        return head.identifier or f"{self._source_uuid}:{file_name}:{head.number}"

    def heads(self, file: LogFile, stop: StopToken) -> list[LogHead]:
        """The logs of a file. Raises NotALog, SourceChanged while it is written, and the known source failures."""
        kept = self._heads.get(file.name)
        if kept is None or kept[0] != file.key:
            kept = self._opened(file, stop)
            if len(self._heads) > _REMEMBERED_FILES:
                self._heads.clear()
            self._heads[file.name] = kept
        if isinstance(kept[1], NotALog):
            raise kept[1]
        return kept[1]

    def _opened(self, file: LogFile, stop: StopToken) -> tuple[FileKey, list[LogHead] | NotALog]:
        try:
            with open_log_file(file.path, stop) as (opened, key):
                try:
                    heads = log_heads(opened, file.path)
                except NotALog as error:
                    return key, error
                for head in heads:
                    # A copy that is opened later is not where the log lies; the look that compares them decides.
                    self.places.setdefault(self.identifier(file.name, head), file.name)
                return key, heads
        except NotALog as error:
            return file.key, error
        except EtiketError:
            raise
        except BROKEN as error:
            raise SourceChanged(f"{file.path} is being written: {error}.", path=file.path) from error

    def file_at(self, name: str) -> LogFile | None:
        """The file of that portable name, or None. Raises OSError where that cannot be told."""
        path = os.path.join(self.root, *check_relative(name))
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return LogFile(name, path, status) if stat.S_ISREG(status.st_mode) else None

    def find(self, identifier: str, stop: StopToken) -> tuple[LogFile, LogHead]:
        """The file and the log of an identifier: where it was last, then by the log's name, then anywhere.

        Raises SourceGone, SourceOffline, SourceChanged while it is written, and OSError.
        """
        prefix = f"{self._source_uuid}:"
        if identifier.startswith(prefix):
            name = identifier[len(prefix) :].rpartition(":")[0]
        else:
            name = self.places.get(identifier, "")
        changed: SourceChanged | None = None
        if name:
            file = self.file_at(name)
            if file is not None:
                try:
                    head = self._in(file, identifier, stop)
                except SourceChanged as error:
                    head, changed = None, error
                if head is not None:
                    return file, head
        if changed is not None:
            raise changed
        stem = identifier.split("/", 1)[-1].rpartition("/")[0].lower()
        files = sorted(
            log_files(self.root, self._rules, Walk(), stop),
            key=lambda file: _stem(file.name) != stem,
        )
        found: list[tuple[LogFile, LogHead]] = []
        for file in files:
            if found and _stem(file.name) != stem:
                break
            try:
                head = self._in(file, identifier, stop)
            except SourceChanged as error:
                changed = error
                continue
            except SourceOffline:
                raise
            except EtiketError:
                # Another file's trouble is told when that file is looked at.
                continue
            if head is not None:
                found.append((file, head))
        if found:
            best = max(found, key=lambda item: (item[0].status.st_size, item[0].name))
            self.places[identifier] = best[0].name
            return best
        if changed is not None:
            raise changed
        raise SourceGone(f"The log {identifier} is not in {self.root} any more.", path=self.root)

    def _in(self, file: LogFile, identifier: str, stop: StopToken) -> LogHead | None:
        try:
            heads = self.heads(file, stop)
        except NotALog:
            return None
        return next((head for head in heads if self.identifier(file.name, head) == identifier), None)


def names_file(identifier: str, file_name: str) -> bool:
    """Whether this is the identifier of a log that only its file tells apart, and of that file."""
    return identifier.partition(":")[2].rpartition(":")[0] == file_name


def _stem(name: str) -> str:
    return name.rpartition("/")[2].lower().removesuffix(ENDING)
