"""A store on real disk with sources and datasets in it, moved along by short calls; for tests of the store."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from etiket_gui.domain.content import FileEntry, Found
from etiket_gui.domain.errors import EtiketError, FileBusy
from etiket_gui.domain.states import EntryKind, Realm, RunState, TransferState
from etiket_gui.store.reader import StoreReader
from etiket_gui.store.rows import Claim, DatasetRow, FoundOutcome, NotSent, Sent, SourceRow, TransferRow
from etiket_gui.store.schema import make_store
from etiket_gui.store.writer import StoreWriter
from tests.support.clock import FakeClock

MIB = 1024 * 1024


class StoreBench:
    """One store with one source "fridge" and as many archive destinations as asked for."""

    def __init__(self, path: Path, *, destinations: int = 1, clock: FakeClock | None = None) -> None:
        self.path = path
        self.clock = clock or FakeClock()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make_store(path)
        self.writer = StoreWriter(path, self.clock.now_ns)
        self.reader = StoreReader(path)
        self._numbers = itertools.count(1)
        if not self.writer.sources():
            for number in range(1, destinations + 1):
                self.writer.add_destination(f"d-{number}", f"archive {number}", "archive", {"path": f"/a{number}"})
            routes = [(row.id, "") for row in self.writer.destinations()]
            self.writer.add_source("s-1", "fridge", "folder", {"root_directory": "/data"}, routes)

    @property
    def source(self) -> SourceRow:
        """The first source."""
        return self.writer.sources()[0]

    def close(self) -> None:
        """Close both ends."""
        self.writer.close()
        self.reader.close()

    def item(
        self,
        identifier: str,
        fingerprint: int = 1,
        *,
        size_bytes: int = 1000,
        newest_change_ns: int = 1000,
        place: str = "",
        is_unchanged: bool = False,
        run_state: RunState = RunState.COMPLETE,
    ) -> Found:
        """A find as a backend would report it now."""
        return Found(
            identifier=identifier,
            name=identifier.rsplit("/", 1)[-1],
            fingerprint=fingerprint,
            run_state=run_state,
            newest_change_ns=newest_change_ns,
            looked_at_ns=self.clock.now_ns(),
            size_bytes=size_bytes,
            file_count=2,
            place=place,
            is_unchanged=is_unchanged,
        )

    def find(self, *items: Found, source: SourceRow | None = None) -> list[FoundOutcome]:
        """Record finds."""
        return self.writer.record_found(source or self.source, Realm.SOURCE, items)

    def settle(self, *items: Found, source: SourceRow | None = None) -> list[int]:
        """Record finds and say that they are quiet; returns the datasets' ids."""
        outcomes = self.find(*items, source=source)
        self.writer.mark_settled([(outcome.dataset_id, outcome.found.fingerprint) for outcome in outcomes])
        return [outcome.dataset_id for outcome in outcomes]

    def claim(
        self, route_id: int = 1, *, limit: int = 100, max_bytes: int = 1 << 40, large: bool = False, newest: bool = True
    ) -> list[Claim]:
        """Claim small datasets of a route, newest first."""
        return self.writer.claim(route_id, limit=limit, max_bytes=max_bytes, large=large, newest_first=newest)

    def sent(
        self,
        claim: Claim,
        *,
        version: str = "1.0.0",
        level: str = "re_read",
        digest: str | None = None,
        is_new: bool = True,
        is_provisional: bool = False,
        files: Sequence[FileEntry] | None = None,
        description: dict[str, object] | None = None,
        fingerprint: int | None = None,
    ) -> Sent:
        """The receipt of a claim as a worker would hand it back."""
        return Sent(
            transfer_id=claim.transfer_id,
            dataset_id=claim.dataset_id,
            fingerprint=claim.fingerprint if fingerprint is None else fingerprint,
            remote=f"{claim.name}-remote",
            version=version,
            digest=digest or f"{claim.fingerprint:064x}",
            level=level,
            verified_at_ns=self.clock.now_ns(),
            is_new=is_new,
            is_provisional=is_provisional,
            new_bytes=claim.size_bytes,
            description=description or {"name": claim.name, "identifier": claim.identifier},
            files=tuple(files if files is not None else entries()),
        )

    def send(self, *claims: Claim, version: str = "1.0.0") -> None:
        """Record that these claims were sent and verified."""
        self.writer.record_sent([self.sent(claim, version=version) for claim in claims])

    def archive(self, *items: Found) -> list[int]:
        """Find, settle, claim and send at every route; returns the datasets' ids."""
        ids = self.settle(*items)
        for route in self.writer.routes():
            self.send(*self.claim(route.id))
        return ids

    def fail(
        self,
        claim: Claim,
        error: EtiketError | None = None,
        *,
        state: TransferState = TransferState.FAILED,
        due_ns: int | None = None,
    ) -> None:
        """Record that a claim did not succeed."""
        failure = error or FileBusy(f"{claim.identifier} is held by another program.")
        self.writer.record_not_sent([NotSent(claim.transfer_id, claim.dataset_id, failure, state, due_ns)])

    def dataset(self, dataset_id: int) -> DatasetRow:
        """A dataset's row, as a reader sees it."""
        row = self.reader.dataset(dataset_id)
        assert row is not None
        return row

    def transfer(self, dataset_id: int, place: int = 0) -> TransferRow:
        """A dataset's transfer."""
        return self.reader.transfers(dataset_id)[place]

    def state(self, dataset_id: int, place: int = 0) -> TransferState:
        """The state of a dataset's transfer."""
        return self.transfer(dataset_id, place).state


def entries(count: int = 2, *, start: int = 0) -> tuple[FileEntry, ...]:
    """That many small files with digests."""
    return tuple(
        FileEntry(
            name=f"raw/file {number}.dat",
            kind=EntryKind.FILE,
            size_bytes=100 + number,
            mtime_ns=1_700_000_000_000_000_000 + number,
            ctime_ns=1_700_000_000_000_000_001 + number,
            inode=4000 + number,
            sha256=f"{number + 1:064x}",
        )
        for number in range(start, start + count)
    )
