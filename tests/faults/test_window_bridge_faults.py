"""Faults between the engine's threads and the window: F76, F81, F92, F94, F98."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.coalescing import MOST_EVENTS, EventBox
from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain.events import DatasetProgressed, WorkerRestarted
from etiket_gui.gui.models.plain_tips import plain_tip
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support import qt_homes
from tests.support.engine_driver import EngineDriver, write_dataset


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with some datasets."""
    return qt_homes.filled_home(tmp_path / "home", 30)


@pytest.fixture
def reads(home: Home, qtbot: QtBot) -> Iterator[StoreReads]:
    """The readers of its store."""
    made = StoreReads(home)
    yield made
    made.stop()


def _later(reads: StoreReads, qtbot: QtBot) -> None:
    """Come back when everything that was asked before is answered."""
    done: list[int] = []
    reads.ask(lambda _: 1, None, done.append)
    qtbot.waitUntil(lambda: bool(done))
    qtbot.wait(50)


@pytest.mark.fault("F76", guard="names-are-plain-text")
@pytest.mark.parametrize(
    "name", ["<b>bold</b>", "<img src='http://example.org/x.png'>", "a < b & c", "<a href='javascript:x'>click</a>"]
)
def test_a_name_in_a_tip_is_shown_as_it_is_and_loads_nothing(name: str, qtbot: QtBot) -> None:
    from PySide6.QtGui import QTextDocument

    document = QTextDocument()
    tip = plain_tip(f"{name}\nsecond line")
    document.setHtml(tip)
    assert document.toPlainText() == f"{name}\nsecond line"


@pytest.mark.fault("F81", guard="readers-follow-the-store")
def test_the_window_reads_the_store_that_took_the_place_of_the_damaged_one(
    home: Home, reads: StoreReads, qtbot: QtBot, tmp_path: Path
) -> None:
    counts: list[int] = []

    def ask() -> None:
        reads.ask(
            lambda asked: int(asked.connection.execute("SELECT count(*) FROM datasets").fetchone()[0]),
            None,
            counts.append,
        )

    ask()
    qtbot.waitUntil(lambda: counts == [30])
    fresh = qt_homes.filled_home(tmp_path / "fresh", 10)
    for ending in ("-wal", "-shm", ""):
        if os.path.exists(f"{home.store}{ending}"):
            os.replace(f"{home.store}{ending}", f"{home.store}{ending}.aside")
    shutil.copy(fresh.store, home.store)
    ask()
    qtbot.waitUntil(lambda: len(counts) == 2)
    assert counts[1] == 10


@pytest.mark.fault("F92", guard="quit-stops-the-engine")
def test_quitting_in_the_middle_of_a_transfer_takes_less_than_five_seconds_and_loses_nothing(
    tmp_path: Path, qtbot: QtBot
) -> None:
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "data")
    write_dataset(root, "large", trace=b"\x5a" * 60_000_000)
    host = EngineHost(driver.home, Settings(worker_count=1, rate_limit_bytes_per_s=3e6))
    moved: list[object] = []
    stops: list[int] = []
    host.progressed.connect(moved.append)
    host.stopped.connect(lambda: stops.append(1))
    host.start()
    try:
        qtbot.waitUntil(lambda: bool(moved), timeout=20_000)
        host.stop()
        qtbot.waitUntil(lambda: bool(stops), timeout=5000)
        assert not host.is_alive
    finally:
        host.stop_and_wait(10)
    assert driver.states() == {"large": "waiting"}
    with driver:
        driver.until_archived(timeout_s=30)


@pytest.mark.fault("F94", guard="events-are-bounded")
def test_an_engine_that_tells_more_than_the_window_takes_fills_no_memory() -> None:
    box = EventBox()
    for number in range(5 * MOST_EVENTS):
        box.put(WorkerRestarted(f"{number}"))
    told = box.take()
    assert len(told.events) == MOST_EVENTS
    assert told.left_out == 4 * MOST_EVENTS


@pytest.mark.fault("F94", guard="one-wake-at-a-time")
def test_an_engine_that_tells_much_does_not_flood_the_window(home: Home, qtbot: QtBot) -> None:
    host = EngineHost(home, Settings(worker_count=1))
    wakes: list[bool] = []
    moved: list[object] = []
    host._woken.connect(wakes.append)
    host.progressed.connect(moved.append)
    for number in range(2000):
        host.note_event(DatasetProgressed(number % 7, f"u{number % 7}", "n", number, 5000, 1.0, None))
    qtbot.waitUntil(lambda: bool(moved))
    qtbot.wait(50)
    assert len(wakes) == 1
    host.stop_and_wait()


@pytest.mark.fault("F98", guard="answers-need-their-owner")
def test_an_answer_for_what_was_closed_meanwhile_touches_nothing(reads: StoreReads, qtbot: QtBot) -> None:
    owner, answers = QObject(), []
    reads.ask(lambda asked: asked.sources(), owner, answers.append)
    shiboken6.delete(owner)
    _later(reads, qtbot)
    assert answers == []


@pytest.mark.fault("F98", guard="stale-answers-are-dropped")
def test_an_answer_that_was_on_its_way_when_something_newer_was_asked_is_dropped(
    reads: StoreReads, qtbot: QtBot
) -> None:
    answers: list[str] = []
    reads.ask(lambda _: "old", None, answers.append, key="list")
    # The old answer waits in the window's queue now.
    time.sleep(0.2)
    reads.ask(lambda _: "new", None, answers.append, key="list")
    _later(reads, qtbot)
    assert answers == ["new"]


def test_a_bug_in_what_is_done_with_one_answer_is_reported_and_the_others_come(home: Home, qtbot: QtBot) -> None:
    from etiket_gui.domain.commands import AskStatus, Reply

    host = EngineHost(home, Settings(worker_count=1))
    replies: list[Reply] = []

    def broken(_: Reply) -> None:
        raise ZeroDivisionError("a bug in a page")

    with qtbot.captureExceptions() as caught:
        host.start()
        for _ in range(3):
            host.ask(AskStatus(), None, broken)
            host.ask(AskStatus(), None, replies.append)
        qtbot.waitUntil(lambda: host.is_running and not host._asked, timeout=15_000)
        host.stop_and_wait(10)
    assert len(replies) == 3
    assert [kind for kind, _, _ in caught] == [ZeroDivisionError] * 3


@pytest.mark.fault("F98", guard="bugs-stay-apart")
def test_a_bug_in_what_is_done_with_an_answer_at_once_does_not_break_the_painting(
    reads: StoreReads, qtbot: QtBot
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug in a page")

    with qtbot.captureExceptions() as caught:
        assert reads.ask_at_once(lambda asked: asked.sources(), None, broken, within_s=5)
    assert [kind for kind, _, _ in caught] == [ZeroDivisionError]
