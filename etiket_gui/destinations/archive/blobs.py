"""The blobs of a title that exists already: relied on only after a look, repaired from the source, added to."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from etiket_gui.destinations.archive.exclusive import publish_file
from etiket_gui.destinations.archive.layout import BLOBS, blob_in_title
from etiket_gui.destinations.archive.session import WriteSession
from etiket_gui.destinations.archive.sourcefiles import SMALL_FILE_BYTES, hash_descriptor, read_small
from etiket_gui.destinations.archive.staging import StagedBlob, StagedDataset, Stager
from etiket_gui.domain import guards
from etiket_gui.domain.content import SourceFile
from etiket_gui.domain.errors import SourceChanged, VerificationFailed
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import Folder


class TitleBlobs:
    """Looks after the blobs of the titles of one session."""

    def __init__(self, session: WriteSession, stager: Stager, stop: StopToken) -> None:
        self._session = session
        self._files = session.files
        self._stager = stager
        self._stop = stop

    def restage_unreliable(self, item: StagedDataset, folder: Folder) -> list[StagedBlob]:
        """Hash every blob a new version will share with older ones, and touch it; what is damaged is staged again.

        The damaged ones lie in the quarantine afterwards. Raises OSError and the known source failures.
        """
        bad = []
        for sha256, (size_bytes, _) in sorted(item.reused.items()):
            self._stop.check()
            if self._is_good(item, folder, sha256, size_bytes):
                self._files.touch(folder, blob_in_title(sha256))
            else:
                bad.append(sha256)
        return [self._restage(item, folder, sha256) for sha256 in bad]

    def restage_missing(self, item: StagedDataset, folder: Folder) -> list[StagedBlob]:
        """Look at every blob of a version that is stored already; what is missing or damaged is staged again.

        Every one is hashed: the receipt says that it was read again, and a rotten bit moves neither size nor time.
        """
        bad = []
        for sha256, (size_bytes, _) in sorted(self._all(item).items()):
            self._stop.check()
            if not self._is_good(item, folder, sha256, size_bytes):
                bad.append(sha256)
        # Where another writer won, what we staged ourselves is still there.
        ours = {} if item.are_blobs_placed else item.blobs
        return [ours.get(sha256) or self._restage(item, folder, sha256) for sha256 in bad]

    def lost_meanwhile(self, item: StagedDataset, folder: Folder) -> list[StagedBlob]:
        """Look again, after publishing, at the blobs that were shared; what vanished is staged again."""
        lost = []
        for sha256, (size_bytes, _) in sorted(item.reused.items()):
            try:
                found = self._files.status(folder, blob_in_title(sha256))
            except (FileNotFoundError, NotADirectoryError):
                lost.append(sha256)
                continue
            if found.st_size != size_bytes:
                lost.append(sha256)
        return [self._restage(item, folder, sha256) for sha256 in lost]

    def publish(self, item: StagedDataset, folder: Folder, blobs: Iterable[StagedBlob]) -> None:
        """Give staged blobs their final names in a title folder; one that is there already must be good.

        Raises OSError.
        """
        workspace = self._session.workspace(item.workspace)
        for blob in blobs:
            self._stop.check()
            above = f"{BLOBS}/{blob.sha256[:2]}"
            staged = f"{item.place}/{blob_in_title(blob.sha256)}"
            with self._files.folder(folder, above, make=True) as target:
                while True:
                    try:
                        publish_file(self._session, self._session.staging, staged, target, blob.sha256)
                        item.new_bytes += blob.size_bytes
                        break
                    except FileExistsError:
                        if self._is_good_in(target, blob.sha256, blob.size_bytes):
                            self._files.discard(self._session.staging, staged)
                            break
                        self._session.quarantine(target, blob.sha256, f"{item.title}/{above}/{blob.sha256}")
            for name in (f"{item.title}/{BLOBS}", f"{item.title}/{above}"):
                self._session.note_folder(workspace, name)
        self._session.note_folder(workspace, item.title)

    # ------------------------------------------------------------------ inside

    def _all(self, item: StagedDataset) -> dict[str, tuple[int, SourceFile]]:
        by_name = {file.entry.name: file for file in item.outgoing.files}
        return {
            entry.sha256: (entry.size_bytes, by_name[entry.name])
            for entry in item.entries
            if entry.kind is EntryKind.FILE and entry.sha256 is not None
        }

    def _is_good(self, item: StagedDataset, folder: Folder, sha256: str, size_bytes: int) -> bool:
        try:
            with self._files.folder(folder, f"{BLOBS}/{sha256[:2]}") as below:
                if self._is_good_in(below, sha256, size_bytes):
                    return True
                self._session.quarantine(below, sha256, f"{item.title}/{blob_in_title(sha256)}")
                return False
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _is_good_in(self, below: Folder, sha256: str, size_bytes: int) -> bool:
        """Whether an existing blob is what its name says. Raises FileNotFoundError and OSError."""
        if not guards.is_on("check-existing-blob"):
            self._files.status(below, sha256)
            return True
        try:
            fd = self._files.open_file(below, sha256)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                return False
            raise
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
                return False
            return hash_descriptor(fd, size_bytes, self._stop.check) == sha256
        finally:
            self._files.close_file(fd)

    def _restage(self, item: StagedDataset, folder: Folder, sha256: str) -> StagedBlob:
        size_bytes, file = self._all(item)[sha256]
        item.reused.pop(sha256, None)
        if size_bytes <= SMALL_FILE_BYTES:
            data, now = read_small(file)
            if now == sha256:
                self._stager.write_blob(item, sha256, data, file)
        else:
            now = self._stager.write_large(item, file)
            self._stager.place_large(item)
        if now != sha256:
            raise SourceChanged(f"{file.path} changed while it was being sent.", path=file.path)
        item.notes.append(f"{file.entry.name} was missing or damaged in {folder.path} and was stored again.")
        self._stager.note_unsynced(item)
        return item.blobs[sha256]


def check_staged(stager: Stager, item: StagedDataset, blobs: Iterable[StagedBlob], stop: StopToken) -> None:
    """Read staged content back and compare it with what was read of the source.

    Raises VerificationFailed, OSError and Stopped.
    """
    if not guards.is_on("verify-after-write"):
        return
    for blob in blobs:
        stop.check()
        if stager.blob_digest(item, blob) != blob.sha256:
            raise VerificationFailed(
                f"The copy of {blob.source.entry.name} in the archive's temporary folder differs from the original.",
                path=blob.source.path,
            )
