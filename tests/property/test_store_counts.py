"""Whatever happens in whatever order: every dataset is in one state, the counts add up, archived means received."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from etiket_gui.domain.errors import FileBusy, SourceChanged, UsageError
from etiket_gui.domain.states import TransferState
from etiket_gui.store import quick
from etiket_gui.store.rows import Claim, NotSent, StoredDatasetFacts
from tests.support.clock import SECOND_NS
from tests.support.store_bench import MIB, StoreBench

_NAMES = tuple("abc")
_names = st.sampled_from(_NAMES)
_some_names = st.lists(_names, min_size=1, max_size=2, unique=True)
_sources = st.sampled_from((1, 2))


class StoreMachine(RuleBasedStateMachine):
    """Two sources, two destinations, three names that come, change, move, go and are sent or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="etiket-store-"))
        self.bench = StoreBench(self.folder / "store.sqlite", destinations=2)
        self.open_claims: list[Claim] = []
        self.version = 0

    @initialize()
    def second_source(self) -> None:
        self.bench.writer.add_source("s-2", "other", "folder", {}, [(1, "")])

    def teardown(self) -> None:
        self.bench.close()
        shutil.rmtree(self.folder)

    def _ids(self, source_id: int, names: list[str]) -> list[int]:
        return list(self.bench.writer.dataset_ids(source_id, names).values())

    @rule(source_id=_sources, names=_some_names, fingerprint=st.integers(1, 3), is_unchanged=st.booleans(),
          size=st.sampled_from((1, 65 * MIB)), is_quiet=st.booleans())  # fmt: skip
    def find(
        self, source_id: int, names: list[str], fingerprint: int, is_unchanged: bool, size: int, is_quiet: bool
    ) -> None:
        items = [self.bench.item(name, fingerprint, is_unchanged=is_unchanged, size_bytes=size) for name in names]
        self.bench.find(*items, source=self.bench.writer.source(source_id))
        if is_quiet:
            self.settle(source_id, names, fingerprint)

    @rule(source_id=_sources, names=_some_names, ends=st.sampled_from(("sent", "failed", "claimed")))
    def whole_way(self, source_id: int, names: list[str], ends: str) -> None:
        self.find(source_id, names, 1, False, 1, True)
        for route in range(3):
            self.claim(route, False, True)
        if ends == "sent":
            self.send("re_read", False)
        elif ends == "failed":
            self.fail(TransferState.FAILED, True)

    @rule(source_id=_sources, names=_some_names, fingerprint=st.integers(1, 3))
    def settle(self, source_id: int, names: list[str], fingerprint: int) -> None:
        self.bench.writer.mark_settled([(dataset_id, fingerprint) for dataset_id in self._ids(source_id, names)])

    @rule(source_id=_sources, names=_some_names)
    def unsettle(self, source_id: int, names: list[str]) -> None:
        self.bench.writer.mark_unsettled([(dataset_id, "changes") for dataset_id in self._ids(source_id, names)])

    @rule(source_id=_sources, names=_some_names, comes_back=st.booleans())
    def go(self, source_id: int, names: list[str], comes_back: bool) -> None:
        self.bench.writer.mark_gone(self._ids(source_id, names))
        if comes_back:
            self.find(source_id, names, 1, False, 1, False)

    @rule(source_id=_sources, names=_some_names)
    def ignore(self, source_id: int, names: list[str]) -> None:
        self.bench.writer.ignore(self._ids(source_id, names))

    @rule(source_id=_sources, name=_names, new_name=_names)
    def rename(self, source_id: int, name: str, new_name: str) -> None:
        for dataset_id in self._ids(source_id, [name]):
            try:
                self.bench.writer.rename_dataset(dataset_id, new_name, new_name)
            except UsageError:
                continue

    @rule(route=st.integers(0, 2), large=st.booleans(), newest=st.booleans())
    def claim(self, route: int, large: bool, newest: bool) -> None:
        routes = self.bench.writer.routes()
        if route < len(routes):
            claims = self.bench.claim(routes[route].id, limit=3, large=large, newest=newest)
            taken = {claim.transfer_id for claim in self.open_claims}
            assert not taken & {claim.transfer_id for claim in claims}
            self.open_claims += claims

    @rule(level=st.sampled_from(("re_read", "size_only")), is_provisional=st.booleans())
    def send(self, level: str, is_provisional: bool) -> None:
        claims, self.open_claims = self.open_claims, []
        self.version += 1
        sent = [
            self.bench.sent(claim, version=f"1.{self.version}.0", level=level, is_provisional=is_provisional)
            for claim in claims
        ]
        self.bench.writer.record_sent(sent)

    @rule(
        state=st.sampled_from((TransferState.FAILED, TransferState.WAITING, TransferState.HELD)), is_busy=st.booleans()
    )
    def fail(self, state: TransferState, is_busy: bool) -> None:
        claims, self.open_claims = self.open_claims, []
        error = FileBusy("busy") if is_busy else SourceChanged("changed")
        due_ns = self.bench.clock.now_ns() + 5 * SECOND_NS
        self.bench.writer.record_not_sent(
            [NotSent(claim.transfer_id, claim.dataset_id, error, state, due_ns) for claim in claims]
        )

    @rule(is_killed=st.booleans())
    def release(self, is_killed: bool) -> None:
        claims, self.open_claims = self.open_claims, []
        if is_killed:
            self.bench.writer.recover_claims()
        else:
            self.bench.writer.release_claims([claim.transfer_id for claim in claims])

    @rule(passed_s=st.sampled_from((0, 10)))
    def release_due(self, passed_s: int) -> None:
        self.bench.clock.advance(passed_s)
        self.bench.writer.release_due(self.bench.clock.now_ns(), 3600 * SECOND_NS)

    @rule(source_id=_sources, names=_some_names, how=st.sampled_from(("named", "source", "all")))
    def retry(self, source_id: int, names: list[str], how: str) -> None:
        if how == "named":
            self.bench.writer.retry(self._ids(source_id, names))
        else:
            self.bench.writer.retry(source_id=source_id if how == "source" else None)

    @rule(source_id=_sources, is_held=st.booleans())
    def hold(self, source_id: int, is_held: bool) -> None:
        if is_held:
            self.bench.writer.hold_source(source_id, "many changes")
        else:
            self.bench.writer.release_source(source_id)

    @rule(source_id=_sources, destinations=st.lists(st.sampled_from((1, 2)), unique=True),
          scope=st.sampled_from(("", "x")))  # fmt: skip
    def route(self, source_id: int, destinations: list[int], scope: str) -> None:
        before = {route.id for route in self.bench.writer.routes()}
        self.bench.writer.edit_source(source_id, routes=[(destination, scope) for destination in destinations])
        if before != {route.id for route in self.bench.writer.routes()}:
            self.release(is_killed=True)

    @rule(transfer=st.integers(1, 12), is_good=st.booleans())
    def verify(self, transfer: int, is_good: bool) -> None:
        self.bench.writer.record_verification(transfer, 5, is_good, () if is_good else ("x: differs",))

    @rule(source_id=_sources, name=_names, ordinal=st.integers(1, 2))
    def adopt(self, source_id: int, name: str, ordinal: int) -> None:
        uuid = f"adopted-{source_id}-{name}-{ordinal}"
        self.bench.writer.adopt(
            [StoredDatasetFacts(uuid, source_id, 1, name, name, f"{name}-remote", "1.0.0", "aa", "", ordinal)]
        )

    @rule()
    def fail_midway(self) -> None:
        try:
            with self.bench.writer.batch():
                self.find(1, ["a", "b"], 2, False, 1, True)
                self.bench.writer.ignore(self._ids(1, ["a"]))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    @invariant()
    def everything_adds_up(self) -> None:
        with closing(sqlite3.connect(self.bench.path)) as connection:
            connection.row_factory = sqlite3.Row
            check_store(connection)
        status = quick.status(self.bench.path)
        with closing(sqlite3.connect(self.bench.path)) as connection:
            (found,) = connection.execute("SELECT count(*) FROM datasets").fetchone()
        assert status["total"] + status["counts"]["gone"] == found


def check_store(connection: sqlite3.Connection) -> None:
    """The counts are those of the rows; each row shows what follows from its state; archived has its receipt."""
    counted: Counter[tuple[Any, ...]] = Counter()
    transfers: dict[int, list[sqlite3.Row]] = {}
    for row in connection.execute("SELECT t.*, d.source_id, d.is_gone, d.is_ignored FROM transfers t"
                                  " JOIN datasets d ON d.id = t.dataset_id"):  # fmt: skip
        transfers.setdefault(row["dataset_id"], []).append(row)
        shown = "ignored" if row["is_ignored"] else "gone" if row["is_gone"] else row["state"]
        assert row["shown"] == shown
        counted[row["source_id"], row["route_id"], shown] += 1
        if row["state"] == "archived":
            receipt = connection.execute(
                "SELECT 1 FROM receipts WHERE transfer_id = ? AND version = ? AND level <> 'size_only'",
                (row["id"], row["version"]),
            ).fetchone()
            assert receipt is not None
        assert (row["state"] == "failed") <= (row["claimed_ns"] is None)
    routes = Counter(row[0] for row in connection.execute("SELECT source_id FROM routes"))
    order = ("failed", "held", "waiting", "sending", "archived", "ignored")
    for row in connection.execute("SELECT id, source_id, shown, is_gone, is_ignored FROM datasets"):
        own = [transfer["state"] for transfer in transfers.get(row["id"], [])]
        assert len(own) == routes[row["source_id"]]
        worst = next((state for state in order if state in own), "waiting")
        shown = "ignored" if row["is_ignored"] else "gone" if row["is_gone"] else worst
        assert row["shown"] == shown
        counted[row["source_id"], 0, shown] += 1
    stored = {tuple(row)[:3]: row["number"] for row in connection.execute("SELECT * FROM counts") if row["number"]}
    assert stored == dict(counted)
    stale = connection.execute(
        "SELECT count(*) FROM problems p JOIN transfers t ON t.id = p.transfer_id"
        " WHERE is_open = 1 AND key LIKE 'transfer:%' AND t.state IN ('archived', 'ignored')"
    ).fetchone()
    assert stale[0] == 0


StoreMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestStoreCounts = StoreMachine.TestCase
