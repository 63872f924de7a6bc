"""The part of the writer that keeps sources, destinations, routes and what is known of them as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, case, delete, insert, literal, select, update

from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.states import DestinationState, SourceState, TransferState
from etiket_gui.store.beginning import set_beginning
from etiket_gui.store.connection import compact
from etiket_gui.store.elsewhere import take_what_is_nowhere_else
from etiket_gui.store.mirroring import write_mirror
from etiket_gui.store.models import (
    activity,
    counts,
    datasets,
    destinations,
    problems,
    receipts,
    routes,
    sources,
    transfers,
)
from etiket_gui.store.resting import FACTS as TRANSFER_FACTS
from etiket_gui.store.resting import IGNORED_BECAUSE, STILL_WRITTEN, facts_of_datasets, rest
from etiket_gui.store.rows import DestinationRow, IdentityOutcome, RouteRow, SourceRow
from etiket_gui.store.shaping import (
    LARGE_BYTES,
    SELECT_DESTINATIONS,
    SELECT_ROUTES,
    SELECT_SOURCES,
    destination_row,
    route_row,
    source_row,
)
from etiket_gui.store.transactions import StoreTransactions

Routes = Sequence[tuple[int, str]]

_SOURCE_BY_ID = SELECT_SOURCES.where(sources.c.id == bindparam("asked"))
_DESTINATION_BY_ID = SELECT_DESTINATIONS.where(destinations.c.id == bindparam("asked"))
_ROUTES_OF_SOURCE = SELECT_ROUTES.where(routes.c.source_id == bindparam("asked"))

_d = datasets.c
_is_settled = _d.settled_fingerprint.is_not_distinct_from(_d.fingerprint)
_MISSING_TRANSFERS = insert(transfers).from_select(
    ["dataset_id", "route_id", "state", "reason", "order_ns", "size_bytes", "is_large"],
    select(
        _d.id,
        bindparam("route"),
        case(
            (_d.is_ignored != 0, literal(TransferState.IGNORED.value)),
            (~_is_settled, literal(TransferState.HELD.value)),
            (sources.c.held_reason != "", literal(TransferState.HELD.value)),
            else_=literal(TransferState.WAITING.value),
        ),
        case(
            *((_d.is_ignored == code, literal(reason)) for code, reason in IGNORED_BECAUSE.items()),
            (_d.is_ignored != 0, literal("")),
            (~_is_settled, literal(STILL_WRITTEN)),
            else_=sources.c.held_reason,
        ),
        _d.newest_change_ns,
        _d.size_bytes,
        case((_d.size_bytes > LARGE_BYTES, 1), else_=0),
    )
    .join(sources, sources.c.id == _d.source_id)
    .where(_d.source_id == bindparam("source")),
)
_WAITING_OF_SOURCE = TRANSFER_FACTS.where(
    transfers.c.route_id.in_(select(routes.c.id).where(routes.c.source_id == bindparam("source"))),
    transfers.c.state == bindparam("state"),
)


class ConfigurationWriter(StoreTransactions):
    """Adds, changes and removes sources, destinations and routes; writes down what is known of them as a whole.

    When ``configuration_path`` is given, every change of the configuration is mirrored there, so that a lost store
    can be built anew.
    """

    def __init__(
        self, path: Path, now_ns: Callable[[], int] = time.time_ns, *, configuration_path: Path | None = None
    ) -> None:
        super().__init__(path, now_ns)
        self.configuration_path = configuration_path

    def source(self, source_id: int) -> SourceRow:
        """One source. Raises UsageError when there is none with this number."""
        with self._reading() as connection:
            row = connection.execute(_SOURCE_BY_ID, {"asked": source_id}).first()
        if row is None:
            raise UsageError(f"There is no source with the number {source_id}.")
        return source_row(row)

    def sources(self) -> list[SourceRow]:
        """Every source, in the order they were added."""
        with self._reading() as connection:
            return [source_row(row) for row in connection.execute(SELECT_SOURCES)]

    def destination(self, destination_id: int) -> DestinationRow:
        """One destination. Raises UsageError when there is none with this number."""
        with self._reading() as connection:
            row = connection.execute(_DESTINATION_BY_ID, {"asked": destination_id}).first()
        if row is None:
            raise UsageError(f"There is no destination with the number {destination_id}.")
        return destination_row(row)

    def destinations(self) -> list[DestinationRow]:
        """Every destination, in the order they were added."""
        with self._reading() as connection:
            return [destination_row(row) for row in connection.execute(SELECT_DESTINATIONS)]

    def routes(self) -> list[RouteRow]:
        """Every route."""
        with self._reading() as connection:
            return [route_row(row) for row in connection.execute(SELECT_ROUTES)]

    def _routes(self, source_id: int) -> list[RouteRow]:
        return [route_row(row) for row in self._connection.execute(_ROUTES_OF_SOURCE, {"asked": source_id})]

    def _refuse_used_name(self, table: Any, name: str, own_id: int, what: str) -> None:
        used = self._connection.execute(select(table.c.id).where(table.c.name == name, table.c.id != own_id)).first()
        if used is not None:
            raise UsageError(f"A {what} named {name!r} exists already; give another name.")

    def add_source(
        self,
        uuid: str,
        name: str,
        backend: str,
        config: Mapping[str, Any],
        routes: Routes = (),
        *,
        since_ns: int = 0,
    ) -> SourceRow:
        """Register a source; ``routes`` are (destination id, scope) pairs. Raises UsageError for a used name.

        ``since_ns`` > 0: datasets that are older are ignored.
        """
        with self._transaction() as connection:
            self._refuse_used_name(sources, name, -1, "source")
            if connection.execute(select(sources.c.id).where(sources.c.uuid == uuid)).first() is not None:
                raise UsageError(f"The source {uuid} is configured already.")
            added = connection.execute(
                insert(sources).values(uuid=uuid, name=name, backend=backend, config=compact(dict(config)))
            )
            source_id = int(added.lastrowid)
            self._set_routes(source_id, routes)
            set_beginning(connection, source_id, since_ns)
            self._mirror_configuration()
            return self.source(source_id)

    def edit_source(
        self,
        source_id: int,
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        is_enabled: bool | None = None,
        routes: Routes | None = None,
        since_ns: int | None = None,
    ) -> SourceRow:
        """Change a source; None leaves a part as it is. Raises UsageError for an unknown source or a used name.

        A route that is gone takes its transfers with it (what is archived stays archived at the destination); a new
        one gets a transfer for every dataset of the source, waiting where the dataset is settled.
        """
        with self._transaction() as connection:
            before = self.source(source_id)
            values: dict[str, Any] = {}
            if name is not None:
                self._refuse_used_name(sources, name, source_id, "source")
                values["name"] = name
            if config is not None and compact(dict(config)) != compact(dict(before.config)):
                # How far the last look came, and where the root lay, are said of another place.
                values |= {"config": compact(dict(config)), "cursor": "{}", "root_place": ""}
            if is_enabled is not None:
                values["is_enabled"] = int(is_enabled)
            if values:
                connection.execute(update(sources).where(sources.c.id == source_id).values(values))
            if routes is not None:
                self._set_routes(source_id, routes)
            if since_ns is not None and since_ns != before.since_ns:
                concerned = set_beginning(connection, source_id, since_ns)
                rest(connection, facts_of_datasets(connection, concerned))
                self._touch(concerned)
            self._mirror_configuration()
            return self.source(source_id)

    def remove_source(self, source_id: int) -> None:
        """Forget a source with its datasets, transfers and receipts. Raises UsageError for an unknown source."""
        with self._transaction() as connection:
            self.source(source_id)
            connection.execute(delete(problems).where(problems.c.source_id == source_id))
            of_source = select(_d.id).where(_d.source_id == source_id)
            connection.execute(delete(problems).where(problems.c.dataset_id.in_(of_source)))
            connection.execute(
                update(activity).where(activity.c.source_id == source_id).values(source_id=None, dataset_id=None)
            )
            connection.execute(delete(sources).where(sources.c.id == source_id))
            connection.execute(delete(counts).where(counts.c.source_id == source_id))
            self._touched_sources.discard(source_id)
            self._mirror_configuration()

    def add_destination(self, uuid: str, name: str, kind: str, config: Mapping[str, Any]) -> DestinationRow:
        """Register a destination. Raises UsageError for a used name or uuid."""
        with self._transaction() as connection:
            self._refuse_used_name(destinations, name, -1, "destination")
            if connection.execute(select(destinations.c.id).where(destinations.c.uuid == uuid)).first() is not None:
                raise UsageError(f"The destination {uuid} is configured already.")
            added = connection.execute(
                insert(destinations).values(uuid=uuid, name=name, kind=kind, config=compact(dict(config)))
            )
            self._mirror_configuration()
            return self.destination(int(added.lastrowid))

    def edit_destination(
        self, destination_id: int, *, name: str | None = None, config: Mapping[str, Any] | None = None
    ) -> DestinationRow:
        """Change a destination; None leaves a part as it is. Raises UsageError for an unknown one or a used name.

        After another ``config`` the next probe says whether it is the same one still: :meth:`keep_identity`.
        """
        with self._transaction() as connection:
            before = self.destination(destination_id)
            values: dict[str, Any] = {}
            if name is not None:
                self._refuse_used_name(destinations, name, destination_id, "destination")
                values["name"] = name
            if config is not None and compact(dict(config)) != compact(dict(before.config)):
                values |= {"config": compact(dict(config)), "is_moved": 1}
            if values:
                connection.execute(update(destinations).where(destinations.c.id == destination_id).values(values))
            self._mirror_configuration()
            return self.destination(destination_id)

    def keep_identity(self, destination_id: int, identity: str) -> IdentityOutcome:
        """Compare what a probe says the destination is with what it was, and keep it.

        A person who changed the configuration may have meant another one: then what was sent before is not there, and
        waits to be sent again. Otherwise another one at that place is OTHER, and nothing is kept.
        """
        with self._transaction() as connection:
            kept = self.destination(destination_id)
            is_same = bool(identity) and identity == kept.identity
            if not kept.is_moved and kept.identity and identity and not is_same and guards.is_on("other-is-refused"):
                return IdentityOutcome.OTHER
            if kept.is_moved and not is_same and guards.is_on("moved-is-empty"):
                for route in self.routes():
                    if route.destination_id == destination_id:
                        self._forget_sent(route.source_id, route.id)
            if kept.is_moved or (identity and not is_same):
                connection.execute(
                    update(destinations)
                    .where(destinations.c.id == destination_id)
                    .values(identity=identity or None, is_moved=0)
                )
            is_another = kept.is_moved and kept.identity and not is_same
            return IdentityOutcome.MOVED if is_another else IdentityOutcome.SAME

    def remove_destination(self, destination_id: int) -> None:
        """Forget a destination and the routes to it; what is archived there stays. Raises UsageError."""
        with self._transaction() as connection:
            self.destination(destination_id)
            leading = connection.execute(
                select(routes.c.id, routes.c.source_id).where(routes.c.destination_id == destination_id)
            ).all()
            for route_id, source_id in leading:
                self._remove_route(source_id, route_id)
            connection.execute(delete(problems).where(problems.c.destination_id == destination_id))
            connection.execute(delete(destinations).where(destinations.c.id == destination_id))
            self._mirror_configuration()

    def _set_routes(self, source_id: int, wanted: Routes) -> None:
        connection = self._connection
        scopes = dict(wanted)
        if len(scopes) != len(wanted):
            raise UsageError("A source has at most one route to each destination.")
        for destination_id in scopes:
            self.destination(destination_id)
        present = {route.destination_id: route for route in self._routes(source_id)}
        for destination_id, route in present.items():
            if destination_id not in scopes:
                self._remove_route(source_id, route.id)
            elif scopes[destination_id] != route.scope:
                connection.execute(update(routes).where(routes.c.id == route.id).values(scope=scopes[destination_id]))
                self._forget_sent(source_id, route.id)
        for destination_id, scope in scopes.items():
            if destination_id not in present:
                added = connection.execute(
                    insert(routes).values(source_id=source_id, destination_id=destination_id, scope=scope)
                )
                route_id = int(added.lastrowid)
                connection.execute(_MISSING_TRANSFERS, {"route": route_id, "source": source_id})
                self._touch_source(source_id)

    def _forget_sent(self, source_id: int, route_id: int) -> None:
        """Another scope, or another archive, is another place: what was sent to the old one is not there."""
        connection = self._connection
        of_route = select(transfers.c.id).where(transfers.c.route_id == route_id)
        connection.execute(delete(receipts).where(receipts.c.transfer_id.in_(of_route)))
        connection.execute(
            update(transfers)
            .where(transfers.c.route_id == route_id)
            .values(
                sent_fingerprint=None, remote=None, version=None, digest=None, level=None, derived_version=None,
                archived_ns=None, verified_at_ns=None, proven_at_ns=None,
            )
        )  # fmt: skip
        archived = TRANSFER_FACTS.where(
            transfers.c.route_id == route_id, transfers.c.state == TransferState.ARCHIVED.value
        )
        rest(connection, connection.execute(archived).all())
        self._touch_source(source_id)

    def _remove_route(self, source_id: int, route_id: int) -> None:
        connection = self._connection
        of_route = select(transfers.c.id).where(transfers.c.route_id == route_id)
        connection.execute(delete(problems).where(problems.c.transfer_id.in_(of_route)))
        connection.execute(delete(routes).where(routes.c.id == route_id))
        connection.execute(delete(counts).where(counts.c.source_id == source_id, counts.c.route_id == route_id))
        self._touch_source(source_id)

    def configuration(self) -> dict[str, Any]:
        """Sources, destinations and routes as one JSON object, by uuid: what a lost store is built anew from."""
        with self._reading():
            all_destinations = self.destinations()
            uuids = {destination.id: destination.uuid for destination in all_destinations}
            return {
                "format": 1,
                "destinations": [
                    {"uuid": row.uuid, "name": row.name, "kind": row.kind, "config": dict(row.config)}
                    for row in all_destinations
                ],
                "sources": [
                    {
                        "uuid": row.uuid,
                        "name": row.name,
                        "backend": row.backend,
                        "config": dict(row.config),
                        "is_enabled": row.is_enabled,
                        "root_place": row.root_place,
                        **({"since_ns": row.since_ns} if row.since_ns else {}),
                        "routes": [[uuids[route.destination_id], route.scope] for route in self._routes(row.id)],
                    }
                    for row in self.sources()
                ],
            }

    def _mirror_configuration(self) -> None:
        path = self.configuration_path
        if path is None:
            return
        configuration = self.configuration()
        self._after_commit.append(lambda: write_mirror(path, configuration))

    def refresh_mirror(self) -> None:
        """Make good what a mirror lacks that could not be written when the configuration was changed."""
        with self._transaction():
            self._mirror_configuration()

    def set_source_state(
        self, source_id: int, state: SourceState, reason: str = "", root_place: str | None = None
    ) -> None:
        """Write down what is known of a source as a whole; ``root_place`` is kept when None."""
        values: dict[str, Any] = {"state": state.value, "state_reason": reason}
        if root_place is not None:
            values["root_place"] = root_place
        with self._transaction() as connection:
            connection.execute(update(sources).where(sources.c.id == source_id).values(values))

    def record_scan(
        self, source_id: int, summary: DiscoverySummary, missed_by_watcher: int, now_ns: int | None = None
    ) -> None:
        """Write down a finished look; ``missed_by_watcher`` is added to what was missed before.

        A look at a part only moves the cursor.
        """
        values: dict[str, Any] = {"cursor": compact(dict(summary.cursor))}
        if summary.is_complete_scan:
            values |= {
                "last_scan_ns": self.now_ns() if now_ns is None else now_ns,
                "last_scan_duration_s": summary.duration_s,
                "seen_count": summary.seen_count,
                "stray_files": summary.stray_files,
            }
        if summary.root_place:
            values["root_place"] = summary.root_place
        if missed_by_watcher:
            values["missed_by_watcher"] = sources.c.missed_by_watcher + missed_by_watcher
        with self._transaction() as connection:
            connection.execute(update(sources).where(sources.c.id == source_id).values(values))
            if summary.is_complete_scan and (taken := take_what_is_nowhere_else(connection, source_id)):
                rest(connection, facts_of_datasets(connection, taken))
                self._touch(taken)

    def add_missed(self, source_id: int, missed_by_watcher: int) -> None:
        """So much of what looks found turned out to have been missed by the watcher."""
        more = sources.c.missed_by_watcher + missed_by_watcher
        with self._transaction() as connection:
            connection.execute(update(sources).where(sources.c.id == source_id).values(missed_by_watcher=more))

    def set_destination_state(
        self,
        destination_id: int,
        state: DestinationState,
        reason: str = "",
        free_bytes: int | None = None,
        last_success_ns: int | None = None,
        total_bytes: int | None = None,
    ) -> None:
        """Write down what is known of a destination as a whole; ``None`` leaves a figure as it is."""
        values: dict[str, Any] = {"state": state.value, "state_reason": reason}
        if free_bytes is not None:
            values["free_bytes"] = free_bytes
        if total_bytes is not None:
            values["total_bytes"] = total_bytes
        if last_success_ns is not None:
            values["last_success_ns"] = last_success_ns
        with self._transaction() as connection:
            connection.execute(update(destinations).where(destinations.c.id == destination_id).values(values))

    def hold_source(self, source_id: int, reason: str) -> None:
        """Send nothing more of a source until :meth:`release_source`: what waits, and what comes, is held."""
        with self._transaction() as connection:
            self.source(source_id)
            connection.execute(update(sources).where(sources.c.id == source_id).values(held_reason=reason))
            self._rest_of_source(source_id, TransferState.WAITING)

    def release_source(self, source_id: int) -> None:
        """End :meth:`hold_source`: what is settled waits for its turn again."""
        with self._transaction() as connection:
            self.source(source_id)
            connection.execute(update(sources).where(sources.c.id == source_id).values(held_reason=""))
            self._rest_of_source(source_id, TransferState.HELD)

    def _rest_of_source(self, source_id: int, state: TransferState) -> None:
        connection = self._connection
        chosen = connection.execute(_WAITING_OF_SOURCE, {"source": source_id, "state": state.value}).all()
        rest(connection, chosen)
        self._touch(facts.dataset_id for facts in chosen)
