"""Sources, destinations and routes: added, changed, removed, mirrored; holds, steering, activity, problems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etiket_gui.domain.content import DiscoverySummary
from etiket_gui.domain.errors import DestinationOffline, UsageError, error_from_json
from etiket_gui.domain.states import DestinationState, SourceState, TransferState
from etiket_gui.store.rows import IdentityOutcome, Steering
from etiket_gui.store.writer import StoreWriter
from tests.support.store_bench import StoreBench


def test_used_names_and_uuids_are_refused_with_a_sentence(bench: StoreBench) -> None:
    writer = bench.writer
    with pytest.raises(UsageError, match="named 'fridge' exists already"):
        writer.add_source("s-2", "fridge", "folder", {})
    with pytest.raises(UsageError, match="s-1 is configured already"):
        writer.add_source("s-1", "other", "folder", {})
    with pytest.raises(UsageError, match="named 'archive 1' exists already"):
        writer.add_destination("d-2", "archive 1", "archive", {})
    with pytest.raises(UsageError, match="no source with the number 99"):
        writer.edit_source(99, name="x")
    with pytest.raises(UsageError, match="no destination with the number 99"):
        writer.edit_source(1, routes=[(99, "")])
    with pytest.raises(UsageError, match="at most one route"):
        writer.edit_source(1, routes=[(1, ""), (1, "b")])
    assert [route.destination_id for route in writer.routes()] == [1]


def test_new_route_gets_a_transfer_for_every_dataset(bench: StoreBench) -> None:
    settled, unsettled, ignored = bench.settle(bench.item("a"), bench.item("b"), bench.item("c"))
    bench.find(bench.item("b", 2))
    bench.writer.ignore([ignored])
    second = bench.writer.add_destination("d-2", "second", "archive", {})
    bench.writer.edit_source(1, routes=[(1, ""), (second.id, "scope")])
    assert [bench.state(dataset_id, 1) for dataset_id in (settled, unsettled, ignored)] == [
        TransferState.WAITING, TransferState.HELD, TransferState.IGNORED,
    ]  # fmt: skip
    assert [claim.scope for claim in bench.claim(2)] == ["scope"]


def test_removed_route_takes_its_transfers_problems_and_counts_along(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.send(*bench.claim(1))
    bench.fail(bench.claim(2)[0])
    assert bench.dataset(dataset_id).state is TransferState.FAILED
    bench.writer.edit_source(1, routes=[(1, "")])
    assert bench.dataset(dataset_id).state is TransferState.ARCHIVED
    assert bench.reader.problems() == []


def test_another_scope_is_another_place(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d"))
    bench.writer.edit_source(1, routes=[(1, "elsewhere")])
    assert bench.state(dataset_id) is TransferState.WAITING
    claim = bench.claim()[0]
    assert (claim.scope, claim.version, claim.remote) == ("elsewhere", None, None)


def test_ids_are_never_given_twice(bench: StoreBench) -> None:
    (first,) = bench.archive(bench.item("d"))
    route = bench.writer.routes()[0]
    claimed = bench.reader.transfers(first)[0].id
    bench.writer.remove_source(1)
    bench.writer.remove_destination(1)
    destination = bench.writer.add_destination("d-2", "archive 2", "archive", {})
    source = bench.writer.add_source("s-2", "fridge", "folder", {}, [(destination.id, "")])
    assert (source.id, destination.id) == (2, 2)
    assert bench.writer.routes()[0].id > route.id
    (second,) = bench.settle(bench.item("d"), source=source)
    assert second > first
    assert bench.reader.transfers(second)[0].id > claimed


def test_source_at_another_place_is_looked_through_from_the_start(bench: StoreBench) -> None:
    summary = DiscoverySummary(1, duration_s=1.0, is_complete_scan=True, cursor={"at": 5}, root_place="disk 1")
    bench.writer.record_scan(1, summary, 0)
    bench.writer.edit_source(1, name="renamed", config={"root_directory": "/data"})
    assert (bench.source.cursor, bench.source.root_place) == ({"at": 5}, "disk 1")
    bench.writer.edit_source(1, config={"root_directory": "/elsewhere"})
    assert (bench.source.cursor, bench.source.root_place) == ({}, "")


def test_destination_at_another_path_that_is_the_same_archive_keeps_what_was_sent(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d"))
    assert bench.writer.keep_identity(1, "archive A") is IdentityOutcome.SAME
    bench.writer.edit_destination(1, config={"path": "/mounted/elsewhere"})
    assert bench.writer.keep_identity(1, "archive A") is IdentityOutcome.SAME
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    assert not bench.writer.destination(1).is_moved


def test_what_was_sent_to_another_archive_is_not_archived_in_the_new_one(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.send(*bench.claim(1))
    bench.send(*bench.claim(2))
    bench.writer.keep_identity(1, "archive A")
    bench.writer.edit_destination(1, config={"path": "/other"})
    assert bench.writer.keep_identity(1, "archive B") is IdentityOutcome.MOVED
    assert [bench.state(dataset_id, place) for place in (0, 1)] == [TransferState.WAITING, TransferState.ARCHIVED]
    assert [receipt.destination_id for receipt in bench.reader.receipts(dataset_id)] == [2]
    (claim,) = bench.claim(1)
    assert (claim.remote, claim.version) == (None, None)
    bench.send(claim)
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    assert bench.writer.keep_identity(1, "archive B") is IdentityOutcome.SAME


def test_another_archive_at_the_same_place_changes_nothing(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d"))
    bench.writer.keep_identity(1, "archive A")
    bench.writer.edit_destination(1, name="renamed")
    assert bench.writer.keep_identity(1, "archive B") is IdentityOutcome.OTHER
    assert bench.writer.destination(1).identity == "archive A"
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_removed_source_leaves_nothing_behind(bench: StoreBench) -> None:
    bench.archive(bench.item("a"))
    bench.settle(bench.item("b"))
    bench.fail(bench.claim()[0])
    bench.writer.add_activity("something", source_id=1)
    bench.writer.remove_source(1)
    assert bench.reader.sources() == []
    assert bench.reader.datasets() == []
    assert bench.reader.problems() == []
    assert bench.reader.counts().total == 0
    assert bench.reader.activity()[0].source_id is None


def test_removed_destination_takes_its_routes_along(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.writer.remove_destination(2)
    assert [row.name for row in bench.reader.destinations()] == ["archive 1"]
    assert [transfer.destination_id for transfer in bench.reader.transfers(dataset_id)] == [1]


def test_configuration_is_mirrored_at_every_change(tmp_path: Path, bench: StoreBench) -> None:
    mirror = tmp_path / "configuration.json"
    bench.writer.configuration_path = mirror
    bench.writer.edit_source(1, name="cold fridge", config={"root_directory": "/µ"}, is_enabled=False)
    written = json.loads(mirror.read_text("utf-8"))
    assert written["sources"][0] | {"root_place": ""} == {
        "uuid": "s-1", "name": "cold fridge", "backend": "folder", "config": {"root_directory": "/µ"},
        "is_enabled": False, "root_place": "", "routes": [["d-1", ""]],
    }  # fmt: skip
    assert written["destinations"][0]["name"] == "archive 1"
    bench.writer.add_destination("d-2", "second", "archive", {})
    assert len(json.loads(mirror.read_text("utf-8"))["destinations"]) == 2


def test_change_that_is_undone_is_not_mirrored(tmp_path: Path, bench: StoreBench) -> None:
    mirror = tmp_path / "configuration.json"
    bench.writer.configuration_path = mirror

    def fail_midway() -> None:
        with bench.writer.batch():
            bench.writer.edit_source(1, name="other")
            raise UsageError("no")

    with pytest.raises(UsageError):
        fail_midway()
    assert not mirror.exists()
    assert bench.source.name == "fridge"
    bench.writer.add_activity("later")
    assert not mirror.exists()


def test_scan_is_written_down_and_missed_events_add_up(bench: StoreBench) -> None:
    summary = DiscoverySummary(5, stray_files=2, root_place="1:2", duration_s=1.5, cursor={"row": 9})
    bench.writer.record_scan(1, summary, 3)
    bench.writer.record_scan(1, summary, 1)
    row = bench.source
    assert (row.seen_count, row.stray_files, row.root_place, row.cursor) == (5, 2, "1:2", {"row": 9})
    assert (row.missed_by_watcher, row.last_scan_ns, row.last_scan_duration_s) == (4, bench.clock.now_ns(), 1.5)
    bench.writer.record_scan(1, DiscoverySummary(1, is_complete_scan=False, cursor={"row": 10}), 0)
    assert (bench.source.seen_count, bench.source.cursor) == (5, {"row": 10})


def test_states_of_sources_and_destinations_are_kept(bench: StoreBench) -> None:
    bench.writer.set_source_state(1, SourceState.OFFLINE, "unplugged", root_place="3:4")
    bench.writer.set_destination_state(1, DestinationState.FULL, "no room", free_bytes=7, last_success_ns=5)
    bench.writer.set_destination_state(1, DestinationState.OK)
    assert (bench.source.state, bench.source.state_reason, bench.source.root_place) == (
        SourceState.OFFLINE, "unplugged", "3:4",
    )  # fmt: skip
    row = bench.writer.destination(1)
    assert (row.state, row.state_reason, row.free_bytes, row.last_success_ns) == (DestinationState.OK, "", 7, 5)


def test_held_source_sends_nothing_until_it_is_released(bench: StoreBench) -> None:
    first, second = bench.settle(bench.item("a"), bench.item("b"))
    bench.writer.hold_source(1, "60 datasets changed at once")
    (third,) = bench.settle(bench.item("c"))
    assert bench.claim() == []
    assert {bench.transfer(d).reason for d in (first, second, third)} == {"60 datasets changed at once"}
    bench.find(bench.item("b", 2))
    bench.writer.release_source(1)
    assert [bench.state(d) for d in (first, second, third)] == [
        TransferState.WAITING, TransferState.HELD, TransferState.WAITING,
    ]  # fmt: skip


def test_steering_is_remembered(bench: StoreBench) -> None:
    assert bench.reader.steering() == Steering(0, 0)
    bench.writer.set_steering(-1, 55)
    assert bench.reader.steering() == Steering(-1, 55)
    bench.writer.set_steering(held_until_ns=0)
    assert bench.writer.steering() == Steering(-1, 0)


def test_only_the_newest_sentences_are_kept(bench: StoreBench) -> None:
    with bench.writer.batch():
        for number in range(10_005):
            bench.writer.add_activity(f"sentence {number}")
    kept = bench.reader.activity(limit=20_000)
    assert (len(kept), kept[0].sentence, kept[-1].sentence) == (10_000, "sentence 10004", "sentence 5")


def test_problem_keeps_its_beginning_until_it_is_over(bench: StoreBench) -> None:
    writer, start_ns = bench.writer, bench.clock.now_ns()
    writer.open_problem("destination", "destination:1", DestinationOffline("unplugged"), destination_id=1)
    bench.clock.advance(60)
    writer.open_problem("destination", "destination:1", DestinationOffline("still unplugged"), attempts=2)
    (problem,) = bench.reader.problems()
    assert (problem.since_ns, problem.reason, problem.attempts) == (start_ns, "still unplugged", 2)
    assert (problem.destination_id, problem.key) == (1, "destination:1")
    assert writer.close_problem("destination:1")
    assert not writer.close_problem("destination:1")
    assert writer.open_problem_count() == 0
    assert len(bench.reader.problems(with_closed=True)) == 1
    writer.open_problem("destination", "destination:1", DestinationOffline("again"))
    assert bench.reader.problems()[0].since_ns == bench.clock.now_ns()


def test_failure_of_another_process_keeps_its_title(bench: StoreBench) -> None:
    foreign = error_from_json({"kind": "OfSomePlugin", "title": "Odd thing", "reason": "r", "retry_class": "never"})
    bench.writer.open_problem("engine", "k", foreign)
    assert bench.reader.problems()[0].title == "Odd thing"


def test_failed_batch_keeps_nothing(bench: StoreBench) -> None:
    def fail_midway() -> None:
        with bench.writer.batch():
            bench.settle(bench.item("d"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert bench.reader.datasets() == []
    assert bench.reader.counts().total == 0
    bench.settle(bench.item("d"))
    assert bench.reader.counts().total == 1


def test_batch_is_seen_by_others_only_when_it_is_over(bench: StoreBench) -> None:
    with bench.writer.batch():
        (dataset_id,) = bench.settle(bench.item("d"))
        with bench.writer.batch():
            bench.claim()
        assert bench.reader.datasets() == []
        assert bench.writer.dataset_count(1) == 1
    assert bench.state(dataset_id) is TransferState.SENDING


def test_reopened_store_is_as_it_was(tmp_path: Path, bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d"))
    bench.writer.close()
    bench.writer.close()
    assert not bench.path.with_name("store.sqlite-wal").exists()
    bench.writer = StoreWriter(bench.path)
    assert bench.state(dataset_id) is TransferState.ARCHIVED
