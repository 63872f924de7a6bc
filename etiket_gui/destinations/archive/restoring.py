"""Brings a version back out of a folder archive: everything checked, only into a new folder, all of it or nothing.

Who asks for it gets what is intact of a damaged version, and is told what is not.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
import time
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from etiket_gui.destinations.api import FetchReport, RestoreMethod
from etiket_gui.destinations.archive.foldertree import FittedNames, FolderTree, Parts
from etiket_gui.destinations.archive.layout import blob_path, split_remote
from etiket_gui.destinations.archive.page import readable_size
from etiket_gui.destinations.archive.reading import ArchiveReader, foreign_uuid, reading_error
from etiket_gui.destinations.archive.record import Record, checked_parts
from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.errors import DestinationDamaged, EtiketError, NameTooLong, PermissionRefused, UsageError
from etiket_gui.domain.names import from_portable, to_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import Progress, StopToken
from etiket_gui.domain.wording import count_text
from etiket_gui.osys.files import FileLayer, Folder, extended

CHUNK_BYTES = 1024 * 1024
_PART = ".etiket-part-"
_STALE_S = 24 * 3600
_NO_LINKS = {errno.EPERM, errno.ENOSYS, getattr(errno, "EOPNOTSUPP", errno.ENOSYS)}
_PRIVILEGE_NOT_HELD = 1314


def fetch(
    reader: ArchiveReader,
    remote: str,
    version: str,
    target: Path,
    method: RestoreMethod,
    progress: Progress,
    stop: StopToken,
    *,
    leaves_out_damaged: bool = False,
) -> FetchReport:
    """Bring a version ("" for the newest final one) back as the new folder ``target``, which appears whole or not.

    Every name is checked before it is joined, every byte is hashed, links are made as text and never followed. With
    ``leaves_out_damaged`` a file that is damaged is left out and named in the report, unless none is intact.
    Raises UsageError where the target or the version makes no sense, UnsafeName, NameTooLong, PermissionRefused,
    DestinationDamaged where the archive does not hold what was put in, DestinationOffline and Stopped.
    """
    record = reader.record(remote, version)
    plan = [(checked_parts(entry.name), entry) for entry in record.entries()]
    plan.sort(key=lambda item: item[0])
    target = Path(os.path.abspath(target))
    _check_target(target, reader.layout.root, record.size_bytes if method is RestoreMethod.COPY else 0)
    workspace, title = split_remote(remote)
    uuid = record.facts.reference.uuid if record.facts is not None else foreign_uuid(workspace, title)
    stage = _make_stage(target)
    try:
        work = _Restore(reader, workspace, record, stage, target, method, progress, stop, uuid, leaves_out_damaged)
        _refuse_twins(plan, stage, target)
        progress.begin(uuid, record.file_count, record.size_bytes)
        work.run(plan)
        _put_in_place(reader.files, stage, target)
        progress.finish(uuid)
    except OSError as error:
        raise _target_error(error, target) from error
    finally:
        shutil.rmtree(extended(str(stage)), ignore_errors=True)
    left_out = tuple(work.left_out)
    return FetchReport(str(target), record.version, work.file_count, work.size_bytes, work.notes(), left_out)


@dataclass(slots=True)
class _Restore:
    """One restore under way: what was written so far, and what could not be had as asked."""

    reader: ArchiveReader
    workspace: str
    record: Record
    stage: Path
    target: Path
    method: RestoreMethod
    progress: Progress
    stop: StopToken
    uuid: str
    leaves_out_damaged: bool = False
    file_count: int = 0
    size_bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    _quoted: list[str] = field(default_factory=list)
    _links_not_made: list[str] = field(default_factory=list)
    _damages: list[DestinationDamaged] = field(default_factory=list)
    _executables: int = 0
    _unlinked_empty: int = 0

    def run(self, plan: list[tuple[Parts, FileEntry]]) -> None:
        """Write every entry below the stage. Raises OSError for the target's failures."""
        with FolderTree(str(self.stage)) as tree:
            names = FittedNames(tree)
            self._quoted = names.quoted
            for parts, entry in plan:
                self.stop.check()
                match entry.kind:
                    case EntryKind.FILE:
                        self._file(tree, names, parts, entry)
                    case EntryKind.LINK:
                        self._link(tree, names, parts, entry)
                    case EntryKind.FOLDER:
                        tree.set_time(names.folder(parts), entry.mtime_ns)
        if self._damages and not self.file_count:
            raise self._damages[0]

    def notes(self) -> tuple[str, ...]:
        """Sentences about what a person would not expect."""
        notes = []
        if self.record.is_altered:
            notes.append("The record of this version was altered: names, times or the description may be wrong.")
        if self.left_out:
            shown = ", ".join(to_portable(name) for name in self.left_out[:5]) + (
                " …" if len(self.left_out) > 5 else ""
            )
            notes.append(f"Damaged in the archive and left out: {count_text(len(self.left_out), 'file')} ({shown}).")
        if self._quoted:
            shown = ", ".join(self._quoted[:3]) + (" …" if len(self._quoted) > 3 else "")
            notes.append(
                f"{len(self._quoted)} name(s) cannot exist on this disk and were written with the characters in "
                f"question as ‛ and two hex digits: {shown}."
            )
        if self._links_not_made:
            shown = "; ".join(self._links_not_made[:5]) + (" …" if len(self._links_not_made) > 5 else "")
            notes.append(f"{len(self._links_not_made)} symbolic link(s) could not be made on this disk: {shown}.")
        if self.method is RestoreMethod.LINK:
            notes.append(
                f"The files are links into the archive at {self.reader.layout.root}: they are read-only and work as "
                "long as the archive is reachable there. Restore without links for files of your own."
            )
            if self._executables:
                notes.append(f"{self._executables} file(s) were executable; a link into the archive is not.")
            if self._unlinked_empty:
                notes.append(f"{self._unlinked_empty} empty file(s) are real files: there was nothing to link to.")
        if self.record.facts is None:
            notes.append("This release was written by another program: it says no times, so the files have today's.")
        return tuple(notes)

    # -------------------------------------------------------------- entries

    def _file(self, tree: FolderTree, names: FittedNames, parts: Parts, entry: FileEntry) -> None:
        try:
            self._intact_file(tree, names, parts, entry)
        except DestinationDamaged as damaged:
            if not self.leaves_out_damaged:
                raise
            self._damages.append(damaged)
            self.left_out.append(entry.name)

    def _intact_file(self, tree: FolderTree, names: FittedNames, parts: Parts, entry: FileEntry) -> None:
        assert entry.sha256 is not None
        blob = self.reader.layout.absolute(blob_path(self.workspace, self.record.title, entry.sha256))
        source = self._open_blob(blob, entry)
        try:
            if self.method is RestoreMethod.LINK and source is not None:
                self._read(source, blob, entry, None)
                self._linked(tree, names, parts, entry, blob)
            else:
                self._copied(tree, names, parts, entry, blob, source)
        finally:
            if source is not None:
                os.close(source)
        self.file_count += 1
        self.size_bytes += entry.size_bytes

    def _copied(
        self, tree: FolderTree, names: FittedNames, parts: Parts, entry: FileEntry, blob: str, source: int | None
    ) -> None:
        made: list[int] = []
        place = names.place(parts, lambda where: made.append(tree.create_file(where)))
        try:
            self._fill(made[0], blob, entry, source)
        except DestinationDamaged:
            # The others may go on without it.
            tree.discard(place)
            raise
        if self.record.facts is not None:
            tree.set_time(place, entry.mtime_ns)

    def _fill(self, made: int, blob: str, entry: FileEntry, source: int | None) -> None:
        """Write the content of a new file and close it."""
        try:
            if source is not None:
                self._read(source, blob, entry, made)
            elif self.method is RestoreMethod.LINK:
                self._unlinked_empty += 1
            if entry.is_executable and sys.platform != "win32":
                mode = stat.S_IMODE(os.fstat(made).st_mode)
                os.fchmod(made, mode | (mode & 0o444) >> 2)
        finally:
            os.close(made)

    def _linked(self, tree: FolderTree, names: FittedNames, parts: Parts, entry: FileEntry, blob: str) -> None:
        try:
            place = names.place(parts, lambda where: tree.make_symlink(where, blob))
        except OSError as error:
            if not _cannot_link(error):
                raise
            raise UsageError(
                f"No links can be made in {self.target.parent}: {error.strerror}.",
                advice="Restore without --link: the files are then copied.",
            ) from error
        self._executables += entry.is_executable
        if self.record.facts is not None:
            with suppress(OSError):
                tree.set_time(place, entry.mtime_ns)

    def _link(self, tree: FolderTree, names: FittedNames, parts: Parts, entry: FileEntry) -> None:
        text = from_portable(entry.link_target or "")
        if not text or "\x00" in text:
            raise DestinationDamaged(
                f"The record of {self.record.title} {self.record.version} does not say where the link {entry.name} "
                "leads.",
                path=entry.name,
                advice="Restore an earlier version, or restore the record from a backup of the archive.",
            )
        try:
            place = names.place(parts, lambda where: tree.make_symlink(where, text))
        except OSError as error:
            if not _cannot_link(error):
                raise
            self._links_not_made.append(f"{entry.name} → {entry.link_target}")
            return
        with suppress(OSError):
            tree.set_time(place, entry.mtime_ns)

    # -------------------------------------------------------------- bytes

    def _open_blob(self, blob: str, entry: FileEntry) -> int | None:
        """The stored content; None for an empty file that another program did not store."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            return os.open(extended(blob), flags | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError as error:
            if entry.size_bytes == 0:
                return None
            raise self._damaged(entry, blob, "it is missing") from error
        except OSError as error:
            raise reading_error(error, blob) from error

    def _read(self, source: int, blob: str, entry: FileEntry, copy: int | None) -> None:
        """Hash the stored bytes, and write them where ``copy`` is a file."""
        hasher = hashlib.sha256()
        done_bytes = 0
        while True:
            self.stop.check()
            try:
                chunk = os.read(source, CHUNK_BYTES)
            except OSError as error:
                if error.errno == errno.EIO and self.leaves_out_damaged:
                    raise self._damaged(entry, blob, "the disk cannot read it") from error
                raise reading_error(error, blob) from error
            if not chunk:
                break
            hasher.update(chunk)
            if copy is not None:
                _write(copy, chunk)
            done_bytes += len(chunk)
            self.progress.advance(self.uuid, entry.name, len(chunk), entry.size_bytes)
        if guards.is_on("hash-on-restore") and hasher.hexdigest() != entry.sha256:
            if done_bytes != entry.size_bytes:
                why = f"it has {done_bytes} bytes instead of {entry.size_bytes}"
            else:
                why = "its content was changed"
            raise self._damaged(entry, blob, why)

    def _damaged(self, entry: FileEntry, blob: str, why: str) -> DestinationDamaged:
        title = self.record.title
        return DestinationDamaged(
            f"{entry.name} of {title} {self.record.version} is damaged in the archive: {why} ({blob}). Nothing was "
            "restored.",
            path=blob,
            advice=f"Run `etiket-sync verify {title}`: it lists all that is damaged. Then restore another version, or "
            "from another destination, or only the intact files (`restore --intact`); a dataset whose source is still "
            "there is repaired when it is sent again.",
        )


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _cannot_link(error: OSError) -> bool:
    return error.errno in _NO_LINKS or getattr(error, "winerror", None) == _PRIVILEGE_NOT_HELD


# ------------------------------------------------------------------ the target


def _check_target(target: Path, archive: str, size_bytes: int) -> None:
    """Refuse what can be known to fail before the first byte. Raises UsageError."""
    advice = "Give a folder that is not there yet."
    inside = os.path.join(os.path.realpath(archive), "")
    if os.path.join(os.path.realpath(target), "").startswith(inside):
        raise UsageError(f"{target} lies inside the archive itself.", advice="Choose a folder outside the archive.")
    try:
        found = os.lstat(extended(str(target)))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _target_error(error, target) from error
    else:
        if not stat.S_ISDIR(found.st_mode):
            raise UsageError(f"{target} is there already and is not a folder.", advice=advice)
        if os.listdir(extended(str(target))):
            raise UsageError(f"{target} is there already and is not empty; nothing was touched.", advice=advice)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise _target_error(error, target) from error
    if free_bytes < size_bytes:
        raise UsageError(
            f"The disk of {target} has {readable_size(free_bytes)} free; {readable_size(size_bytes)} are needed.",
            advice="Make space, or restore to another disk.",
        )


def _make_stage(target: Path) -> Path:
    """A folder of ours beside the target, after those that a restore of this name left behind a day ago are gone."""
    start = f".{target.name[:40]}{_PART}"
    oldest_s = time.time() - _STALE_S
    with suppress(OSError), os.scandir(target.parent) as found:
        for item in found:
            if item.name.startswith(start) and item.name[len(start) :].replace("-", "").isdigit():
                with suppress(OSError):
                    if item.is_dir(follow_symlinks=False) and item.stat(follow_symlinks=False).st_mtime < oldest_s:
                        shutil.rmtree(item.path, ignore_errors=True)
    for attempt in range(100):
        stage = target.parent / (f"{start}{os.getpid()}" + (f"-{attempt}" if attempt else ""))
        try:
            os.mkdir(extended(str(stage)))
        except FileExistsError:
            continue
        except OSError as error:
            raise _target_error(error, target) from error
        return stage
    raise UsageError(f"{target.parent} is full of unfinished restores.", advice=f"Remove the folders {start}….")


def _put_in_place(files: FileLayer, stage: Path, target: Path) -> None:
    """Make everything durable, then give the folder its name. Raises OSError, FileExistsError where it is taken."""
    top = files.open_root(str(stage))
    try:
        if not files.sync_all(top):
            for folder, _, names in os.walk(extended(str(stage))):
                here = Folder(folder, -1)
                files.sync_each([(here, name) for name in names if not os.path.islink(os.path.join(folder, name))], [])
    finally:
        files.close_folder(top)
    with suppress(FileNotFoundError):
        os.rmdir(extended(str(target)))
    parent = files.open_root(str(target.parent))
    try:
        files.publish_folder(parent, stage.name, parent, target.name)
        files.sync_folder(parent)
    finally:
        files.close_folder(parent)


def _target_error(error: OSError, target: Path) -> EtiketError:
    """The known failure for an operating-system error met while writing the restored folder."""
    path = str(error.filename or target)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PermissionRefused(
            f"{target} may not be written by this account: {error.strerror}.",
            path=path,
            advice="Choose a folder where this account may write.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong(
            f"{to_portable(path)} is longer than the disk of {target} can hold.",
            path=to_portable(path),
            advice="Restore to a folder with a shorter path, or to another kind of disk.",
        )
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}:
        return UsageError(
            f"No space was left on the disk of {target}; nothing was kept.",
            advice="Make space, or restore to another disk.",
        )
    if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
        return UsageError(
            f"Something else appeared at {to_portable(path)} while {target} was restored; it was not touched.",
            advice="Give a folder that is not there yet.",
        )
    return UsageError(
        f"{target} cannot be written: {error.strerror or error}.", advice="Restore to another folder or disk."
    )


# ------------------------------------------------------------------ names that are one on this disk


def _folded(name: str) -> str:
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _refuse_twins(plan: list[tuple[Parts, FileEntry]], stage: Path, target: Path) -> None:
    """Raise UsageError where two names of the dataset are one name on the target's disk."""
    seen: dict[Parts, Parts] = {}
    for parts, entry in plan:
        for depth in range(1, len(parts) + 1):
            own = parts[:depth]
            folded = tuple(map(_folded, own))
            other = seen.setdefault(folded, own)
            if other == own and (depth < len(parts) or entry.kind is EntryKind.FOLDER):
                continue
            if other == own:
                continue
            if guards.is_on("no-twins") and is_one_name(stage, other[-1], own[-1]):
                first, second = to_portable("/".join(other)), to_portable("/".join(own))
                raise UsageError(
                    f"{first!r} and {second!r} are two names of this dataset, but the disk of {target} takes them for "
                    "one. Nothing was restored.",
                    advice="Restore to a disk that tells them apart (upper and lower case, composed letters).",
                )


def is_one_name(folder: Path, first: str, second: str) -> bool:
    """Whether the file system of ``folder`` takes two different names for the same one; tried out, nothing stays."""
    probe = folder / ".etiket-probe"
    os.mkdir(probe)
    try:
        os.mkdir(probe / first)
        return os.path.lexists(probe / second)
    finally:
        shutil.rmtree(probe, ignore_errors=True)
