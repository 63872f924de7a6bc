"""Reads a dataset's files once, hashes them and writes new content into the temporary folder, not yet visible."""

from __future__ import annotations

import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, field

from etiket_gui.destinations.archive.large import LargeCopier, LargeResult
from etiket_gui.destinations.archive.layout import blob_in_title
from etiket_gui.destinations.archive.record import Record
from etiket_gui.destinations.archive.session import WriteSession, archive_error, archive_errors
from etiket_gui.destinations.archive.sourcefiles import SMALL_FILE_BYTES, hash_descriptor, read_small
from etiket_gui.destinations.archive.titles import TitleState
from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry, Outgoing, SourceFile, snapshot_digest
from etiket_gui.domain.names import check_relative
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import Progress, StopToken
from etiket_gui.osys.files import Folder


@dataclass(slots=True)
class StagedBlob:
    """Content in the temporary folder. ``fd`` is open while the budget allows, else -1.

    ``copy_sha256`` is what a second read of a large copy gave; small files are read again before they are published.
    """

    sha256: str
    size_bytes: int
    source: SourceFile
    fd: int = -1
    copy_sha256: str | None = None
    large: LargeResult | None = None


@dataclass(slots=True)
class StagedDataset:
    """One dataset of a batch on its way: what was read, and what of it lies in the temporary folder ``place``."""

    index: int
    outgoing: Outgoing
    workspace: str
    title: str
    is_first: bool
    place: str
    entries: tuple[FileEntry, ...] = ()
    digest: str = ""
    blobs: dict[str, StagedBlob] = field(default_factory=dict)
    #: SHA-256 to (size in bytes, where it can be read again) of content that the title already has.
    reused: dict[str, tuple[int, SourceFile]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    version: str = ""
    new_bytes: int = 0
    is_new: bool = True
    has_large: bool = False
    is_place_left: bool = True
    are_blobs_placed: bool = False
    is_lost: bool = False
    round_number: int = 0
    restaged: list[StagedBlob] = field(default_factory=list)
    state: TitleState | None = None


def descriptor_budget() -> int:
    """How many staged files may stay open at once, so that the rest of the process is never short of descriptors."""
    if sys.platform == "win32":
        return 256
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or not guards.is_on("descriptor-budget"):
        return 4096
    return max(0, min(4096, soft // 2))


class Stager:
    """Stages the datasets of one session, one after the other."""

    def __init__(
        self, session: WriteSession, copier: LargeCopier, progress: Progress, stop: StopToken, open_limit: int
    ) -> None:
        self._session = session
        self._files = session.files
        self._copier = copier
        self._progress = progress
        self._stop = stop
        self._open_limit = open_limit
        self._open_count = 0
        self._count = 0

    def prepare(self, index: int, outgoing: Outgoing, workspace: str, title: str, *, is_first: bool) -> StagedDataset:
        """A place in the temporary folder for a dataset. Raises the known destination failures."""
        place = str(self._count)
        self._count += 1
        with archive_errors(self._session.layout.root):
            self._files.make_folder(self._session.staging, place)
        self._session.note_folder(self._session.staging)
        return StagedDataset(index, outgoing, workspace, title, is_first, place)

    def read_all(self, item: StagedDataset, there: Folder | None, newest: Record | None) -> None:
        """Read every file; afterwards the item has its entries and its digest, and new content is staged.

        ``there`` is the open title folder, whose blobs are not written a second time. Raises SourceChanged, the
        known source and destination failures, UnsafeName, and Stopped.
        """
        outgoing = item.outgoing
        uuid = outgoing.reference.uuid
        total = sum(file.entry.size_bytes for file in outgoing.files)
        self._progress.begin(uuid, len(outgoing.files), total)
        likely = set(newest.blobs().values()) if newest is not None else set()
        entries: list[FileEntry] = []
        check, advance = self._stop.check, self._progress.advance
        for file in outgoing.files:
            check()
            entry = file.entry
            if not item.is_first:
                # The record of a first version is built right after this and checks the names itself.
                check_relative(entry.name)
            if entry.kind is not EntryKind.FILE:
                entries.append(entry)
                continue
            if entry.size_bytes <= SMALL_FILE_BYTES:
                data, sha256 = read_small(file)
                if sha256 not in item.blobs and not self._is_there(item, there, sha256, file):
                    self.write_blob(item, sha256, data, file)
                advance(uuid, entry.name, entry.size_bytes, entry.size_bytes)
            else:
                sha256 = self._read_large(item, file, there, entry.size_bytes in likely)
            entries.append(entry if entry.sha256 == sha256 else _with_digest(entry, sha256))
        item.entries = tuple(entries)
        self.place_large(item)
        item.digest = snapshot_digest(outgoing.description, entries, is_provisional=outgoing.is_provisional)
        self._progress.finish(uuid)

    def _is_there(self, item: StagedDataset, there: Folder | None, sha256: str, file: SourceFile) -> bool:
        if sha256 in item.reused:
            return True
        if there is None:
            return False
        try:
            found = self._files.status(there, blob_in_title(sha256))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise archive_error(error, there.path) from error
        if not stat.S_ISREG(found.st_mode):
            return False
        item.reused[sha256] = (file.entry.size_bytes, file)
        return True

    def write_blob(self, item: StagedDataset, sha256: str, data: bytes, file: SourceFile) -> None:
        """Write small content under its final blob name in the item's temporary folder."""
        try:
            name = self._blob_name(item, sha256)
            fd = self._files.create(self._session.staging, name)
            try:
                self._files.write(fd, data)
            except BaseException:
                self._files.close_file(fd)
                raise
            if self._open_count < self._open_limit:
                self._open_count += 1
            else:
                self._files.close_file(fd)
                fd = -1
        except OSError as error:
            raise archive_error(error, self._session.layout.root) from error
        item.blobs[sha256] = StagedBlob(sha256, len(data), file, fd)
        self._session.unsynced_files.append((self._session.staging, name))

    def _blob_name(self, item: StagedDataset, sha256: str) -> str:
        place, folders = item.place, item.folders
        above = f"{place}/blobs/{sha256[:2]}"
        if above not in folders:
            if not folders:
                self._make(item, f"{place}/blobs")
            self._make(item, above)
        return f"{above}/{sha256}"

    def _make(self, item: StagedDataset, name: str) -> None:
        self._files.make_folder(self._session.staging, name)
        item.folders.add(name)

    def _read_large(self, item: StagedDataset, file: SourceFile, there: Folder | None, is_likely_there: bool) -> str:
        if is_likely_there:
            uuid = item.outgoing.reference.uuid
            sha256 = self._copier.hash_only(uuid, file)
            if sha256 in item.blobs or self._is_there(item, there, sha256, file):
                return sha256
            self._copier.take_back(uuid, file)
        return self.write_large(item, file)

    def write_large(self, item: StagedDataset, file: SourceFile) -> str:
        """Copy a large file; it gets its blob name by :meth:`place_large`. Returns the SHA-256."""
        result = self._copier.copy(item.outgoing.reference.uuid, file)
        if result.sha256 in item.blobs:
            self._copier.discard(result)
        else:
            size_bytes = file.entry.size_bytes
            item.blobs[result.sha256] = StagedBlob(result.sha256, size_bytes, file, -1, result.copy_sha256, result)
        return result.sha256

    def place_large(self, item: StagedDataset) -> None:
        """Finished copies get their blob names in the item's temporary folder; from here on they are not resumed."""
        for sha256, blob in item.blobs.items():
            if blob.large is None:
                continue
            with archive_errors(self._session.layout.root):
                name = self._blob_name(item, sha256)
                self._copier.place_at(blob.large, self._session.staging, name)
            blob.large = None
            item.has_large = True
            self._session.unsynced_files.append((self._session.staging, name))

    def note_unsynced(self, item: StagedDataset) -> None:
        """The item's folders have to become durable with the next group."""
        staging = self._session.staging
        for name in (item.place, *item.folders):
            self._session.note_folder(staging, name)

    def blob_digest(self, item: StagedDataset, blob: StagedBlob) -> str:
        """SHA-256 of what was staged, read back. Raises OSError."""
        if blob.copy_sha256 is not None:
            return blob.copy_sha256
        fd = blob.fd
        if fd < 0:
            fd = self._files.open_file(self._session.staging, f"{item.place}/{blob_in_title(blob.sha256)}")
        try:
            return hash_descriptor(fd, blob.size_bytes, self._stop.check)
        finally:
            if fd != blob.fd:
                self._files.close_file(fd)

    def release(self, item: StagedDataset) -> None:
        """Close what is still open of a dataset."""
        for blob in item.blobs.values():
            if blob.fd >= 0:
                self._files.close_file(blob.fd)
                self._open_count -= 1
                blob.fd = -1

    def drop(self, item: StagedDataset) -> None:
        """Remove what was staged of a dataset that will not be published; what may not be removed is swept later."""
        self.release(item)
        self._session.forget(item.place)
        files = self._session.files
        with suppress(OSError):
            files.remove_tree(self._session.staging, item.place)


def _with_digest(entry: FileEntry, sha256: str) -> FileEntry:
    # As dataclasses.replace, at a third of its time: this is done for every file.
    return FileEntry(
        entry.name, entry.kind, entry.size_bytes, entry.mtime_ns, entry.ctime_ns, entry.inode, entry.is_executable,
        sha256, entry.link_target,
    )  # fmt: skip
