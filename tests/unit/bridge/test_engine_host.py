"""The engine beside the window: started, asked, stopped, failing; the window waits for none of it."""

from __future__ import annotations

import itertools
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.domain.commands import AskStatus, PauseSync, RemoveSource, Reply, ShowWindow
from etiket_gui.domain.errors import EtiketError, HomeInUse, Stopped, StoreProblem, StoreTooNew, UsageError
from etiket_gui.domain.events import DatasetProgressed, EngineStarted, EngineStopped, SteeringChanged
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support import qt_homes
from tests.support.patience import patient_s


class Heard:
    """Everything a host told, in order."""

    def __init__(self, host: EngineHost) -> None:
        self.events: list[Any] = []
        self.failures: list[EtiketError] = []
        self.steering: list[SteeringChanged] = []
        self.progress: list[tuple[float, Any]] = []
        self.shows = 0
        self.stops = 0
        host.eventHappened.connect(self.events.append)
        host.failed.connect(self.failures.append)
        host.steeringChanged.connect(self.steering.append)
        host.progressed.connect(lambda rows: self.progress.append((time.monotonic(), rows)))
        host.showRequested.connect(self._show)
        host.stopped.connect(self._stop)

    def _show(self) -> None:
        self.shows += 1

    def _stop(self) -> None:
        self.stops += 1


def test_an_engine_starts_answers_and_stops(host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    replies: list[Reply] = []
    host.start()
    number = host.ask(AskStatus(), None, replies.append)
    other = host.ask(AskStatus(), None, replies.append)
    assert other != number
    qtbot.waitUntil(lambda: len(replies) == 2, timeout=15_000)
    assert host.is_running
    assert replies[0].value["is_paused"] is False
    begun_s = time.monotonic()
    host.stop()
    qtbot.waitUntil(lambda: heard.stops == 1)
    assert time.monotonic() - begun_s < patient_s(5)
    assert not host.is_alive
    assert not heard.failures
    assert [type(event) for event in heard.events if isinstance(event, EngineStarted | EngineStopped)] == [
        EngineStarted, EngineStopped,
    ]  # fmt: skip


def test_it_starts_again_after_it_was_stopped(host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    for number in (1, 2):
        host.start(Settings(worker_count=number))
        qtbot.waitUntil(lambda: host.is_running, timeout=15_000)
        assert host.settings.worker_count == number
        host.stop()
        qtbot.waitUntil(lambda number=number: heard.stops == number)  # type: ignore[misc]


def test_stopping_what_does_not_run_is_told_too(host: EngineHost, qtbot: QtBot) -> None:
    with qtbot.waitSignal(host.stopped):
        host.stop()


def test_steering_comes_back_as_a_signal(host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    replies: list[Reply] = []
    host.start()
    host.ask(PauseSync(until_ns=-1), None, replies.append)
    qtbot.waitUntil(lambda: bool(heard.steering) and heard.steering[-1].paused_until_ns == -1, timeout=15_000)
    assert replies[0].is_ok


def test_a_second_start_of_the_program_asks_for_the_window(host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    host.start()
    host.ask(ShowWindow(), None, lambda reply: None)
    qtbot.waitUntil(lambda: heard.shows == 1, timeout=15_000)


def test_a_refused_command_fails_with_its_reason(host: EngineHost, qtbot: QtBot) -> None:
    failures: list[EtiketError] = []
    host.start()
    host.ask(RemoveSource("nothing of that name"), None, print, failures.append)
    qtbot.waitUntil(lambda: bool(failures), timeout=15_000)
    assert isinstance(failures[-1], UsageError)


def test_a_command_without_an_engine_fails_at_once(host: EngineHost, qtbot: QtBot) -> None:
    failures: list[EtiketError] = []
    host.ask(AskStatus(), None, print, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], StoreProblem)


def test_commands_of_an_engine_that_is_stopped_fail_instead_of_being_forgotten(host: EngineHost, qtbot: QtBot) -> None:
    failures: list[EtiketError] = []
    replies: list[Reply] = []
    host.start()
    host.ask(AskStatus(), None, replies.append, failures.append)
    host.stop()
    qtbot.waitUntil(lambda: len(failures) + len(replies) == 1, timeout=15_000)
    assert not failures or isinstance(failures[0], Stopped)


def test_an_answer_for_a_dialog_that_was_closed_is_dropped(host: EngineHost, qtbot: QtBot) -> None:
    owner, replies, others = QObject(), [], []
    host.start()
    host.ask(AskStatus(), owner, replies.append)
    shiboken6.delete(owner)
    host.ask(AskStatus(), None, others.append)
    qtbot.waitUntil(lambda: bool(others), timeout=15_000)
    assert replies == []


def test_a_home_that_another_engine_owns_is_told(home: Home, host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    failures: list[EtiketError] = []
    with Engine(home, Settings(worker_count=1)):
        host.start()
        host.ask(AskStatus(), None, print, failures.append)
        qtbot.waitUntil(lambda: heard.stops == 1, timeout=15_000)
    assert isinstance(heard.failures[0], HomeInUse)
    assert isinstance(failures[0], HomeInUse)
    assert not host.is_alive
    host.start()
    qtbot.waitUntil(lambda: host.is_running, timeout=15_000)


def test_a_store_of_a_newer_version_is_told(home: Home, host: EngineHost, qtbot: QtBot) -> None:
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    heard = Heard(host)
    host.start()
    qtbot.waitUntil(lambda: heard.stops == 1, timeout=15_000)
    assert isinstance(heard.failures[0], StoreTooNew)


@pytest.mark.allows_log("the store was damaged")
def test_a_damaged_store_is_repaired_and_the_engine_runs(home: Home, host: EngineHost, qtbot: QtBot) -> None:
    home.store.write_bytes(b"this was a store " * 1000)
    heard = Heard(host)
    host.start()
    qtbot.waitUntil(lambda: host.is_running, timeout=15_000)
    assert not heard.failures


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "file").write_text("no folder")
    host = EngineHost(Home(tmp_path / "file" / "home"), Settings())
    heard = Heard(host)
    host.start()
    qtbot.waitUntil(lambda: heard.stops == 1, timeout=15_000)
    assert isinstance(heard.failures[0], EtiketError)
    assert heard.failures[0].reason


@pytest.mark.allows_log("The engine ended by a bug")
def test_a_bug_in_the_engine_ends_it_and_not_the_window(
    host: EngineHost, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Engine, cycles: int | None = None) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Engine, "run", broken)
    heard = Heard(host)
    host.start()
    qtbot.waitUntil(lambda: heard.stops == 1, timeout=15_000)
    assert heard.failures[0].kind == "ProgramError"
    assert "a bug" in heard.failures[0].reason


@pytest.mark.allows_log("The engine pauses until it can")
def test_it_stops_in_time_while_the_store_cannot_be_written(home: Home, host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    host.start()
    qtbot.waitUntil(lambda: host.is_running, timeout=15_000)
    holder = sqlite3.connect(home.store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        host.ask(PauseSync(), None, lambda reply: None, lambda error: None)
        qtbot.wait(300)
        begun_s = time.monotonic()
        host.stop()
        qtbot.waitUntil(lambda: heard.stops == 1, timeout=20_000)
        took_s = time.monotonic() - begun_s
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert took_s < patient_s(5)


def test_the_window_is_not_flooded_by_an_engine_that_tells_much(
    host: EngineHost, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes: list[bool] = []
    host._woken.connect(wakes.append)
    for number in range(5000):
        host.note_event(DatasetProgressed(number % 7, f"u{number % 7}", "n", number, 5000, 1.0, None))
    heard = Heard(host)
    qtbot.waitUntil(lambda: bool(heard.progress))
    assert len(wakes) == 1
    assert len(heard.progress[0][1]) == 7


def test_rows_move_at_most_four_times_a_second(host: EngineHost, qtbot: QtBot) -> None:
    heard = Heard(host)
    end_s = time.monotonic() + 1.2
    number = 0
    while time.monotonic() < end_s:
        number += 1
        host.note_event(DatasetProgressed(1, "u", "n", number, 10**9, 1.0, None))
        qtbot.wait(2)
    qtbot.wait(300)
    times = [moment for moment, _ in heard.progress]
    assert 3 <= len(times) <= 7
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.2
    assert heard.progress[-1][1][0].done_bytes == number
