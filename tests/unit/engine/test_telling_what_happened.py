"""The list of what happened, as the engine writes it: complete, with who asked, and short however much there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.domain.commands import BY_COMMAND_LINE, BY_WINDOW, HoldSync, NoteActivity, PauseSync, ResumeSync
from etiket_gui.domain.content import Found
from etiket_gui.domain.states import RunState
from etiket_gui.engine.steering import Steering
from etiket_gui.store.reader import StoreReader
from tests.faults.test_engine_time import Played
from tests.support.clock import SECOND_NS


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def _told(played: Played) -> list[str]:
    with closing(StoreReader(played.home.store)) as reader:
        return [row.sentence for row in reversed(reader.activity(limit=10_000))]


def _found(played: Played, name: str, *, fingerprint: int = 1, run_state: RunState = RunState.COMPLETE) -> Found:
    return Found(
        name, name, fingerprint, newest_change_ns=played.begun_ns - 3600 * SECOND_NS,
        looked_at_ns=played.clock.now_ns(), size_bytes=1000, file_count=1, place=f"1:{name}", run_state=run_state,
    )  # fmt: skip


def test_many_datasets_are_few_sentences_and_none_is_left_out(played: Played) -> None:
    played.pool.look = lambda: [_found(played, f"run {number}") for number in range(400)]
    played.pass_time(900.0)
    told = _told(played)
    counts = [
        int(number) for sentence in told for number in re.findall(r"^Archived (\d+) datasets of fridge", sentence)
    ]
    assert sum(counts) + sum(sentence.startswith("Archived run ") for sentence in told) == 400
    assert any(sentence == "Looked through fridge (400 datasets): 400 new." for sentence in told)
    assert len(told) <= 15


def test_a_measurement_is_told_from_begin_to_end(played: Played) -> None:
    played.pool.look = lambda: [_found(played, "T1", fingerprint=played.clock.now_ns(), run_state=RunState.LIVE)]
    played.pass_time(200.0)
    end = _found(played, "T1", fingerprint=7)
    played.pool.look = lambda: [end]
    played.pass_time(400.0)
    told = "\n".join(_told(played))
    assert "The measurement T1 began in fridge." in told
    assert "The measurement T1 in fridge is complete after 3 min." in told
    assert "Archived T1 of fridge to archive (1 file, 1.0 kB)." in told


def test_pause_hold_and_resume_are_told_with_where_they_were_asked_for(played: Played) -> None:
    with closing(StoreReader(played.home.store)) as reader:
        steering = Steering(played.writer, reader, played.home, played.clock.now_ns)
        steering.apply(PauseSync(-1), BY_WINDOW)
        steering.apply(PauseSync(-1), BY_WINDOW)
        steering.apply(HoldSync(-1), BY_COMMAND_LINE)
        steering.apply(ResumeSync(), BY_WINDOW)
        steering.apply(ResumeSync(), BY_WINDOW)
    assert _told(played) == [
        "Sending is paused until it is resumed (in the window). Looking goes on.",
        "Nothing is touched until it is resumed (on the command line).",
        "The pause and the hold are over; the work goes on (in the window).",
    ]


def test_a_pause_that_ends_by_itself_is_told(played: Played) -> None:
    played.pass_time(10.0)
    until_ns = played.clock.now_ns() + 60 * SECOND_NS
    played.writer.set_steering(until_ns, 0)
    played.coordinator.load_steering()
    played.pass_time(120.0)
    assert "The time of the pause or hold is over; the work goes on." in _told(played)


def test_what_others_did_is_put_into_the_list(played: Played) -> None:
    with closing(StoreReader(played.home.store)) as reader:
        steering = Steering(played.writer, reader, played.home, played.clock.now_ns)
        assert steering.apply(NoteActivity("Restored run 7 from NAS to /tmp/x"), BY_COMMAND_LINE).is_ok
    assert _told(played) == ["Restored run 7 from NAS to /tmp/x (on the command line)."]
