"""The coordinator's turns: what comes in together is taken together; links to browse wait for what is on its way."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etiket_gui.destinations.archive.staging import _with_digest
from etiket_gui.domain.content import FileEntry
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.tasks import TaskKind
from tests.faults.test_engine_time import Played


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def test_messages_of_a_moment_share_a_turn(played: Played) -> None:
    coordinator = played.coordinator
    done: list[int] = []
    turns = []
    coordinator.post(lambda: done.append(0))
    coordinator.turn(5.0)
    for number in range(1, 4):
        coordinator.post(lambda number=number: done.append(number))  # type: ignore[misc]
    coordinator.turn(5.0)
    turns.append(list(done))
    assert turns == [[0, 1, 2, 3]]


def test_first_message_after_a_pause_is_taken_at_once(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first turn probes the destinations, which takes its time.
    played.coordinator.turn(0.0)
    slept: list[float] = []
    monkeypatch.setattr("etiket_gui.engine.inbox.time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    played.coordinator._inbox._turned_at_s = time.monotonic() - 1.0
    played.coordinator.post(lambda: None)
    played.coordinator.turn(5.0)
    assert slept == []
    played.coordinator.post(lambda: None)
    played.coordinator.turn(5.0)
    assert len(slept) == 1
    assert 0 < slept[0] <= 0.015


def test_links_to_browse_wait_for_a_batch_to_the_same_destination(played: Played) -> None:
    transfers = played.coordinator.transfers
    here, elsewhere = object(), object()

    def running(*batches: tuple[object, bool]) -> None:
        tasks: list[Any] = [
            SimpleNamespace(context=SimpleNamespace(route=SimpleNamespace(destination=place), is_large=is_large))
            for place, is_large in batches
        ]
        played.pool.running = lambda kind: tasks if kind is TaskKind.TRANSFER else []  # type: ignore[method-assign]

    running((elsewhere, False), (here, True))
    assert not transfers.is_sending_small_to(here)  # type: ignore[arg-type]
    running((elsewhere, False), (here, False))
    assert transfers.is_sending_small_to(here)  # type: ignore[arg-type]
    running()


def test_digest_of_a_file_changes_nothing_else_of_its_entry() -> None:
    entry = FileEntry("a/b", EntryKind.FILE, 1, 2, 3, 4, True, "0" * 64, "target")
    assert all(getattr(entry, field.name) for field in dataclasses.fields(entry)), "a field of its own for each"
    assert _with_digest(entry, "1" * 64) == dataclasses.replace(entry, sha256="1" * 64)
