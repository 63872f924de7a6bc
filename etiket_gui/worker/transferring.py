"""Brings a batch of claimed datasets from their source to one destination, and tells of each as it is durable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from etiket_gui.backends.api import Backend
from etiket_gui.destinations.api import Checkpoint, Destination, Receipt
from etiket_gui.domain import guards
from etiket_gui.domain.content import Content, Description, Outgoing, SourceFile
from etiket_gui.domain.errors import EtiketError, SourceChanged, SourceGone, SourceOffline, SourceUnreadable
from etiket_gui.domain.failpoints import fail_here
from etiket_gui.domain.states import RetryClass, RunState, ScopePolicy
from etiket_gui.domain.stopping import Progress
from etiket_gui.domain.tasks import TransferItem
from etiket_gui.worker.fencing import check_content, fenced
from etiket_gui.worker.lanes import Task
from etiket_gui.worker.scratch import discard_derived

#: Entries of one message; a dataset of 20 000 files is told in several.
_ROWS_PER_MESSAGE = 2000


def receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    """What the engine writes down of a receipt, without its files."""
    return {
        "remote": receipt.remote,
        "version": receipt.version,
        "digest": receipt.digest,
        "level": receipt.level.value,
        "verified_at_ns": receipt.verified_at_ns,
        "is_new": receipt.is_new,
        "is_provisional": receipt.is_provisional,
        "new_bytes": receipt.new_bytes,
        "description": receipt.description.to_json(),
        "notes": list(receipt.notes),
    }


def transfer(
    task: Task,
    backend: Backend,
    destination: Destination,
    items: list[TransferItem],
    checkpoint: Checkpoint,
    progress: Progress,
) -> dict[str, Any]:
    """Send the items; tells "started", "sent" and "failed" per item by its place in the batch.

    Raises the EtiketError that concerns the whole source or destination.
    """
    derived: list[SourceFile] = []
    try:
        return _send(task, backend, destination, items, checkpoint, progress, derived)
    finally:
        discard_derived(derived)


def _send(
    task: Task,
    backend: Backend,
    destination: Destination,
    items: list[TransferItem],
    checkpoint: Checkpoint,
    progress: Progress,
    derived: list[SourceFile],
) -> dict[str, Any]:
    outgoing: list[Outgoing] = []
    places: list[int] = []
    flaws: dict[int, tuple[EtiketError, ...]] = {}
    for place, item in enumerate(items):
        task.stop.check()
        try:
            content = _read(backend, item, task)
        except EtiketError as error:
            if error.concerns_all:
                raise
            task.tell("failed", place=place, error=error.to_json())
            continue
        derived += [file for file in content.files if file.is_derived]
        outgoing.append(_outgoing(backend, item, content))
        places.append(place)
        flaws[place] = content.problems
        size_bytes = sum(file.entry.size_bytes for file in content.files)
        task.tell("started", place=place, files=len(content.files), size_bytes=size_bytes)
    fail_here("after_read")
    sent = 0
    rest = dict(enumerate(places))
    try:
        for index, result in destination.push_many(outgoing, checkpoint, progress, task.stop):
            place = rest.pop(index)
            if isinstance(result, EtiketError):
                task.tell("failed", place=place, error=result.to_json())
                continue
            sent += 1
            _tell_receipt(task, place, result, flaws.get(place, ()))
    except SourceOffline as error:
        culprit = min(rest.values(), default=None)
        if culprit is None or _is_away(backend, items[culprit]):
            raise
        task.tell("failed", place=culprit, error=_unreadable(error).to_json())
    return {"sent": sent}


def _is_away(backend: Backend, item: TransferItem) -> bool:
    """Whether the source as a whole does not answer; else one file of it cannot be read, and only its dataset waits."""
    if not guards.is_on("one-file-is-not-the-source"):
        return True
    try:
        with fenced(backend, item.reference.identifier, "look at"):
            backend.fingerprint(item.reference.identifier)
    except SourceOffline:
        return True
    except EtiketError:
        return False
    return False


def _unreadable(error: SourceOffline) -> SourceUnreadable:
    return SourceUnreadable(
        error.reason,
        advice="The disk may be damaged there; the rest of the source goes on.",
        path=error.path,
        retry_class=RetryClass.SOON,
    )


def _read(backend: Backend, item: TransferItem, task: Task) -> Content:
    identifier = item.reference.identifier
    with fenced(backend, identifier, "read"):
        content = check_content(backend.read(identifier, task.stop))
    if content.fingerprint != item.fingerprint and guards.is_on("claim-matches-content"):
        discard_derived(content.files)
        raise SourceChanged(f"{identifier} changed after it had been quiet.", path=identifier)
    if not content.files:
        raise SourceGone(f"{identifier} holds no file any more.", path=identifier)
    return content


def _outgoing(backend: Backend, item: TransferItem, content: Content) -> Outgoing:
    description = content.description
    run_state = RunState(item.run_state)
    if item.previous_identifiers or description.run_state is not run_state:
        description = dataclasses.replace(
            description, previous_identifiers=item.previous_identifiers, run_state=run_state
        )
    return Outgoing(
        reference=item.reference,
        scope=scope_of(backend, item, description),
        description=description,
        files=content.files,
        previous=item.previous,
        confirm=_confirmation(backend, item.reference.identifier, content.fingerprint),
    )


def scope_of(backend: Backend, item: TransferItem, description: Description) -> str:
    """Where at the destination a dataset belongs: as the route says, or as the dataset does where nobody else may."""
    if item.scope or backend.scope_policy is not ScopePolicy.DISABLED:
        return item.scope
    return str(description.details.get("scope") or "")


def _confirmation(backend: Backend, identifier: str, fingerprint: int) -> Callable[[], None]:
    def confirm() -> None:
        with fenced(backend, identifier, "look at"):
            now = backend.fingerprint(identifier)
        if now != fingerprint and guards.is_on("confirm-before-publish"):
            raise SourceChanged(f"{identifier} changed while it was being read.", path=identifier)

    return confirm


def _tell_receipt(task: Task, place: int, receipt: Receipt, flaws: tuple[EtiketError, ...]) -> None:
    rows = [entry.to_row() for entry in receipt.files]
    for start in range(0, max(len(rows) - _ROWS_PER_MESSAGE, 0), _ROWS_PER_MESSAGE):
        task.tell("files", place=place, rows=rows[start : start + _ROWS_PER_MESSAGE])
    told = max(len(rows) - _ROWS_PER_MESSAGE, 0)
    told += -told % _ROWS_PER_MESSAGE
    problems = [flaw.to_json() for flaw in flaws]
    task.tell("sent", place=place, receipt=receipt_to_json(receipt), rows=rows[told:], problems=problems)
