"""What state a dataset shows, and the statements that keep the table of counts equal to what is shown."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain.states import WORST_FIRST, TransferState
from etiket_gui.store.connection import asked
from etiket_gui.store.models import GONE, counts, datasets, transfers

_d, _t = datasets.c, transfers.c


def _literal(value: str) -> ColumnElement[str]:
    return literal_column(f"'{value}'")


_RANK = case(
    *((_t.state == _literal(state.value), literal_column(str(rank))) for rank, state in enumerate(WORST_FIRST))
)
WORST = (
    select(
        case(
            *(
                (func.min(_RANK) == literal_column(str(rank)), _literal(state.value))
                for rank, state in enumerate(WORST_FIRST)
            ),
            else_=_literal(TransferState.WAITING.value),
        )
    )
    .where(_t.dataset_id == _d.id)
    .correlate(datasets)
    .scalar_subquery()
)


def _set_apart(otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    return case(
        (_d.is_ignored != literal_column("0"), _literal(TransferState.IGNORED.value)),
        (_d.is_gone == literal_column("1"), _literal(GONE)),
        else_=otherwise,
    )


class Recount:
    """The statements that bring ``shown`` and ``counts`` up to date for some datasets."""

    def __init__(self, which: ColumnElement[bool]) -> None:
        dataset_now = _set_apart(WORST)
        transfer_now = _set_apart(_t.state)
        numbers = func.count()
        self.dataset_changes = (
            select(_d.source_id, literal_column("0"), _d.shown, dataset_now.label("now"), numbers)
            .where(which, _d.shown.is_distinct_from(dataset_now))
            .group_by(_d.source_id, _d.shown, literal_column("4"))
        )
        self.dataset_update = (
            update(datasets).where(which, _d.shown.is_distinct_from(dataset_now)).values(shown=dataset_now)
        )
        joined = _t.dataset_id == _d.id
        self.transfer_changes = (
            select(_d.source_id, _t.route_id, _t.shown, transfer_now.label("now"), numbers)
            .where(joined, which, _t.shown.is_distinct_from(transfer_now))
            .group_by(_d.source_id, _t.route_id, _t.shown, literal_column("4"))
        )
        chosen = select(transfer_now).where(joined).correlate(transfers).scalar_subquery()
        self.transfer_update = (
            update(transfers)
            .where(_t.dataset_id.in_(select(_d.id).where(which)), _t.shown.is_distinct_from(chosen))
            .values(shown=chosen)
        )


BY_ID = Recount(_d.id.in_(asked()))
BY_SOURCE = Recount(_d.source_id == bindparam("source"))
_new_count = insert(counts)
ADD_COUNT = _new_count.on_conflict_do_update(
    index_elements=["source_id", "route_id", "shown"],
    set_={"number": counts.c.number + _new_count.excluded.number},
)
COUNTED_DATASET = select(_d.source_id, literal_column("0"), _d.shown).where(_d.id.in_(asked()))
COUNTED_TRANSFERS = select(_d.source_id, _t.route_id, _t.shown).where(_t.dataset_id == _d.id, _d.id.in_(asked()))
