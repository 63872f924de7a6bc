"""What happened is told in plain sentences: soon, with names and figures, and in few lines where much happens."""

from __future__ import annotations

import pytest

from etiket_gui.domain.states import RunState
from etiket_gui.engine.diary import LONGEST_S, Diary
from etiket_gui.engine.timers import Timers
from tests.support.scripted_pool import EngineClock

LAB = (1, "fridge")


class Bench:
    """A diary on a played clock; ``told`` has its sentences, ``about`` the dataset of each."""

    def __init__(self) -> None:
        self.clock = EngineClock()
        self.timers = Timers()
        self.told: list[str] = []
        self.about: list[int | None] = []
        self.times_ns: list[int | None] = []
        self.diary = Diary(self._say, self.clock, self.timers)

    def _say(
        self, sentence: str, *, source_id: int | None = None, dataset_id: int | None = None, at_ns: int | None = None
    ) -> None:
        self.told.append(sentence)
        self.about.append(dataset_id)
        self.times_ns.append(at_ns)

    def wait(self, seconds: float) -> None:
        """Let time pass, from one due moment to the next."""
        end_s = self.clock.monotonic_s() + seconds
        while (due_s := self.timers.next_due_s()) is not None and due_s <= end_s:
            self.clock.advance(max(0.0, due_s - self.clock.monotonic_s()))
            self.timers.run_due(self.clock.monotonic_s())
        self.clock.advance(end_s - self.clock.monotonic_s())

    def archive(self, number: int, *, size_bytes: int = 1000, is_new: bool = True, flaw: str = "") -> None:
        """A dataset is archived."""
        self.diary.archived(
            LAB, "NAS", (number, f"run {number}"), 100 + number, file_count=2, size_bytes=size_bytes, is_new=is_new,
            has_failed=False, flaw=flaw,
        )  # fmt: skip

    def fail(self, number: int, reason: str = "it is open in another program") -> None:
        """A dataset could not be archived."""
        self.diary.failed(LAB, "NAS", (number, f"run {number}"), 100 + number, title="File in use", reason=reason)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_archived_dataset_is_told_by_name_within_seconds(bench: Bench) -> None:
    bench.archive(7)
    then_ns = bench.clock.now_ns()
    bench.wait(5)
    assert bench.told == ["Archived run 7 of fridge to NAS (2 files, 1.0 kB)."]
    assert (bench.about, bench.times_ns) == ([7], [then_ns])


def test_two_thousand_datasets_are_one_sentence(bench: Bench) -> None:
    for number in range(2000):
        bench.archive(number, size_bytes=1_700_000)
        bench.wait(0.1)
    bench.wait(10)
    assert bench.told == ["Archived 2000 datasets of fridge to NAS, 3.4 GB, in 3 min."]
    assert bench.about == [None]


def test_a_day_without_a_pause_is_told_every_ten_minutes(bench: Bench) -> None:
    for number in range(24 * 360):
        bench.archive(number)
        bench.wait(10)
        if number % 2:
            bench.archive(number)
            bench.wait(0.5)
    assert len(bench.told) <= 24 * 3600 / 60 * 1.1
    bench.told.clear()
    for number in range(36_000):
        bench.archive(number)
        bench.wait(1)
    assert len(bench.told) == pytest.approx(36_000 / LONGEST_S, abs=2)


def test_a_night_of_short_measurements_is_told_once_a_minute_at_most(bench: Bench) -> None:
    for number in range(600):
        bench.diary.found(*LAB, number, f"run {number}")
        bench.archive(number)
        bench.wait(6)
    assert len(bench.told) <= 2 * 61


def test_what_was_there_already_and_what_lacks_a_part_is_said(bench: Bench) -> None:
    bench.archive(1)
    bench.archive(2, is_new=False)
    bench.archive(3, flaw="no preview could be drawn.")
    bench.wait(5)
    assert bench.told == [
        (
            "Archived 3 datasets of fridge to NAS, 3.0 kB; 1 of them were there already; a part of 1 of them could not "
            "be made: no preview could be drawn."
        )
    ]


def test_failures_are_told_once_and_their_end_too(bench: Bench) -> None:
    for number in range(300):
        bench.fail(number)
    bench.wait(5)
    assert bench.told == [
        "300 datasets of fridge could not be archived at NAS. Of the first, run 0: it is open in another program."
    ]
    for number in range(300):
        bench.fail(number)
    bench.wait(3600)
    assert len(bench.told) == 1
    bench.archive(0)
    bench.wait(5)
    assert bench.told[1:] == ["Archived run 0 of fridge to NAS (2 files, 1.0 kB); it had failed before."]


def test_looks_tell_what_is_new_changed_and_gone(bench: Bench) -> None:
    bench.diary.found(*LAB, 5, "run 5")
    bench.wait(70)
    bench.diary.found(*LAB, 6, "run 6")
    bench.diary.found(*LAB, 7, "run 7")
    bench.diary.looked(*LAB, changed={5}, gone_count=0)
    bench.diary.looked(*LAB, changed={5}, gone_count=2)
    bench.wait(70)
    bench.diary.found(*LAB, 8, "run 8")
    bench.diary.looked_through(*LAB, seen_count=1204, duration_s=12.4, is_worth_telling=False)
    bench.wait(70)
    bench.diary.looked_through(*LAB, seen_count=1204, duration_s=0.1, is_worth_telling=True)
    bench.wait(70)
    assert bench.told == [
        "Found run 5 in fridge.",
        "Seen in fridge: 2 new, 1 changed, 2 gone.",
        "Looked through fridge (1204 datasets in 12 s): 1 new.",
        "Looked through fridge (1204 datasets): nothing new.",
    ]


def test_looks_that_find_nothing_are_not_told(bench: Bench) -> None:
    for _ in range(100):
        bench.diary.looked(*LAB, changed=set(), gone_count=0)
        bench.diary.looked_through(*LAB, seen_count=12, duration_s=0.1, is_worth_telling=False)
        bench.wait(60)
    assert bench.told == []


def test_measurements_are_told_from_begin_to_end(bench: Bench) -> None:
    bench.diary.run_began(LAB, (9, "T1 scan"), is_new=True)
    bench.wait(100)
    bench.diary.run_ended(LAB, (9, "T1 scan"), RunState.COMPLETE, points=500, lasted_s=754.0, early_count=3)
    bench.wait(100)
    bench.diary.run_began(LAB, (10, "T2 scan"), is_new=False)
    bench.wait(100)
    bench.diary.run_ended(LAB, (10, "T2 scan"), RunState.INTERRUPTED, points=0, lasted_s=None, early_count=0)
    bench.wait(100)
    assert bench.told == [
        "The measurement T1 scan began in fridge.",
        (
            "The measurement T1 scan in fridge is complete after 12 min, 500 points; 3 provisional versions had been "
            "stored meanwhile."
        ),
        "T2 scan in fridge is still being measured.",
        "The measurement T2 scan in fridge was interrupted.",
    ]


def test_a_place_in_trouble_is_told_when_it_begins_and_when_it_is_over(bench: Bench) -> None:
    key = ("destination", 1)

    def told(state: str, trouble: str, relief: str = "") -> None:
        bench.diary.place_changed(key, state=state, trouble=trouble, relief=relief)

    told("offline", "NAS: no route to host 1")
    for number in range(20):
        bench.wait(20)
        told("offline", f"NAS: no route to host {number}")
    assert bench.told == ["NAS: no route to host 1"]
    bench.wait(320)
    told("ok", "", "NAS can be reached again")
    assert bench.told[1:] == ["NAS can be reached again, after 12 min."]
    told("ok", "", "")
    assert len(bench.told) == 2


def test_proofs_and_unreadable_places_are_counted(bench: Bench) -> None:
    for number in range(50):
        bench.diary.proven(1, "NAS", is_good=number != 3)
    for number in range(3):
        bench.diary.unreadable(*LAB, f"run {number} in /data cannot be read: permission denied")
    bench.wait(5)
    assert bench.told == [
        "Read 50 copies at NAS again: 1 is not what was put there.",
        "fridge: run 0 in /data cannot be read: permission denied. The same goes for 2 other places.",
    ]


def test_what_is_not_told_yet_is_told_at_the_end(bench: Bench) -> None:
    bench.archive(7)
    bench.diary.note("The program stopped.")
    bench.diary.tell_all()
    assert bench.told == ["Archived run 7 of fridge to NAS (2 files, 1.0 kB).", "The program stopped."]
    bench.wait(100)
    assert len(bench.told) == 2


def test_a_look_that_finds_nothing_does_not_move_what_the_look_before_found(bench: Bench) -> None:
    bench.diary.found(*LAB, 5, "run 5")
    bench.diary.looked_through(*LAB, seen_count=1, duration_s=0.1, is_worth_telling=True)
    then_ns = bench.clock.now_ns()
    bench.wait(2)
    bench.diary.looked_through(*LAB, seen_count=1, duration_s=0.1, is_worth_telling=False)
    bench.wait(10)
    assert (bench.told, bench.times_ns) == (["Looked through fridge (1 dataset): 1 new."], [then_ns])
