"""The part of the writer that keeps what is known of measurements that are not finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain.errors import UsageError
from etiket_gui.store.connection import compact
from etiket_gui.store.models import datasets, descriptions, receipts, routes, transfers
from etiket_gui.store.rows import DatasetRow, ProvisionalReceipt, TransferRow
from etiket_gui.store.shaping import (
    SELECT_DATASETS,
    SELECT_TRANSFERS,
    collected_ns,
    dataset_row,
    packed_files,
    search_text,
    transfer_row,
)
from etiket_gui.store.writer_copies import CopyWriter

_DATASET = SELECT_DATASETS.where(datasets.c.id == bindparam("asked"))
_TRANSFER = SELECT_TRANSFERS.where(
    transfers.c.dataset_id == bindparam("asked"), transfers.c.route_id == bindparam("route")
)
_PROVISIONAL = (
    select(receipts.c.new_bytes, receipts.c.size_bytes)
    .where(
        receipts.c.dataset_id == bindparam("asked"),
        receipts.c.destination_id == bindparam("destination"),
        receipts.c.is_provisional == 1,
        receipts.c.received_ns
        > select(func.coalesce(func.max(transfers.c.archived_ns), 0))
        .join(routes, routes.c.id == transfers.c.route_id)
        .where(transfers.c.dataset_id == bindparam("asked"), routes.c.destination_id == bindparam("destination"))
        .scalar_subquery(),
    )
    .order_by(receipts.c.received_ns)
)
_new_receipt = insert(receipts)
_ADD_RECEIPT = _new_receipt.on_conflict_do_nothing(index_elements=["transfer_id", "version"])
_NAME = (
    update(datasets)
    .where(datasets.c.id == bindparam("which"))
    .values(name=bindparam("new_name"), collected_ns=bindparam("new_collected_ns"))
)
_DESCRIPTION = (
    update(descriptions)
    .where(descriptions.c.dataset_id == bindparam("which"))
    .values(content=bindparam("new_content"), search_text=bindparam("new_search_text"))
)


@dataclass(frozen=True, slots=True)
class ProvisionalTraffic:
    """How much provisional versions of a dataset brought to a destination, and how large the newest is (bytes)."""

    new_bytes: int
    newest_size_bytes: int


class LiveWriter(CopyWriter):
    """Writes down provisional versions; no state of any transfer follows from one."""

    def dataset(self, dataset_id: int) -> DatasetRow:
        """A dataset as it is now, inside a batch too. Raises UsageError when there is none."""
        with self._reading() as connection:
            row = connection.execute(_DATASET, {"asked": dataset_id}).first()
        if row is None:
            raise UsageError(f"There is no dataset {dataset_id}.")
        return dataset_row(row)

    def transfer_of(self, dataset_id: int, route_id: int) -> TransferRow | None:
        """A dataset's way along one route, or None."""
        with self._reading() as connection:
            row = connection.execute(_TRANSFER, {"asked": dataset_id, "route": route_id}).first()
        return None if row is None else transfer_row(row)

    def provisional_traffic(self, dataset_id: int, destination_id: int) -> ProvisionalTraffic:
        """What provisional versions brought to a destination since the last final version there."""
        parameters = {"asked": dataset_id, "destination": destination_id}
        with self._reading() as connection:
            rows = connection.execute(_PROVISIONAL, parameters).all()
        return ProvisionalTraffic(sum(row.new_bytes for row in rows), rows[-1].size_bytes if rows else 0)

    def record_provisional(self, receipt: ProvisionalReceipt) -> None:
        """Write down that a provisional version is stored, and what its description says of the dataset."""
        description = receipt.description
        row: dict[str, Any] = {
            "transfer_id": receipt.transfer_id,
            "dataset_id": receipt.dataset_id,
            "destination_id": receipt.destination_id,
            "version": receipt.version,
            "digest": receipt.digest,
            "level": receipt.level,
            "received_ns": self.now_ns(),
            "file_count": receipt.file_count,
            "size_bytes": receipt.size_bytes,
            "new_bytes": receipt.new_bytes,
            "is_provisional": 1,
            "files": packed_files(()),
        }
        described = {
            "which": receipt.dataset_id,
            "new_name": str(description.get("name") or ""),
            "new_collected_ns": collected_ns(description.get("collected")),
            "new_content": compact(dict(description)),
            "new_search_text": search_text(description),
        }
        with self._transaction() as connection:
            if connection.execute(_TRANSFER_EXISTS, {"asked": receipt.transfer_id}).first() is None:
                return
            connection.execute(_ADD_RECEIPT, [row])
            connection.execute(_NAME, described)
            connection.execute(_DESCRIPTION, described)
            self._touch([receipt.dataset_id])


_TRANSFER_EXISTS = select(transfers.c.id).where(transfers.c.id == bindparam("asked"))
