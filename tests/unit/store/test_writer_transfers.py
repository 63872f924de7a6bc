"""Transfers move as the words of the program say: claimed, sent, failed, due, retried, ignored."""

from __future__ import annotations

import dataclasses

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import DestinationOffline, FileBusy, PermissionRefused, SourceChanged, SourceGone, Stopped
from etiket_gui.domain.states import RetryClass, TransferState
from etiket_gui.store.rows import NotSent
from tests.support.clock import SECOND_NS
from tests.support.store_bench import MIB, StoreBench, entries

HOUR_NS = 3600 * SECOND_NS


def test_newest_comes_first_and_oldest_when_asked(bench: StoreBench) -> None:
    bench.settle(*(bench.item(f"d{n}", newest_change_ns=n) for n in (5, 1, 9, 3)))
    assert [claim.identifier for claim in bench.claim(limit=2)] == ["d9", "d5"]
    assert [claim.identifier for claim in bench.claim(limit=2, newest=False)] == ["d1", "d3"]


def test_claim_takes_at_least_one_however_large(bench: StoreBench) -> None:
    bench.settle(*(bench.item(f"d{n}", size_bytes=n * MIB, newest_change_ns=n) for n in (1, 2, 30)))
    assert [claim.identifier for claim in bench.claim(max_bytes=MIB)] == ["d30"]
    assert [claim.identifier for claim in bench.claim(max_bytes=3 * MIB)] == ["d2", "d1"]
    assert bench.claim() == []


def test_large_datasets_are_claimed_apart(bench: StoreBench) -> None:
    bench.settle(bench.item("small", size_bytes=64 * MIB), bench.item("large", size_bytes=64 * MIB + 1))
    assert [claim.identifier for claim in bench.claim()] == ["small"]
    assert [claim.identifier for claim in bench.claim(large=True)] == ["large"]


def test_nothing_is_claimed_twice(bench: StoreBench) -> None:
    bench.settle(bench.item("d"))
    assert len(bench.claim()) == 1
    assert bench.claim() == []


def test_claim_carries_what_the_worker_needs(bench: StoreBench) -> None:
    ids = bench.settle(bench.item("2024/d", 7, place="1:99", size_bytes=12))
    claim = bench.claim()[0]
    assert (claim.dataset_id, claim.identifier, claim.name, claim.place) == (ids[0], "2024/d", "d", "1:99")
    assert (claim.fingerprint, claim.size_bytes, claim.file_count, claim.scope) == (7, 12, 2, "")
    assert (claim.remote, claim.version, claim.digest, claim.attempts) == (None, None, None, 0)


def test_gone_and_ignored_datasets_are_not_claimed(bench: StoreBench) -> None:
    ids = bench.settle(bench.item("a"), bench.item("b"), bench.item("c"))
    bench.writer.mark_gone([ids[0]])
    bench.writer.ignore([ids[1]])
    assert [claim.identifier for claim in bench.claim()] == ["c"]


def test_sent_is_archived_with_receipt_manifest_and_description(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d", 3))
    (claim,) = bench.claim()
    description = {
        "name": "Rabi µ",
        "identifier": "d",
        "collected": "2024-05-06T07:08:09.5+02:00",
        "text": "Long Text",
        "attributes": {"sample": "SQ22", "gain": 3},
        "keywords": ["T1"],
    }
    bench.writer.record_sent([bench.sent(claim, description=description)])
    row = bench.dataset(dataset_id)
    assert row.state is TransferState.ARCHIVED
    assert (row.name, row.attributes, row.keywords) == ("Rabi µ", {"sample": "SQ22", "gain": 3}, ("T1",))
    assert row.collected_ns == 1_714_972_089_500_000_000
    transfer = bench.transfer(dataset_id)
    assert (transfer.version, transfer.remote, transfer.sent_fingerprint) == ("1.0.0", "d-remote", 3)
    assert tuple(bench.reader.files(dataset_id)) == entries()
    (receipt,) = bench.reader.receipts(dataset_id)
    assert receipt.digest == transfer.digest
    assert receipt.files == tuple((entry.name, entry.size_bytes, entry.sha256) for entry in entries())
    assert bench.reader.destinations()[0].last_success_ns == bench.clock.now_ns()


def test_dataset_that_moved_on_while_sending_is_not_archived(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d", 1))
    (claim,) = bench.claim()
    bench.find(bench.item("d", 2))
    bench.writer.mark_unsettled([(dataset_id, "still being written")])
    assert bench.state(dataset_id) is TransferState.SENDING
    bench.send(claim)
    assert bench.state(dataset_id) is TransferState.HELD
    bench.writer.mark_settled([(dataset_id, 2)])
    (again,) = bench.claim()
    assert (again.fingerprint, again.version, again.digest) == (2, "1.0.0", f"{1:064x}")


def test_dataset_settled_anew_while_sending_waits_again(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d", 1))
    (claim,) = bench.claim()
    bench.settle(bench.item("d", 2))
    bench.send(claim)
    assert bench.state(dataset_id) is TransferState.WAITING


def test_size_only_does_not_count_as_archived(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.record_sent([bench.sent(claim, level="size_only")])
    transfer = bench.transfer(dataset_id)
    assert transfer.state is TransferState.HELD
    assert "not verified" in transfer.reason
    bench.writer.mark_settled([(dataset_id, 1)])
    assert bench.state(dataset_id) is not TransferState.ARCHIVED


def test_provisional_version_is_not_archived(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.record_sent([bench.sent(claim, version="1.0.0-live.1", is_provisional=True)])
    assert bench.state(dataset_id) is TransferState.WAITING
    (again,) = bench.claim()
    bench.send(again)
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_second_version_replaces_the_manifest(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d", 1))
    bench.settle(bench.item("d", 2))
    (claim,) = bench.claim()
    files = entries(3, start=1)
    bench.writer.record_sent([bench.sent(claim, version="1.1.0", files=files)])
    assert tuple(bench.reader.files(dataset_id)) == files
    assert [receipt.version for receipt in bench.reader.receipts(dataset_id)] == ["1.0.0", "1.1.0"]


def test_answer_of_a_destination_that_had_it_makes_no_second_receipt(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.send(claim)
    bench.writer.record_sent([bench.sent(claim, is_new=False)])
    assert len(bench.reader.receipts(dataset_id)) == 1


def test_failure_opens_one_problem_and_success_closes_it(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    for attempts in (1, 2):
        (claim,) = bench.claim()
        assert claim.attempts == attempts - 1
        bench.fail(claim, due_ns=bench.clock.now_ns())
        (problem,) = bench.reader.problems()
        assert (problem.kind, problem.dataset_id, problem.attempts) == ("item", dataset_id, attempts)
        assert bench.dataset(dataset_id).state is TransferState.FAILED
        assert bench.writer.release_due(bench.clock.now_ns(), HOUR_NS) == 1
    bench.send(*bench.claim())
    assert bench.reader.problems() == []
    assert bench.transfer(dataset_id).attempts == 0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SourceChanged("d changed"), TransferState.HELD),
        (Stopped("cancelled"), TransferState.WAITING),
        (DestinationOffline("unplugged"), TransferState.WAITING),
    ],
)
def test_what_only_waits_is_no_problem_of_the_dataset(
    bench: StoreBench, error: SourceChanged | Stopped | DestinationOffline, state: TransferState
) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.record_not_sent([NotSent(claim.transfer_id, dataset_id, error, state, None, counts_as_attempt=False)])
    assert bench.reader.problems() == []
    assert bench.transfer(dataset_id).reason == error.reason
    assert bench.transfer(dataset_id).attempts == 0
    assert bench.state(dataset_id) is state


def test_content_that_is_archived_again_has_no_problem(bench: StoreBench) -> None:
    before = bench.item("d", fingerprint=1)
    (dataset_id,) = bench.settle(before)
    bench.send(*bench.claim())
    bench.settle(bench.item("d", fingerprint=2))
    (claim,) = bench.claim()
    busy = FileBusy("d is being written")
    bench.writer.record_not_sent([NotSent(claim.transfer_id, dataset_id, busy, TransferState.WAITING, None)])
    assert len(bench.reader.problems()) == 1
    bench.settle(before)
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    assert bench.reader.problems() == []


def test_a_dataset_found_gone_while_it_was_read_is_no_problem(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.mark_gone([dataset_id])
    gone = SourceGone("d is not there any more")
    held = TransferState.HELD
    bench.writer.record_not_sent([NotSent(claim.transfer_id, dataset_id, gone, held, None, counts_as_attempt=False)])
    assert bench.reader.problems() == []
    assert bench.transfer(dataset_id).reason == gone.reason


@pytest.mark.parametrize("when", ["while it was read", "later"])
def test_what_failed_of_a_dataset_that_was_gone_and_is_back_is_tried_again(bench: StoreBench, when: str) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    if when == "while it was read":
        bench.writer.mark_gone([dataset_id])
    failed = NotSent(claim.transfer_id, dataset_id, PermissionRefused("no"), TransferState.FAILED, None, True)
    bench.writer.record_not_sent([failed])
    if when == "later":
        bench.writer.mark_gone([dataset_id])
    assert bench.reader.problems() == []
    bench.settle(bench.item("d"))
    assert bench.state(dataset_id) is TransferState.WAITING, "nothing fails without a problem that says so"


def test_failure_waits_for_its_time(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    due_ns = bench.clock.now_ns() + 60 * SECOND_NS
    bench.fail(bench.claim()[0], due_ns=due_ns)
    assert bench.writer.next_due_ns() == due_ns
    assert bench.writer.release_due(due_ns - 1, HOUR_NS) == 0
    assert bench.writer.release_due(due_ns, HOUR_NS) == 1
    assert bench.state(dataset_id) is TransferState.WAITING
    assert bench.writer.next_due_ns() is None


def test_failure_that_needs_a_person_waits_for_retry(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.fail(bench.claim()[0], PermissionRefused("no right"))
    assert bench.reader.problems()[0].retry_class == RetryClass.ON_USER
    assert bench.writer.release_due(2**62, HOUR_NS) == 0
    assert bench.writer.retry() == 1
    assert bench.state(dataset_id) is TransferState.WAITING
    assert bench.reader.problems() == []


def test_retry_of_one_dataset_or_source_leaves_the_others(bench: StoreBench) -> None:
    other = bench.writer.add_source("s-2", "other", "folder", {}, [(1, "")])
    first, second = bench.settle(bench.item("a"), bench.item("b"))
    (third,) = bench.settle(bench.item("c"), source=other)
    for route in bench.writer.routes():
        for claim in bench.claim(route.id):
            bench.fail(claim)
    assert bench.writer.retry([first]) == 1
    assert [bench.state(d) for d in (first, second, third)] == [
        TransferState.WAITING, TransferState.FAILED, TransferState.FAILED,
    ]  # fmt: skip
    assert bench.writer.retry(source_id=other.id) == 1
    assert [bench.state(d) for d in (second, third)] == [TransferState.FAILED, TransferState.WAITING]


def test_ignored_dataset_stays_ignored_until_it_is_named_in_a_retry(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.ignore([dataset_id])
    bench.fail(claim)
    assert bench.dataset(dataset_id).state is TransferState.IGNORED
    bench.settle(bench.item("d", 2))
    assert bench.state(dataset_id) is TransferState.IGNORED
    assert bench.reader.problems() == []
    bench.writer.retry([dataset_id])
    assert bench.dataset(dataset_id).state is TransferState.WAITING


def test_sent_after_it_was_ignored_keeps_the_receipt_and_stays_ignored(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    (claim,) = bench.claim()
    bench.writer.ignore([dataset_id])
    bench.send(claim)
    assert bench.state(dataset_id) is TransferState.IGNORED
    assert len(bench.reader.receipts(dataset_id)) == 1
    bench.writer.retry([dataset_id])
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_ignoring_keeps_what_is_archived(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d"))
    bench.writer.ignore([dataset_id])
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    assert bench.dataset(dataset_id).state is TransferState.IGNORED


def test_claims_of_a_killed_program_come_back_first(bench: StoreBench) -> None:
    bench.settle(*(bench.item(f"d{n}", newest_change_ns=n) for n in range(5)))
    interrupted = bench.claim(limit=1, newest=False)
    assert bench.writer.recover_claims() == 1
    assert [claim.identifier for claim in bench.claim(limit=2)] == [interrupted[0].identifier, "d4"]


def test_released_claim_waits_or_is_held(bench: StoreBench) -> None:
    first, second = bench.settle(bench.item("a"), bench.item("b"))
    claims = bench.claim()
    bench.find(bench.item("b", 2))
    bench.writer.release_claims([claim.transfer_id for claim in claims])
    assert bench.state(first) is TransferState.WAITING
    assert bench.state(second) is TransferState.HELD


def test_worst_transfer_is_what_the_dataset_shows(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    (dataset_id,) = bench.settle(bench.item("d"))
    assert bench.dataset(dataset_id).state is TransferState.WAITING
    bench.send(*bench.claim(1))
    assert bench.dataset(dataset_id).state is TransferState.WAITING
    (claim,) = bench.claim(2)
    assert bench.dataset(dataset_id).state is TransferState.SENDING
    bench.fail(claim)
    assert bench.dataset(dataset_id).state is TransferState.FAILED
    bench.writer.retry()
    bench.send(*bench.claim(2))
    assert bench.dataset(dataset_id).state is TransferState.ARCHIVED
    assert len(bench.reader.receipts(dataset_id)) == 2


def test_dataset_without_a_route_counts_as_waiting(bench: StoreBench) -> None:
    source = bench.writer.add_source("s-2", "nowhere", "folder", {}, [])
    (dataset_id,) = bench.settle(bench.item("d"), source=source)
    assert bench.dataset(dataset_id).state is TransferState.WAITING
    assert bench.reader.counts().not_archived == 1


def test_size_of_a_row_in_a_database_is_what_was_sent_until_it_changes(bench: StoreBench) -> None:
    def unmeasured(fingerprint: int) -> Found:
        return dataclasses.replace(bench.item("run", fingerprint), size_bytes=0, file_count=0)

    (dataset_id,) = bench.settle(unmeasured(1))
    bench.send(*bench.claim())
    sent_bytes = sum(entry.size_bytes for entry in entries())
    assert (bench.dataset(dataset_id).size_bytes, bench.dataset(dataset_id).file_count) == (sent_bytes, len(entries()))
    bench.find(unmeasured(1))
    assert bench.dataset(dataset_id).size_bytes == sent_bytes
    bench.find(unmeasured(2))
    assert bench.dataset(dataset_id).size_bytes == 0


def test_size_of_a_folder_is_what_lies_there_whatever_was_sent(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("run", 1, size_bytes=12))
    bench.send(*bench.claim())
    assert (bench.dataset(dataset_id).size_bytes, bench.dataset(dataset_id).file_count) == (12, 2)
