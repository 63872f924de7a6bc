"""The one connection that writes: its transactions, and the counts that are kept true inside each of them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, exc

from etiket_gui.store.connection import as_ids, store_failures, writer_engine
from etiket_gui.store.counting import ADD_COUNT, BY_ID, BY_SOURCE, COUNTED_DATASET, COUNTED_TRANSFERS, Recount
from etiket_gui.store.failures import busy_timeout_ms


class StoreTransactions:
    """One connection to the store, used by one thread; every public method of the writer is one transaction.

    Inside ``with writer.batch():`` all methods join into one commit. An exception that leaves the batch undoes all of
    it; one that is caught inside must not be followed by more work in the same batch. Raises StoreProblem when the
    store cannot be written now (its disk is full, another program holds it): nothing of the transaction was kept, and
    the same call may simply be made again.
    """

    def __init__(self, path: Path, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self.now_ns = now_ns
        self._depth = 0
        self._only_reads = False
        self._is_in_a_hurry = False
        self._touched: set[int] = set()
        self._touched_sources: set[int] = set()
        self._after_commit: list[Callable[[], None]] = []
        with store_failures(path):
            self._connection = writer_engine(path).connect()
        event.listen(self._connection, "begin", self._begin)

    def hurry(self) -> None:
        """The program is to end: from now on, wait only a moment for another program that holds the store.

        Callable from any thread; also ends a wait that is under way.
        """
        self._is_in_a_hurry = True

    def _begin(self, connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        if self._only_reads:
            raw.execute("BEGIN")
            return
        # SQLite itself would wait in one piece, whatever happens meanwhile.
        end_s = time.monotonic() + busy_timeout_ms() / 1000
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_held = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_held or self._is_in_a_hurry or time.monotonic() > end_s:
                    raise
            else:
                return

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Join everything done inside into one transaction. May be nested."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._depth:
            self._depth += 1
            try:
                yield self._connection
            finally:
                self._depth -= 1
            return
        with store_failures(self.path):
            transaction = self._connection.begin()
            self._depth = 1
            try:
                yield self._connection
                self._recount()
                transaction.commit()
            except BaseException:
                with contextlib.suppress(exc.DBAPIError, sqlite3.Error):
                    transaction.rollback()
                self._after_commit.clear()
                raise
            finally:
                self._depth = 0
                self._touched.clear()
                self._touched_sources.clear()
        following, self._after_commit = self._after_commit, []
        for action in following:
            action()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """The connection for questions: inside a batch with what it has done so far, else without the write lock."""
        if self._depth:
            self._recount()
            yield self._connection
            return
        if self._only_reads:
            yield self._connection
            return
        with store_failures(self.path):
            self._only_reads = True
            try:
                with self._connection.begin():
                    yield self._connection
            finally:
                self._only_reads = False

    @contextmanager
    def _durable(self) -> Iterator[None]:
        """Transactions begun inside are on the disk, not only in its cache, when they end."""
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        with store_failures(self.path):
            raw.execute("PRAGMA synchronous = FULL")
            try:
                yield
            finally:
                raw.execute("PRAGMA synchronous = NORMAL")

    def _touch(self, dataset_ids: Iterable[int]) -> None:
        """These datasets' states may have changed; they are counted anew before the commit."""
        self._touched.update(dataset_ids)

    def _touch_source(self, source_id: int) -> None:
        self._touched_sources.add(source_id)

    def _recount(self) -> None:
        if self._touched:
            self._run_recount(BY_ID, {"ids": as_ids(sorted(self._touched))})
            self._touched.clear()
        for source_id in self._touched_sources:
            self._run_recount(BY_SOURCE, {"source": source_id})
        self._touched_sources.clear()

    def _run_recount(self, statements: Recount, parameters: dict[str, Any]) -> None:
        connection = self._connection
        changes: dict[tuple[int, int, str], int] = {}
        for query in (statements.dataset_changes, statements.transfer_changes):
            for source_id, route_id, before, now, number in connection.execute(query, parameters):
                if before is not None:
                    key = (source_id, route_id, before)
                    changes[key] = changes.get(key, 0) - number
                key = (source_id, route_id, now)
                changes[key] = changes.get(key, 0) + number
        if not changes:
            return
        connection.execute(statements.transfer_update, parameters)
        connection.execute(statements.dataset_update, parameters)
        connection.execute(
            ADD_COUNT,
            [
                {"source_id": source_id, "route_id": route_id, "shown": shown, "number": number}
                for (source_id, route_id, shown), number in changes.items()
            ],
        )

    def _uncount(self, dataset_id: int) -> None:
        """Take a dataset and its transfers out of the counts, before its rows are deleted."""
        connection = self._connection
        parameters = {"ids": as_ids([dataset_id])}
        left = [*connection.execute(COUNTED_DATASET, parameters), *connection.execute(COUNTED_TRANSFERS, parameters)]
        changes = [
            {"source_id": source_id, "route_id": route_id, "shown": shown, "number": -1}
            for source_id, route_id, shown in left
            if shown is not None
        ]
        if changes:
            connection.execute(ADD_COUNT, changes)

    def _get_meta(self, key: str) -> Any:
        """The JSON value kept under a key of the table ``meta``, or None."""
        row = self._connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (key,)).first()
        return None if row is None else json.loads(row[0])

    def _set_meta(self, key: str, value: object) -> None:
        self._connection.exec_driver_sql(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(value)),
        )

    def close(self) -> None:
        """Bring everything into the main file and close the connection. Harmless when it is closed already."""
        if self._connection.closed:
            return
        raw = self._connection.connection.driver_connection
        with contextlib.suppress(sqlite3.Error):
            if isinstance(raw, sqlite3.Connection):
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
