"""The jobs "restore" and "verify": get a dataset back, and read again what is stored."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etiket_gui.credentials.keyring_store import KeyringStore
from etiket_gui.destinations.api import Destination, RestoreMethod, Verification
from etiket_gui.destinations.choosing import chosen_version, folder_name, incomplete_name
from etiket_gui.domain.errors import EtiketError, Stopped, StoreProblem, UsageError
from etiket_gui.domain.stopping import StopToken
from etiket_gui.store.rows import DatasetRow, DestinationRow, TransferRow
from etiket_gui.worker.desk.configured import built_destination, store_reader
from etiket_gui.worker.desk.job import DeskJob

_TELL_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class _Copy:
    """One stored copy of a dataset."""

    dataset: DatasetRow
    transfer: TransferRow
    destination: DestinationRow

    @property
    def remote(self) -> str:
        """The destination's own identity of it."""
        return self.transfer.remote or ""


class _Bytes:
    """Progress in bytes of one piece of work, told a few times a second."""

    def __init__(self, job: DeskJob, total_bytes: int) -> None:
        self._job = job
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._told_s = 0.0

    def begin(self, uuid: str, files: int, size_bytes: int) -> None:
        """A dataset begins."""
        self._total_bytes = max(self._total_bytes, size_bytes)

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """So many more bytes were moved. Raises Stopped."""
        self._job.stop.check()
        self._done_bytes += bytes_done
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._job.tell({"bytes_done": self._done_bytes, "bytes_total": self._total_bytes, "file": name})

    def finish(self, uuid: str) -> None:
        """A dataset ended."""


@contextlib.contextmanager
def _built(job: DeskJob, row: DestinationRow) -> Iterator[Destination]:
    keyring = KeyringStore()
    try:
        yield built_destination(job.home, row.kind, row.uuid, row.config, keyring)
    finally:
        keyring.close()


def _copies(job: DeskJob, datasets: Sequence[int | str]) -> list[_Copy]:
    """Every stored copy of these datasets (ids or uuids). Raises UsageError for one that is not known."""
    copies: list[_Copy] = []
    with store_reader(job.home) as reader:
        if reader is None:
            raise StoreProblem("Nothing was archived from here yet.")
        destinations = {row.id: row for row in reader.destinations()}
        for asked in datasets:
            row = reader.dataset(asked) if isinstance(asked, int) else reader.find_dataset(str(asked))
            if row is None:
                raise UsageError(f"There is no dataset {asked}.")
            copies.extend(
                _Copy(row, transfer, destinations[transfer.destination_id])
                for transfer in reader.transfers(row.id)
                if transfer.remote and transfer.version and transfer.destination_id in destinations
            )
    return copies


def restore(job: DeskJob) -> dict[str, Any]:
    """Bring a dataset back into a new folder below ``target``.

    Parameters: dataset (uuid or id), version (None: the newest complete one), destination (id; None: the first that
    gives it back, folders before servers), target, method (copy or link), intact (whether a damaged version comes back
    without its damaged files, into a folder that says so). Returns ``folder``, ``version``, ``destination``,
    ``file_count``, ``size_bytes``, ``notes`` and ``left_out``. Raises UsageError and what the destination meets.
    """
    asked = job.parameters.get("dataset")
    if not isinstance(asked, int | str):
        raise UsageError("Which dataset is to be restored is not said.")
    wanted_destination = job.parameters.get("destination")
    copies = [copy for copy in _copies(job, [asked]) if wanted_destination in {None, copy.destination.id}]
    if not copies:
        raise UsageError("That dataset is not stored there, so it cannot be restored from there.")
    method = RestoreMethod(str(job.parameters.get("method") or "copy"))
    is_intact_enough = job.parameters.get("intact") is True
    name = folder_name(copies[0].dataset.name)
    target = job.path("target") / (incomplete_name(name) if is_intact_enough else name)
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten.", advice="Choose another folder.")
    last: EtiketError | None = None
    for copy in copies:
        try:
            return _fetched(job, copy, target, method, leaves_out_damaged=is_intact_enough)
        except EtiketError as error:
            if isinstance(error, Stopped):
                raise
            last = error
            job.tell({"note": f"Not from {copy.destination.name}: {error.reason}"})
    raise last or UsageError("Nothing was restored.")


def _fetched(
    job: DeskJob, copy: _Copy, target: Path, method: RestoreMethod, *, leaves_out_damaged: bool
) -> dict[str, Any]:
    wanted = job.parameters.get("version")
    with _built(job, copy.destination) as destination:
        if method is RestoreMethod.LINK and not destination.capabilities.restores_by_link:
            raise UsageError(f"{copy.destination.name} cannot give links to what it holds. Restore a copy.")
        versions = destination.versions(copy.remote, copy.transfer.scope)
        version = chosen_version(
            versions, None if wanted is None else str(wanted), dataset=copy.dataset.name, place=copy.destination.name
        )
        try:
            os.makedirs(target.parent, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{target.parent} cannot be made: {error.strerror}.", path=str(target.parent)) from error
        progress = _Bytes(job, version.size_bytes)
        report = destination.fetch(
            version.remote, version.version, copy.transfer.scope, target, method, progress, job.stop,
            leaves_out_damaged=leaves_out_damaged,
        )  # fmt: skip
    return {
        "folder": report.folder,
        "target": report.folder,
        "version": report.version,
        "destination": copy.destination.name,
        "file_count": report.file_count,
        "files": report.file_count,
        "size_bytes": report.size_bytes,
        "bytes": report.size_bytes,
        "method": method.value,
        "notes": list(report.notes),
        "left_out": list(report.left_out),
        "differences": [],
    }


def verify(job: DeskJob) -> dict[str, Any]:
    """Read again every stored copy of ``datasets`` (ids) and compare it with its record.

    Returns ``results`` as RecordVerification wants them, ``good``, ``checked_files``, ``checked_bytes``,
    ``differences`` and ``not_verified``. What was checked before a stop is lost, so windows ask for few at a time.
    """
    asked = job.parameters.get("datasets")
    if not isinstance(asked, list):
        raise UsageError("Which datasets are to be verified is not said.")
    copies = _copies(job, asked)
    sums: dict[str, Any] = {
        "results": [], "good": 0, "checked_files": 0, "checked_bytes": 0, "differences": [], "not_verified": [],
    }  # fmt: skip
    for destination_id in {copy.destination.id: None for copy in copies}:
        own = [copy for copy in copies if copy.destination.id == destination_id]
        try:
            with _built(job, own[0].destination) as destination:
                for copy in own:
                    job.stop.check()
                    job.tell({"name": copy.dataset.name, "destination": copy.destination.name,
                              "done": len(sums["results"]), "total": len(copies)})  # fmt: skip
                    _verify_one(destination, copy, sums, job.stop)
        except EtiketError as error:
            if isinstance(error, Stopped):
                raise
            sums["not_verified"].append({"what": own[0].destination.name, **error.to_json()})
    return sums


def _verify_one(destination: Destination, copy: _Copy, sums: dict[str, Any], stop: StopToken) -> None:
    try:
        found = destination.verify_sent(copy.remote, copy.transfer.version or "", copy.transfer.scope, stop)
    except EtiketError as error:
        if error.concerns_all or isinstance(error, Stopped):
            raise
        what = f"{copy.dataset.name} at {copy.destination.name}"
        sums["not_verified"].append({"what": what, **error.to_json()})
        return
    sums["checked_files"] += found.checked_files
    sums["checked_bytes"] += found.checked_bytes
    sums["good"] += found.is_good
    differences = [f"{item.name}: {item.problem}" for item in found.differences]
    sums["results"].append([copy.transfer.id, found.verified_at_ns, found.is_proven, differences])
    if not found.is_good:
        sums["differences"].append(_difference(copy, found))


def _difference(copy: _Copy, found: Verification) -> dict[str, Any]:
    return {
        "dataset_id": copy.dataset.id,
        "name": copy.dataset.name,
        "destination": copy.destination.name,
        "version": found.version,
        "files": [{"name": item.name, "problem": item.problem} for item in found.differences],
    }
