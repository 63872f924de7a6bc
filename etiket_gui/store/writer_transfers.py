"""The part of the writer that moves transfers along: claimed, sent or not, due again, ignored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain import guards
from etiket_gui.domain.states import RunState, TransferState, VerificationLevel
from etiket_gui.store.connection import as_ids, asked, compact
from etiket_gui.store.models import datasets, descriptions, destinations, files, problems, receipts, routes, transfers
from etiket_gui.store.resting import (
    FACTS,
    NOT_VERIFIED,
    facts_of_datasets,
    facts_of_transfers,
    rest,
)
from etiket_gui.store.rows import Claim, NotSent, Sent
from etiket_gui.store.shaping import FILE_COLUMNS, collected_ns, file_values, packed_files, search_text
from etiket_gui.store.writer_discovery import DiscoveryWriter
from etiket_gui.store.writer_problems import damage_key, flaw_key, transfer_key

_d, _t, _p = datasets.c, transfers.c, problems.c

_CLAIMABLE: Select[Any] = (
    select(
        _t.id,
        _t.dataset_id,
        _t.attempts,
        _t.remote,
        _t.version,
        _t.digest,
        _d.uuid,
        _d.identifier,
        _d.birth_ordinal,
        _d.previous_identifiers,
        _d.name,
        _d.place,
        _d.run_state,
        _d.settled_fingerprint,
        _d.size_bytes,
        _d.file_count,
        routes.c.scope,
    )
    .join(datasets, _d.id == _t.dataset_id)
    .join(routes, routes.c.id == _t.route_id)
    .where(_t.route_id == bindparam("route"), _t.shown == bindparam("shown"), _t.is_large == bindparam("large"))
    .limit(bindparam("most"))
)
_INTERRUPTED = _CLAIMABLE.where(_t.claimed_ns.is_not(None)).with_hint(
    transfers, "INDEXED BY ix_transfers_claimed", "sqlite"
)
_NEWEST = _CLAIMABLE.where(_t.claimed_ns.is_(None)).order_by(_t.order_ns.desc())
_OLDEST = _CLAIMABLE.where(_t.claimed_ns.is_(None)).order_by(_t.order_ns)
_CLAIM = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(
        state=TransferState.SENDING.value,
        reason="",
        claimed_ns=bindparam("at_ns"),
        claim_fingerprint=bindparam("claimed_fingerprint"),
    )
)
_RECORD = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(
        reason=bindparam("new_reason"),
        state=bindparam("new_state"),
        sent_fingerprint=bindparam("new_sent_fingerprint"),
        proven_at_ns=func.iif(_t.version == bindparam("new_version"), _t.proven_at_ns, None),
        digest=bindparam("new_digest"),
        remote=bindparam("new_remote"),
        version=bindparam("new_version"),
        level=bindparam("new_level"),
        archived_ns=bindparam("new_archived_ns"),
        verified_at_ns=bindparam("new_verified_at_ns"),
        problem_kind=None,
        retry_class=None,
        due_ns=None,
        attempts=0,
        claimed_ns=None,
    )
)
#: Of a row in a database nobody knows how large it is before it was read.
_has_no_size = and_(_d.size_bytes == 0, _d.file_count == 0)
_DESCRIBE = (
    update(datasets)
    .where(_d.id == bindparam("which"))
    .values(
        name=bindparam("new_name"),
        collected_ns=bindparam("new_collected_ns"),
        is_described=1,
        size_bytes=case((_has_no_size, bindparam("new_size_bytes")), else_=_d.size_bytes),
        file_count=case((_has_no_size, bindparam("new_file_count")), else_=_d.file_count),
        manifest_fingerprint=bindparam("new_manifest_fingerprint"),
    )
)
_DESCRIPTION = (
    update(descriptions)
    .where(descriptions.c.dataset_id == bindparam("which"))
    .values(content=bindparam("new_content"), search_text=bindparam("new_search_text"))
)
_FORGET_FILES = files.delete().where(files.c.dataset_id.in_(asked()))
#: Ten rows for each dataset that is sent: the driver takes tuples, without a dictionary for each row on the way.
_REMEMBER_FILES = f"INSERT INTO files ({', '.join(FILE_COLUMNS)}) VALUES ({', '.join('?' * len(FILE_COLUMNS))})"  # noqa: S608
_new_receipt = insert(receipts)
_ADD_RECEIPT = _new_receipt.on_conflict_do_nothing(index_elements=["transfer_id", "version"])
_REPLACE_RECEIPT = _new_receipt.on_conflict_do_update(
    index_elements=["transfer_id", "version"],
    set_={
        name: _new_receipt.excluded[name]
        for name in (
            "digest",
            "level",
            "received_ns",
            "file_count",
            "size_bytes",
            "new_bytes",
            "is_provisional",
            "files",
        )
    },
)
_DESTINATIONS_OF_ROUTES = select(routes.c.id, routes.c.destination_id).where(routes.c.id.in_(asked()))
_SUCCEEDED = update(destinations).where(destinations.c.id.in_(asked())).values(last_success_ns=bindparam("at_ns"))
_RECORD_FAILURE = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        problem_kind=bindparam("new_problem_kind"),
        retry_class=bindparam("new_retry_class"),
        due_ns=bindparam("new_due_ns"),
        attempts=bindparam("new_attempts"),
        claimed_ns=None,
    )
)
_CLAIMED = FACTS.where(_t.claimed_ns.is_not(None)).with_hint(transfers, "INDEXED BY ix_transfers_claimed", "sqlite")
_REMEMBER_INTERRUPTION = update(transfers).where(_t.id.in_(asked())).values(claimed_ns=bindparam("at_ns"))
_DUE = FACTS.where(_t.due_ns <= bindparam("now"))
_DUE_TOO_LATE = FACTS.where(_t.due_ns > bindparam("horizon"))
_NEXT_DUE = select(func.min(_t.due_ns)).where(_t.due_ns.is_not(None))
_SHIFT_TRANSFERS = update(transfers).where(_t.due_ns.is_not(None)).values(due_ns=_t.due_ns + bindparam("delta"))
_SHIFT_PROBLEMS = (
    update(problems)
    .where(_p.is_open == literal_column("1"), _p.due_ns.is_not(None))
    .values(due_ns=_p.due_ns + bindparam("delta"))
)
_FAILED = TransferState.FAILED.value
_FLAWED = select(_p.dataset_id).where(_p.key.in_(asked("keys")), _p.is_open == 1, _p.dataset_id.is_not(None))
_READ_ANEW = (
    update(transfers).where(_t.id.in_(asked())).values(sent_fingerprint=None, claim_fingerprint=_t.sent_fingerprint)
)
_FAILED_ANYWHERE = FACTS.where(_t.route_id.in_(select(routes.c.id)), _t.shown == _FAILED)
_FAILED_OF_SOURCE = FACTS.where(
    _t.route_id.in_(select(routes.c.id).where(routes.c.source_id == bindparam("source"))), _t.shown == _FAILED
)
_IGNORE = update(datasets).where(_d.id.in_(asked())).values(is_ignored=bindparam("ignored"))
_IGNORE_TRANSFERS = (
    update(transfers)
    .where(_t.dataset_id.in_(asked()), _t.state != TransferState.ARCHIVED.value)
    .values(state=TransferState.IGNORED.value, reason="", due_ns=None, claimed_ns=None)
)
_QUIET_FAILURES = {"SourceChanged", "Stopped"}


class TransferWriter(DiscoveryWriter):
    """Claims transfers, records receipts and failures, and brings back what is due."""

    def claim(self, route_id: int, *, limit: int, max_bytes: int, large: bool, newest_first: bool) -> list[Claim]:
        """Take waiting transfers of a route for sending: those interrupted last time first, then by age.

        At most ``limit``, and together at most ``max_bytes`` unless the first alone is larger. ``large`` asks for
        datasets above 64 MiB, else for the others. Gone and ignored datasets are passed over.
        """
        with self._transaction() as connection:
            self._recount()
            asked_for = {
                "route": route_id,
                "shown": TransferState.WAITING.value,
                "large": int(large),
                "most": limit,
            }
            chosen = list(connection.execute(_INTERRUPTED, asked_for))
            if len(chosen) < limit:
                asked_for["most"] = limit - len(chosen)
                chosen += connection.execute(_NEWEST if newest_first else _OLDEST, asked_for)
            claims: list[Claim] = []
            total_bytes = 0
            for row in chosen:
                total_bytes += row.size_bytes
                if claims and total_bytes > max_bytes:
                    break
                claims.append(_claim(row))
            if claims:
                at_ns = self.now_ns()
                connection.execute(
                    _CLAIM,
                    [
                        {"which": claim.transfer_id, "at_ns": at_ns, "claimed_fingerprint": claim.fingerprint}
                        for claim in claims
                    ],
                )
                self._touch(claim.dataset_id for claim in claims)
            return claims

    def record_sent(self, sent: Sequence[Sent]) -> None:
        """Write down receipts: manifest, description, receipt, and the state that follows from what is settled now.

        A transfer whose dataset has moved on meanwhile waits again; one that was ignored meanwhile stays ignored.
        """
        if not sent:
            return
        with self._transaction() as connection:
            facts = {row.id: row for row in facts_of_transfers(connection, [item.transfer_id for item in sent])}
            present = [item for item in sent if item.transfer_id in facts]
            if not present:
                return
            self._record_receipts(present, facts)
            connection.execute(_RECORD, [self._recorded(item, facts[item.transfer_id]) for item in present])
            self._replace_manifests(present, facts)
            described = list({item.dataset_id: _described(item) for item in present}.values())
            connection.execute(_DESCRIBE, described)
            connection.execute(_DESCRIPTION, described)
            unfinished = [item.transfer_id for item in present if not self._is_final(item, facts[item.transfer_id])]
            if unfinished:
                rest(connection, facts_of_transfers(connection, unfinished))
                self._keep_unverified(present)
            self._close_keys([key(item.transfer_id) for item in present for key in (transfer_key, damage_key)])
            self._touch(item.dataset_id for item in present)

    @staticmethod
    def _is_final(item: Sent, facts: Any) -> bool:
        is_the_present = facts.fingerprint == facts.settled_fingerprint == item.fingerprint
        return (
            VerificationLevel(item.level).counts_as_verified
            and not item.is_provisional
            and not facts.is_ignored
            and facts.claim_fingerprint is not None
            and (is_the_present or not guards.is_on("sent-is-compared-with-settled"))
        )

    def _recorded(self, item: Sent, facts: Any) -> dict[str, Any]:
        is_final = self._is_final(item, facts)
        # A dataset renamed while it was sent lost its claim: the new name is still to be published.
        counts_as_sent = not item.is_provisional and facts.claim_fingerprint is not None
        return {
            "which": item.transfer_id,
            "new_state": (TransferState.ARCHIVED if is_final else TransferState.WAITING).value,
            "new_reason": "; ".join(item.notes) if is_final else "",
            "new_sent_fingerprint": item.fingerprint if counts_as_sent else None,
            "new_digest": item.digest,
            "new_remote": item.remote,
            "new_version": item.version,
            "new_level": item.level,
            "new_archived_ns": self.now_ns() if is_final else None,
            "new_verified_at_ns": item.verified_at_ns,
        }

    def _keep_unverified(self, present: Sequence[Sent]) -> None:
        """What is stored but not verified is not archived, and sending it again would not change that."""
        held = [item.transfer_id for item in present if not VerificationLevel(item.level).counts_as_verified]
        if held:
            self._connection.execute(
                update(transfers)
                .where(_t.id.in_(asked()), _t.state == TransferState.WAITING.value)
                .values(state=TransferState.HELD.value, reason=NOT_VERIFIED),
                {"ids": as_ids(held)},
            )

    def _record_receipts(self, present: Sequence[Sent], facts: dict[int, Any]) -> None:
        connection = self._connection
        route_ids = {facts[item.transfer_id].route_id for item in present}
        leading = {
            row.id: row.destination_id
            for row in connection.execute(_DESTINATIONS_OF_ROUTES, {"ids": as_ids(route_ids)})
        }
        now_ns = self.now_ns()
        new: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        for item in present:
            row = {
                "transfer_id": item.transfer_id,
                "dataset_id": item.dataset_id,
                "destination_id": leading[facts[item.transfer_id].route_id],
                "version": item.version,
                "digest": item.digest,
                "level": item.level,
                "received_ns": now_ns,
                "file_count": len(item.files),
                "size_bytes": sum(entry.size_bytes for entry in item.files),
                "new_bytes": item.new_bytes,
                "is_provisional": int(item.is_provisional),
                "files": packed_files(item.files),
            }
            (new if item.is_new else known).append(row)
        if new:
            connection.execute(_REPLACE_RECEIPT, new)
        if known:
            connection.execute(_ADD_RECEIPT, known)
        connection.execute(_SUCCEEDED, {"ids": as_ids(set(leading.values())), "at_ns": now_ns})

    def _replace_manifests(self, present: Sequence[Sent], facts: dict[int, Any]) -> None:
        connection = self._connection
        latest = {item.dataset_id: item for item in present}
        changed = [
            item
            for item in latest.values()
            if not (facts[item.transfer_id].manifest_fingerprint == item.fingerprint and not item.is_new)
        ]
        replaced = [item.dataset_id for item in changed if facts[item.transfer_id].manifest_fingerprint is not None]
        if replaced:
            connection.execute(_FORGET_FILES, {"ids": as_ids(replaced)})
        rows = [file_values(item.dataset_id, entry) for item in changed for entry in item.files]
        if rows:
            connection.exec_driver_sql(_REMEMBER_FILES, rows)

    def record_not_sent(self, failures: Sequence[NotSent]) -> None:
        """Write down what did not succeed, with its reason and next try; opens or updates the problem of each.

        No problem is opened for what only has to wait: content that still changes, a stop, or a state of the whole
        destination or source; nor for a dataset that a look found gone while it was being read.
        """
        if not failures:
            return
        with self._transaction() as connection:
            facts = {row.id: row for row in facts_of_transfers(connection, [item.transfer_id for item in failures])}
            moves, opened, quiet = [], [], []
            for item in failures:
                row = facts.get(item.transfer_id)
                if row is None or row.state == TransferState.IGNORED:
                    continue
                attempts = row.attempts + int(item.counts_as_attempt)
                waits = item.state is TransferState.WAITING
                moves.append(
                    {
                        "which": item.transfer_id,
                        "new_state": item.state.value,
                        "new_reason": item.error.reason,
                        "new_problem_kind": item.error.kind,
                        "new_retry_class": item.error.retry_class.value,
                        "new_due_ns": None if waits else item.due_ns,
                        "new_attempts": attempts,
                    }
                )
                may_wait = item.state in {TransferState.WAITING, TransferState.HELD}
                if row.is_gone or (may_wait and (item.error.kind in _QUIET_FAILURES or item.error.concerns_all)):
                    quiet.append(item.transfer_id)
                    continue
                problem = self._problem_columns("item", transfer_key(item.transfer_id), item.error)
                problem |= {"source_id": row.source_id, "destination_id": None, "dataset_id": item.dataset_id}
                problem |= {"transfer_id": item.transfer_id, "due_ns": item.due_ns, "attempts": attempts}
                opened.append(problem)
            if not moves:
                return
            connection.execute(_RECORD_FAILURE, moves)
            self._open_problems(opened)
            self._close_item_problems(quiet)
            self._touch(item.dataset_id for item in failures)

    def release_claims(self, transfer_ids: Iterable[int]) -> None:
        """Give claims back that nobody will work on: they wait again, or are held if their dataset moved on."""
        with self._transaction() as connection:
            claimed = [
                row for row in facts_of_transfers(connection, transfer_ids) if row.state == TransferState.SENDING
            ]
            rest(connection, claimed, keep_attempts=True)
            self._touch(row.dataset_id for row in claimed)

    def recover_claims(self) -> int:
        """At the start: give back what was being sent when the program ended; it comes first in the next claims."""
        with self._transaction() as connection:
            claimed = [row for row in connection.execute(_CLAIMED) if row.state == TransferState.SENDING]
            outcome = rest(connection, claimed, keep_attempts=True)
            waiting = [transfer_id for transfer_id, state in outcome.items() if state is TransferState.WAITING]
            if waiting:
                connection.execute(_REMEMBER_INTERRUPTION, {"ids": as_ids(waiting), "at_ns": self.now_ns()})
            self._touch(row.dataset_id for row in claimed)
            return len(claimed)

    def release_due(self, now_ns: int, horizon_ns: int) -> int:
        """Bring back what is due, and what is due later than any rule allows (a wrong clock); returns how many."""
        with self._transaction() as connection:
            due = list(connection.execute(_DUE, {"now": now_ns}))
            if guards.is_on("due-times-have-a-horizon"):
                due += connection.execute(_DUE_TOO_LATE, {"horizon": now_ns + horizon_ns})
            rest(connection, due, keep_attempts=True)
            self._touch(row.dataset_id for row in due)
            return len(due)

    def next_due_ns(self) -> int | None:
        """When the next transfer is due, in ns since 1970 UTC; None when nothing is."""
        with self._reading() as connection:
            value = connection.execute(_NEXT_DUE).scalar_one()
            return None if value is None else int(value)

    def shift_due(self, delta_ns: int) -> None:
        """The clock jumped by that much: what was due in a while still is due in the same while."""
        with self._transaction() as connection:
            connection.execute(_SHIFT_TRANSFERS, {"delta": delta_ns})
            connection.execute(_SHIFT_PROBLEMS, {"delta": delta_ns})

    def retry(self, dataset_ids: Iterable[int] | None = None, *, source_id: int | None = None) -> int:
        """Try again what failed, of these datasets, of a source, or of everything; returns how many transfers.

        Datasets that are named and were ignored are no longer. Those that are named and were sent without a part that
        could not be made are read and converted anew; what is stored stays while that is the same.
        """
        with self._transaction() as connection:
            if dataset_ids is not None:
                ids = list(dataset_ids)
                connection.execute(_IGNORE, {"ids": as_ids(ids), "ignored": 0})
                again = {_FAILED, TransferState.IGNORED.value}
                incomplete = self._distrust_flawed(ids)
                facts = facts_of_datasets(connection, ids)
                failed = [row for row in facts if row.state in again or row.id in incomplete]
                self._touch(ids)
            elif source_id is not None:
                failed = list(connection.execute(_FAILED_OF_SOURCE, {"source": source_id}))
            else:
                failed = list(connection.execute(_FAILED_ANYWHERE))
            rest(connection, failed)
            self._close_item_problems(row.id for row in failed)
            self._touch(row.dataset_id for row in failed)
            return len(failed)

    def _distrust_flawed(self, dataset_ids: Sequence[int]) -> set[int]:
        """Have what was sent without a part that could not be made count as not sent; returns the transfers."""
        keys = as_ids([flaw_key(dataset_id) for dataset_id in dataset_ids])
        flawed = self._connection.execute(_FLAWED, {"keys": keys}).scalars().all()
        present = [facts for facts in facts_of_datasets(self._connection, flawed) if not facts.is_gone]
        found = {facts.id for facts in present if facts.state == TransferState.ARCHIVED.value}
        if found:
            self._connection.execute(_READ_ANEW, {"ids": as_ids(found)})
        return found

    def ignore(self, dataset_ids: Iterable[int]) -> None:
        """Leave these datasets out from now on; what is archived stays archived."""
        ids = list(dataset_ids)
        with self._transaction() as connection:
            connection.execute(_IGNORE, {"ids": as_ids(ids), "ignored": 1})
            self._close_item_problems(facts.id for facts in facts_of_datasets(connection, ids))
            self._close_flaws(ids)
            connection.execute(_IGNORE_TRANSFERS, {"ids": as_ids(ids)})
            self._touch(ids)


def _claim(row: Any) -> Claim:
    return Claim(
        transfer_id=row.id,
        dataset_id=row.dataset_id,
        uuid=row.uuid,
        identifier=row.identifier,
        birth_ordinal=row.birth_ordinal,
        previous_identifiers=tuple(json.loads(row.previous_identifiers)),
        name=row.name,
        place=row.place,
        run_state=RunState(row.run_state),
        scope=row.scope,
        fingerprint=row.settled_fingerprint,
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        attempts=row.attempts,
        remote=row.remote,
        version=row.version,
        digest=row.digest,
    )


def _described(item: Sent) -> dict[str, Any]:
    description = item.description
    return {
        "which": item.dataset_id,
        "new_name": str(description.get("name") or ""),
        "new_collected_ns": collected_ns(description.get("collected")),
        "new_content": compact(dict(description)),
        "new_search_text": search_text(description),
        "new_manifest_fingerprint": item.fingerprint,
        "new_size_bytes": sum(entry.size_bytes for entry in item.files),
        "new_file_count": len(item.files),
    }
