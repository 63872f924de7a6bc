"""Commands change the store, or are refused with a sentence and change nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain import commands
from etiket_gui.domain.commands import (
    AddDestination,
    AddSource,
    Command,
    EditDestination,
    EditSource,
    HoldSync,
    IgnoreDatasets,
    PauseSync,
    RecordVerification,
    RemoveDestination,
    RemoveSource,
    Reply,
    ResumeSync,
    RetryTransfers,
    command_from_json,
)
from etiket_gui.domain.content import FileEntry, Found
from etiket_gui.domain.errors import DestinationRefused, StoreProblem
from etiket_gui.domain.states import EntryKind, Realm, TransferState
from etiket_gui.engine.steering import Steering
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from etiket_gui.store.reader import StoreReader
from etiket_gui.store.rows import NotSent, Sent
from etiket_gui.store.writer import StoreWriter

NOW_NS = 1_800_000_000 * 1_000_000_000
HOUR_NS = 3600 * 1_000_000_000
DIGEST = "a" * 64


@dataclass
class Desk:
    """A store with its steering, and a clock that stands still."""

    home: Home
    writer: StoreWriter
    reader: StoreReader
    steering: Steering

    def do(self, command: Command) -> Reply:
        """Carry out a command that crossed a process boundary; it must succeed."""
        reply = self.steering.apply(command_from_json(json.loads(json.dumps(command.to_json()))))
        assert reply.is_ok, reply.sentence
        return reply

    def refusal(self, command: Command) -> str:
        """The sentence with which a command is refused; nothing may change."""
        before = self.everything()
        reply = self.steering.apply(command)
        assert not reply.is_ok
        assert reply.error is not None
        assert reply.error["kind"] == "UsageError"
        assert self.everything() == before
        return reply.sentence

    def everything(self) -> list[object]:
        """All that is configured and steered, as rows."""
        reader = self.reader
        return [*reader.sources(), *reader.destinations(), *reader.routes(), reader.steering()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = Home(tmp_path / "home")
    writer = open_store(home).writer
    reader = StoreReader(home.store)
    yield Desk(home, writer, reader, Steering(writer, reader, home, lambda: NOW_NS))
    reader.close()
    writer.close()


def place(name: str) -> str:
    return os.path.abspath(f"/{name}")


@pytest.fixture
def configured(desk: Desk) -> Desk:
    desk.do(AddDestination("arch", "archive", {"path": place("archive")}))
    desk.do(AddSource("lab", "folder", {"root_directory": place("data"), "level": 2}, (("arch", "team"),)))
    return desk


def find(desk: Desk, count: int = 1) -> list[int]:
    source = desk.reader.sources()[0]
    found = [Found(f"d{number}", f"d{number}", number + 1, newest_change_ns=NOW_NS) for number in range(count)]
    ids = [outcome.dataset_id for outcome in desk.writer.record_found(source, Realm.SOURCE, found)]
    desk.writer.mark_settled([(dataset_id, number + 1) for number, dataset_id in enumerate(ids)])
    return ids


def send(desk: Desk, dataset_id: int) -> None:
    transfer = desk.reader.transfers(dataset_id)[0]
    row = desk.reader.dataset(dataset_id)
    assert row is not None
    desk.writer.claim(transfer.route_id, limit=100, max_bytes=10**9, large=False, newest_first=True)
    entry = FileEntry("f", EntryKind.FILE, 1, NOW_NS, sha256=DIGEST)
    description: dict[str, Any] = {"name": row.name, "identifier": row.identifier}
    desk.writer.record_sent(
        [Sent(transfer.id, dataset_id, row.fingerprint, "ws/t", "1.0.0", DIGEST, "re_read", NOW_NS, True, False, 1,
              description, (entry,))]
    )  # fmt: skip


def test_a_source_goes_where_it_was_told_and_is_mirrored(configured: Desk) -> None:
    source = configured.reader.sources()[0]
    assert (source.name, source.backend, source.config["level"]) == ("lab", "folder", 2)
    assert [(route.source_id, route.scope) for route in configured.reader.routes()] == [(source.id, "team")]
    mirror = json.loads(configured.home.configuration.read_text())
    assert [item["name"] for item in mirror["sources"]] == ["lab"]


def test_a_source_gets_its_own_uuid_unless_it_continues_one(configured: Desk) -> None:
    config = {"root_directory": place("other")}
    continued = "12345678-1234-4234-8234-123456789abc"
    reply = configured.do(AddSource("two", "folder", config, (("arch", ""),), continued))
    assert reply.value["uuid"] == continued
    assert configured.reader.sources()[0].uuid != continued
    sentence = configured.refusal(
        AddSource("three", "folder", {"root_directory": place("third")}, (("arch", ""),), continued)
    )
    assert "here already, with the name two" in sentence


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (AddSource("LAB", "folder", {"root_directory": place("x")}, (("arch", ""),)), "already a source"),
        (AddSource("", "folder", {"root_directory": place("x")}, (("arch", ""),)), "is empty"),
        (AddSource("x", "folder", {"root_directory": place("x")}), "has no destination"),
        (AddSource("x", "folder", {"root_directory": place("x")}, (("nowhere", ""),)), "There are: arch"),
        (AddSource("x", "folder", {"root_directory": place("x")}, (("arch", ""), ("arch", "b"))), "twice"),
        (AddSource("x", "folder", {"root_directory": place("data/sub")}, (("arch", ""),)), "inside the source lab"),
        (AddSource("x", "folder", {"root_directory": place("archive/x")}, (("arch", ""),)), "archive itself"),
        (AddDestination("ARCH", "archive", {"path": place("x")}), "already a destination"),
        (AddDestination("a:b", "archive", {"path": place("x")}), "has one of the characters"),
        (AddDestination("x", "archive", {"path": place("data/x")}), "nothing is ever written into a source"),
        (AddDestination("x", "archive", {"path": place("archive")}), "already the destination arch"),
        (AddDestination("x", "etiket", {"path": place("archive/a")}), "inside each other"),
        (EditSource("none", new_name="x"), "There are: lab"),
        (EditSource("lab", new_name=" "), "is empty"),
        (EditSource("lab", routes=()), "no destination left"),
        (EditSource("lab", config={"root_directory": place("archive")}), "archive itself"),
        (EditDestination("arch", config={"path": place("data")}), "nothing is ever written into a source"),
        (RemoveSource("none"), "There is no source"),
        (RemoveDestination("none"), "There is no destination"),
        (RemoveDestination("arch"), "only destination of lab"),
        (PauseSync(NOW_NS), "end before it begins"),
        (HoldSync(NOW_NS - 1), "end before it begins"),
        (IgnoreDatasets((99,)), "no dataset with the number 99"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(configured: Desk, command: Command, words: str) -> None:
    assert words in configured.refusal(command)


def test_a_destination_that_is_the_same_is_not_added_twice(desk: Desk) -> None:
    desk.do(AddDestination("one", "etiket", {"url": "https://etiket.example"}))
    assert "with the name one" in desk.refusal(AddDestination("two", "etiket", {"url": "https://etiket.example"}))


def test_a_source_is_renamed_moved_and_switched_off_without_losing_its_uuid(configured: Desk) -> None:
    uuid = configured.reader.sources()[0].uuid
    configured.do(EditSource("lab", new_name="Lab", config={"root_directory": place("data/deeper")}, is_enabled=False))
    row = configured.reader.sources()[0]
    assert (row.uuid, row.name, row.config, row.is_enabled) == (
        uuid, "Lab", {"root_directory": place("data/deeper")}, False,
    )  # fmt: skip


def test_a_destination_is_renamed_and_its_sources_still_go_there(configured: Desk) -> None:
    configured.do(EditDestination("arch", new_name="archive 2"))
    assert configured.reader.destinations()[0].name == "archive 2"
    assert len(configured.reader.routes()) == 1


def test_a_destination_is_removed_once_every_source_has_another(configured: Desk) -> None:
    configured.do(AddDestination("second", "archive", {"path": place("second")}))
    configured.do(EditSource("lab", routes=(("arch", "team"), ("second", ""))))
    configured.do(RemoveDestination("arch"))
    assert [row.name for row in configured.reader.destinations()] == ["second"]
    configured.do(RemoveSource("lab"))
    assert configured.reader.sources() == []


def test_a_pause_and_a_hold_are_kept_apart_and_end_together(desk: Desk) -> None:
    desk.do(PauseSync())
    reply = desk.do(HoldSync(NOW_NS + HOUR_NS))
    assert "Nothing is touched until" in reply.sentence
    assert (desk.reader.steering().paused_until_ns, desk.reader.steering().held_until_ns) == (-1, NOW_NS + HOUR_NS)
    assert "the work goes on" in desk.do(ResumeSync()).sentence
    assert (desk.reader.steering().paused_until_ns, desk.reader.steering().held_until_ns) == (0, 0)
    assert "Nothing was paused" in desk.do(ResumeSync()).sentence


def test_retrying_tries_again_what_failed_and_only_that(configured: Desk) -> None:
    ids = find(configured, 3)
    transfer = configured.reader.transfers(ids[0])[0]
    configured.writer.claim(transfer.route_id, limit=10, max_bytes=10**9, large=False, newest_first=True)
    error = DestinationRefused("no right to write")
    configured.writer.record_not_sent(
        [NotSent(configured.reader.transfers(i)[0].id, i, error, TransferState.FAILED, None) for i in ids[:2]]
    )
    assert configured.do(RetryTransfers((ids[0],))).value["count"] == 1
    assert configured.reader.transfers(ids[1])[0].state is TransferState.FAILED
    assert configured.do(RetryTransfers()).value["count"] == 1
    assert "Nothing had failed" in configured.do(RetryTransfers()).sentence


def test_retrying_a_source_lets_one_go_on_that_waits_for_an_answer(configured: Desk) -> None:
    source = configured.reader.sources()[0]
    configured.writer.hold_source(source.id, "much changed at once")
    configured.do(RetryTransfers(source_id=source.id))
    assert configured.reader.sources()[0].state.value != "asking"


def test_ignoring_leaves_out_what_waits_and_keeps_what_is_archived(configured: Desk) -> None:
    ids = find(configured, 2)
    send(configured, ids[0])
    reply = configured.do(IgnoreDatasets(tuple(ids)))
    assert reply.value == {"count": 2, "kept_count": 1}
    assert "stays archived" in reply.sentence
    assert configured.reader.receipts(ids[0])
    assert configured.reader.counts().ignored == 2


def test_a_verification_is_written_down_and_a_difference_takes_archived_away(configured: Desk) -> None:
    ids = find(configured, 2)
    for dataset_id in ids:
        send(configured, dataset_id)
    good, bad = (configured.reader.transfers(dataset_id)[0].id for dataset_id in ids)
    configured.do(
        RecordVerification(((good, NOW_NS + HOUR_NS, True, ()), (bad, NOW_NS + HOUR_NS, False, ("f: differs",))))
    )
    assert configured.reader.transfers(ids[0])[0].proven_at_ns == NOW_NS + HOUR_NS
    assert configured.reader.transfers(ids[1])[0].state is not TransferState.ARCHIVED


@pytest.mark.parametrize("command", [commands.ScanNow(), commands.StopEngine(), commands.ShowWindow()])
def test_what_only_a_running_engine_can_do_says_so(desk: Desk, command: Command) -> None:
    assert "needs a running engine" in desk.refusal(command)


def test_a_store_that_cannot_be_written_undoes_the_whole_transaction_instead_of_saying_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.locate(tmp_path / "home of a full disk")
    writer = open_store(home).writer
    reader = StoreReader(home.store)
    try:

        def refuse(*arguments: object, **options: object) -> None:
            raise StoreProblem("The disk is full.")

        monkeypatch.setattr(writer, "set_steering", refuse)
        with pytest.raises(StoreProblem, match="full"):
            Steering(writer, reader, home).apply(PauseSync())
    finally:
        reader.close()
        writer.close()
