"""A measurement that two sources have is one dataset: one of them sends it, the other says why it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.content import DiscoverySummary
from etiket_gui.domain.states import Realm, RunState, TransferState
from etiket_gui.store.resting import ELSEWHERE_REASON
from etiket_gui.store.rows import FoundOutcome, SourceRow
from tests.support.store_bench import StoreBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StoreBench]:
    made = StoreBench(tmp_path / "store.sqlite")
    routes = [(row.id, "") for row in made.writer.destinations()]
    made.writer.add_source("s-2", "copy", "folder", {"root_directory": "/copy"}, routes)
    yield made
    made.close()


def _source(bench: StoreBench, number: int) -> SourceRow:
    return bench.writer.sources()[number]


def _find(bench: StoreBench, number: int, state: RunState = RunState.COMPLETE) -> FoundOutcome:
    item = bench.item("guid", run_state=state)
    (outcome,) = bench.writer.record_found(_source(bench, number), Realm.WORLD, [item])
    bench.writer.mark_settled([(outcome.dataset_id, item.fingerprint)])
    return outcome


def _state(bench: StoreBench, outcome: FoundOutcome) -> tuple[TransferState, str]:
    (transfer,) = bench.reader.transfers(outcome.dataset_id)
    return transfer.state, transfer.reason


@pytest.mark.fault("I3", guard="one-guid-is-one-dataset")
def test_a_run_that_another_source_has_is_sent_once_and_says_why(bench: StoreBench) -> None:
    first, second = _find(bench, 0), _find(bench, 1)
    assert _state(bench, first) == (TransferState.WAITING, "")
    assert _state(bench, second) == (TransferState.IGNORED, ELSEWHERE_REASON)
    assert [claim.dataset_id for claim in bench.claim()] == [first.dataset_id]


@pytest.mark.parametrize("state", [RunState.COMPLETE, RunState.LIVE])
def test_a_copy_that_was_left_makes_way_for_a_run_that_goes_on_or_is_complete(
    bench: StoreBench, state: RunState
) -> None:
    first, second = _find(bench, 0, RunState.INTERRUPTED), _find(bench, 1, state)
    assert _state(bench, first) == (TransferState.IGNORED, ELSEWHERE_REASON)
    assert _state(bench, second) == (TransferState.WAITING, "")


def test_a_copy_that_was_archived_already_stays_archived_beside_the_complete_run(bench: StoreBench) -> None:
    first = _find(bench, 0, RunState.INTERRUPTED)
    bench.send(*bench.claim())
    second = _find(bench, 1)
    assert [_state(bench, outcome)[0] for outcome in (first, second)] == [
        TransferState.ARCHIVED,
        TransferState.WAITING,
    ]


def test_a_copy_that_made_way_is_taken_again_when_the_complete_run_is_gone(bench: StoreBench) -> None:
    first, second = _find(bench, 0, RunState.INTERRUPTED), _find(bench, 1)
    bench.writer.mark_gone([second.dataset_id])
    bench.writer.record_scan(_source(bench, 0).id, DiscoverySummary(1), 0)
    assert _state(bench, first) == (TransferState.WAITING, "")


def test_of_two_that_are_not_complete_the_first_counts(bench: StoreBench) -> None:
    _find(bench, 0, RunState.INTERRUPTED)
    assert _state(bench, _find(bench, 1, RunState.INTERRUPTED)) == (TransferState.IGNORED, ELSEWHERE_REASON)


@pytest.mark.parametrize("how", ["gone", "left out", "source removed"])
def test_what_the_other_source_no_longer_archives_is_taken_at_the_next_scan(bench: StoreBench, how: str) -> None:
    first, second = _find(bench, 0), _find(bench, 1)
    copy = _source(bench, 1)
    bench.writer.record_scan(copy.id, DiscoverySummary(1), 0)
    assert _state(bench, second)[0] is TransferState.IGNORED
    if how == "gone":
        bench.writer.mark_gone([first.dataset_id])
    elif how == "left out":
        bench.writer.ignore([first.dataset_id])
    else:
        bench.writer.remove_source(bench.source.id)
    bench.writer.record_scan(copy.id, DiscoverySummary(1, is_complete_scan=False), 0)
    assert _state(bench, second)[0] is TransferState.IGNORED, "a look at a part decides nothing"
    bench.writer.record_scan(copy.id, DiscoverySummary(1), 0)
    assert _state(bench, second) == (TransferState.WAITING, "")


def test_relative_paths_of_two_sources_are_two_datasets(bench: StoreBench) -> None:
    (first,) = bench.settle(bench.item("run"))
    (second,) = bench.settle(bench.item("run"), source=_source(bench, 1))
    states = [bench.reader.transfers(dataset_id)[0].state for dataset_id in (first, second)]
    assert states == [TransferState.WAITING] * 2
