"""Reads back from the destinations what a lost store knew, before a source is looked through."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import Stopped, WorkerLost, error_from_json
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.source_desk import SourceDesk
from etiket_gui.engine.transfers import Route
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.rows import StoredDatasetFacts
from etiket_gui.store.writer import StoreWriter

log = logging.getLogger(__name__)

#: The name under which the store keeps that a source is being read back, and why.
_MARK = "read back"
LOST, CONTINUED = "lost", "continued"


class Recovery:
    """For every route of a source without datasets: asks the destination what it has of that source.

    A source of a lost store waits even for a destination that is away just now. That a source is being read back is
    written down until it is done, so that an end in the middle does not leave a half of it to be found anew.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._marks: dict[int, str | None] = {}
        self._done: set[int] = set()
        self._running: dict[int, RunningTask] = {}
        self._adopted: dict[int, int] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read back just now."""
        return not self._running

    def is_stuck(self, routes: Iterable[Route]) -> bool:
        """Whether all that is still to be read back for these routes lies at destinations that are away just now."""
        left = [route for route in routes if route.row.id not in self._done]
        return bool(left) and all(route.destination.circuit.failures for route in left)

    def dispatch(self, routes: Mapping[int, Route]) -> None:
        """Start what is due and set which sources may be looked through."""
        by_source: dict[int, list[Route]] = {}
        for route in routes.values():
            by_source.setdefault(route.row.source_id, []).append(route)
        for source_id, its_routes in by_source.items():
            source = its_routes[0].source
            if source.finished_scans or all(route.row.id in self._done for route in its_routes):
                source.is_blocked = False
                self._unmark(source)
                continue
            is_known_here = self._mark(source) is None and self._desk.writer.dataset_count(source_id)
            if is_known_here or not guards.is_on("read-back-first"):
                self._done.update(route.row.id for route in its_routes)
                source.is_blocked = False
                continue
            source.is_blocked = True
            for route in its_routes:
                self._advance(route)

    def cancel(self) -> None:
        """Stop reading back; what was read is kept, and the rest is read when work goes on."""
        for task in self._running.values():
            self._desk.pool.cancel(task)

    def forget_source(self, source_id: int) -> None:
        """Another source may have this number from now on."""
        self._marks.pop(source_id, None)
        self._adopted.pop(source_id, None)

    def forget_routes(self, route_ids: Iterable[int]) -> None:
        """These routes are no more; others may have their numbers from now on."""
        self._done.difference_update(route_ids)

    def _mark(self, source: SourceDesk) -> str | None:
        """Why the source is being read back, LOST or CONTINUED; None when it is not, or not yet."""
        if source.row.id not in self._marks:
            mark = self._desk.writer.load_checkpoint(source.row.uuid, _MARK)
            self._marks[source.row.id] = None if mark is None else str(mark["why"])
        return self._marks[source.row.id]

    def _unmark(self, source: SourceDesk) -> None:
        if self._mark(source) is not None:
            self._desk.writer.clear_checkpoints(source.row.uuid)
            self._marks[source.row.id] = None

    def _advance(self, route: Route) -> None:
        if route.row.id in self._done or route.row.id in self._running:
            return
        destination = route.destination
        was_known = destination.remembered.get(route.row.source_id)
        if was_known is False:
            self._done.add(route.row.id)
        elif was_known is None:
            is_waited_for = self._mark(route.source) == LOST or not guards.is_on("no-waiting-for-the-absent")
            if destination.circuit.failures and not is_waited_for:
                self._done.add(route.row.id)
        else:
            if self._mark(route.source) is None:
                self._desk.writer.save_checkpoint(route.source.row.uuid, _MARK, {"why": CONTINUED})
                self._marks[route.row.source_id] = CONTINUED
            body = {"destination": destination.spec.to_json(), "source_uuid": route.source.row.uuid}
            task = self._desk.pool.start_task(TaskKind.RECOVER, body, self._take_message, route)
            if task is not None:
                self._running[route.row.id] = task

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        route: Route = task.context
        if route.source.is_retired or route.destination.is_retired:
            # Removed, or replaced after an edit; then it is asked anew.
            if message["event"] != "stored":
                del self._running[route.row.id]
            return
        match message["event"]:
            case "stored":
                count = self._desk.writer.adopt([_facts(route, row) for row in message["rows"]])
                self._adopted[route.row.source_id] = self._adopted.get(route.row.source_id, 0) + count
            case "done":
                del self._running[route.row.id]
                self._done.add(route.row.id)
                count = self._adopted.get(route.row.source_id, 0)
                if count:
                    self._desk.say(
                        f"{count} datasets of {route.source.row.name} were known at {route.destination.row.name} "
                        "and are continued.",
                        source_id=route.row.source_id,
                    )
            case "error":
                del self._running[route.row.id]
                error = error_from_json(message["error"])
                if not isinstance(error, Stopped):
                    route.destination.take_error(error)
            case "lost":
                del self._running[route.row.id]
                reason = str(message["reason"])
                route.destination.take_error(
                    WorkerLost(f"The process that read back what {route.destination.row.name} knows {reason}.")
                )


def _facts(route: Route, row: Mapping[str, Any]) -> StoredDatasetFacts:
    reference, description = row["reference"], row["description"]
    return StoredDatasetFacts(
        uuid=reference["uuid"],
        source_id=route.row.source_id,
        destination_id=route.row.destination_id,
        identifier=reference["identifier"],
        name=description["name"],
        remote=row["remote"],
        version=row["version"],
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        file_count=row["file_count"],
        scope=route.row.scope,
        birth_ordinal=reference.get("birth_ordinal", 1),
        previous_identifiers=tuple(description.get("previous_identifiers") or ()),
        place=reference.get("place", ""),
        description=description,
    )


def read_back_first(writer: StoreWriter) -> None:
    """After the store was lost: every source is read back from its destinations before it is looked through."""
    for source in writer.sources():
        writer.save_checkpoint(source.uuid, _MARK, {"why": LOST})
