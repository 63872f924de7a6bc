"""Reads a folder archive, ours or one that rmellipse wrote: finds, lists, searches and verifies; writes nothing."""

from __future__ import annotations

import errno
import logging
import os
import time
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etiket_gui.destinations.api import FileVerification, StoredDataset, StoredVersion, Verification
from etiket_gui.destinations.archive.layout import (
    MARKER,
    TITLES,
    ArchiveLayout,
    check_component,
    check_workspace,
    join_remote,
    parse_pointer,
    pointer_path,
    record_name,
    split_remote,
    title_folder,
)
from etiket_gui.destinations.archive.queries import Query, is_wanted_by
from etiket_gui.destinations.archive.record import (
    MAX_RECORD_BYTES,
    Record,
    is_live_version,
    parse_record,
    versions_in,
)
from etiket_gui.destinations.archive.verifying import check_blobs
from etiket_gui.domain.content import DatasetReference, Description, FileEntry, RemoteVersion, snapshot_digest
from etiket_gui.domain.errors import (
    DestinationDamaged,
    DestinationOffline,
    DestinationRefused,
    EtiketError,
    NameTooLong,
    UnsafeName,
    UsageError,
    destination_error,
)
from etiket_gui.domain.identity import NAMESPACE
from etiket_gui.domain.states import Realm
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import FileLayer, Folder

#: The backend named for a release that another program wrote.
FOREIGN = "rmellipse"

_POINTER_LIMIT_BYTES = 4096
_HOUR_NS = 3600 * 10**9
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}

_logger = logging.getLogger(__name__)


def _log_damage(error: EtiketError) -> None:
    _logger.warning("%s %s", error.reason, error.advice)


def foreign_uuid(workspace: str, title: str) -> str:
    """The uuid of a release that states none: the same on every machine that reads this archive."""
    return str(uuids.uuid5(NAMESPACE, f"{FOREIGN}\x1f{workspace}/{title}"))


class ArchiveReader:
    """Looks things up in one archive.

    A look-up lists one title folder and parses the records it needs, nothing else; only :meth:`datasets`,
    :meth:`search` and what :meth:`resolve` cannot find by its identity walk the workspaces. A record that cannot be
    understood is told to ``on_damage`` and passed over, so that it never hides the others.
    Every method raises DestinationOffline where the archive cannot be reached.
    """

    def __init__(
        self,
        layout: ArchiveLayout,
        files: FileLayer | None = None,
        *,
        on_damage: Callable[[EtiketError], None] = _log_damage,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.layout = layout
        self.files = files or FileLayer()
        self._on_damage = on_damage
        self._now_ns = now_ns

    # ------------------------------------------------------------------ look-up

    def find(self, uuid: str, scope: str) -> RemoteVersion | None:
        """The newest version of a dataset of ours that is not provisional, or None."""
        workspace = self.layout.workspace(scope)
        with self._archive() as root:
            title = self._pointed_title(root, uuid, workspace)
            if title is None:
                return None
            record = self._newest(root, workspace, title)
        if record is None or record.facts is None or record.facts.reference.uuid != uuid:
            return None
        return RemoteVersion(join_remote(workspace, title), record.version, record.facts.digest)

    def version_names(self, remote: str) -> list[str]:
        """Every version of a dataset, oldest first, from the file names alone; empty where there is no such dataset."""
        workspace, title = split_remote(remote)
        with self._archive() as root:
            return self._versions(root, workspace, title)

    def versions(self, remote: str, scope: str = "") -> tuple[StoredVersion, ...]:
        """Every version of a dataset, oldest first. Raises UsageError where there is no such dataset."""
        title = split_remote(remote)[1]
        stored = []
        with self._archive() as root, self._existing(root, remote) as (folder, names):
            for version in names:
                try:
                    stored.append(_stored_version(remote, *self._read(folder, title, version)))
                except DestinationDamaged as error:
                    self._on_damage(error)
        return tuple(stored)

    def record(self, remote: str, version: str = "") -> Record:
        """The record of a version; of the newest that is not provisional (else of the newest) without one.

        Raises UsageError where there is no such version and DestinationDamaged where its record is broken.
        """
        if not version:
            return self.newest(remote)[1]
        with self._archive() as root, self._existing(root, remote, version) as (folder, _):
            return self._read(folder, split_remote(remote)[1], version)[0]

    def newest(self, remote: str) -> tuple[list[str], Record]:
        """Every version, oldest first, and the record of the newest that is not provisional (else of the newest).

        Raises UsageError where there is no such dataset and DestinationDamaged where that record is broken.
        """
        with self._archive() as root, self._existing(root, remote) as (folder, names):
            finals = [name for name in names if not is_live_version(name)]
            return names, self._read(folder, split_remote(remote)[1], (finals or names)[-1])[0]

    def read_version_entries(self, remote: str, version: str, scope: str = "") -> tuple[FileEntry, ...]:
        """Every file, link and empty folder of a version, names checked. Raises as :meth:`record` and UnsafeName."""
        return tuple(self.record(remote, version).entries())

    # ------------------------------------------------------------------ lists

    def datasets(self, stop: StopToken, *, source_uuid: str | None = None) -> Iterator[StoredDataset]:
        """The newest version of every dataset that has one that is not provisional, one at a time."""
        for workspace, title in self._all_titles(stop):
            dataset = self._dataset_or_report(workspace, title)
            if dataset is not None and (source_uuid is None or dataset.reference.source_uuid == source_uuid):
                yield dataset

    def search(self, text: str, stop: StopToken) -> Iterator[StoredDataset]:
        """Datasets in whose name, identifier, description, attributes or keywords every word of ``text`` occurs."""
        words = text.casefold().split()
        for dataset in self.datasets(stop):
            if is_wanted_by(words, dataset):
                yield dataset

    def resolve(self, query: str, stop: StopToken) -> tuple[StoredDataset, ...]:
        """Datasets whose uuid, uuid prefix (6 or more), identifier, remote, title or exact name is ``query``.

        What names its folder (uuid, prefix, remote, title) is looked up; only the rest walks the archive.
        """
        asked = Query.of(query)
        if asked is None:
            return ()
        candidates = dict.fromkeys(self._pointed(asked, stop))
        found = [dataset for candidate in candidates if (dataset := self._dataset(*candidate)) and asked.names(dataset)]
        if found:
            return tuple(found)
        matches = []
        for workspace, title in self._all_titles(stop):
            if asked.is_uuid and not asked.may_be_title(title) and foreign_uuid(workspace, title) != asked.text:
                continue
            dataset = self._dataset_or_report(workspace, title)
            if dataset is not None and asked.names(dataset):
                matches.append(dataset)
        return tuple(matches)

    # ------------------------------------------------------------------ verification

    def verify(self, remote: str, version: str, scope: str, stop: StopToken) -> Verification:
        """Read every byte of a version again and compare it with its record.

        ``is_proven`` only where the bytes came from the disk (the cache was dropped and seen to be empty) or were
        written at least an hour ago. Raises UsageError where there is no such version.
        """
        title = split_remote(remote)[1]
        with self._archive() as root, self._existing(root, remote, version) as (folder, _):
            try:
                record, mtime_ns = self._read(folder, title, version)
                entries = tuple(record.entries())
            except (DestinationDamaged, UnsafeName) as error:
                damage = FileVerification(record_name(title, version), error.reason)
                return Verification(remote, version, 0, 0, (damage,), self._now_ns())
            check = check_blobs(self.files, folder, entries, stop, may_lack_empty=record.facts is None)
            self._must_be_there(root)
        differences = list(check.differences)
        if record.is_altered:
            differences.append(FileVerification(record_name(title, version), "the record itself was altered"))
        elif record.facts is not None:
            digest = snapshot_digest(record.facts.description, entries, is_provisional=record.facts.is_provisional)
            if digest != record.facts.digest:
                differences.append(FileVerification(record_name(title, version), "the record itself was altered"))
        now_ns = self._now_ns()
        published_ns = record.facts.published_ns if record.facts is not None else mtime_ns
        is_old = now_ns - max(published_ns, mtime_ns) >= _HOUR_NS
        return Verification(
            remote,
            version,
            check.files,
            check.size_bytes,
            tuple(differences),
            now_ns,
            is_proven=not differences and (check.is_from_disk or is_old),
        )

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _archive(self) -> Iterator[Folder]:
        """The open root. Turns what the operating system says into known failures."""
        try:
            root = self.files.open_root(self.layout.root)
        except OSError as error:
            raise reading_error(error, self.layout.root) from error
        try:
            yield root
        except OSError as error:
            raise reading_error(error, str(error.filename or self.layout.root)) from error
        finally:
            self.files.close_folder(root)

    def _must_be_there(self, root: Folder) -> None:
        """Nothing found must never be said about an archive that is not there: an empty mount point, a lost share."""
        try:
            self.files.status(root, MARKER)
        except OSError as error:
            raise DestinationOffline(
                f"There is no archive at {self.layout.root}: its marker {MARKER} cannot be seen.",
                path=self.layout.root,
                advice="Plug the disk in or reconnect the share. If the archive was moved, tell the program where to.",
            ) from error

    def _names(self, root: Folder, relative: str) -> list[str]:
        """The names in a folder of the archive; empty where there is no such folder in an archive that is there."""
        try:
            with self.files.folder(root, relative) as folder:
                return self.files.names(folder)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            self._must_be_there(root)
            return []

    def _versions(self, root: Folder, workspace: str, title: str) -> list[str]:
        return versions_in(title, self._names(root, title_folder(workspace, title)))

    @contextmanager
    def _title(self, root: Folder, workspace: str, title: str) -> Iterator[Folder | None]:
        """The open folder of a title; None where there is none in an archive that is there."""
        try:
            folder = self.files.open_below(root, title_folder(workspace, title))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            self._must_be_there(root)
            yield None
            return
        try:
            yield folder
        finally:
            self.files.close_folder(folder)

    def _pointed_title(self, root: Folder, uuid: str, workspace: str) -> str | None:
        above, _, name = pointer_path(uuid, workspace).rpartition("/")
        try:
            with self.files.folder(root, above) as folder:
                return parse_pointer(self.files.read_file(folder, name, _POINTER_LIMIT_BYTES), workspace)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            self._must_be_there(root)
            return None

    @contextmanager
    def _existing(self, root: Folder, remote: str, version: str = "") -> Iterator[tuple[Folder, list[str]]]:
        """The open folder of a dataset and its versions. Raises UsageError where it has none, or not that one."""
        workspace, title = split_remote(remote)
        with self._title(root, workspace, title) as folder:
            names = versions_in(title, self.files.names(folder)) if folder is not None else []
            if folder is None or not names:
                raise _no_dataset(remote)
            if version and version not in names:
                raise _no_version(remote, version, names)
            yield folder, names

    def _read(self, folder: Folder, title: str, version: str) -> tuple[Record, int]:
        """A record in its open title folder, and when its file was written. Raises DestinationDamaged."""
        name = record_name(title, version)
        path = os.path.join(folder.path, name)
        try:
            data = self.files.read_file(folder, name, MAX_RECORD_BYTES)
            mtime_ns = self.files.status(folder, name).st_mtime_ns
        except OSError as error:
            if error.errno in {errno.EFBIG, errno.EINVAL, errno.EISDIR, errno.ELOOP}:
                raise DestinationDamaged(
                    f"{path} is not a record: {error.strerror}.", path=path, advice="Move it away."
                ) from error
            raise
        record = parse_record(data, path)
        if record.version != version or record.title != title:
            raise DestinationDamaged(
                f"The record {path} is about {record.title} {record.version}, which is not what its name says.",
                path=path,
                advice="Give it back its name, or restore it from a backup of the archive.",
            )
        return record, mtime_ns

    def _newest(self, root: Folder, workspace: str, title: str) -> Record | None:
        found = self._newest_with_time(root, workspace, title)
        return None if found is None else found[0]

    def _newest_with_time(self, root: Folder, workspace: str, title: str) -> tuple[Record, int] | None:
        """The newest readable version that is not provisional, and when its record was written."""
        with self._title(root, workspace, title) as folder:
            versions = versions_in(title, self.files.names(folder)) if folder is not None else []
            for version in reversed(versions):
                if folder is None or is_live_version(version):
                    continue
                try:
                    return self._read(folder, title, version)
                except DestinationDamaged as error:
                    self._on_damage(error)
        return None

    def _dataset(self, workspace: str, title: str) -> StoredDataset | None:
        with self._archive() as root:
            found = self._newest_with_time(root, workspace, title)
        if found is None:
            return None
        record, _ = found
        newest = _stored_version(join_remote(workspace, title), *found)
        if record.facts is None:
            uuid = foreign_uuid(workspace, title)
            reference = DatasetReference(uuid, "", "", FOREIGN, Realm.WORLD.value, title)
            return StoredDataset(reference, workspace, Description(name=title, identifier=title), newest)
        scope = record.facts.scope
        if not self._is_scope_of(scope, workspace):
            scope = workspace
        return StoredDataset(record.facts.reference, scope, record.facts.description, newest)

    def _dataset_or_report(self, workspace: str, title: str) -> StoredDataset | None:
        """While walking, what is wrong with one folder must not hide the others."""
        try:
            return self._dataset(workspace, title)
        except (DestinationDamaged, DestinationRefused) as error:
            self._on_damage(error)
            return None

    def _is_scope_of(self, scope: str, workspace: str) -> bool:
        try:
            return self.layout.workspace(scope) == workspace
        except (UnsafeName, NameTooLong):
            return False

    def _workspaces(self, root: Folder) -> list[str]:
        self._must_be_there(root)
        return sorted(name for name in self.files.names(root) if _is_allowed(check_workspace, name))

    def _all_titles(self, stop: StopToken) -> Iterator[tuple[str, str]]:
        """(workspace, title) of every folder that may hold records."""
        with self._archive() as root:
            workspaces = self._workspaces(root)
        for workspace in workspaces:
            stop.check()
            try:
                with self._archive() as root:
                    titles = sorted(self._names(root, workspace))
            except (DestinationDamaged, DestinationRefused) as error:
                self._on_damage(error)
                continue
            for title in titles:
                stop.check()
                if _is_allowed(check_component, title):
                    yield workspace, title

    def _pointed(self, asked: Query, stop: StopToken) -> Iterator[tuple[str, str]]:
        """(workspace, title) of what a query names by uuid, uuid prefix, remote or title, without walking."""
        with self._archive() as root:
            workspaces = self._workspaces(root)
            if asked.uuid_start:
                names = self._names(root, f"{TITLES}/{asked.uuid_start[:2]}")
                uuids_there = sorted({name[:36] for name in names if asked.is_pointer(name)})
                for uuid in uuids_there:
                    stop.check()
                    for workspace in workspaces:
                        title = self._pointed_title(root, uuid, workspace)
                        if title is not None:
                            yield workspace, title
            if _is_allowed(check_component, asked.title):
                for workspace in workspaces:
                    if asked.workspace in {"", workspace} and self._versions(root, workspace, asked.title):
                        yield workspace, asked.title


def reading_error(error: OSError, path: str) -> EtiketError:
    """The known failure for what the operating system said while an archive was read."""
    if error.errno == errno.ELOOP:
        return DestinationDamaged(
            f"{path} is a symbolic link where the archive has a folder or file of its own; it is not followed.",
            path=path,
            advice="Put the real folder or file back in its place.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DestinationRefused(
            f"{path} may not be read by this account: {error.strerror}.",
            path=path,
            advice="Give the account that runs this program the right to read it.",
        )
    if error.errno in _NOT_THERE:
        return destination_error(error, path)
    return DestinationOffline(f"{path} cannot be read: {error.strerror or error}.", path=path)


def _is_allowed(check: Callable[[str], str], name: str) -> bool:
    try:
        check(name)
    except (UnsafeName, NameTooLong):
        return False
    return True


def _stored_version(remote: str, record: Record, mtime_ns: int) -> StoredVersion:
    facts = record.facts
    return StoredVersion(
        remote=remote,
        version=record.version,
        digest=facts.digest if facts is not None else "",
        published_at_ns=facts.published_ns if facts is not None else mtime_ns,
        is_provisional=facts.is_provisional if facts is not None else False,
        size_bytes=record.size_bytes,
        file_count=record.file_count,
    )


def _no_dataset(remote: str) -> UsageError:
    return UsageError(f"There is no dataset {remote} in this archive.", advice="`etiket-sync search` lists what is.")


def _no_version(remote: str, version: str, names: list[str]) -> UsageError:
    return UsageError(f"{remote} has no version {version!r}.", advice=f"It has: {', '.join(names)}.")
