"""The part of the writer that records what looks at a source found, and what became quiet, moved or went."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, insert, select, text, update

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.identity import dataset_uuid
from etiket_gui.domain.states import Realm, TransferState
from etiket_gui.store.beginning import beginning_of, is_too_old, take_renewed
from etiket_gui.store.connection import as_ids, asked, compact
from etiket_gui.store.elsewhere import found_elsewhere, leave_to_the_more_complete
from etiket_gui.store.models import ELSEWHERE, TOO_OLD, datasets, descriptions, problems, receipts, transfers
from etiket_gui.store.resting import IGNORED_BECAUSE, STILL_WRITTEN, facts_of_datasets, rest, rest_failed
from etiket_gui.store.rows import DatasetRow, FoundOutcome, SourceRow, StoredDatasetFacts
from etiket_gui.store.shaping import LARGE_BYTES, SELECT_DATASETS, clamped, collected_ns, dataset_row, search_text
from etiket_gui.store.writer_problems import ProblemWriter

_d, _t = datasets.c, transfers.c

_HOLDERS = select(_d.id, _d.identifier, _d.birth_ordinal, _d.looked_at_ns).where(
    _d.source_id == bindparam("source"), _d.identifier.in_(asked("identifiers"))
)
_KNOWN = select(
    _d.id,
    _d.uuid,
    _d.identifier,
    _d.fingerprint,
    _d.settled_fingerprint,
    _d.manifest_fingerprint,
    _d.looked_at_ns,
    _d.is_gone,
).where(_d.source_id == bindparam("source"), _d.identifier.in_(asked("identifiers")))
_TAKEN_UUIDS = select(_d.uuid).where(_d.uuid.in_(asked("uuids")))
#: Also of datasets that were removed: an id is never given twice.
_LAST_ID = text(
    "SELECT max(coalesce((SELECT max(id) FROM datasets), 0),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'datasets'), 0))"
)
_NEW_DATASET = insert(datasets)
_NEW_TRANSFER = insert(transfers)
_NEW_DESCRIPTION = insert(descriptions)
_is_described = _d.is_described == 1
#: A look that counts nothing says nothing of a size that was learned by reading.
_tells_no_size = and_(
    bindparam("new_size_bytes") == 0, bindparam("new_file_count") == 0, _d.fingerprint == bindparam("new_fingerprint")
)
_SEEN_AGAIN = (
    update(datasets)
    .where(_d.id == bindparam("which"))
    .values(
        is_gone=0,
        fingerprint=bindparam("new_fingerprint"),
        newest_change_ns=bindparam("new_newest_change_ns"),
        looked_at_ns=bindparam("new_looked_at_ns"),
        size_bytes=case((_tells_no_size, _d.size_bytes), else_=bindparam("new_size_bytes")),
        file_count=case((_tells_no_size, _d.file_count), else_=bindparam("new_file_count")),
        run_state=bindparam("new_run_state"),
        place=bindparam("new_place"),
        name=case((_is_described, _d.name), else_=bindparam("new_name")),
        collected_ns=case((_is_described, _d.collected_ns), else_=bindparam("new_collected_ns")),
    )
)
_SENT_STAYS_SENT = (
    update(transfers)
    .where(_t.dataset_id == bindparam("which"), _t.sent_fingerprint == bindparam("old"))
    .values(sent_fingerprint=bindparam("new"))
)
_MANIFEST_STAYS = (
    update(datasets)
    .where(_d.id == bindparam("which"))
    .values(manifest_fingerprint=bindparam("new"), settled_fingerprint=bindparam("new"))
)
_SETTLE = (
    update(datasets)
    .where(_d.id == bindparam("which"), _d.fingerprint == bindparam("settled"))
    .values(settled_fingerprint=_d.fingerprint)
)
_HOLD = (
    update(transfers)
    .where(_t.id == bindparam("which"))
    .values(state=TransferState.HELD.value, reason=bindparam("why"), due_ns=None, claimed_ns=None)
)
_GO = update(datasets).where(_d.id.in_(asked())).values(is_gone=1)
_BY_PLACE = SELECT_DATASETS.where(_d.source_id == bindparam("source"), _d.place.in_(asked("places")))
_BY_IDS = SELECT_DATASETS.where(_d.id.in_(asked()))


class DiscoveryWriter(ProblemWriter):
    """Records finds, settling, renames and disappearances."""

    def record_found(self, source: SourceRow, realm: Realm, found: Sequence[Found]) -> list[FoundOutcome]:
        """Write down what a look found; one outcome for each identifier, of its last find, in the order given.

        A new dataset gets its uuid (with the first birth ordinal that is free) and a held transfer for every route.
        ``looked_at_ns`` of a row is the first look that saw its present fingerprint, so that ``found.looked_at_ns -
        outcome.previous_looked_at_ns`` is how long it has been the same whenever the fingerprints are equal.
        """
        with self._transaction() as connection:
            latest = {item.identifier: item for item in found}
            parameters = {"source": source.id, "identifiers": as_ids(latest)}
            known = {row.identifier: row for row in connection.execute(_KNOWN, parameters)}
            since_ns = beginning_of(connection, source.id)
            new = [item for item in latest.values() if item.identifier not in known]
            made = self._make_datasets(source, realm, new, since_ns) if new else {}
            if known:
                again = [(known[item.identifier], item) for item in latest.values() if item.identifier in known]
                self._see_again(source.id, since_ns, again)
            outcomes = []
            for item in latest.values():
                row = known.get(item.identifier)
                if row is None:
                    dataset_id, uuid = made[item.identifier]
                    outcomes.append(FoundOutcome(dataset_id, uuid, item, True, False, None, None, None))
                    continue
                stays = item.is_unchanged and row.manifest_fingerprint is not None
                outcomes.append(
                    FoundOutcome(
                        dataset_id=row.id,
                        uuid=row.uuid,
                        found=item,
                        is_new=False,
                        was_gone=bool(row.is_gone),
                        previous_fingerprint=row.fingerprint,
                        previous_looked_at_ns=row.looked_at_ns,
                        settled_fingerprint=item.fingerprint if stays else row.settled_fingerprint,
                    )
                )
            return outcomes

    def _make_datasets(
        self, source: SourceRow, realm: Realm, new: Sequence[Found], since_ns: int
    ) -> dict[str, tuple[int, str]]:
        connection = self._connection
        identities = self._free_identities(source, realm, [item.identifier for item in new])
        next_id = int(connection.execute(_LAST_ID).scalar_one()) + 1
        now_ns = self.now_ns()
        elsewhere = found_elsewhere(connection, source.id, source.backend, new) if realm is Realm.WORLD else ()
        rows: list[dict[str, Any]] = []
        made: dict[str, tuple[int, str]] = {}
        for dataset_id, item in enumerate(new, start=next_id):
            uuid, ordinal = identities[item.identifier]
            made[item.identifier] = (dataset_id, uuid)
            rows.append(
                {
                    "id": dataset_id,
                    "uuid": uuid,
                    "source_id": source.id,
                    "identifier": item.identifier,
                    "birth_ordinal": ordinal,
                    "name": item.name,
                    "collected_ns": item.collected_ns,
                    "run_state": item.run_state.value,
                    "fingerprint": item.fingerprint,
                    "place": item.place,
                    "size_bytes": item.size_bytes,
                    "file_count": item.file_count,
                    "newest_change_ns": clamped(item.newest_change_ns),
                    "looked_at_ns": item.looked_at_ns,
                    "found_ns": now_ns,
                    "is_ignored": ELSEWHERE if item.identifier in elsewhere else TOO_OLD * is_too_old(item, since_ns),
                }
            )
        connection.execute(_NEW_DATASET, rows)
        connection.execute(
            _NEW_DESCRIPTION,
            [
                {
                    "dataset_id": row["id"],
                    "search_text": search_text({"name": row["name"], "identifier": row["identifier"]}),
                }
                for row in rows
            ],
        )
        self._make_transfers(source.id, rows)
        self._touch(row["id"] for row in rows)
        if realm is Realm.WORLD:
            here = [item for item in new if item.identifier not in elsewhere]
            left = leave_to_the_more_complete(connection, source.id, source.backend, here)
            self._close_item_problems(facts.id for facts in left)
            self._touch(facts.dataset_id for facts in left)
        return made

    def _make_transfers(self, source_id: int, rows: Sequence[dict[str, Any]]) -> None:
        made = [
            {
                "dataset_id": row["id"],
                "route_id": route.id,
                "state": (TransferState.IGNORED if row.get("is_ignored") else TransferState.HELD).value,
                "reason": IGNORED_BECAUSE.get(row.get("is_ignored", 0), STILL_WRITTEN),
                "order_ns": row["newest_change_ns"],
                "size_bytes": row["size_bytes"],
                "is_large": int(row["size_bytes"] > LARGE_BYTES),
            }
            for route in self._routes(source_id)
            for row in rows
        ]
        if made:
            self._connection.execute(_NEW_TRANSFER, made)

    def _free_identities(
        self, source: SourceRow, realm: Realm, identifiers: Sequence[str]
    ) -> dict[str, tuple[str, int]]:
        ordinals = dict.fromkeys(identifiers, 1)
        free: dict[str, tuple[str, int]] = {}
        while ordinals:
            uuids = {
                dataset_uuid(source.backend, realm, source.uuid, identifier, ordinal): identifier
                for identifier, ordinal in ordinals.items()
            }
            taken = {row.uuid for row in self._connection.execute(_TAKEN_UUIDS, {"uuids": as_ids(uuids)})}
            for uuid, identifier in uuids.items():
                if uuid in taken:
                    ordinals[identifier] += 1
                else:
                    free[identifier] = (uuid, ordinals.pop(identifier))
        return free

    def _see_again(self, source_id: int, beginning_ns: int, pairs: Sequence[tuple[Any, Found]]) -> None:
        connection = self._connection
        updates, unchanged = [], []
        for row, item in pairs:
            is_same = row.fingerprint == item.fingerprint
            since_ns = min(row.looked_at_ns, item.looked_at_ns) if is_same else item.looked_at_ns
            updates.append(
                {
                    "which": row.id,
                    "new_fingerprint": item.fingerprint,
                    "new_newest_change_ns": clamped(item.newest_change_ns),
                    "new_looked_at_ns": since_ns,
                    "new_size_bytes": item.size_bytes,
                    "new_file_count": item.file_count,
                    "new_run_state": item.run_state.value,
                    "new_place": item.place,
                    "new_name": item.name,
                    "new_collected_ns": item.collected_ns,
                }
            )
            if item.is_unchanged and row.manifest_fingerprint is not None:
                unchanged.append({"which": row.id, "old": row.manifest_fingerprint, "new": item.fingerprint})
        connection.execute(_SEEN_AGAIN, updates)
        if unchanged:
            connection.execute(_SENT_STAYS_SENT, unchanged)
            connection.execute(_MANIFEST_STAYS, unchanged)
            self._settle_transfers([entry["which"] for entry in unchanged])
        if beginning_ns:
            renewed = take_renewed(connection, source_id, beginning_ns, [row.id for row, _ in pairs])
            rest(connection, facts_of_datasets(connection, renewed))
            self._touch(renewed)
        back = [row.id for row, _ in pairs if row.is_gone]
        rest_failed(connection, back)
        self._touch(back)

    def mark_settled(self, pairs: Iterable[tuple[int, int]]) -> list[int]:
        """These (dataset id, fingerprint) are quiet; a pair whose dataset has moved on is passed over.

        Their transfers wait where something new is to be sent and are archived where a receipt names exactly this
        content. A failure of other content is forgotten, one of the same content stays. Returns the ids of the
        datasets of which a transfer now waits.
        """
        asked_pairs = [{"which": dataset_id, "settled": fingerprint} for dataset_id, fingerprint in pairs]
        if not asked_pairs:
            return []
        with self._transaction() as connection:
            connection.execute(_SETTLE, asked_pairs)
            return self._settle_transfers([pair["which"] for pair in asked_pairs])

    def _settle_transfers(self, dataset_ids: Sequence[int]) -> list[int]:
        connection = self._connection
        resting = []
        for facts in facts_of_datasets(connection, dataset_ids):
            if facts.settled_fingerprint is None or facts.settled_fingerprint != facts.fingerprint:
                continue
            if facts.state in {TransferState.SENDING, TransferState.IGNORED}:
                continue
            if facts.state == TransferState.FAILED and facts.claim_fingerprint == facts.settled_fingerprint:
                continue
            resting.append(facts)
        outcome = rest(connection, resting)
        # What is archived again has no problem, also where it was to be tried again at once.
        is_over = {key for key, state in outcome.items() if state is TransferState.ARCHIVED}
        self._close_item_problems(is_over | {facts.id for facts in resting if facts.state == TransferState.FAILED})
        self._touch(facts.dataset_id for facts in resting)
        return sorted({facts.dataset_id for facts in resting if outcome[facts.id] is TransferState.WAITING})

    def mark_unsettled(self, pairs: Iterable[tuple[int, str]]) -> None:
        """These (dataset id, reason) are not quiet: what is not sent as it is now is held; what is sending goes on."""
        reasons = dict(pairs)
        if not reasons:
            return
        with self._transaction() as connection:
            held = []
            for facts in facts_of_datasets(connection, reasons):
                if facts.state in {TransferState.SENDING, TransferState.IGNORED}:
                    continue
                if facts.sent_fingerprint is not None and facts.sent_fingerprint == facts.fingerprint:
                    continue
                if facts.state == TransferState.FAILED and facts.claim_fingerprint == facts.fingerprint:
                    continue
                held.append(facts)
            if not held:
                return
            connection.execute(_HOLD, [{"which": facts.id, "why": reasons[facts.dataset_id]} for facts in held])
            self._close_item_problems(facts.id for facts in held if facts.state == TransferState.FAILED)
            self._touch(facts.dataset_id for facts in held)

    def mark_gone(self, dataset_ids: Sequence[int]) -> None:
        """These are no longer at their source: counted apart, their problems closed."""
        with self._transaction() as connection:
            connection.execute(_GO, {"ids": as_ids(dataset_ids)})
            self._close_item_problems(facts.id for facts in facts_of_datasets(connection, dataset_ids))
            self._close_flaws(dataset_ids)
            self._touch(dataset_ids)

    def rename_dataset(self, dataset_id: int, new_identifier: str, new_name: str) -> DatasetRow:
        """The same dataset is now elsewhere in its source: it keeps its uuid, and destinations are to be told.

        A dataset that is gone or was never sent and holds the identifier makes way. Raises UsageError when one that
        is there and was sent holds it.
        """
        with self._transaction() as connection:
            row = connection.execute(
                select(_d.source_id, _d.identifier, _d.previous_identifiers).where(_d.id == dataset_id)
            ).one()
            if row.identifier != new_identifier:
                self._make_way(row.source_id, new_identifier)
                before = [item for item in json.loads(row.previous_identifiers) if item != new_identifier]
                old = row.identifier.removesuffix(_left(dataset_id))
                connection.execute(
                    update(datasets)
                    .where(_d.id == dataset_id)
                    .values(
                        identifier=new_identifier,
                        name=new_name,
                        is_gone=0,
                        previous_identifiers=compact(
                            [*before, *([old] if old not in {*before, new_identifier} else [])]
                        ),
                    )
                )
                connection.execute(
                    update(transfers)
                    .where(_t.dataset_id == dataset_id, _t.state == TransferState.ARCHIVED.value)
                    .values(sent_fingerprint=None)
                )
                connection.execute(
                    update(transfers)
                    .where(_t.dataset_id == dataset_id, _t.state == TransferState.SENDING.value)
                    .values(claim_fingerprint=None)
                )
                archived = [f for f in facts_of_datasets(connection, [dataset_id]) if f.state == TransferState.ARCHIVED]
                rest(connection, archived)
                self._touch([dataset_id])
                self._recount()
            return dataset_row(connection.execute(_BY_IDS, {"ids": as_ids([dataset_id])}).one())

    def _make_way(self, source_id: int, identifier: str) -> None:
        connection = self._connection
        holder = connection.execute(
            select(_d.id, _d.is_gone).where(_d.source_id == source_id, _d.identifier == identifier)
        ).first()
        if holder is None:
            return
        was_sent = connection.execute(select(receipts.c.id).where(receipts.c.dataset_id == holder.id).limit(1)).first()
        if was_sent is None:
            self._forget_dataset(holder.id)
        elif holder.is_gone:
            left = identifier + _left(holder.id)
            connection.execute(update(datasets).where(_d.id == holder.id).values(identifier=left))
        else:
            raise UsageError(f"{identifier!r} is another dataset that was sent already.")

    def _forget_dataset(self, dataset_id: int) -> None:
        connection = self._connection
        connection.execute(delete(problems).where(problems.c.dataset_id == dataset_id))
        # Counted as gone from everywhere before its rows go.
        self._uncount(dataset_id)
        connection.execute(delete(datasets).where(_d.id == dataset_id))
        self._touched.discard(dataset_id)

    def find_by_place(self, source_id: int, places: Iterable[str]) -> dict[str, list[DatasetRow]]:
        """The datasets of a source that lie at these places ("device:inode"), by place; the empty place has none."""
        wanted = [place for place in places if place]
        with self._reading() as connection:
            by_place: dict[str, list[DatasetRow]] = {}
            for row in connection.execute(_BY_PLACE, {"source": source_id, "places": as_ids(wanted)}):
                by_place.setdefault(row.place, []).append(dataset_row(row))
            return by_place

    def adopt(self, stored: Sequence[StoredDatasetFacts]) -> int:
        """Take over what destinations remember, in a store that is built anew; returns how many datasets are new.

        A dataset keeps its uuid, identifiers and birth ordinal. Whether a copy is still what the source holds is not
        known: its transfer is held until a look, and the destination is then asked before anything is sent.
        """
        with self._transaction() as connection:
            parameters = {"uuids": as_ids({item.uuid for item in stored})}
            ids = {
                row.uuid: row.id
                for row in connection.execute(select(_d.id, _d.uuid).where(_d.uuid.in_(asked("uuids"))), parameters)
            }
            next_id = int(connection.execute(_LAST_ID).scalar_one()) + 1
            new: dict[str, dict[str, Any]] = {}
            by_source: dict[int, list[dict[str, Any]]] = {}
            holders = self._holders(stored)
            for item in sorted(stored, key=lambda item: -item.birth_ordinal):
                if item.uuid in ids:
                    continue
                ids[item.uuid] = next_id
                row = self._adopted_row(next_id, item)
                holder = holders.get((item.source_id, item.identifier))
                # Two datasets were at one path one after the other; the later one is there now.
                if holder is not None and holder[1] < item.birth_ordinal:
                    left = item.identifier + _left(holder[0])
                    connection.execute(update(datasets).where(_d.id == holder[0]).values(identifier=left, is_gone=1))
                    self._touch([holder[0]])
                elif holder is not None:
                    row |= {"identifier": item.identifier + _left(next_id), "is_gone": 1}
                if not row["is_gone"]:
                    holders[item.source_id, item.identifier] = (next_id, item.birth_ordinal)
                new[item.uuid] = row
                by_source.setdefault(item.source_id, []).append(row)
                next_id += 1
            if new:
                connection.execute(_NEW_DATASET, list(new.values()))
                connection.execute(
                    _NEW_DESCRIPTION,
                    list(
                        {
                            item.uuid: _adopted_description(ids[item.uuid], item) for item in stored if item.uuid in new
                        }.values()
                    ),
                )
            for source_id, rows in by_source.items():
                self._make_transfers(source_id, rows)
            for item in stored:
                routes = {route.destination_id: route for route in self._routes(item.source_id)}
                route = routes.get(item.destination_id)
                if route is None or route.scope != item.scope:
                    continue
                connection.execute(
                    update(transfers)
                    .where(_t.dataset_id == ids[item.uuid], _t.route_id == route.id, _t.remote.is_(None))
                    .values(remote=item.remote, version=item.version, digest=item.digest)
                )
            self._touch([*ids.values(), *(holder for holder, _ in holders.values())])
            return len(new)

    def _holders(self, stored: Sequence[StoredDatasetFacts]) -> dict[tuple[int, str], tuple[int, float]]:
        """Who has these identifiers: (dataset id, birth ordinal), the latter infinite once a look saw it there."""
        found: dict[tuple[int, str], tuple[int, float]] = {}
        for source_id in {item.source_id for item in stored}:
            identifiers = {item.identifier for item in stored if item.source_id == source_id}
            parameters = {"source": source_id, "identifiers": as_ids(identifiers)}
            for row in self._connection.execute(_HOLDERS, parameters):
                ordinal = math.inf if row.looked_at_ns else row.birth_ordinal
                found[source_id, row.identifier] = (row.id, ordinal)
        return found

    def _adopted_row(self, dataset_id: int, item: StoredDatasetFacts) -> dict[str, Any]:
        description = item.description or {"name": item.name, "identifier": item.identifier}
        return {
            "id": dataset_id,
            "uuid": item.uuid,
            "source_id": item.source_id,
            "identifier": item.identifier,
            "birth_ordinal": item.birth_ordinal,
            "previous_identifiers": compact(list(item.previous_identifiers)),
            "name": item.name,
            "collected_ns": collected_ns(description.get("collected")),
            "run_state": str(description.get("run_state", "complete")),
            "place": item.place,
            "is_gone": 0,
            "size_bytes": item.size_bytes,
            "file_count": item.file_count,
            "found_ns": self.now_ns(),
            "newest_change_ns": 0,
            "is_described": int(item.description is not None),
        }


def _left(dataset_id: int) -> str:
    """What is put behind the identifier of a dataset that is gone, when another one has taken its place."""
    return f" (gone {dataset_id})"


def _adopted_description(dataset_id: int, item: StoredDatasetFacts) -> dict[str, Any]:
    description = item.description or {"name": item.name, "identifier": item.identifier}
    return {
        "dataset_id": dataset_id,
        "content": compact(dict(item.description or {})),
        "search_text": search_text(description),
    }
