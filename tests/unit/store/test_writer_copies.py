"""Stored copies: verified, proven, damaged, derived; checkpoints; what the coordinator asks."""

from __future__ import annotations

from etiket_gui.domain.states import TransferState
from tests.support.clock import SECOND_NS
from tests.support.store_bench import MIB, StoreBench

HOUR_NS = 3600 * SECOND_NS


def _due(bench: StoreBench, limit: int = 10) -> list[int]:
    now_ns = bench.clock.now_ns()
    copies = bench.writer.copies_of_destination_to_prove(
        1, verified_before_ns=now_ns - HOUR_NS, proven_before_ns=now_ns - 30 * 24 * HOUR_NS, limit=limit
    )
    return [copy.transfer_id for copy in copies]


def test_copy_is_proven_an_hour_after_it_was_sent_and_then_every_month(bench: StoreBench) -> None:
    bench.archive(bench.item("a"))
    assert _due(bench) == []
    bench.clock.advance(3601)
    bench.archive(bench.item("b"))
    assert _due(bench) == [1]
    bench.writer.record_verification(1, bench.clock.now_ns(), True)
    assert _due(bench) == []
    bench.clock.advance(30 * 86_400 + 1)
    assert _due(bench) == [2, 1]
    assert _due(bench, limit=1) == [2]


def test_proof_needs_a_proving_read(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.clock.advance(10)
    bench.writer.record_verification(1, bench.clock.now_ns(), False)
    transfer = bench.transfer(dataset_id)
    assert (transfer.verified_at_ns, transfer.proven_at_ns) == (bench.clock.now_ns(), None)


def test_new_version_is_not_proven_by_the_old_ones_proof(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.writer.record_verification(1, bench.clock.now_ns(), True)
    bench.settle(bench.item("a", 2))
    bench.send(*bench.claim(), version="1.1.0")
    assert bench.transfer(dataset_id).proven_at_ns is None


def test_damaged_copy_is_no_longer_archived_and_is_sent_again(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.writer.record_verification(1, bench.clock.now_ns(), False, ["x.dat: differs", "y: missing", "z", "w"])
    assert bench.dataset(dataset_id).state is TransferState.WAITING
    (problem,) = bench.reader.problems()
    assert problem.key == "damaged:1"
    assert "x.dat: differs; y: missing; z; and 1 more" in problem.reason
    bench.send(*bench.claim())
    assert bench.dataset(dataset_id).state is TransferState.ARCHIVED
    assert bench.reader.problems() == []


def test_copy_that_is_good_after_all_is_archived_again(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.writer.record_verification(1, bench.clock.now_ns(), False, ["x.dat: cannot be read"])
    bench.writer.record_verification(1, bench.clock.now_ns(), True)
    assert bench.dataset(dataset_id).state is TransferState.ARCHIVED
    assert bench.reader.problems() == []
    bench.writer.record_verification(999, bench.clock.now_ns(), True)


def test_damage_of_a_dataset_that_is_gone_stays_a_problem(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.writer.record_verification(1, bench.clock.now_ns(), False, ["x.dat: differs"])
    bench.writer.mark_gone([dataset_id])
    assert [problem.key for problem in bench.reader.problems()] == ["damaged:1"]
    assert bench.claim() == []


def test_views_are_made_once_for_each_version(bench: StoreBench) -> None:
    bench.archive(bench.item("a"), bench.item("b"))
    assert sorted(copy.transfer_id for copy in bench.writer.copies_to_derive(1, 10)) == [1, 2]
    assert len(bench.writer.copies_to_derive(1, 1)) == 1
    bench.writer.mark_derived([(1, "1.0.0"), (2, "1.0.0")])
    assert bench.writer.copies_to_derive(1, 10) == []
    bench.settle(bench.item("a", 2))
    bench.send(*bench.claim(), version="1.1.0")
    (copy,) = bench.writer.copies_to_derive(1, 10)
    assert (copy.transfer_id, copy.version, copy.remote, copy.scope) == (1, "1.1.0", "a-remote", "")


def test_checkpoints_are_kept_until_they_are_cleared(bench: StoreBench) -> None:
    writer = bench.writer
    writer.save_checkpoint("u", "a.dat", {"offset": 5})
    writer.save_checkpoint("u", "a.dat", {"offset": 9})
    with writer.batch():
        writer.save_checkpoint("u", "b.dat", {"offset": 1})
    assert writer.load_checkpoint("u", "a.dat") == {"offset": 9}
    writer.clear_checkpoints("u")
    assert writer.load_checkpoint("u", "b.dat") is None


def test_oldest_waiting_looks_at_small_and_large_ones_until_they_are_safe(bench: StoreBench) -> None:
    assert bench.writer.oldest_waiting_ns() is None
    bench.settle(bench.item("a", newest_change_ns=9), bench.item("b", newest_change_ns=4, size_bytes=65 * MIB))
    assert bench.writer.oldest_waiting_ns() == 4
    claims = bench.claim(large=True)
    assert bench.writer.oldest_waiting_ns() == 4
    bench.send(*claims)
    assert bench.writer.oldest_waiting_ns() == 9


def test_counts_and_ids_leave_out_what_is_gone(bench: StoreBench) -> None:
    first, second = bench.settle(bench.item("a"), bench.item("b"))
    bench.writer.mark_gone([second])
    assert bench.writer.dataset_count(1) == 1
    assert bench.writer.dataset_ids(1, ["a", "b", "c"]) == {"a": first}


def test_backup_of_an_open_store_is_complete(bench: StoreBench) -> None:
    bench.archive(bench.item("a"))
    target = bench.path.with_name("copy.sqlite")
    bench.writer.backup(target)
    copy = StoreBench(target)
    assert [row.identifier for row in copy.reader.datasets()] == ["a"]
    copy.close()
    assert sorted(path.name for path in target.parent.iterdir() if path.name.startswith(".")) == []
