"""Re-reads stored copies now and then, so that the proof of each is never old."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import (
    DestinationDamaged,
    EtiketError,
    Stopped,
    UsageError,
    VerificationFailed,
    error_from_json,
)
from etiket_gui.domain.events import VerificationDiffered
from etiket_gui.domain.tasks import StoredCopy, TaskKind
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.destination_desk import DestinationDesk
from etiket_gui.engine.workers import RunningTask

log = logging.getLogger(__name__)

_BATCH = 50
_LOOK_EVERY_S = 3600.0
_FIRST_PROOF_AFTER_S = 3600.0
#: What says that a copy is not what it should be, or not there any more; anything else says nothing about it.
_DAMAGE = (DestinationDamaged, VerificationFailed, UsageError)


class Proving:
    """A few copies an hour, oldest proof first, when nothing else wants the machine.

    ``on_damage`` is called when a copy is to be sent again.
    """

    def __init__(self, desk: Desk, on_damage: Callable[[], None]) -> None:
        self._desk = desk
        self._on_damage = on_damage
        #: Transfers whose copies could not be read last time: their turn is after all others.
        self._unread: set[int] = set()
        self._told = 0
        self._due: set[int] = set()
        self._task: RunningTask | None = None

    def plan(self, destinations: Mapping[int, DestinationDesk]) -> None:
        """Look for copies whose proof is old, now and every hour."""
        self._due.update(destinations)
        due_s = self._desk.clock.monotonic_s() + _LOOK_EVERY_S
        self._desk.timers.at("prove", due_s, lambda: self.plan(destinations))

    def dispatch(self, destinations: Mapping[int, DestinationDesk]) -> None:
        """Start a batch when one is due and its destination is usable."""
        if self._task is not None:
            return
        for destination_id in sorted(self._due):
            destination = destinations.get(destination_id)
            if destination is None:
                self._due.discard(destination_id)
            elif destination.may_send:
                copies = self._desk.writer.copies_of_destination_to_prove(
                    destination_id,
                    verified_before_ns=self._desk.clock.now_ns() - int(_FIRST_PROOF_AFTER_S * 1e9),
                    proven_before_ns=self._desk.clock.now_ns() - int(self._desk.settings.prove_every_s * 1e9),
                    limit=_BATCH + len(self._unread),
                )
                copies = sorted(copies, key=lambda copy: copy.transfer_id in self._unread)[:_BATCH]
                self._due.discard(destination_id)
                if copies:
                    self._told = 0
                    rows = [[copy.transfer_id, copy.remote, copy.version, copy.scope] for copy in copies]
                    body = {"destination": destination.spec.to_json(), "copies": rows}
                    self._task = self._desk.pool.start_task(
                        TaskKind.VERIFY, body, self._take_message, (destination, copies)
                    )
                    return

    def cancel(self) -> None:
        """Stop the batch that is under way."""
        if self._task is not None:
            self._desk.pool.cancel(self._task)

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        destination, copies = task.context
        event = message["event"]
        if event in {"done", "error", "lost"}:
            self._task = None
        if destination.is_retired:
            return
        match event:
            case "checked":
                self._told = message["place"] + 1
                self._unread.discard(copies[message["place"]].transfer_id)
                self.note_result(
                    destination,
                    copies[message["place"]],
                    verified_at_ns=message["verified_at_ns"],
                    is_proven=message["is_proven"],
                    differences=message["differences"],
                )
            case "failed":
                self._told = message["place"] + 1
                self._take_failure(destination, copies[message["place"]], error_from_json(message["error"]))
            case "error":
                error = error_from_json(message["error"])
                if error.concerns_all:
                    destination.take_error(error)
                elif not isinstance(error, Stopped):
                    self._put_last(copies, error.reason)
            case "lost":
                self._put_last(copies, f"the process that read it {message['reason']}")

    def _take_failure(self, destination: DestinationDesk, copy: StoredCopy, error: EtiketError) -> None:
        if isinstance(error, _DAMAGE) or not guards.is_on("only-damage-is-damage"):
            self._unread.discard(copy.transfer_id)
            now_ns = self._desk.clock.now_ns()
            self.note_result(destination, copy, verified_at_ns=now_ns, is_proven=False, differences=[error.reason])
            return
        self._unread.add(copy.transfer_id)
        log.info("%s could not be read again, which says nothing about it: %s", copy.remote, error.reason)

    def _put_last(self, copies: list[StoredCopy], reason: str) -> None:
        """The batch ended at a copy; nothing is known of that one."""
        for copy in copies[self._told : self._told + 1]:
            self._unread.add(copy.transfer_id)
            log.info("%s could not be read again, which says nothing about it: %s", copy.remote, reason)

    def note_result(
        self,
        destination: DestinationDesk,
        copy: StoredCopy,
        *,
        verified_at_ns: int,
        is_proven: bool,
        differences: list[str],
    ) -> None:
        """Write down what a re-read found; a damaged copy is sent again from the source."""
        self._desk.writer.record_verification(copy.transfer_id, verified_at_ns, is_proven, differences)
        self._desk.diary.proven(destination.row.id, destination.row.name, is_good=not differences)
        if not differences:
            return
        error = DestinationDamaged(
            f"{copy.remote} at {destination.row.name} is not what was put there: {differences[0]}"
            + (f" and {len(differences) - 1} more." if len(differences) > 1 else "."),
            advice="It is repaired from the source if the source still has it.",
        )
        self._desk.writer.open_problem("item", f"damaged:{copy.transfer_id}", error, destination_id=destination.row.id)
        self._desk.emit(
            VerificationDiffered(0, copy.transfer_id, destination.row.name, copy.version, tuple(differences))
        )
        if guards.is_on("damage-is-repaired-at-once"):
            self._on_damage()
