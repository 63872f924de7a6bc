"""The part of the writer that keeps what is known of stored copies: verified, proven, derived, half sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, delete, literal_column, select, text, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain.errors import DestinationDamaged
from etiket_gui.domain.names import display
from etiket_gui.domain.states import TransferState
from etiket_gui.domain.tasks import StoredCopy
from etiket_gui.store.connection import as_ids, asked, compact
from etiket_gui.store.models import checkpoints, routes, transfers
from etiket_gui.store.resting import facts_of_transfers, rest
from etiket_gui.store.writer_problems import damage_key
from etiket_gui.store.writer_transfers import TransferWriter

_t, _c = transfers.c, checkpoints.c
_new_checkpoint = insert(checkpoints)
_SAVE_CHECKPOINT = _new_checkpoint.on_conflict_do_update(
    index_elements=["uuid", "name"], set_={"state": _new_checkpoint.excluded.state}
)
_LOAD_CHECKPOINT = select(_c.state).where(_c.uuid == bindparam("of"), _c.name == bindparam("file"))
_CLEAR_CHECKPOINTS = delete(checkpoints).where(_c.uuid == bindparam("of"))

_ROUTES_TO = select(routes.c.id, routes.c.scope).where(routes.c.destination_id == bindparam("destination"))
_COPIES: Select[Any] = (
    select(_t.id, _t.remote, _t.version)
    .where(_t.route_id == bindparam("route"), _t.state == literal_column(f"'{TransferState.ARCHIVED.value}'"))
    .limit(bindparam("most"))
)
_NEVER_PROVEN = _COPIES.where(_t.proven_at_ns.is_(None), _t.verified_at_ns < bindparam("before")).order_by(
    _t.verified_at_ns
)
_PROVEN_LONG_AGO = _COPIES.where(_t.proven_at_ns.is_not(None), _t.proven_at_ns < bindparam("before")).order_by(
    _t.proven_at_ns
)
_NEWEST = tuple(
    _COPIES.where(_t.shown == TransferState.ARCHIVED.value, _t.is_large == is_large).order_by(_t.order_ns.desc())
    for is_large in (0, 1)
)
_LAST_SENT = _COPIES.where(_t.proven_at_ns.is_(None)).order_by(_t.verified_at_ns.desc())
#: The sum keeps SQLite from an index that would have to be put in order for each step.
_NEXT_COPIES = (
    select(_t.id, _t.remote, _t.version)
    .where(
        _t.id > bindparam("after"),
        _t.route_id + 0 == bindparam("route"),
        _t.state == literal_column(f"'{TransferState.ARCHIVED.value}'"),
    )
    .order_by(_t.id)
    .limit(bindparam("most"))
)
_UNDERIVED = _COPIES.where(text("derived_version IS NOT version"))
_DERIVED = update(transfers).where(_t.id == bindparam("which")).values(derived_version=bindparam("made"))
_VERIFIED = update(transfers).where(_t.id == bindparam("which")).values(verified_at_ns=bindparam("at_ns"))
_PROVEN = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(verified_at_ns=bindparam("at_ns"), proven_at_ns=bindparam("at_ns"))
)
_DISTRUST = (
    update(transfers)
    .where(_t.id.in_(asked()))
    .values(sent_fingerprint=None, proven_at_ns=None, derived_version=None, claim_fingerprint=_t.sent_fingerprint)
)
_TRUST = (
    update(transfers)
    .where(_t.id == bindparam("which"), _t.sent_fingerprint.is_(None), _t.state == TransferState.WAITING.value)
    .values(sent_fingerprint=_t.claim_fingerprint)
)
_MISSING = "It was archived there and is not there any more."
_DAMAGE_ADVICE = "It is sent again from the source if the source still has it. Look after the disk of the archive."


class CopyWriter(TransferWriter):
    """Writes down what re-reads of stored copies found, which views were made, and how far half sent files are."""

    def record_verification(
        self, transfer_id: int, verified_at_ns: int, is_proven: bool, differences: Sequence[str] = ()
    ) -> None:
        """Write down a re-read of a stored copy: when it was good, or in which files it differs.

        A copy that differs is no longer archived: a problem is opened and the dataset is to be sent again, until it
        was or a later re-read finds the copy good.
        """
        with self._transaction() as connection:
            facts = facts_of_transfers(connection, [transfer_id])
            if not facts:
                return
            if not differences:
                connection.execute(_PROVEN if is_proven else _VERIFIED, {"which": transfer_id, "at_ns": verified_at_ns})
                if self._close_keys([damage_key(transfer_id)]):
                    connection.execute(_TRUST, {"which": transfer_id})
                    waiting = [row for row in facts_of_transfers(connection, [transfer_id]) if row.state == "waiting"]
                    rest(connection, waiting)
                    self._touch([facts[0].dataset_id])
                return
            if facts[0].state == TransferState.ARCHIVED:
                connection.execute(_DISTRUST, {"ids": as_ids([transfer_id])})
                rest(connection, facts_of_transfers(connection, [transfer_id]))
                self._touch([facts[0].dataset_id])
            shown = "; ".join(display(name).rstrip(".") for name in differences[:3])
            more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
            self.open_problem(
                "item",
                damage_key(transfer_id),
                DestinationDamaged(f"What is stored is not what was put there: {shown}{more}.", advice=_DAMAGE_ADVICE),
                source_id=facts[0].source_id,
                dataset_id=facts[0].dataset_id,
                transfer_id=transfer_id,
            )

    def copies_of_destination_to_prove(
        self, destination_id: int, *, verified_before_ns: int, proven_before_ns: int, limit: int
    ) -> list[StoredCopy]:
        """Archived copies that are to be proven: never proven and verified before the first time, or last proven
        before the second; in each, longest ago first, never proven ones first.
        """
        asked_for = ((_NEVER_PROVEN, verified_before_ns), (_PROVEN_LONG_AGO, proven_before_ns))
        copies: list[StoredCopy] = []
        with self._reading() as connection:
            leading = connection.execute(_ROUTES_TO, {"destination": destination_id}).all()
            for statement, before_ns in asked_for:
                for route_id, scope in leading:
                    if len(copies) >= limit:
                        break
                    parameters = {"route": route_id, "before": before_ns, "most": limit - len(copies)}
                    copies += [_copy(row, scope) for row in connection.execute(statement, parameters)]
        return copies

    def newest_copies(self, destination_id: int, most: int) -> list[StoredCopy]:
        """Archived copies of the newest datasets and those sent last, about ``most`` of each kind and route."""
        copies: dict[int, StoredCopy] = {}
        with self._reading() as connection:
            for route_id, scope in connection.execute(_ROUTES_TO, {"destination": destination_id}).all():
                for statement in (*_NEWEST, _LAST_SENT):
                    for row in connection.execute(statement, {"route": route_id, "most": most}):
                        copies[row.id] = _copy(row, scope)
        return list(copies.values())

    def copies_after(self, destination_id: int, transfer_id: int, most: int) -> list[StoredCopy]:
        """The next archived copies of a destination by their transfers' ids, at most ``most``."""
        copies: list[StoredCopy] = []
        with self._reading() as connection:
            for route_id, scope in connection.execute(_ROUTES_TO, {"destination": destination_id}).all():
                parameters = {"route": route_id, "most": most, "after": transfer_id}
                copies += [_copy(row, scope) for row in connection.execute(_NEXT_COPIES, parameters)]
        return sorted(copies, key=lambda copy: copy.transfer_id)[:most]

    def note_missing(self, transfer_ids: Sequence[int]) -> None:
        """These copies are not where they were put: a problem is open and they wait, until they were sent again."""
        with self._transaction() as connection:
            facts = [
                row for row in facts_of_transfers(connection, transfer_ids) if row.state == TransferState.ARCHIVED.value
            ]
            connection.execute(_DISTRUST, {"ids": as_ids([row.id for row in facts])})
            rest(connection, facts_of_transfers(connection, [row.id for row in facts]))
            self._touch([row.dataset_id for row in facts])
            for row in facts:
                self.open_problem(
                    "item",
                    damage_key(row.id),
                    DestinationDamaged(_MISSING, advice=_DAMAGE_ADVICE),
                    source_id=row.source_id,
                    dataset_id=row.dataset_id,
                    transfer_id=row.id,
                )

    def copies_to_derive(self, destination_id: int, limit: int) -> list[StoredCopy]:
        """Archived copies of a destination whose derived views were not made for their present version."""
        copies: list[StoredCopy] = []
        with self._reading() as connection:
            for route_id, scope in connection.execute(_ROUTES_TO, {"destination": destination_id}).all():
                if len(copies) >= limit:
                    break
                parameters = {"route": route_id, "most": limit - len(copies)}
                copies += [_copy(row, scope) for row in connection.execute(_UNDERIVED, parameters)]
        return copies

    def mark_derived(self, made: Iterable[tuple[int, str]]) -> None:
        """The views of these (transfer id, version) were made."""
        rows = [{"which": transfer_id, "made": version} for transfer_id, version in made]
        if rows:
            with self._transaction() as connection:
                connection.execute(_DERIVED, rows)

    def save_checkpoint(self, uuid: str, name: str, state: Mapping[str, Any]) -> None:
        """Remember how far the file ``name`` of a dataset is; outside of a batch it is on disk when this returns."""
        is_alone = not self._depth
        with self._durable() if is_alone else self.batch(), self._transaction() as connection:
            connection.execute(_SAVE_CHECKPOINT, {"uuid": uuid, "name": name, "state": compact(dict(state))})

    def load_checkpoint(self, uuid: str, name: str) -> Mapping[str, Any] | None:
        """What was saved of a file, or None."""
        with self._reading() as connection:
            saved = connection.execute(_LOAD_CHECKPOINT, {"of": uuid, "file": name}).scalar()
            return None if saved is None else dict(json.loads(saved))

    def clear_checkpoints(self, uuid: str) -> None:
        """Forget a dataset's states."""
        with self._transaction() as connection:
            connection.execute(_CLEAR_CHECKPOINTS, {"of": uuid})


def _copy(row: Any, scope: str) -> StoredCopy:
    return StoredCopy(row.id, row.remote, row.version, scope)
