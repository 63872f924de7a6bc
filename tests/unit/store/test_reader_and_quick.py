"""Looks into the store: by name, by state, by words; status and problems; what a backend is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.errors import StoreProblem, UsageError
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind, TransferState
from etiket_gui.store import quick
from tests.support.store_bench import StoreBench, entries


def test_dataset_is_named_by_uuid_prefix_identifier_remote_or_name(bench: StoreBench) -> None:
    bench.archive(bench.item("2024/a", 1), bench.item("2024/b", 2))
    row = bench.dataset(1)
    for query in (row.uuid, row.uuid.upper(), row.uuid[:6], row.uuid[:13], row.identifier, "a", "a-remote"):
        assert bench.reader.resolve_dataset(query).id == 1, query
    assert bench.reader.find_dataset(row.uuid[:5]) is None
    with pytest.raises(UsageError, match="No dataset is known as 'nothing'"):
        bench.reader.resolve_dataset("nothing")


def test_name_of_two_datasets_is_answered_with_both(bench: StoreBench) -> None:
    bench.settle(bench.item("one/same"), bench.item("two/same"))
    with pytest.raises(UsageError, match=r"means several datasets: same .*, same"):
        bench.reader.find_dataset("same")


def test_datasets_are_listed_newest_first_by_source_state_and_words(bench: StoreBench) -> None:
    other = bench.writer.add_source("s-2", "other", "folder", {}, [(1, "")])
    bench.settle(*(bench.item(f"d{n}", newest_change_ns=n) for n in range(4)))
    bench.settle(bench.item("e", newest_change_ns=99), source=other)
    bench.send(bench.claim(limit=1)[0])

    def listed(**how: object) -> list[str]:
        return [row.identifier for row in bench.reader.datasets(**how)]  # type: ignore[arg-type]

    assert listed() == ["e", "d3", "d2", "d1", "d0"]
    assert listed(source="fridge", limit=2, offset=1) == ["d2", "d1"]
    assert listed(source="nowhere") == []
    assert listed(state=TransferState.ARCHIVED) == ["d3"]
    assert listed(state=TransferState.WAITING, source="fridge") == ["d2", "d1", "d0"]
    assert listed(search="D2") == ["d2"]


def test_search_finds_every_word_anywhere_in_the_description(bench: StoreBench) -> None:
    bench.settle(bench.item("a", 1), bench.item("b", 2))
    first, second = bench.claim()
    description = {"identifier": "a", "name": "Rabi µ 100%", "attributes": {"sample": "SQ_22"}, "keywords": ["T1"]}
    bench.writer.record_sent([bench.sent(first, description=description), bench.sent(second)])
    for words in ("rabi sq_22", "t1", "sample", "µ", "100%"):
        assert [row.id for row in bench.reader.datasets(search=words)] == [first.dataset_id], words
    assert bench.reader.datasets(search="rabi t2") == []
    assert bench.reader.datasets(search="sqx22") == []


def test_status_of_an_empty_store(bench: StoreBench) -> None:
    status = quick.status(bench.path)
    assert (status["total"], status["not_archived"], status["problems"]) == (0, 0, 0)
    assert status["oldest_unsafe"] is None
    assert status["sources"][0]["last_scan_ns"] is None


def test_status_adds_up(two_way_bench: StoreBench) -> None:
    bench = two_way_bench
    ids = bench.settle(*(bench.item(f"d{n}", n, newest_change_ns=n + 5) for n in range(6)))
    bench.send(*bench.claim(1))
    bench.send(*bench.claim(2, limit=2))
    bench.fail(bench.claim(2, limit=1)[0])
    bench.writer.ignore([ids[0]])
    bench.writer.mark_gone([ids[1]])
    bench.writer.set_steering(paused_until_ns=-1)
    status = quick.status(bench.path)
    assert json.loads(json.dumps(status)) == status
    assert status["counts"] == {
        "failed": 1, "held": 0, "waiting": 1, "sending": 0, "archived": 2, "ignored": 1, "gone": 1,
    }  # fmt: skip
    assert (status["total"], status["not_archived"], status["problems"]) == (5, 2, 1)
    assert status["sources"][0]["counts"] == status["counts"]
    assert [row["not_archived"] for row in status["destinations"]] == [0, 2]
    assert (status["paused_until_ns"], status["held_until_ns"]) == (-1, 0)
    oldest = status["oldest_unsafe"]
    assert (oldest["identifier"], oldest["since_ns"], oldest["destination"]) == ("d2", 7, "archive 2")


def test_problems_name_what_they_are_about(bench: StoreBench) -> None:
    bench.settle(bench.item("2024/d"))
    bench.fail(bench.claim()[0], due_ns=77)
    (problem,) = quick.problems(bench.path)
    assert (problem["source"], problem["dataset"], problem["identifier"], problem["due_ns"]) == (
        "fridge", "d", "2024/d", 77,
    )  # fmt: skip
    assert problem["title"] == "In use by another program"
    assert "held by another program" in problem["reason"]


def test_store_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreProblem, match="cannot be opened"):
        quick.status(tmp_path / "none.sqlite")


def test_backend_is_told_fingerprints_and_manifests(bench: StoreBench) -> None:
    odd = FileEntry(
        name=to_portable("caf\udce9 µ.dat"), kind=EntryKind.FILE, size_bytes=0, mtime_ns=-1, inode=2**64 - 3,
        is_executable=True, sha256="00" * 32,
    )  # fmt: skip
    link = FileEntry("l", EntryKind.LINK, 0, 5, link_target="../x")
    ids = bench.settle(bench.item("a", 11), bench.item("b", -12), bench.item("c", 13))
    first = next(claim for claim in bench.claim() if claim.identifier == "a")
    bench.writer.record_sent([bench.sent(first, files=(*entries(), odd, link))])
    bench.writer.mark_gone([ids[2]])
    with quick.KnownDatasetsReader(bench.path, 1) as known:
        assert known.fingerprints() == {"a": 11, "b": -12}
        assert known.manifest("a") == tuple(sorted((*entries(), odd, link), key=lambda entry: entry.name))
        assert known.manifest("a") == tuple(bench.reader.files(first.dataset_id))
        assert known.manifest("b") == known.manifest("zzz") == ()
    with quick.KnownDatasetsReader(bench.path, 2) as known:
        assert known.fingerprints() == {}


@pytest.mark.parametrize("text", ["not a time", "2024-13-01", "", None, "0001-01-01T00:00:00", 5])
def test_collected_that_is_no_time_is_none_at_all_or_a_number(bench: StoreBench, text: object) -> None:
    (dataset_id,) = bench.settle(bench.item("d"))
    description = {"name": "d", "identifier": "d", "collected": text}
    bench.writer.record_sent([bench.sent(bench.claim()[0], description=description)])
    assert bench.state(dataset_id) is TransferState.ARCHIVED
