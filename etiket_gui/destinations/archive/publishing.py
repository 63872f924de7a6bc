"""Makes staged datasets durable, checks them, and gives them their final names, exclusively between all writers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etiket_gui.destinations.api import Receipt
from etiket_gui.destinations.archive.blobs import TitleBlobs, check_staged
from etiket_gui.destinations.archive.exclusive import publish_file
from etiket_gui.destinations.archive.layout import browse_path, join_remote, record_name
from etiket_gui.destinations.archive.provisional import withdraw_versions
from etiket_gui.destinations.archive.record import (
    Change,
    Record,
    RecordFacts,
    build_record,
    encode_record,
    next_version,
)
from etiket_gui.destinations.archive.session import WriteSession, archive_error, archive_errors, item_error
from etiket_gui.destinations.archive.staging import StagedDataset, Stager
from etiket_gui.destinations.archive.titles import TitleState, look_at_title
from etiket_gui.domain import guards
from etiket_gui.domain.errors import DestinationDamaged, DestinationRefused, EtiketError, FileBusy, Stopped, UnsafeName
from etiket_gui.domain.failpoints import fail_here
from etiket_gui.domain.states import VerificationLevel
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import Folder

log = logging.getLogger(__name__)

#: How often another writer may take the version we wanted before we let it be for now.
_ROUNDS = 50

Result = tuple[StagedDataset, Receipt | EtiketError]


class Publisher:
    """Publishes the groups of one session. While ``is_gentle`` says so, files are made durable one by one."""

    def __init__(
        self, session: WriteSession, stager: Stager, stop: StopToken, host: str, *, is_gentle: Callable[[], bool]
    ) -> None:
        self._session = session
        self._files = session.files
        self._stager = stager
        self._blobs = TitleBlobs(session, stager, stop)
        self._stop = stop
        self._host = host
        self._is_gentle = is_gentle
        self._failures: dict[int, EtiketError] = {}

    @contextmanager
    def title(self, item: StagedDataset) -> Iterator[Folder]:
        """The open folder of the item's title. Raises OSError."""
        folder = self._files.open_folder(self._session.workspace(item.workspace), item.title)
        try:
            yield folder
        finally:
            self._files.close_folder(folder)

    def stage_first_record(self, item: StagedDataset) -> None:
        """Write the record of a first version into the staged folder, which is then published as a whole."""
        item.version = next_version((), Change.FIRST, is_provisional=item.outgoing.is_provisional)
        self._write_record(item, None, f"{item.place}/{record_name(item.title, item.version)}")
        item.new_bytes = sum(blob.size_bytes for blob in item.blobs.values())

    def publish(self, group: list[StagedDataset]) -> list[Result]:
        """Make a group durable, verify it, publish it; what is returned survives a power cut.

        Raises a failure of the whole destination; nothing of the group counts as archived then.
        """
        self._failures = {}
        for item in group:
            self._stager.note_unsynced(item)
        with archive_errors(self._session.layout.root):
            self._make_durable()
            fail_here("after_first_sync")
            good = self._each(group, self._verify)
            fail_here("after_verify")
            good = self._each(good, lambda item: item.outgoing.confirm())
            later = [item for item in good if not self._publish_first(item)]
            self._publish_later(later)
            self._make_durable()
            fail_here("after_second_sync")
        for item in later:
            if item.index not in self._failures:
                self._withdraw_older(item)
        now_ns = time.time_ns()
        results: list[Result] = []
        for item in group:
            failure = self._failures.get(item.index)
            results.append((item, failure if failure is not None else self._receipt(item, now_ns)))
            if item.is_place_left:
                self._stager.drop(item)
        return results

    # ------------------------------------------------------------------ steps

    def _each(self, items: list[StagedDataset], step: Callable[[StagedDataset], None]) -> list[StagedDataset]:
        """Do a step for each; the ones it went well for. A failure of one dataset stays with that dataset."""
        done = []
        for item in items:
            self._stop.check()
            try:
                step(item)
            except Stopped:
                raise
            except EtiketError as error:
                if error.concerns_all:
                    raise
                self._failures[item.index] = error
            except OSError as error:
                failure = item_error(error, f"{self._session.layout.root}/{item.workspace}/{item.title}")
                if failure.concerns_all:
                    raise failure from error
                self._failures[item.index] = failure
            else:
                done.append(item)
        return done

    def _make_durable(self) -> None:
        self._session.make_durable(self._stop, is_gentle=self._is_gentle())

    def _verify(self, item: StagedDataset) -> None:
        check_staged(self._stager, item, item.blobs.values(), self._stop)
        self._stager.release(item)

    def _publish_first(self, item: StagedDataset) -> bool:
        """Publish a whole new title; False where it is no new title, or no longer."""
        if not item.is_first:
            return False
        fail_here("before_publish")
        fail_here("after_blobs")
        workspace = self._session.workspace(item.workspace)
        try:
            self._files.publish_folder(self._session.staging, item.place, workspace, item.title)
        except FileExistsError:
            item.is_first = False
            item.new_bytes = 0
            return False
        item.is_place_left = False
        self._session.note_folder(workspace)
        self._session.note_folder(self._session.staging)
        fail_here("after_publish")
        return True

    def _publish_later(self, items: list[StagedDataset]) -> None:
        pending = items
        for round_number in range(_ROUNDS):
            if not pending:
                return
            for item in pending:
                item.round_number, item.is_lost = round_number, False
            pending = self._each(pending, self._prepare)
            if any(item.restaged for item in pending):
                self._make_durable()
                pending = self._each(pending, self._verify_restaged)
            pending = self._each(pending, self._place_blobs)
            self._make_durable()
            placed = self._each([item for item in pending if item.is_new], self._place_record)
            self._each([item for item in placed if not item.is_lost], self._check_shared)
            pending = [item for item in placed if item.is_lost]
        for item in pending:
            self._failures[item.index] = FileBusy(
                f"Other computers publish versions of {item.title} faster than this one can.", path=item.title
            )

    def _verify_restaged(self, item: StagedDataset) -> None:
        check_staged(self._stager, item, item.restaged, self._stop)
        self._stager.release(item)

    def _prepare(self, item: StagedDataset) -> None:
        """Look at what is stored now and decide: nothing to do, or which version to publish."""
        fail_here("before_publish")
        with self.title(item) as folder:
            state = look_at_title(self._files, folder, item.title)
            item.state = state
            same = same_version(item, state)
            if same is not None:
                item.is_new, item.version = False, same.version
                item.restaged = self._blobs.restage_missing(item, folder)
                return
            check_ours(item, state)
            item.is_new = True
            item.restaged = self._blobs.restage_unreliable(item, folder)
            newest = state.newest_final
            item.version = next_version(
                state.versions, _change(item, newest), is_provisional=item.outgoing.is_provisional
            )

    def _place_blobs(self, item: StagedDataset) -> None:
        blobs = item.restaged
        if item.is_new and not item.are_blobs_placed:
            blobs, item.are_blobs_placed = list(item.blobs.values()), True
        with self.title(item) as folder:
            self._blobs.publish(item, folder, blobs)
        if item.is_new:
            newest = item.state.newest_final if item.state is not None else None
            self._write_record(item, newest, f"{item.place}/record-{item.round_number}")
        fail_here("after_blobs")

    def _place_record(self, item: StagedDataset) -> None:
        with self.title(item) as folder:
            name, staged = record_name(item.title, item.version), f"{item.place}/record-{item.round_number}"
            try:
                publish_file(self._session, self._session.staging, staged, folder, name)
            except FileExistsError:
                item.is_lost = True
                return
        self._session.note_folder(self._session.workspace(item.workspace), item.title)
        fail_here("after_publish")

    def _check_shared(self, item: StagedDataset) -> None:
        with self.title(item) as folder:
            again = self._blobs.lost_meanwhile(item, folder)
            if again:
                self._make_durable()
                check_staged(self._stager, item, again, self._stop)
                self._blobs.publish(item, folder, again)

    def _withdraw_older(self, item: StagedDataset) -> None:
        """Provisional versions of ours make room for the one that is now durable."""
        records = item.state.provisional if item.state is not None else ()
        agent = self._session.agent
        versions = [
            record.version
            for record in records
            if record.facts is not None and record.facts.agent == agent and record.version != item.version
        ]
        if not versions:
            return
        try:
            with self.title(item) as folder:
                withdraw_versions(self._files, folder, item.title, versions, agent)
        except (OSError, EtiketError) as error:
            log.info("Provisional versions of %s stay for now: %s", item.title, error)
            item.notes.append("An older provisional version could not be removed yet.")

    # ------------------------------------------------------------------ record and receipt

    def _write_record(self, item: StagedDataset, newest: Record | None, name: str) -> None:
        outgoing, description = item.outgoing, item.outgoing.description
        now_ns = time.time_ns()
        browse = newest.facts.browse if newest is not None and newest.facts is not None else ""
        if not browse:
            earliest_ns = min((entry.mtime_ns for entry in item.entries), default=now_ns)
            browse = browse_path(outgoing.reference.source_name, description.name, description.collected, earliest_ns)
        facts = RecordFacts(
            title=item.title,
            version=item.version,
            digest=item.digest,
            published_ns=now_ns,
            is_provisional=outgoing.is_provisional,
            scope=outgoing.scope,
            reference=outgoing.reference,
            description=description,
            browse=browse,
            agent=self._session.agent,
            host=self._host,
        )
        text = encode_record(build_record(facts, item.entries))
        try:
            fd = self._files.create(self._session.staging, name, 0o644)
            try:
                self._files.write(fd, text)
            finally:
                self._files.close_file(fd)
        except OSError as error:
            raise archive_error(error, self._session.layout.root) from error
        self._session.unsynced_files.append((self._session.staging, name))
        self._session.note_folder(self._session.staging, item.place)

    def _receipt(self, item: StagedDataset, now_ns: int) -> Receipt:
        outgoing = item.outgoing
        return Receipt(
            uuid=outgoing.reference.uuid,
            remote=join_remote(item.workspace, item.title),
            version=item.version,
            digest=item.digest,
            level=VerificationLevel.RE_READ,
            verified_at_ns=now_ns,
            files=item.entries,
            description=outgoing.description,
            is_provisional=outgoing.is_provisional,
            is_new=item.is_new,
            new_bytes=item.new_bytes,
            notes=tuple(item.notes),
        )


def same_version(item: StagedDataset, state: TitleState) -> Record | None:
    """The newest stored version, where it is the very snapshot that is to be sent."""
    newest = state.newest_final
    candidates = [*state.provisional[-1:]] if item.outgoing.is_provisional else []
    if newest is not None:
        candidates.append(newest)
    for record in candidates:
        if record.facts is not None and record.facts.digest == item.digest and guards.is_on("found-by-key"):
            return record
    return None


def check_ours(item: StagedDataset, state: TitleState) -> None:
    """Nothing is versioned over what another source, or another dataset, put there. Raises a known failure."""
    for record in (state.newest_final, *state.provisional):
        if record is None:
            continue
        path = f"{item.workspace}/{item.title}"
        if record.facts is None or record.facts.reference.uuid != item.outgoing.reference.uuid:
            raise DestinationDamaged(
                f"{path} holds something else than this dataset, so nothing was added to it.",
                advice="Move that folder away; the dataset is then sent under its own title.",
                path=path,
            )
        there, ours = record.facts.reference, item.outgoing.reference
        if there.source_uuid != ours.source_uuid:
            error = DestinationRefused(
                f"{path} was archived from the source {there.source_name!r} with other content; "
                f"a version from {ours.source_name!r} was not put over it.",
                advice="If both are the same measurements, remove this source and add it again as a continuation.",
                path=path,
            )
            error.concerns_all = False
            raise error


def _change(item: StagedDataset, newest: Record | None) -> Change:
    if newest is None:
        return Change.FIRST
    try:
        stored = {tuple(entry.digest_item()) for entry in newest.entries()}
    except (DestinationDamaged, UnsafeName):
        return Change.FILES
    ours = {tuple(entry.digest_item()) for entry in item.entries}
    return Change.DESCRIPTION if stored == ours else Change.FILES
