"""Short looks into the store from any thread: every method is one session of its own and returns frozen rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select, text

from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.states import TransferState
from etiket_gui.store.connection import as_ids, asked, reader_engine, store_failures
from etiket_gui.store.models import (
    GONE,
    activity,
    counts,
    datasets,
    descriptions,
    files,
    meta,
    problems,
    receipts,
    sources,
    transfers,
)
from etiket_gui.store.rows import (
    ActivityRow,
    Counts,
    DatasetRow,
    DestinationRow,
    ProblemRow,
    ReceiptRow,
    RouteRow,
    SourceRow,
    Steering,
    TransferRow,
)
from etiket_gui.store.shaping import (
    SELECT_ACTIVITY,
    SELECT_DATASETS,
    SELECT_DESTINATIONS,
    SELECT_FILES,
    SELECT_PROBLEMS,
    SELECT_RECEIPTS,
    SELECT_ROUTES,
    SELECT_SOURCES,
    SELECT_TRANSFERS,
    SELECT_UNSETTLED,
    activity_row,
    dataset_row,
    destination_row,
    file_entry,
    problem_row,
    receipt_row,
    route_row,
    source_row,
    transfer_row,
)

#: So many characters of a uuid are enough to name a dataset, if they are unique.
SHORTEST_PREFIX = 6

_UUID_START = re.compile(r"[0-9a-f]{6,8}(-[0-9a-f-]*)?", re.IGNORECASE)
_BY_ID = SELECT_DATASETS.where(datasets.c.id == bindparam("asked"))
_BY_UUID = SELECT_DATASETS.where(datasets.c.uuid >= bindparam("first"), datasets.c.uuid < bindparam("beyond")).limit(3)
_BY_IDENTIFIER = SELECT_DATASETS.where(
    datasets.c.source_id == bindparam("source"), datasets.c.identifier == bindparam("asked")
)
# The first condition is what the index has, the second what is meant.
_BY_NAME = (
    SELECT_DATASETS.where(
        datasets.c.name.collate("NOCASE") == bindparam("asked"), datasets.c.name == bindparam("asked")
    )
    .order_by(datasets.c.id)
    .limit(11)
)
_BY_REMOTE = SELECT_DATASETS.where(
    datasets.c.id.in_(select(transfers.c.dataset_id).where(transfers.c.remote == bindparam("asked")))
).limit(3)
_FILES = SELECT_FILES.where(files.c.dataset_id == bindparam("asked"))
_TRANSFERS = SELECT_TRANSFERS.where(transfers.c.dataset_id.in_(asked())).order_by(transfers.c.id)
_RECEIPTS = SELECT_RECEIPTS.where(receipts.c.dataset_id == bindparam("asked"))
_ACTIVITY = SELECT_ACTIVITY.order_by(activity.c.id.desc()).limit(bindparam("most"))
_META = select(meta.c.value).where(meta.c.key == bindparam("asked"))
_DATASET_COUNTS = (
    select(counts.c.shown, func.sum(counts.c.number)).where(counts.c.route_id == 0).group_by(counts.c.shown)
)


class StoreReader:
    """Reads the store, never writes, never waits for the writer. Raises StoreProblem when it cannot be read now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = reader_engine(path)

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        with store_failures(self.path), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Nothing stays open between questions; kept so that a reader is closed like a writer."""
        self._engine.dispose()

    def sources(self) -> list[SourceRow]:
        """Every source, in the order they were added."""
        with self._session() as connection:
            return [source_row(row) for row in connection.execute(SELECT_SOURCES)]

    def destinations(self) -> list[DestinationRow]:
        """Every destination, in the order they were added."""
        with self._session() as connection:
            return [destination_row(row) for row in connection.execute(SELECT_DESTINATIONS)]

    def routes(self) -> list[RouteRow]:
        """Every route."""
        with self._session() as connection:
            return [route_row(row) for row in connection.execute(SELECT_ROUTES)]

    def steering(self) -> Steering:
        """Until when nothing is sent or touched."""
        with self._session() as connection:
            values = {
                key: json.loads(connection.execute(_META, {"asked": key}).scalar() or "0")
                for key in ("paused_until_ns", "held_until_ns")
            }
        return Steering(**values)

    def dataset(self, dataset_id: int) -> DatasetRow | None:
        """One dataset, or None."""
        with self._session() as connection:
            row = connection.execute(_BY_ID, {"asked": dataset_id}).first()
        return None if row is None else dataset_row(row)

    def datasets(
        self,
        source: str | None = None,
        state: TransferState | None = None,
        search: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[DatasetRow]:
        """Datasets, newest change first: of the source of that name, shown in that state, with every word of the
        search in name, identifier, text, attributes or keywords.

        A state leaves out what is gone; ``ignored`` names the ignored ones.
        """
        order = (datasets.c.newest_change_ns.desc(), datasets.c.id.desc())
        # Chosen by number first: only the rows of this page are read whole.
        chosen = select(datasets.c.id).order_by(*order).limit(limit).offset(offset)
        if source is not None:
            named = select(sources.c.id).where(sources.c.name == source).scalar_subquery()
            chosen = chosen.where(datasets.c.source_id == named)
        if state is not None:
            chosen = chosen.where(datasets.c.shown == state.value)
            if state is not TransferState.ARCHIVED:
                # Said as the index says it, so that a few unfinished among many archived ones are found at once.
                chosen = chosen.where(text("shown <> 'archived'"))
        words = (search or "").casefold().split()
        if words:
            chosen = chosen.join(descriptions, descriptions.c.dataset_id == datasets.c.id)
        for word in words:
            chosen = chosen.where(descriptions.c.search_text.contains(word, autoescape=True))
        statement = SELECT_DATASETS.where(datasets.c.id.in_(chosen)).order_by(*order)
        with self._session() as connection:
            return [dataset_row(row) for row in connection.execute(statement)]

    def find_dataset(self, query: str) -> DatasetRow | None:
        """The dataset that a person means, or None: by uuid, a prefix of it of at least 6, its identifier, its name
        at a destination (a PID), or its exact name.

        Raises UsageError, naming them, when several are meant.
        """
        with self._session() as connection:
            source_ids = connection.execute(select(sources.c.id)).scalars().all()
            by_identifier = [
                row
                for source_id in source_ids
                for row in connection.execute(_BY_IDENTIFIER, {"source": source_id, "asked": query})
            ]
            for rows in (self._by_uuid(connection, query), by_identifier, *self._by_words(connection, query)):
                if len(rows) == 1:
                    return dataset_row(rows[0])
                if rows:
                    raise self._ambiguous(query, [dataset_row(row) for row in rows])
        return None

    @staticmethod
    def _by_uuid(connection: Connection, query: str) -> Sequence[Any]:
        if not _UUID_START.fullmatch(query):
            return []
        first = query.lower()
        return connection.execute(_BY_UUID, {"first": first, "beyond": f"{first}g"}).all()

    @staticmethod
    def _by_words(connection: Connection, query: str) -> Iterator[Sequence[Any]]:
        yield connection.execute(_BY_NAME, {"asked": query}).all()
        yield connection.execute(_BY_REMOTE, {"asked": query}).all()

    @staticmethod
    def _ambiguous(query: str, rows: Sequence[DatasetRow]) -> UsageError:
        listed = ", ".join(f"{row.name} ({row.uuid})" for row in rows[:10])
        more = " and more" if len(rows) > 10 else ""
        return UsageError(f"{query!r} means several datasets: {listed}{more}.", advice="Name the uuid.")

    def resolve_dataset(self, query: str) -> DatasetRow:
        """Like :meth:`find_dataset`; raises UsageError when there is none."""
        found = self.find_dataset(query)
        if found is None:
            raise UsageError(
                f"No dataset is known as {query!r}.",
                advice=f"Give its uuid (or {SHORTEST_PREFIX} characters of it), its identifier or its name.",
            )
        return found

    def files(self, dataset_id: int) -> list[FileEntry]:
        """The entries of a dataset as they were last read, by name; empty before the first time."""
        with self._session() as connection:
            return [file_entry(row) for row in connection.execute(_FILES, {"asked": dataset_id})]

    def transfers(self, dataset_id: int) -> list[TransferRow]:
        """A dataset's ways to its destinations."""
        return self.transfers_of([dataset_id]).get(dataset_id, [])

    def transfers_of(self, dataset_ids: Iterable[int]) -> dict[int, list[TransferRow]]:
        """The ways of these datasets to their destinations, by dataset id."""
        found: dict[int, list[TransferRow]] = {}
        with self._session() as connection:
            for row in connection.execute(_TRANSFERS, {"ids": as_ids(dataset_ids)}):
                found.setdefault(row.dataset_id, []).append(transfer_row(row))
        return found

    def receipts(self, dataset_id: int) -> list[ReceiptRow]:
        """Every receipt of a dataset, oldest first."""
        with self._session() as connection:
            return [receipt_row(row) for row in connection.execute(_RECEIPTS, {"asked": dataset_id})]

    def problems(self, *, with_closed: bool = False) -> list[ProblemRow]:
        """The open problems, oldest first; on demand those that are over too."""
        statement: Select[Any] = SELECT_PROBLEMS.order_by(problems.c.since_ns, problems.c.id)
        if not with_closed:
            statement = statement.where(problems.c.is_open == literal_column("1"))
        with self._session() as connection:
            return [problem_row(row) for row in connection.execute(statement)]

    def activity(self, limit: int = 100) -> list[ActivityRow]:
        """What happened, newest first."""
        with self._session() as connection:
            return [activity_row(row) for row in connection.execute(_ACTIVITY, {"most": limit})]

    def unsettled(self, source_id: int) -> list[DatasetRow]:
        """Datasets of a source that are not gone and of which the last look saw something that is not settled."""
        with self._session() as connection:
            return [dataset_row(row) for row in connection.execute(SELECT_UNSETTLED, {"source": source_id})]

    def counts(self) -> Counts:
        """How many datasets are shown in each state, over all sources."""
        with self._session() as connection:
            shown = {state: int(number) for state, number in connection.execute(_DATASET_COUNTS) if number}
        gone = shown.pop(GONE, 0)
        ignored = shown.pop(TransferState.IGNORED.value, 0)
        return Counts({TransferState(state): number for state, number in shown.items()}, ignored, gone)
