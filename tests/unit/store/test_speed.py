"""The hot paths cost what changed, not what is there: every statement of theirs goes by an index."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import event

from etiket_gui.domain.states import SourceState, TransferState
from etiket_gui.store import quick
from tests.support.clock import SECOND_NS
from tests.support.store_bench import StoreBench

#: Small tables that may be read whole, and the lists of ids that a statement is given.
_SMALL = ("sources", "destinations", "routes", "meta", "counts", "sqlite_sequence", "json_each", "c", "s", "CONSTANT")
#: Indices of the few rows that are in a passing state.
_FEW = ("ix_transfers_claimed", "ix_transfers_due", "ix_problems_open")
HOUR_NS = 3600 * SECOND_NS


@contextmanager
def _statements(bench: StoreBench) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    for engine in (bench.writer._connection.engine, bench.reader._engine):
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in (bench.writer._connection.engine, bench.reader._engine):
            event.remove(engine, "before_cursor_execute", note)


def _scans(bench: StoreBench, statements: list[str]) -> list[str]:
    """Steps of the query plans that go through a whole table or index of a table that grows."""
    found = []
    with closing(sqlite3.connect(bench.path)) as connection:
        for statement in dict.fromkeys(statements):
            if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
                continue
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?")).fetchall()
            for row in rows:
                step = str(row[3])
                words = step.split()
                if (
                    words[0] == "SCAN"
                    and words[1] not in _SMALL
                    and not words[1].startswith("asked_")
                    and words[-1] not in _FEW
                ):
                    found.append(f"{step}   in   {statement}")
    return found


def test_no_statement_on_the_way_of_a_dataset_goes_through_a_table(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    with _statements(bench) as seen:
        ids = bench.settle(*(bench.item(f"d{n}", n, place=f"1:{n}") for n in range(8)))
        bench.writer.find_by_place(1, ["1:1"])
        bench.send(*bench.claim(1), *bench.claim(2, newest=False, limit=3))
        bench.fail(bench.claim(2, limit=1)[0], due_ns=5)
        bench.claim(2, limit=1)
        bench.writer.recover_claims()
        bench.writer.release_claims([1, 2])
        bench.writer.release_due(10, HOUR_NS)
        bench.writer.shift_due(7)
        bench.writer.next_due_ns()
        bench.writer.retry([ids[0]])
        bench.writer.retry(source_id=1)
        bench.writer.retry()
        bench.find(bench.item("d1", 50, is_unchanged=True), bench.item("d2", 51))
        bench.writer.mark_unsettled([(ids[2], "still being written")])
        bench.writer.rename_dataset(ids[3], "e3", "e3")
        bench.writer.ignore([ids[4]])
        bench.writer.mark_gone([ids[5]])
        bench.writer.unsettled_identifiers(1)
        bench.writer.dataset_ids(1, ["d0"])
        bench.writer.dataset_count(1)
        bench.writer.oldest_waiting_ns()
        bench.writer.copies_to_derive(1, 5)
        bench.writer.mark_derived([(1, "1.0.0")])
        bench.writer.copies_of_destination_to_prove(1, verified_before_ns=1, proven_before_ns=1, limit=5)
        bench.writer.record_verification(1, 5, True)
        bench.writer.record_verification(1, 5, True, ["a"])
        bench.writer.save_checkpoint("u", "n", {})
        bench.writer.load_checkpoint("u", "n")
        bench.writer.clear_checkpoints("u")
        bench.writer.add_activity("x")
        bench.writer.open_problem_count()
        bench.writer.close_problem("x")
        bench.writer.set_source_state(1, SourceState.OK)
        bench.writer.steering()
        bench.reader.counts()
        bench.reader.dataset(1)
        bench.reader.files(1)
        bench.reader.transfers(1)
        bench.reader.receipts(1)
        bench.reader.unsettled(1)
        bench.reader.problems()
    assert len(seen) > 60
    assert _scans(bench, seen) == []


def test_status_goes_through_no_table(bench: StoreBench) -> None:
    bench.settle(bench.item("d"))
    bench.fail(bench.claim()[0])
    seen: list[str] = []
    real_connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = real_connect(*arguments, **options)
        connection.set_trace_callback(seen.append)
        return connection

    quick.sqlite3.connect = traced  # type: ignore[assignment]
    try:
        assert quick.status(bench.path)["counts"][TransferState.FAILED] == 1
        assert len(quick.problems(bench.path)) == 1
    finally:
        quick.sqlite3.connect = real_connect
    assert len(seen) > 5
    assert _scans(bench, [statement for statement in seen if "\n" not in statement or "JOIN" in statement]) == []


def test_quick_looks_import_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, etiket_gui.store.quick;"
        "heavy = {'sqlalchemy', 'pydantic', 'alembic', 'logging', 'platformdirs', 'etiket_gui.domain.content'};"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_opening_a_present_store_does_not_load_the_migrations(bench: StoreBench) -> None:
    import subprocess

    code = (
        "import sys; from pathlib import Path; from etiket_gui.settings.home import Home;"
        "from etiket_gui.store.health import open_store;"
        f"home = Home(Path({str(bench.path.parent / 'home')!r}));"
        "open_store(home).writer.close(); open_store(home).writer.close();"
        "heavy = {'alembic', 'pydantic', 'sqlalchemy.orm', 'mako'};"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
