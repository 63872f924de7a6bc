"""Writes a batch of datasets: stages them in groups, and hands each group on to be published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from etiket_gui.destinations.api import Checkpoint, Receipt
from etiket_gui.destinations.archive.large import LargeCopier
from etiket_gui.destinations.archive.publishing import Publisher
from etiket_gui.destinations.archive.record import Record
from etiket_gui.destinations.archive.session import WriteSession, archive_errors, item_error
from etiket_gui.destinations.archive.space import FreeFloor
from etiket_gui.destinations.archive.staging import StagedDataset, Stager, descriptor_budget
from etiket_gui.destinations.archive.titles import TitleBook, look_at_title
from etiket_gui.domain.content import Outgoing
from etiket_gui.domain.errors import EtiketError, Stopped
from etiket_gui.domain.failpoints import fail_here
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import Progress, StopToken

#: A group ends at whichever comes first; one wait for the disk serves it all.
GROUP_DATASETS = 250
GROUP_BYTES = 512 * 1024 * 1024


class BatchWriter:
    """Writes one batch in one session. ``is_gentle`` says at any time whether something is measured: small steps."""

    def __init__(
        self,
        session: WriteSession,
        floor: FreeFloor,
        checkpoint: Checkpoint,
        progress: Progress,
        stop: StopToken,
        host: str,
        *,
        is_gentle: Callable[[], bool],
    ) -> None:
        self._session = session
        self._floor = floor
        self._checkpoint = checkpoint
        self._stop = stop
        copier = LargeCopier(session, checkpoint, progress, stop, is_gentle=is_gentle)
        self._stager = Stager(session, copier, progress, stop, descriptor_budget())
        self._publisher = Publisher(session, self._stager, stop, host, is_gentle=is_gentle)
        self._titles = TitleBook(session)
        self._group: list[StagedDataset] = []
        self._group_bytes = 0

    def write(self, batch: Sequence[Outgoing]) -> Iterator[tuple[int, Receipt | EtiketError]]:
        """Yields (index, receipt or failure) as each is durable.

        Raises what concerns the whole archive, after what was staged before it was published, and Stopped.
        """
        try:
            for index, outgoing in enumerate(batch):
                try:
                    self._stop.check()
                    self._stage(index, outgoing)
                except Stopped:
                    raise
                except EtiketError as error:
                    if error.concerns_all:
                        yield from self._flush()
                        raise
                    yield index, error
                    continue
                if len(self._group) >= GROUP_DATASETS or self._group_bytes >= GROUP_BYTES:
                    yield from self._flush()
            yield from self._flush()
        finally:
            for item in self._group:
                self._stager.release(item)

    def _stage(self, index: int, outgoing: Outgoing) -> None:
        root = self._session.layout.root
        workspace = self._session.layout.workspace(outgoing.scope)
        uuid, name = outgoing.reference.uuid, outgoing.description.name
        size_bytes = sum(file.entry.size_bytes for file in outgoing.files if file.entry.kind is EntryKind.FILE)
        if outgoing.previous is None:
            self._floor.check(size_bytes)
        try:
            title, exists = self._titles.decide(uuid, workspace, name)
            newest = self._newest(workspace, title) if exists else None
        except OSError as error:
            raise item_error(error, f"{root}/{workspace}") from error
        self._floor.check(_new_bytes(outgoing, newest))
        item = self._stager.prepare(index, outgoing, workspace, title, is_first=not exists)
        try:
            self._read(item, newest)
        except Stopped:
            # The whole temporary folder goes with the session, in a hurry.
            self._stager.release(item)
            raise
        except BaseException:
            with suppress(EtiketError, OSError):
                self._stager.drop(item)
            raise
        self._floor.use(sum(blob.size_bytes for blob in item.blobs.values()))
        self._group.append(item)
        self._group_bytes += size_bytes

    def _newest(self, workspace: str, title: str) -> Record | None:
        files = self._session.files
        with files.folder(self._session.workspace(workspace), title) as folder:
            return look_at_title(files, folder, title).newest_final

    def _read(self, item: StagedDataset, newest: Record | None) -> None:
        if item.is_first:
            self._stager.read_all(item, None, None)
            self._publisher.stage_first_record(item)
        else:
            with archive_errors(self._session.layout.root), self._publisher.title(item) as folder:
                self._stager.read_all(item, folder, newest)
        with archive_errors(self._session.layout.root):
            fail_here("after_stage")

    def _flush(self) -> Iterator[tuple[int, Receipt | EtiketError]]:
        if not self._group:
            return
        group, self._group, self._group_bytes = self._group, [], 0
        try:
            results = self._publisher.publish(group)
        finally:
            for item in group:
                self._stager.release(item)
        for item, result in results:
            if item.has_large and isinstance(result, Receipt):
                self._checkpoint.clear(item.outgoing.reference.uuid)
            yield item.index, result


def _new_bytes(outgoing: Outgoing, newest: Record | None) -> int:
    """At most that many bytes are not stored yet: files whose name, size or time differ from the newest version."""
    stored = set()
    if newest is not None:
        with suppress(EtiketError):
            stored = {(entry.name, entry.size_bytes, entry.mtime_ns) for entry in newest.entries()}
    return sum(
        file.entry.size_bytes
        for file in outgoing.files
        if file.entry.kind is EntryKind.FILE
        and (file.entry.name, file.entry.size_bytes, file.entry.mtime_ns) not in stored
    )
