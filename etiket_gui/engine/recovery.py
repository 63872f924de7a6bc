"""Reads back from the destinations what a lost store knew, before a source is looked through."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from etiket_gui.domain.errors import Stopped, WorkerLost, error_from_json
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.transfers import Route
from etiket_gui.engine.workers import RunningTask
from etiket_gui.store.rows import StoredDatasetFacts

log = logging.getLogger(__name__)


class Recovery:
    """For every route of a source without datasets: asks the destination what it has of that source.

    ``is_rebuilding``: the store was lost, so a source waits even for a destination that is away just now.
    """

    def __init__(self, desk: Desk, *, is_rebuilding: bool) -> None:
        self._desk = desk
        self._is_rebuilding = is_rebuilding
        self._done: set[int] = set()
        self._running: dict[int, RunningTask] = {}
        self._adopted: dict[int, int] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read back just now."""
        return not self._running

    def dispatch(self, routes: Mapping[int, Route]) -> None:
        """Start what is due and set which sources may be looked through."""
        by_source: dict[int, list[Route]] = {}
        for route in routes.values():
            by_source.setdefault(route.row.source_id, []).append(route)
        for source_id, its_routes in by_source.items():
            source = its_routes[0].source
            if source.finished_scans or all(route.row.id in self._done for route in its_routes):
                source.is_blocked = False
                continue
            if source_id not in self._adopted and self._desk.writer.dataset_count(source_id):
                self._done.update(route.row.id for route in its_routes)
                source.is_blocked = False
                continue
            source.is_blocked = True
            for route in its_routes:
                self._advance(route)

    def _advance(self, route: Route) -> None:
        if route.row.id in self._done or route.row.id in self._running:
            return
        destination = route.destination
        was_known = destination.remembered.get(route.row.source_id)
        if was_known is False:
            self._done.add(route.row.id)
        elif was_known is None:
            if destination.circuit.failures and not self._is_rebuilding:
                self._done.add(route.row.id)
        else:
            body = {"destination": destination.spec.to_json(), "source_uuid": route.source.row.uuid}
            task = self._desk.pool.start_task(TaskKind.RECOVER, body, self._take_message, route)
            if task is not None:
                self._running[route.row.id] = task

    def _take_message(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        route: Route = task.context
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
        scope=route.row.scope,
        birth_ordinal=reference.get("birth_ordinal", 1),
        previous_identifiers=tuple(description.get("previous_identifiers") or ()),
        place=reference.get("place", ""),
        description=description,
    )
