"""Homes whose store already tracks many archived datasets, made through the store's own writer."""

from __future__ import annotations

import time
from pathlib import Path

from etiket_gui.domain.content import Description, FileEntry, Found
from etiket_gui.domain.states import EntryKind, Realm, VerificationLevel
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from etiket_gui.store.rows import Claim, Sent
from etiket_gui.store.writer import StoreWriter

_BATCH = 1000
_FILES = 3


def fill(writer: StoreWriter, source_id: int, count: int, *, first: int = 0, prefix: str = "old") -> None:
    """Have a source of the store hold ``count`` archived datasets of three files each."""
    source = writer.source(source_id)
    route = next(route for route in writer.routes() if route.source_id == source_id)
    for start in range(first, first + count, _BATCH):
        numbers = range(start, min(start + _BATCH, first + count))
        now_ns = time.time_ns()
        found = [
            Found(
                f"{prefix}/{number:07d}", f"{number:07d}", number + 1, newest_change_ns=now_ns - 10**12 + number,
                looked_at_ns=now_ns, size_bytes=3000, file_count=_FILES, place=f"1:{number + 10**6}",
            )
            for number in numbers
        ]  # fmt: skip
        with writer.batch():
            outcomes = writer.record_found(source, Realm.SOURCE, found)
            writer.mark_settled([(outcome.dataset_id, outcome.found.fingerprint) for outcome in outcomes])
        while claims := writer.claim(route.id, limit=_BATCH, max_bytes=1 << 40, large=False, newest_first=True):
            writer.record_sent([receipt_for(claim) for claim in claims])
    while copies := writer.copies_to_derive(route.destination_id, _BATCH):
        writer.mark_derived([(copy.transfer_id, copy.version) for copy in copies])


def receipt_for(claim: Claim) -> Sent:
    """A receipt as the archive gives it, for a claim that nobody really sent."""
    digest = f"{claim.dataset_id:064x}"
    return Sent(
        transfer_id=claim.transfer_id,
        dataset_id=claim.dataset_id,
        fingerprint=claim.fingerprint,
        remote=f"Global Public Workspace/run-{claim.uuid[-12:]}",
        version="1.0.0",
        digest=digest,
        level=VerificationLevel.RE_READ.value,
        verified_at_ns=time.time_ns(),
        is_new=True,
        is_provisional=False,
        new_bytes=claim.size_bytes,
        description=Description(name=claim.name, identifier=claim.identifier).to_json(),
        files=tuple(
            FileEntry(f"f{index}.dat", EntryKind.FILE, 1000, time.time_ns(), 1, index, sha256=digest)
            for index in range(_FILES)
        ),
    )


def make_home(work: Path, label: str, count: int, *, root: Path | None = None) -> Home:
    """A home with one archive, one folder source and ``count`` tracked datasets."""
    home = Home.locate(work / f"home {label}")
    archive = work / f"archive {label}"
    root = root or work / f"source {label}"
    root.mkdir(parents=True, exist_ok=True)
    writer = open_store(home).writer
    destination = writer.add_destination(f"d-{label}", "bench", "archive", {"path": str(archive)})
    config = {"root_directory": str(root), "level": 2}
    source = writer.add_source(f"s-{label}", "data", "folder", config, [(destination.id, "")])
    fill(writer, source.id, count)
    writer.close()
    return home
