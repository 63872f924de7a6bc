"""How long the engine waits between two looks at everything, on a fake clock with a watcher that is played."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.watching import WatchedFolder
from etiket_gui.osys.sleeping import ClockChange
from tests.faults.test_engine_time import Played
from tests.support.clock import SECOND_NS
from tests.support.scripted_pool import Script, ScriptedPool

SCAN_S = 4.0
HOUR_S = 3600.0


class Watched:
    """A source in a folder that is watched; every look at all of it takes four seconds and is noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.played = Played(folder)
        self.scans_s: list[float] = []
        self.is_sound = True
        self.names = [f"run {number}" for number in range(20)]
        pool = self.played.pool
        pool.traits = dataclasses.replace(pool.traits, poll_interval_s=None, may_rest=True)
        #: Which of the scans were allowed to take their time, and how long one takes that was.
        self.leisurely: list[bool] = []
        self.resting_s = 0.0
        pool.look = self._look
        monkeypatch.setattr(ScriptedPool, "_script", self._script(ScriptedPool._script))
        self.played.coordinator.watching.is_sound = lambda source_id: self.is_sound  # type: ignore[method-assign]

    def _look(self) -> list[Found]:
        looked_ns = self.played.clock.now_ns()
        long_ago_ns = self.played.begun_ns - 3600 * SECOND_NS
        return [
            Found(name, name, 1, newest_change_ns=long_ago_ns, looked_at_ns=looked_ns, size_bytes=1, file_count=1,
                  place=f"1:{name}")
            for name in self.names
        ]  # fmt: skip

    def _script(self, real: Any) -> Any:
        def script(pool: ScriptedPool, kind: TaskKind, body: Any) -> Script:
            is_scan = kind is TaskKind.DISCOVER and not {"identifiers", "paths"} & set(body["request"])
            if is_scan:
                self.scans_s.append(self.played.clock.monotonic())
                self.leisurely.append(body["is_leisurely"])
                if body["is_leisurely"]:
                    rest_s, self.resting_s = self.resting_s, 0.0
                    yield rest_s, {"event": "found", "rows": []}
            for after_s, message in real(pool, kind, body):
                if is_scan and message["event"] == "done":
                    message["result"]["summary"]["duration_s"] = SCAN_S
                yield after_s, message

        return script

    @property
    def source(self) -> Any:
        """The engine's side of the source."""
        [source] = self.played.coordinator.sources.values()
        return source

    def pauses_s(self) -> list[int]:
        """Whole seconds from one look at everything to the next."""
        return [round(later - sooner) for sooner, later in zip(self.scans_s, self.scans_s[1:], strict=False)]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(tmp_path, monkeypatch)
    yield made
    made.played.close()


def test_pauses_grow_while_a_sound_watcher_misses_nothing(watched: Watched) -> None:
    watched.played.pass_time(1.0)
    assert len(watched.scans_s) == 1, "the first look is at once"
    watched.played.pass_time(4 * HOUR_S)
    assert watched.pauses_s()[:4] == [1200, 2400, 3600, 4000]
    busy_share = SCAN_S * len(watched.scans_s) / (4 * HOUR_S)
    assert busy_share < 0.002


def test_pauses_stay_short_while_the_watcher_is_not_sound(watched: Watched) -> None:
    watched.is_sound = False
    watched.played.pass_time(2 * HOUR_S)
    assert set(watched.pauses_s()) == {1200}


def test_longer_pauses_end_at_two_hours(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.engine.test_scan_pauses.SCAN_S", 20.0)
    watched.played.pass_time(10 * HOUR_S)
    assert watched.pauses_s()[:3] == [6000, 7200, 7200]


def test_something_missed_makes_the_pauses_short_again(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    watched.names.append("missed")
    watched.played.pass_time(4 * HOUR_S)
    pauses = watched.pauses_s()
    assert pauses[2:5] == [3600, 1200, 2400]


def test_dataset_found_gone_by_a_look_at_everything_makes_the_pauses_short_again(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    gone = watched.names.pop()
    real = watched.played.pool._script

    def script(kind: TaskKind, body: Any) -> Script:
        for after_s, message in real(kind, body):
            if kind is TaskKind.DISCOVER and message["event"] == "done" and gone:
                message["result"]["summary"]["missing"] = [gone]
            yield after_s, message

    watched.played.pool._script = script  # type: ignore[method-assign]
    watched.played.pass_time(2 * HOUR_S)
    assert watched.pauses_s()[3] == 1200


def test_lost_events_are_looked_for_at_once_however_long_the_pause(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    count = len(watched.scans_s)
    watched.is_sound = False
    watched.played.coordinator._watcher_lost(watched.source.row.id, "a test")
    watched.played.pass_time(1.0)
    assert len(watched.scans_s) == count + 1
    watched.played.pass_time(HOUR_S)
    assert watched.pauses_s()[-1] == 1200


def test_reached_limit_of_watches_ends_a_long_pause(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    count = len(watched.scans_s)
    watched.is_sound = False
    watched.played.coordinator._watcher_limited("too few", 1)
    watched.played.pass_time(1.0)
    assert len(watched.scans_s) == count + 1


def test_after_sleep_everything_is_looked_at_at_once_however_long_the_pause(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    count = len(watched.scans_s)
    watched.played.coordinator.upkeep.take_clock_change(ClockChange(slept_ns=int(HOUR_S * SECOND_NS)))
    watched.played.pass_time(1.0)
    assert len(watched.scans_s) == count + 1


def test_interval_that_was_not_watched_from_its_beginning_earns_no_trust(watched: Watched) -> None:
    watched.played.pass_time(60.0)
    watched.played.coordinator._watcher_began(watched.source.row.id)
    watched.played.pass_time(2 * HOUR_S)
    assert watched.pauses_s()[:3] == [62, 1200, 2400]


def test_scan_takes_its_time_once_the_watcher_has_earned_trust(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S + 60)
    assert watched.leisurely == [False, False, True, True], "the second one ends the first interval that was watched"
    watched.is_sound = False
    watched.played.pass_time(2 * HOUR_S)
    assert not any(watched.leisurely[5:]), "without a sound watcher the scan is what finds changes"


def test_scan_that_a_person_asks_for_takes_no_time_off(watched: Watched) -> None:
    watched.played.pass_time(2 * HOUR_S)
    watched.source.request_scan()
    watched.played.pass_time(1.0)
    assert watched.leisurely[-1] is False


def test_source_that_cannot_rest_never_does(watched: Watched) -> None:
    watched.played.pool.traits = dataclasses.replace(watched.played.pool.traits, may_rest=False)
    watched.played.pass_time(4 * HOUR_S)
    assert not any(watched.leisurely)


@pytest.mark.parametrize("what", ["a path", "another scan", "the watcher began", "a dataset"])
def test_resting_scan_makes_way_for_whatever_comes(watched: Watched, what: str) -> None:
    watched.played.pass_time(HOUR_S)
    watched.resting_s = 1000.0
    watched.played.pass_time(HOUR_S / 4)
    assert watched.leisurely[-1]
    assert (watched.source.has_work, watched.source.is_looking) == (False, False), (
        "nobody waits for it, and it is no news"
    )
    assert watched.played.pool.hurried == []
    match what:
        case "a path":
            watched.source.mark_dirty(["/measurements/run 1"])
        case "another scan":
            watched.source.request_scan()
        case "the watcher began":
            watched.source.scan_soon()
        case "a dataset":
            watched.source.look_at(["run 1"])
    watched.played.pass_time(1.0)
    assert [task.kind for task in watched.played.pool.hurried] == [TaskKind.DISCOVER]


@pytest.mark.parametrize("what", ["many paths", "events were lost", "the answer to a question"])
def test_scan_that_is_due_for_a_reason_besides_takes_no_time_off(watched: Watched, what: str) -> None:
    """The time for the next one came first, while something else was still under way."""
    watched.played.pass_time(2 * HOUR_S)
    watched.source._scan_is_due()
    match what:
        case "many paths":
            watched.source.mark_dirty([f"/measurements/run {number}" for number in range(2001)])
        case "events were lost":
            watched.played.coordinator._watcher_lost(watched.source.row.id, "a test")
        case "the answer to a question":
            watched.source.discovery.is_asking = True
            watched.source.accept_mass_change()
    count = len(watched.leisurely)
    watched.played.pass_time(1.0)
    assert watched.leisurely[count:] == [False]


def test_run_that_ends_does_not_wait_for_a_scan_that_rests(watched: Watched) -> None:
    watched.played.pass_time(HOUR_S)
    watched.resting_s = 1000.0
    watched.played.pass_time(HOUR_S / 4)
    assert watched.leisurely[-1]
    assert watched.source._is_resting
    assert watched.played.coordinator.is_drained


def _watching(played: Played) -> Any:
    watching = played.coordinator.watching
    watching._folders = (WatchedFolder(1, "/one"), WatchedFolder(2, "/two"))
    watching._prefixes = [("/one/", 1), ("/two/", 2)]
    return watching


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def test_watcher_is_sound_for_what_it_watches_until_it_loses_something(played: Played) -> None:
    watching = _watching(played)
    assert not watching.is_sound(1), "it did not say yet that it watches"
    watching._take({"event": "watching", "folders": 2})
    assert (watching.is_sound(1), watching.is_sound(2)) == (True, True)
    watching._take({"event": "lost", "folder": "/one", "reason": "a test"})
    assert (watching.is_sound(1), watching.is_sound(2)) == (False, True)
    watching._take({"event": "watching", "folders": 2})
    assert not watching.is_sound(1), "what is lost may stay lost"


def test_watcher_at_its_limit_is_sound_for_nobody(played: Played) -> None:
    watching = _watching(played)
    watching._take({"event": "limited", "sentence": "too few", "needed": 10})
    watching._take({"event": "watching", "folders": 2})
    assert not watching.is_sound(2)


def test_watcher_that_ended_is_not_sound(played: Played) -> None:
    watching = _watching(played)
    watching._take({"event": "watching", "folders": 2})
    watching._folders = ()
    watching._bury(watching._process)
    assert not watching.is_sound(1)
