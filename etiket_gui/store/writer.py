"""The one writer of the store: everything that changes it goes through here, from one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain.errors import DestinationDamaged
from etiket_gui.domain.names import display
from etiket_gui.domain.states import TransferState
from etiket_gui.store.connection import as_ids, asked, compact
from etiket_gui.store.copying import copy_store
from etiket_gui.store.engine_lookups import EngineLookups
from etiket_gui.store.models import checkpoints, datasets, routes, transfers
from etiket_gui.store.resting import facts_of_transfers, rest
from etiket_gui.store.rows import CopyRow
from etiket_gui.store.writer_problems import transfer_key

_t, _c = transfers.c, checkpoints.c
_new_checkpoint = insert(checkpoints)
_SAVE_CHECKPOINT = _new_checkpoint.on_conflict_do_update(
    index_elements=["uuid", "name"], set_={"state": _new_checkpoint.excluded.state}
)
_LOAD_CHECKPOINT = select(_c.state).where(_c.uuid == bindparam("of"), _c.name == bindparam("file"))
_CLEAR_CHECKPOINTS = delete(checkpoints).where(_c.uuid == bindparam("of"))
_COPIES = (
    select(
        _t.id, _t.dataset_id, routes.c.destination_id, _t.remote, _t.version, routes.c.scope, _t.verified_at_ns,
        _t.proven_at_ns,
    )
    .join(routes, routes.c.id == _t.route_id)
    .where(_t.state == literal_column(f"'{TransferState.ARCHIVED.value}'"))
    .limit(bindparam("most"))
)  # fmt: skip
_NEVER_PROVEN = _COPIES.where(_t.proven_at_ns.is_(None), _t.verified_at_ns < bindparam("before")).order_by(
    _t.verified_at_ns
)
_PROVEN_LONG_AGO = _COPIES.where(_t.proven_at_ns.is_not(None), _t.proven_at_ns < bindparam("before")).order_by(
    _t.proven_at_ns
)
_VERIFIED = update(transfers).where(_t.id == bindparam("which")).values(verified_at_ns=bindparam("at_ns"))
_PROVEN = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(verified_at_ns=bindparam("at_ns"), proven_at_ns=bindparam("at_ns"))
)

_DAMAGE_OF = (
    select(_t.id, _t.dataset_id, _t.problem_kind, datasets.c.source_id)
    .join(datasets, datasets.c.id == _t.dataset_id)
    .where(_t.id.in_(asked()))
)
_DISTRUST = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(
        state=TransferState.FAILED.value,
        reason=bindparam("why"),
        problem_kind=bindparam("kind"),
        retry_class=bindparam("class"),
        claim_fingerprint=func.coalesce(_t.sent_fingerprint, _t.claim_fingerprint),
        sent_fingerprint=None,
        proven_at_ns=None,
        due_ns=None,
    )
)
_TRUST = update(transfers).where(_t.id == bindparam("which")).values(sent_fingerprint=_t.claim_fingerprint)
_DAMAGE_ADVICE = "Look after the disk of the archive. A retry sends the dataset again; nothing stored is overwritten."


class StoreWriter(EngineLookups):
    """Everything that changes the store; see :class:`StoreTransactions` for its transactions and failures."""

    def record_verification(
        self, transfer_id: int, verified_at_ns: int, is_proven: bool, differences: Sequence[str] = ()
    ) -> None:
        """Write down a re-read of a stored copy: when it was good, or in which files it differs.

        A copy that differs is no longer archived: it has failed, with a problem, until it is sent again or a later
        re-read finds it good.
        """
        with self._transaction() as connection:
            facts = connection.execute(_DAMAGE_OF, {"ids": as_ids([transfer_id])}).first()
            if facts is None:
                return
            if differences:
                self._distrust_copy(facts, differences)
                return
            connection.execute(_PROVEN if is_proven else _VERIFIED, {"which": transfer_id, "at_ns": verified_at_ns})
            if facts.problem_kind == DestinationDamaged.__name__:
                connection.execute(_TRUST, {"which": transfer_id})
                rest(connection, facts_of_transfers(connection, [transfer_id]))
                self._close_item_problems([transfer_id])
                self._touch([facts.dataset_id])

    def _distrust_copy(self, facts: Any, differences: Sequence[str]) -> None:
        shown = ", ".join(display(name) for name in differences[:3])
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        error = DestinationDamaged(f"What is stored is not what was put there: {shown}{more}.", advice=_DAMAGE_ADVICE)
        self._connection.execute(
            _DISTRUST, {"which": facts.id, "why": error.reason, "kind": error.kind, "class": error.retry_class.value}
        )
        self.open_problem(
            "item",
            transfer_key(facts.id),
            error,
            source_id=facts.source_id,
            dataset_id=facts.dataset_id,
            transfer_id=facts.id,
        )
        self._touch([facts.dataset_id])

    def copies_to_prove(self, older_than_ns: int, limit: int, *, first_before_ns: int | None = None) -> list[CopyRow]:
        """Archived copies whose last proof is older than that, longest ago first; those never proven come first.

        A copy never proven is due when it was verified before ``first_before_ns`` (``older_than_ns`` when None).
        """
        with self._transaction() as connection:
            before_ns = older_than_ns if first_before_ns is None else first_before_ns
            rows = list(connection.execute(_NEVER_PROVEN, {"before": before_ns, "most": limit}))
            if len(rows) < limit:
                rows += connection.execute(_PROVEN_LONG_AGO, {"before": older_than_ns, "most": limit - len(rows)})
            return [CopyRow(*row) for row in rows]

    def save_checkpoint(self, uuid: str, name: str, state: Mapping[str, Any]) -> None:
        """Remember how far the file ``name`` of a dataset is; on disk when this returns."""
        with self._transaction() as connection:
            connection.execute(_SAVE_CHECKPOINT, {"uuid": uuid, "name": name, "state": compact(dict(state))})

    def load_checkpoint(self, uuid: str, name: str) -> Mapping[str, Any] | None:
        """What was saved of a file, or None."""
        with self._transaction() as connection:
            text = connection.execute(_LOAD_CHECKPOINT, {"of": uuid, "file": name}).scalar()
            return None if text is None else dict(json.loads(text))

    def clear_checkpoints(self, uuid: str) -> None:
        """Forget a dataset's states."""
        with self._transaction() as connection:
            connection.execute(_CLEAR_CHECKPOINTS, {"of": uuid})

    def backup(self, target: Path) -> None:
        """A complete copy of the store as it is now, under its final name only when it is whole.

        Runs on a connection of its own; the function :func:`~etiket_gui.store.copying.copy_store` may be called from
        another thread instead. Raises StoreProblem.
        """
        copy_store(self.path, target)
