"""A source that begins with a date: what is older is ignored with that reason, until it changes or the date does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.states import RunState, TransferState
from etiket_gui.store.resting import TOO_OLD_REASON
from tests.support.store_bench import StoreBench

SINCE_NS = 5_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StoreBench]:
    made = StoreBench(tmp_path / "store.sqlite")
    made.writer.edit_source(made.source.id, since_ns=SINCE_NS)
    yield made
    made.close()


def _state(bench: StoreBench, dataset_id: int) -> tuple[TransferState, str]:
    (transfer,) = bench.reader.transfers(dataset_id)
    return transfer.state, transfer.reason


def test_what_is_older_is_ignored_with_the_reason_and_what_is_newer_waits(bench: StoreBench) -> None:
    old, new = bench.settle(bench.item("old", newest_change_ns=4_999), bench.item("new", newest_change_ns=5_000))
    assert _state(bench, old) == (TransferState.IGNORED, TOO_OLD_REASON)
    assert _state(bench, new) == (TransferState.WAITING, "")
    assert [claim.identifier for claim in bench.claim()] == ["new"]


def test_a_measurement_that_runs_is_never_too_old(bench: StoreBench) -> None:
    (running,) = bench.settle(bench.item("run", newest_change_ns=10, run_state=RunState.LIVE))
    assert _state(bench, running)[0] is TransferState.WAITING


def test_an_old_dataset_that_changes_counts_from_then_on(bench: StoreBench) -> None:
    (old,) = bench.settle(bench.item("old", 1, newest_change_ns=10))
    assert bench.settle(bench.item("old", 2, newest_change_ns=9_000)) == [old]
    assert _state(bench, old) == (TransferState.WAITING, "")


def test_an_earlier_date_takes_datasets_in_and_a_later_one_leaves_out_what_was_not_sent(bench: StoreBench) -> None:
    old, new = bench.settle(bench.item("old", newest_change_ns=10), bench.item("new", newest_change_ns=6_000))
    (sent,) = bench.archive(bench.item("sent", newest_change_ns=6_001))
    bench.settle(bench.item("later", newest_change_ns=7_000))
    bench.writer.edit_source(bench.source.id, since_ns=0)
    assert bench.source.since_ns == 0
    assert _state(bench, old) == (TransferState.WAITING, "")
    bench.writer.edit_source(bench.source.id, since_ns=8_000)
    assert _state(bench, old) == (TransferState.IGNORED, TOO_OLD_REASON)
    assert _state(bench, sent)[0] is TransferState.ARCHIVED
    assert _state(bench, new)[0] is TransferState.ARCHIVED


def test_what_a_person_left_out_stays_left_out_whatever_the_date(bench: StoreBench) -> None:
    (kept,) = bench.settle(bench.item("kept", newest_change_ns=9_000))
    bench.writer.ignore([kept])
    bench.writer.edit_source(bench.source.id, since_ns=0)
    assert _state(bench, kept) == (TransferState.IGNORED, "")


def test_a_person_can_have_an_old_dataset_sent_all_the_same(bench: StoreBench) -> None:
    (old,) = bench.settle(bench.item("old", newest_change_ns=10))
    bench.writer.retry([old])
    assert _state(bench, old) == (TransferState.WAITING, "")
    bench.find(bench.item("old", newest_change_ns=10))
    assert _state(bench, old)[0] is TransferState.WAITING


def test_a_new_destination_gets_no_old_datasets_either(bench: StoreBench) -> None:
    (old,) = bench.settle(bench.item("old", newest_change_ns=10))
    second = bench.writer.add_destination("d-9", "second", "archive", {"path": "/b"})
    bench.writer.edit_source(bench.source.id, routes=[(1, ""), (second.id, "")])
    assert {row.state for row in bench.reader.transfers(old)} == {TransferState.IGNORED}
    assert {row.reason for row in bench.reader.transfers(old)} == {TOO_OLD_REASON}


def test_the_date_comes_back_with_a_lost_store(tmp_path: Path) -> None:
    from etiket_gui.settings.home import Home
    from etiket_gui.store.health import open_store

    home = Home(tmp_path / "home")
    writer = open_store(home).writer
    destination = writer.add_destination("d", "archive", "archive", {})
    writer.add_source("s", "fridge", "folder", {}, [(destination.id, "")], since_ns=SINCE_NS)
    writer.close()
    home.store.unlink()
    writer = open_store(home).writer
    assert writer.sources()[0].since_ns == SINCE_NS
    writer.close()
