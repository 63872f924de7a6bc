"""Finds, settling, renames and disappearances become the right rows."""

from __future__ import annotations

import pytest

from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.identity import dataset_uuid
from etiket_gui.domain.states import Realm, RunState, TransferState
from etiket_gui.store.rows import StoredDatasetFacts
from tests.support.clock import SECOND_NS
from tests.support.store_bench import StoreBench


def test_new_dataset_is_held_until_it_is_quiet(bench: StoreBench) -> None:
    (outcome,) = bench.find(bench.item("2024/d", 5))
    assert (outcome.is_new, outcome.was_gone, outcome.previous_fingerprint) == (True, False, None)
    assert outcome.uuid == dataset_uuid("folder", Realm.SOURCE, "s-1", "2024/d")
    transfer = bench.transfer(outcome.dataset_id)
    assert (transfer.state, transfer.reason) == (TransferState.HELD, "still being written")
    assert bench.writer.mark_settled([(outcome.dataset_id, 5)]) == [outcome.dataset_id]
    assert bench.state(outcome.dataset_id) is TransferState.WAITING


def test_settling_of_what_has_moved_on_is_passed_over(bench: StoreBench) -> None:
    (outcome,) = bench.find(bench.item("d", 2))
    assert bench.writer.mark_settled([(outcome.dataset_id, 1)]) == []
    assert bench.state(outcome.dataset_id) is TransferState.HELD


def test_row_remembers_since_when_it_is_the_same(bench: StoreBench) -> None:
    start_ns = bench.clock.now_ns()
    bench.find(bench.item("d", 1))
    for _ in range(3):
        bench.clock.advance(4)
        (outcome,) = bench.find(bench.item("d", 1))
    assert outcome.previous_looked_at_ns == start_ns
    assert outcome.found.looked_at_ns - outcome.previous_looked_at_ns == 12 * SECOND_NS
    (outcome,) = bench.find(bench.item("d", 2))
    assert outcome.previous_fingerprint == 1
    bench.clock.advance(4)
    (outcome,) = bench.find(bench.item("d", 2))
    assert outcome.previous_looked_at_ns == start_ns + 12 * SECOND_NS


def test_one_outcome_for_an_identifier_that_is_reported_twice(bench: StoreBench) -> None:
    outcomes = bench.find(bench.item("d", 1), bench.item("e", 1), bench.item("d", 2))
    assert [(outcome.found.identifier, outcome.found.fingerprint) for outcome in outcomes] == [("d", 2), ("e", 1)]


def test_content_that_went_back_to_what_was_sent_is_archived_again(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d", 1))
    bench.find(bench.item("d", 2))
    bench.writer.mark_unsettled([(dataset_id, "still being written")])
    assert bench.state(dataset_id) is TransferState.HELD
    bench.settle(bench.item("d", 1))
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_fingerprint_that_moved_without_meaning_sends_nothing(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("d", 1))
    (outcome,) = bench.find(bench.item("d", 2, is_unchanged=True))
    assert outcome.settled_fingerprint == 2
    row = bench.dataset(dataset_id)
    assert (row.fingerprint, row.settled_fingerprint) == (2, 2)
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    assert bench.writer.mark_settled([(dataset_id, 2)]) == []
    assert bench.claim() == []


def test_unchanged_says_nothing_about_what_another_destination_lacks(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    (dataset_id,) = bench.settle(bench.item("d", 1))
    bench.send(*bench.claim(1))
    bench.find(bench.item("d", 2, is_unchanged=True))
    assert [bench.state(dataset_id, place) for place in (0, 1)] == [TransferState.ARCHIVED, TransferState.WAITING]
    assert bench.claim(2)[0].fingerprint == 2


def test_unchanged_relative_to_nothing_known_is_not_believed(bench: StoreBench) -> None:
    bench.settle(bench.item("d", 1))
    (outcome,) = bench.find(bench.item("d", 2, is_unchanged=True))
    assert outcome.settled_fingerprint == 1


def test_failure_of_older_content_is_forgotten_and_of_the_same_stays(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d", 1))
    bench.fail(bench.claim()[0])
    bench.writer.mark_settled([(dataset_id, 1)])
    assert bench.state(dataset_id) is TransferState.FAILED
    bench.settle(bench.item("d", 2))
    assert bench.state(dataset_id) is TransferState.WAITING
    assert bench.reader.problems() == []


def test_gone_is_counted_apart_and_comes_back_as_it_was(bench: StoreBench) -> None:
    sent, unsent = bench.archive(bench.item("a"))[0], bench.settle(bench.item("b"))[0]
    bench.fail(bench.claim()[0])
    bench.writer.mark_gone([sent, unsent])
    counts = bench.reader.counts()
    assert (counts.gone, counts.total, counts.not_archived) == (2, 0, 0)
    assert bench.reader.problems() == []
    assert bench.dataset(sent).state is TransferState.ARCHIVED
    (outcome,) = bench.find(bench.item("a"))
    assert outcome.was_gone
    assert bench.reader.counts().by_state == {TransferState.ARCHIVED: 1}


def test_unsettled_ones_are_listed_for_the_next_start(bench: StoreBench) -> None:
    bench.archive(bench.item("quiet"))
    bench.find(bench.item("new"), bench.item("gone"))
    bench.settle(bench.item("reopened", 1))
    bench.find(bench.item("reopened", 2))
    bench.writer.mark_gone(list(bench.writer.dataset_ids(1, ["gone"]).values()))
    assert sorted(bench.writer.unsettled_identifiers(1)) == ["new", "reopened"]
    assert sorted(row.identifier for row in bench.reader.unsettled(1)) == ["new", "reopened"]


def test_renamed_dataset_keeps_its_uuid_and_is_published_anew(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("old", 1, place="1:7"))
    uuid = bench.dataset(dataset_id).uuid
    assert [row.id for row in bench.writer.find_by_place(1, ["1:7", "1:8", ""])["1:7"]] == [dataset_id]
    row = bench.writer.rename_dataset(dataset_id, "new", "new")
    assert (row.uuid, row.identifier, row.previous_identifiers) == (uuid, "new", ("old",))
    assert row.state is TransferState.WAITING
    claim = bench.claim()[0]
    assert (claim.previous_identifiers, claim.version) == (("old",), "1.0.0")
    bench.send(claim, version="1.0.1")
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_new_folder_at_the_old_path_is_another_dataset(bench: StoreBench) -> None:
    (dataset_id,) = bench.archive(bench.item("a"))
    bench.writer.rename_dataset(dataset_id, "b", "b")
    (outcome,) = bench.find(bench.item("a", 9))
    assert outcome.is_new
    assert bench.dataset(outcome.dataset_id).birth_ordinal == 2
    assert outcome.uuid == dataset_uuid("folder", Realm.SOURCE, "s-1", "a", 2)


def test_rename_while_sending_is_published_anew(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("a"))
    (claim,) = bench.claim()
    bench.writer.rename_dataset(dataset_id, "b", "b")
    bench.send(claim)
    assert bench.state(dataset_id) is TransferState.WAITING
    bench.send(*bench.claim(), version="1.0.1")
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def test_rename_onto_a_gone_dataset_keeps_both(bench: StoreBench) -> None:
    first, second = bench.archive(bench.item("a", 1), bench.item("b", 2))
    bench.writer.mark_gone([second])
    bench.writer.rename_dataset(first, "b", "b")
    assert bench.dataset(first).identifier == "b"
    assert bench.dataset(second).uuid != bench.dataset(first).uuid
    assert len(bench.reader.receipts(second)) == 1


def test_rename_onto_a_find_that_was_never_sent_is_one_dataset(bench: StoreBench) -> None:
    (first,) = bench.archive(bench.item("a", 1))
    bench.settle(bench.item("b", 1))
    bench.writer.rename_dataset(first, "b", "b")
    assert [row.identifier for row in bench.reader.datasets()] == ["b"]
    assert bench.reader.counts().total == 1


def test_rename_onto_another_sent_dataset_is_refused(bench: StoreBench) -> None:
    first, _ = bench.archive(bench.item("a", 1), bench.item("b", 2))
    with pytest.raises(UsageError, match="'b' is another dataset"):
        bench.writer.rename_dataset(first, "b", "b")
    assert bench.dataset(first).identifier == "a"


def test_name_of_the_description_is_not_replaced_by_that_of_the_folder(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.writer.record_sent([bench.sent(bench.claim()[0], description={"name": "Rabi", "identifier": "d"})])
    bench.find(bench.item("d", 2))
    assert bench.dataset(dataset_id).name == "Rabi"


def test_run_state_follows_the_source(bench: StoreBench) -> None:
    (dataset_id,) = bench.settle(bench.item("d", 1, run_state=RunState.LIVE))
    assert bench.dataset(dataset_id).run_state is RunState.LIVE
    bench.find(bench.item("d", 2))
    assert bench.dataset(dataset_id).run_state is RunState.COMPLETE


@pytest.mark.parametrize("time_ns", [0, -1, -(10**18), 2**63, 2**80, 4_323_456_000_000_000_000])
def test_odd_times_and_inodes_are_kept_without_a_crash(bench: StoreBench, time_ns: int) -> None:
    (dataset_id,) = bench.archive(bench.item("d", newest_change_ns=time_ns))
    assert bench.state(dataset_id) is TransferState.ARCHIVED


def _facts(identifier: str, uuid: str, *, ordinal: int = 1, destination_id: int = 1) -> StoredDatasetFacts:
    return StoredDatasetFacts(
        uuid=uuid,
        source_id=1,
        destination_id=destination_id,
        identifier=identifier,
        name="Stored",
        remote=f"{identifier}-remote",
        version="1.2.0",
        digest="aa",
        birth_ordinal=ordinal,
        place="1:5",
        description={"name": "Stored", "identifier": identifier, "attributes": {"a": 1}},
    )


def test_adopted_dataset_keeps_its_identity_and_asks_before_it_sends(bench: StoreBench) -> None:
    assert bench.writer.adopt([_facts("d", "uuid-1")]) == 1
    (row,) = bench.reader.datasets()
    assert (row.uuid, row.name, row.attributes, row.place) == ("uuid-1", "Stored", {"a": 1}, "1:5")
    assert bench.state(row.id) is TransferState.HELD
    assert bench.claim() == []
    (outcome,) = bench.find(bench.item("d", 5))
    assert (outcome.is_new, outcome.dataset_id, outcome.settled_fingerprint) == (False, row.id, None)
    bench.writer.mark_settled([(row.id, 5)])
    claim = bench.claim()[0]
    assert (claim.version, claim.remote, claim.digest) == ("1.2.0", "d-remote", "aa")
    bench.writer.record_sent([bench.sent(claim, version="1.2.0", is_new=False)])
    assert bench.state(row.id) is TransferState.ARCHIVED


def test_adopting_twice_or_from_two_destinations_makes_one_dataset(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    assert bench.writer.adopt([_facts("d", "uuid-1"), _facts("d", "uuid-1", destination_id=2)]) == 1
    assert bench.writer.adopt([_facts("d", "uuid-1")]) == 0
    (row,) = bench.reader.datasets()
    assert [transfer.version for transfer in bench.reader.transfers(row.id)] == ["1.2.0", "1.2.0"]


def test_two_adopted_datasets_of_one_path_are_told_apart(bench: StoreBench) -> None:
    bench.writer.adopt([_facts("d", "uuid-1"), _facts("d", "uuid-2", ordinal=2)])
    rows = {row.uuid: row for row in bench.reader.datasets()}
    assert rows["uuid-2"].identifier == "d"
    assert rows["uuid-1"].is_gone


def test_two_adopted_datasets_of_one_path_are_told_apart_also_when_the_older_comes_first(bench: StoreBench) -> None:
    bench.writer.adopt([_facts("d", "uuid-1")])
    bench.writer.adopt([_facts("d", "uuid-2", ordinal=2)])
    rows = {row.uuid: row for row in bench.reader.datasets()}
    assert (rows["uuid-2"].identifier, rows["uuid-2"].is_gone) == ("d", False)
    assert rows["uuid-1"].is_gone
    counts = bench.reader.counts()
    assert (counts.total, counts.gone) == (1, 1)
    found = bench.writer.rename_dataset(rows["uuid-1"].id, "elsewhere", "elsewhere")
    assert (found.identifier, found.previous_identifiers) == ("elsewhere", ("d",))
