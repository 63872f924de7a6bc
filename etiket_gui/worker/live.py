"""What a worker does for a running measurement: keeps its newest points here, and sends what there is of it so far."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend
from etiket_gui.converters.compression import provisional
from etiket_gui.destinations.api import Checkpoint, Destination
from etiket_gui.domain import guards
from etiket_gui.domain.content import Content, Outgoing, SourceFile
from etiket_gui.domain.errors import EtiketError, SourceGone
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.stopping import Progress
from etiket_gui.domain.tasks import TransferItem
from etiket_gui.store.live_points import cursor_of, keep_points
from etiket_gui.worker.fencing import check_content, check_description, fenced
from etiket_gui.worker.lanes import Task
from etiket_gui.worker.live_preview import PREVIEW, live_preview
from etiket_gui.worker.scratch import discard_derived
from etiket_gui.worker.transferring import receipt_to_json, scope_of

log = logging.getLogger(__name__)

#: A growing file above this goes only when it is finished (bytes).
LARGEST_GROWING_BYTES = 64 * 1024 * 1024
#: So long one measurement is caught up with at a time; so few new points are what comes while one looks.
_CATCH_UP_S = 0.5
_FEW_POINTS = 200


def follow(task: Task, backend: Backend, runs: Iterable[tuple[str, str]], folder: Path) -> dict[str, Any]:
    """Ask for the new points of running measurements (uuid, identifier) and keep them.

    Returns for each uuid how many points there are and how many are expected, those that have none left out; and of
    which of them there is more to tell than was told now.
    """
    told: dict[str, list[int | None]] = {}
    more: list[str] = []
    for uuid, identifier in runs:
        end_s = time.monotonic() + _CATCH_UP_S
        is_rest = True
        while is_rest and time.monotonic() < end_s:
            task.stop.check()
            since = cursor_of(folder, uuid)
            try:
                with fenced(backend, identifier, "tell the newest points of"):
                    points = backend.live(identifier, since, task.stop)
                    if points is not None and not isinstance(points, LiveSlice):
                        raise TypeError(f"it gave {points!r:.80} and no LiveSlice")
            except EtiketError as error:
                if error.concerns_all:
                    raise
                log.info("The newest points of %s could not be read: %s", identifier, error.reason)
                points = None
            if points is None:
                is_rest = False
                continue
            try:
                progress = keep_points(folder, uuid, points)
            except OSError as error:
                # The measurement itself is safe where it is; only the plot has to wait.
                log.warning("The newest points of %s could not be kept: %s", identifier, error)
                is_rest = False
                continue
            except (TypeError, ValueError, IndexError, AttributeError) as error:
                log.warning("What the backend told of %s are no points: %s", identifier, error)
                is_rest = False
                continue
            told[uuid] = [progress.point_count, progress.expected_count]
            has_many = max((len(column.values) for column in points.columns), default=0) >= _FEW_POINTS
            is_rest = has_many and not points.is_newest and dict(points.cursor) != since
        if is_rest:
            more.append(uuid)
    return {"runs": told, "more": more}


@dataclass(frozen=True, slots=True)
class Sent:
    """What of a measurement went before: all bytes so far, and whether the newest version holds files.

    ``told_bytes`` is how large the source says it is now, 0 where it does not; ``points_folder`` is where its newest
    points are kept.
    """

    size_bytes: int
    told_bytes: int
    has_files: bool
    points_folder: Path


def send_provisional(
    task: Task,
    backend: Backend,
    destination: Destination,
    item: TransferItem,
    before: Sent,
    checkpoint: Checkpoint,
    progress: Progress,
) -> dict[str, Any]:
    """Send what there is of a measurement that is not finished; returns its receipt, None where nothing may go now.

    Raises EtiketError; what changed while it was read is left for the next time.
    """
    content = _growing_content(task, backend, item, before.points_folder)
    size_bytes = sum(file.entry.size_bytes for file in content.files)
    try:
        is_too_much = before.size_bytes > max(size_bytes, before.told_bytes)
        if is_too_much and guards.is_on("provisional-traffic-is-limited"):
            return {"receipt": None, "size_bytes": size_bytes, "file_count": len(content.files)}
        if before.has_files and not _has_data(content) and guards.is_on("early-part-stays"):
            # What stands there is the better one, should this machine be lost: part of the data.
            return {"receipt": None, "size_bytes": item.size_bytes, "file_count": 0}
        outgoing = Outgoing(
            reference=item.reference,
            scope=scope_of(backend, item, content.description),
            description=content.description,
            files=content.files,
            previous=item.previous,
            confirm=lambda: None,
            is_provisional=True,
        )
        receipt = destination.push(outgoing, checkpoint, progress, task.stop)
    finally:
        discard_derived(content.files)
    size_bytes = sum(entry.size_bytes for entry in receipt.files)
    return {"receipt": receipt_to_json(receipt), "size_bytes": size_bytes, "file_count": len(receipt.files)}


def _has_data(content: Content) -> bool:
    return any(file.entry.name != PREVIEW for file in content.files)


def _growing_content(task: Task, backend: Backend, item: TransferItem, points_folder: Path) -> Content:
    identifier = item.reference.identifier
    if item.size_bytes <= LARGEST_GROWING_BYTES or not guards.is_on("large-runs-wait"):
        with fenced(backend, identifier, "read"), provisional():
            content = check_content(backend.read_growing(identifier, task.stop))
        if not content.files:
            raise SourceGone(f"{identifier} holds no file yet.", path=identifier)
        files = tuple(file for file in content.files if _may_go(file))
        if files:
            discard_derived(file for file in content.files if file not in files)
            return Content(content.description, files, content.fingerprint)
        discard_derived(content.files)
        log.info("All files of %s are large and still grow; only its description and a preview go.", identifier)
        description = content.description
    else:
        with fenced(backend, identifier, "describe"):
            description = check_description(backend.describe(identifier, task.stop))
    work_folder = backend.context.work_folder / "live preview"
    files = live_preview(points_folder, item.reference.uuid, description.name, work_folder, task.stop)
    return Content(description, files, item.fingerprint)


def _may_go(file: SourceFile) -> bool:
    return file.entry.size_bytes <= LARGEST_GROWING_BYTES or not guards.is_on("large-runs-wait")
