"""Makes the tree people browse: read-only links to the stored files, checksums and a page, rebuilt at any time.

Nothing here is needed to get data back, and nothing that somebody else put into the tree is touched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from etiket_gui.destinations.archive.checksums import checksum_lines, parse_checksums
from etiket_gui.destinations.archive.foldertree import FittedNames, FolderTree, Parts, opened_folder, temporary_name
from etiket_gui.destinations.archive.layout import (
    BROWSE,
    STAGING,
    blob_in_title,
    safe_component,
    split_remote,
    staging_name,
    title_folder,
)
from etiket_gui.destinations.archive.linking import ANYBODY, is_in_quarantine, links_hold
from etiket_gui.destinations.archive.page import DatasetPage, ListedFile, dataset_page, root_page
from etiket_gui.destinations.archive.previews import StoredFile, preview_of
from etiket_gui.destinations.archive.reading import ArchiveReader, reading_error
from etiket_gui.destinations.archive.record import Record, RecordFacts, checked_parts
from etiket_gui.domain import guards
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.errors import DestinationDamaged, UnsafeName, UsageError, destination_error
from etiket_gui.domain.names import from_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import FileLayer

BrowseMode = Literal["auto", "links", "copies", "none"]
Plan = list[tuple[Parts, FileEntry]]

PAGE, SUMS, PREVIEW = "index.html", "SHA256SUMS", "preview.png"
_OWN_PREFIX = "etiket-"
_MARK_BYTES = 2048
_MARK = re.compile(rb"<!-- etiket-gui dataset (\S+) version (\S+) page (\S+) sums (\S+) -->")
_CHUNK_BYTES = 1024 * 1024
MOST_TWINS = 1000
#: A second name is refused for this one file; the others may still have theirs.
_NO_LINK = {errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, errno.ENOENT, getattr(errno, "EOPNOTSUPP", 0)}
_IN_THE_WAY = "Not shown here: something else in this folder has its name."
_NOT_LINKED = "Not shown here: this disk refused a link to it."


def write_root_page(root: str) -> None:
    """Put the page that explains the archive at its root, where there is no such page yet. Raises OSError."""
    with FolderTree(root) as tree:
        if tree.stat((PAGE,)) is None:
            tree.write_file((PAGE,), root_page())


@dataclass(frozen=True, slots=True)
class FolderMark:
    """The first line of a page of ours: whose folder it is, which version it shows, and the names of our own files."""

    remote: str
    version: str
    page: str
    sums: str

    def line(self) -> str:
        fields = (quote(self.remote, safe=""), quote(self.version, safe=""), quote(self.page), quote(self.sums))
        return "<!-- etiket-gui dataset {} version {} page {} sums {} -->".format(*fields)

    @classmethod
    def read(cls, tree: FolderTree, folder: Parts) -> FolderMark | None:
        """Whose folder this is; None where no page of ours says so."""
        name = PAGE
        for _ in range(3):
            head = tree.read_file((*folder, name), _MARK_BYTES)
            found = _MARK.match(head) if head else None
            if found:
                mark = cls(*(unquote(field.decode()) for field in found.groups()))
                if mark.page == name and _is_own_name(mark.sums, SUMS):
                    return mark
            name = _OWN_PREFIX + name
        return None


def _is_own_name(name: str, plain: str) -> bool:
    return name.endswith(plain) and name[: -len(plain)].replace(_OWN_PREFIX, "") == ""


def _own_name(plain: str, taken: frozenset[str]) -> str:
    """The name of a file of ours in a folder whose first components, case-folded, are taken: a dataset's file wins."""
    name = plain
    while name.casefold() in taken:
        name = _OWN_PREFIX + name
    return name


class BrowseTree:
    """Keeps ``browse/`` of one archive. ``mode`` "auto" makes links where a test write proves them, else nothing."""

    def __init__(self, reader: ArchiveReader, mode: BrowseMode = "auto", agent: str = ANYBODY) -> None:
        self._reader = reader
        self._root = reader.layout.root
        self._agent = agent
        self._asked: BrowseMode = mode
        self._mode: BrowseMode | None = None

    @property
    def mode(self) -> BrowseMode:
        """What is really made: "links", "copies" or "none". The first question makes the test write."""
        if self._mode is None:
            self._mode = self._asked
            if self._asked in {"auto", "links"} and not links_hold(self._reader.files, self._root, self._agent):
                self._mode = "none"
            elif self._asked == "auto":
                self._mode = "links"
            with suppress(OSError):
                write_root_page(self._root)
        return self._mode

    def derive(self, remote: str, scope: str, stop: StopToken) -> None:
        """Make or update the folder of a dataset from its newest version that is not provisional (else the newest).

        A release of another program and an archive without a tree are passed over. Raises DestinationDamaged,
        DestinationRefused, DestinationFull and DestinationOffline; what was made until then is harmless.
        """
        if self.mode == "none":
            return
        workspace, title = split_remote(remote)
        versions, record = self._reader.newest(remote)
        if record.facts is None:
            return
        blobs = self._reader.layout.absolute(title_folder(workspace, title))
        try:
            with FolderTree(self._root) as tree, opened_folder(blobs) as source:
                work = _Derivation(self, tree, blobs, source, remote, versions, record, record.facts, stop)
                work.run()
        except OSError as error:
            path = str(error.filename or self._root)
            if error.errno == errno.ELOOP or isinstance(error, NotADirectoryError):
                raise reading_error(OSError(errno.ELOOP, os.strerror(errno.ELOOP), path), path) from error
            raise destination_error(error, path) from error

    # what a derivation needs of its tree

    @property
    def files(self) -> FileLayer:
        """The file layer of the reader."""
        return self._reader.files

    @property
    def agent(self) -> str:
        """Whose temporaries these are."""
        return self._agent

    def entries(self, remote: str, version: str) -> Sequence[FileEntry]:
        """The entries of an earlier version; none where it is no longer there or broken."""
        try:
            return self._reader.read_version_entries(remote, version)
        except (UsageError, DestinationDamaged, UnsafeName):
            return ()


def browse_parts(path: str) -> Parts:
    """The folder a record names, below ``browse`` only. Raises UnsafeName."""
    parts = tuple(path.split("/"))
    if len(parts) < 2 or parts[0] != BROWSE or any(safe_component(part) != part for part in parts):
        raise UnsafeName(path, f"it is not a folder of the tree below {BROWSE!r}")
    return parts


@dataclass(slots=True)
class _Derivation:
    """One folder of the tree being made."""

    owner: BrowseTree
    tree: FolderTree
    title: str
    blobs: int | None
    remote: str
    versions: Sequence[str]
    record: Record
    facts: RecordFacts
    stop: StopToken

    def run(self) -> None:
        """Find the dataset's folder or make it. Raises OSError and the failures of :meth:`BrowseTree.derive`."""
        wanted = browse_parts(self.facts.browse)
        plan = sorted(((checked_parts(entry.name), entry) for entry in self.record.entries()), key=lambda item: item[0])
        self.tree.make_folders(wanted[:-1])
        for number in range(1, MOST_TWINS):
            folder = wanted if number == 1 else (*wanted[:-1], f"{wanted[-1]} -{number}")
            if self.tree.stat(folder) is None and self._make(folder, plan):
                return
            mark = FolderMark.read(self.tree, folder)
            if mark is not None and mark.remote == self.remote:
                self._fill(folder, plan, mark)
                return
        raise DestinationDamaged(
            f"{self.facts.browse} and {MOST_TWINS} names like it are taken in the browsable tree.",
            advice="Remove what does not belong there.",
        )

    def _make(self, folder: Parts, plan: Plan) -> bool:
        """A new folder, complete before it has its name; False where somebody was quicker.

        It is made among the archive's temporaries, where the sweep finds it if this process dies.
        """
        files = self.owner.files
        above = tuple(STAGING.split("/"))
        name = staging_name(self.owner.agent, secrets.randbits(48))
        self.tree.make_folders(above)
        self.tree.make_folder((*above, name))
        top = files.open_root(self.tree.root)
        try:
            with files.folder(top, STAGING) as staging:
                try:
                    self._fill((*above, name), plan, None)
                    with files.folder(top, "/".join(folder[:-1])) as day:
                        files.publish_folder(staging, name, day, folder[-1])
                except BaseException as error:
                    files.remove_tree(staging, name)
                    if isinstance(error, FileExistsError):
                        return False
                    raise
        finally:
            files.close_folder(top)
        return True

    # -------------------------------------------------------------- filling

    def _fill(self, folder: Parts, plan: Plan, mark: FolderMark | None) -> None:
        taken = frozenset(parts[0].casefold() for parts, _ in plan)
        page, sums = _own_name(PAGE, taken), _own_name(SUMS, taken)
        before = _Before.of(self, folder, mark) if mark is not None else None
        if before is not None:
            before.remove_what_went({(*folder, *parts): entry for parts, entry in plan}, {page, sums})
        names = FittedNames(self.tree, may_exist=before is not None, below=folder)
        listed: list[ListedFile] = []
        sums_lines: list[tuple[bytes, str]] = []
        depth = len(folder)
        for parts, entry in plan:
            self.stop.check()
            note, where = self._entry(names, parts, entry, before)
            path = os.fsencode("/".join(where[depth:])) if where is not None else b""
            if path and entry.kind is EntryKind.FILE:
                assert entry.sha256 is not None
                sums_lines.append((path, entry.sha256))
            if entry.kind is EntryKind.LINK:
                note = f"A symbolic link to {entry.link_target}. {note}"
                path = b""
            elif entry.kind is EntryKind.FOLDER:
                note, path = f"An empty folder. {note}", b""
            listed.append(ListedFile(entry.name, path, entry.size_bytes, entry.sha256 or "", note.strip()))
        preview = next((file.path for file in listed if file.name == PREVIEW and file.path), None)
        if preview is None and (drawn := self._draw(folder, plan, _own_name(PREVIEW, taken), before)) is not None:
            preview, sha256 = drawn
            sums_lines.append((preview, sha256))
        self._write((*folder, sums), checksum_lines(sums_lines), before)
        now = FolderMark(self.remote, self.record.version, page, sums)
        self._write((*folder, page), dataset_page(self._page(now, listed, preview)), before)

    def _draw(self, folder: Parts, plan: Plan, name: str, before: _Before | None) -> tuple[bytes, str] | None:
        """Put a picture beside a dataset: (name, SHA-256). The checksum file tells that it is ours."""
        if self.tree.stat((*folder, name)) is not None:
            return None
        files = [
            StoredFile(entry.name, os.path.join(self.title, blob_in_title(entry.sha256)), entry.size_bytes)
            for _, entry in plan
            if entry.kind is EntryKind.FILE and entry.sha256 is not None
        ]
        thumbnails = self.facts.description.details.get("thumbnails")
        named = [str(item) for item in thumbnails] if isinstance(thumbnails, list | tuple) else []
        picture = preview_of(files, named, self.stop)
        if picture is None:
            return None
        self._write((*folder, name), picture, before)
        return os.fsencode(name), hashlib.sha256(picture).hexdigest()

    def _page(self, mark: FolderMark, listed: Sequence[ListedFile], preview: bytes | None) -> DatasetPage:
        reference = self.facts.reference
        workspace, title = split_remote(self.remote)
        return DatasetPage(
            mark=mark.line(),
            title=title,
            workspace=workspace,
            uuid=reference.uuid,
            version=self.record.version,
            published_ns=self.facts.published_ns,
            is_provisional=self.facts.is_provisional,
            size_bytes=self.record.size_bytes,
            source_name=reference.source_name,
            backend=reference.backend,
            description=self.facts.description,
            files=listed,
            versions=self.versions,
            sums_name=mark.sums,
            preview=preview,
        )

    def _write(self, where: Parts, content: bytes, before: _Before | None) -> None:
        """A file of ours: whole at once in a folder nobody sees yet, by a rename in one that is there."""
        if before is not None:
            if self.tree.read_file(where) != content:
                self.tree.write_file(where, content)
            return
        with os.fdopen(self.tree.create_file(where), "wb") as file:
            file.write(content)

    def _entry(
        self, names: FittedNames, parts: Parts, entry: FileEntry, before: _Before | None
    ) -> tuple[str, Parts | None]:
        """(what to say about it, where it is now or None where it could not be shown)."""
        try:
            match entry.kind:
                case EntryKind.FILE:
                    return "", names.place(parts, lambda where: self._file(where, entry, before))
                case EntryKind.LINK:
                    return "", names.place(parts, lambda where: self._symlink(where, entry, before))
                case EntryKind.FOLDER:
                    return "", names.folder(parts)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            if before is None:
                raise
            return _IN_THE_WAY, None
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            return _NOT_LINKED, None

    def _symlink(self, where: Parts, entry: FileEntry, before: _Before | None) -> None:
        target = from_portable(entry.link_target or "")
        if before is not None and self.tree.readlink(where) == target:
            return
        self.tree.make_symlink(where, target)

    def _file(self, where: Parts, entry: FileEntry, before: _Before | None) -> None:
        """Show one stored file. Raises FileExistsError where something that is not ours has its name."""
        assert entry.sha256 is not None
        if before is not None and (found := self.tree.stat(where)) is not None:
            if before.shows(where, found, entry):
                return
            if not before.is_ours(where, found):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), where[-1])
            part = (*where[:-1], temporary_name(where[-1]))
            self.tree.discard(part)
            self._put(part, entry)
            self.tree.replace(part, where)
            before.protect_again(where)
            return
        self._put(where, entry)

    def _put(self, where: Parts, entry: FileEntry) -> None:
        assert entry.sha256 is not None
        blob = blob_in_title(entry.sha256)
        if self.owner.mode == "links":
            self.tree.link(blob if self.blobs is not None else os.path.join(self.title, blob), where, self.blobs)
        else:
            self._copy(blob, where, entry)

    def _copy(self, blob: str, where: Parts, entry: FileEntry) -> None:
        hasher = hashlib.sha256()
        with (
            open(os.path.join(self.title, blob), "rb") as source,
            os.fdopen(self.tree.create_file(where, 0o444), "wb") as copy,
        ):
            while chunk := source.read(_CHUNK_BYTES):
                self.stop.check()
                hasher.update(chunk)
                copy.write(chunk)
        if hasher.hexdigest() != entry.sha256:
            self.tree.discard(where)
            raise DestinationDamaged(
                f"{entry.name} of {self.record.title} {self.record.version} is damaged in the archive.",
                path=blob,
                advice=f"Run `etiket-sync verify {self.record.title}`: it lists all that is damaged.",
            )
        self.tree.set_time(where, entry.mtime_ns)

    def blob_status(self, sha256: str) -> os.stat_result | None:
        """The stored file itself; None where it is gone."""
        try:
            blob = blob_in_title(sha256)
            if self.blobs is None:
                return os.lstat(os.path.join(self.title, blob))
            return os.stat(blob, dir_fd=self.blobs, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None


@dataclass(slots=True)
class _Before:
    """What an earlier derivation left in a folder, and so what of it is provably ours."""

    work: _Derivation
    folder: Parts
    mark: FolderMark
    sums: dict[Parts, str]

    @classmethod
    def of(cls, work: _Derivation, folder: Parts, mark: FolderMark) -> _Before:
        """Read the checksum file of that derivation."""
        text = work.tree.read_file((*folder, mark.sums)) or b""
        sums = {(*folder, *os.fsdecode(path).split("/")): sha256 for path, sha256 in parse_checksums(text).items()}
        return cls(work, folder, mark, sums)

    def shows(self, where: Parts, found: os.stat_result, entry: FileEntry) -> bool:
        """Whether the place already shows this content."""
        assert entry.sha256 is not None
        blob = self.work.blob_status(entry.sha256)
        if blob is not None and (blob.st_dev, blob.st_ino) == (found.st_dev, found.st_ino) and found.st_ino != 0:
            return True
        is_copy = self.work.owner.mode == "copies" and self.sums.get(where) == entry.sha256
        return is_copy and stat.S_ISREG(found.st_mode) and found.st_size == entry.size_bytes

    def is_ours(self, where: Parts, found: os.stat_result) -> bool:
        """Whether this very file was put there by us: a name of a stored file, or equal to what we listed."""
        if not stat.S_ISREG(found.st_mode):
            return False
        if where in {(*self.folder, self.mark.sums), (*self.folder, self.mark.page)} and where not in self.sums:
            return True
        sha256 = self.sums.get(where)
        if sha256 is None:
            return False
        blob = self.work.blob_status(sha256)
        if blob is not None and (blob.st_dev, blob.st_ino) == (found.st_dev, found.st_ino):
            return True
        if is_in_quarantine(self.work.tree.root, sha256, found) and guards.is_on("damaged-links-are-replaced"):
            return True
        hasher = hashlib.sha256()
        with os.fdopen(self.work.tree.open_file(where), "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                self.work.stop.check()
                hasher.update(chunk)
        return hasher.hexdigest() == sha256

    def remove_what_went(self, wanted: dict[Parts, FileEntry], own_names: set[str]) -> None:
        """Take away what the earlier version showed and this one does not have; foreign files stay."""
        tree = self.work.tree
        gone = {where for where in self.sums if where not in wanted or wanted[where].kind is not EntryKind.FILE}
        for where in gone:
            found = tree.stat(where)
            if found is not None and self.is_ours(where, found):
                tree.discard(where)
                self.protect_again(where)
        above = set(gone)
        for entry in self._earlier_entries():
            where = (*self.folder, *checked_parts(entry.name))
            now = wanted.get(where)
            if entry.kind is EntryKind.FILE or (now is not None and now.digest_item() == entry.digest_item()):
                continue
            above.add(where)
            if entry.kind is EntryKind.LINK and tree.readlink(where) == from_portable(entry.link_target or ""):
                tree.discard(where)
            elif entry.kind is EntryKind.FOLDER:
                tree.discard_folder(where)
        self._remove_empty_folders(above, wanted)
        for name in {self.mark.page, self.mark.sums} - own_names:
            if (*self.folder, name) not in wanted and (*self.folder, name) not in self.sums:
                tree.discard((*self.folder, name))

    def protect_again(self, where: Parts) -> None:
        """Windows has one read-only mark for all names of a file and wants it gone before it removes one of them."""
        if sys.platform == "win32" and (sha256 := self.sums.get(where)) is not None:
            with suppress(FileNotFoundError):
                os.chmod(os.path.join(self.work.title, blob_in_title(sha256)), stat.S_IREAD)

    def _earlier_entries(self) -> Iterable[FileEntry]:
        if self.mark.version == self.work.record.version:
            return ()
        return self.work.owner.entries(self.work.remote, self.mark.version)

    def _remove_empty_folders(self, gone: set[Parts], wanted: dict[Parts, FileEntry]) -> None:
        depth = len(self.folder)
        needed = {where[:end] for where in wanted for end in range(depth, len(where))}
        needed |= {where for where, entry in wanted.items() if entry.kind is EntryKind.FOLDER}
        folders = {where[:end] for where in gone for end in range(depth + 1, len(where))}
        for where in sorted(folders - needed, key=len, reverse=True):
            found = self.work.tree.stat(where)
            if found is not None and stat.S_ISDIR(found.st_mode):
                self.work.tree.discard_folder(where)
