"""What a worker does for a running measurement: keeps its newest points here, and sends what there is of it so far."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend
from etiket_gui.destinations.api import Checkpoint, Destination
from etiket_gui.domain import guards
from etiket_gui.domain.content import Content, Outgoing, SourceFile
from etiket_gui.domain.errors import EtiketError, SourceGone
from etiket_gui.domain.stopping import Progress
from etiket_gui.domain.tasks import TransferItem
from etiket_gui.store.live_points import cursor_of, keep_points
from etiket_gui.worker.lanes import Task
from etiket_gui.worker.scratch import discard_derived
from etiket_gui.worker.transferring import receipt_to_json, scope_of

log = logging.getLogger(__name__)

#: A growing file above this goes only when it is finished (bytes).
LARGEST_GROWING_BYTES = 64 * 1024 * 1024


def follow(task: Task, backend: Backend, runs: Iterable[tuple[str, str]], folder: Path) -> dict[str, Any]:
    """Ask for the new points of running measurements (uuid, identifier) and keep them.

    Returns for each uuid how many points there are and how many are expected; those that have none are left out.
    """
    told: dict[str, list[int | None]] = {}
    for uuid, identifier in runs:
        task.stop.check()
        try:
            points = backend.live(identifier, cursor_of(folder, uuid), task.stop)
        except EtiketError as error:
            if error.concerns_all:
                raise
            log.info("The newest points of %s could not be read: %s", identifier, error.reason)
            continue
        if points is None:
            continue
        try:
            progress = keep_points(folder, uuid, points)
        except OSError as error:
            # The measurement itself is safe where it is; only the plot has to wait.
            log.warning("The newest points of %s could not be kept: %s", identifier, error)
            continue
        told[uuid] = [progress.point_count, progress.expected_count]
    return {"runs": told}


def send_provisional(
    task: Task,
    backend: Backend,
    destination: Destination,
    item: TransferItem,
    checkpoint: Checkpoint,
    progress: Progress,
) -> dict[str, Any]:
    """Send what there is of a measurement that is not finished; returns its receipt.

    Raises EtiketError; what changed while it was read is left for the next time.
    """
    content = _growing_content(task, backend, item)
    outgoing = Outgoing(
        reference=item.reference,
        scope=scope_of(backend, item, content.description),
        description=content.description,
        files=content.files,
        previous=item.previous,
        confirm=lambda: None,
        is_provisional=True,
    )
    try:
        receipt = destination.push(outgoing, checkpoint, progress, task.stop)
    finally:
        discard_derived(content.files)
    size_bytes = sum(entry.size_bytes for entry in receipt.files)
    return {"receipt": receipt_to_json(receipt), "size_bytes": size_bytes, "file_count": len(receipt.files)}


def _growing_content(task: Task, backend: Backend, item: TransferItem) -> Content:
    identifier = item.reference.identifier
    is_small = item.size_bytes <= LARGEST_GROWING_BYTES or not guards.is_on("large-runs-wait")
    if is_small:
        content = backend.read_growing(identifier, task.stop)
        files = tuple(file for file in content.files if _may_go(file))
        if not files and content.files:
            log.info("All files of %s are large and still grow; only its description goes.", identifier)
        elif not files:
            raise SourceGone(f"{identifier} holds no file yet.", path=identifier)
        return Content(content.description, files, content.fingerprint)
    return Content(backend.describe(identifier, task.stop), (), item.fingerprint)


def _may_go(file: SourceFile) -> bool:
    return file.entry.size_bytes <= LARGEST_GROWING_BYTES or not guards.is_on("large-runs-wait")
