"""Questions to the store: answered beside the window, in order, only to who still wants to know."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.queries import Reads, StoreAway
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain.errors import EtiketError, ProgramError, StoreProblem
from etiket_gui.settings.home import Home
from tests.support import qt_homes
from tests.support.patience import patient_s
from tests.support.qt_stalls import StallProbe

_SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT max(i) FROM n"


def test_an_answer_comes_on_the_window_s_thread(reads: StoreReads, qtbot: QtBot) -> None:
    threads: list[int] = []
    answers: list[tuple[str, ...]] = []

    def work(asked: Reads) -> tuple[str, ...]:
        threads.append(threading.get_ident())
        return tuple(source.name for source in asked.sources())

    def then(names: tuple[str, ...]) -> None:
        threads.append(threading.get_ident())
        answers.append(names)

    reads.ask(work, None, then)
    qtbot.waitUntil(lambda: bool(answers))
    assert answers == [("Fridge Alpha", "Fridge Beta", "Probe station", "Old disk")]
    assert threads[0] != threads[1] == threading.get_ident()


def test_no_answer_reaches_an_owner_that_is_gone(reads: StoreReads, qtbot: QtBot) -> None:
    owner, answers, others = QObject(), [], []
    reads.ask(lambda asked: asked.sources(), owner, answers.append)
    shiboken6.delete(owner)
    reads.ask(lambda asked: asked.sources(), None, others.append)
    qtbot.waitUntil(lambda: bool(others))
    assert answers == []


def test_only_the_newest_question_of_a_key_is_answered(reads: StoreReads, qtbot: QtBot) -> None:
    answers: list[int] = []
    for number in range(50):
        reads.ask(lambda _, number=number: number, None, answers.append, key="list")  # type: ignore[misc]
    qtbot.waitUntil(lambda: bool(answers))
    qtbot.wait(50)
    assert answers == [49]


def test_a_long_question_that_is_superseded_is_stopped(reads: StoreReads, qtbot: QtBot) -> None:
    begun, answers = threading.Event(), []

    def for_ever(asked: Reads) -> str:
        begun.set()
        return str(asked.connection.execute(_SLOW.format(count=10**12)).fetchone())

    reads.ask(for_ever, None, answers.append, key="list", is_long=True)
    assert begun.wait(5)
    reads.ask(lambda _: "newer", None, answers.append, key="list", is_long=True)
    qtbot.waitUntil(lambda: answers == ["newer"])


def test_a_question_that_is_dropped_is_not_answered(reads: StoreReads, qtbot: QtBot) -> None:
    answers: list[str] = []
    others: list[str] = []
    reads.ask(lambda _: "dropped", None, answers.append, key="list")
    reads.drop("list")
    reads.ask(lambda _: "kept", None, others.append)
    qtbot.waitUntil(lambda: bool(others))
    assert answers == []


def test_a_long_question_holds_up_no_short_one(reads: StoreReads, qtbot: QtBot) -> None:
    begun, answers = threading.Event(), []

    def for_ever(asked: Reads) -> None:
        begun.set()
        asked.connection.execute(_SLOW.format(count=10**12)).fetchone()

    reads.ask(for_ever, None, answers.append, key="list", is_long=True)
    assert begun.wait(5)
    reads.ask(lambda asked: asked.open_problem_count(), None, answers.append)
    qtbot.waitUntil(lambda: answers == [0])
    begun_s = time.monotonic()
    assert reads.stop()
    assert time.monotonic() - begun_s < patient_s(2)


def test_a_question_sees_one_moment(home: Home, reads: StoreReads, qtbot: QtBot) -> None:
    has_looked, may_go_on, answers = threading.Event(), threading.Event(), []

    def work(asked: Reads) -> tuple[int, int]:
        def count() -> int:
            return int(asked.connection.execute("SELECT count(*) FROM datasets").fetchone()[0])

        first = count()
        has_looked.set()
        may_go_on.wait(5)
        return first, count()

    reads.ask(work, None, answers.append)
    assert has_looked.wait(5)
    qt_homes.add_dataset(home, 5000)
    may_go_on.set()
    qtbot.waitUntil(lambda: bool(answers))
    assert answers == [(300, 300)]


def test_a_question_cannot_write(reads: StoreReads, qtbot: QtBot) -> None:
    failures: list[EtiketError] = []
    reads.ask(lambda asked: asked.connection.execute("DELETE FROM datasets"), None, print, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], StoreProblem)


@pytest.mark.allows_log("A question to the store failed by a bug")
def test_a_bug_in_a_question_is_told_and_the_next_one_is_answered(reads: StoreReads, qtbot: QtBot) -> None:
    failures: list[EtiketError] = []
    answers: list[int] = []
    reads.ask(lambda _: 1 // 0, None, answers.append, failures.append)
    reads.ask(lambda _: 7, None, answers.append)
    qtbot.waitUntil(lambda: answers == [7])
    assert isinstance(failures[0], ProgramError)
    assert "ZeroDivisionError" in failures[0].reason


def test_what_another_program_writes_is_told(home: Home, reads: StoreReads, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: reads.away is None)
    with qtbot.waitSignal(reads.changed, timeout=3000):
        qt_homes.add_dataset(home, 5000)


def test_a_quiet_store_is_not_told(reads: StoreReads, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: reads.away is None)
    qtbot.wait(50)
    told: list[int] = []
    reads.changed.connect(lambda: told.append(1))
    for _ in range(20):
        reads.look_now()
    answers: list[int] = []
    reads.ask(lambda _: 1, None, answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    qtbot.wait(50)
    assert told == []


def test_a_store_that_is_not_there_yet_is_said_to_be_away_and_is_found_when_it_comes(
    tmp_path: Path, qtbot: QtBot
) -> None:
    other = Home(tmp_path / "later")
    reads = StoreReads(other)
    failures: list[EtiketError] = []
    answers: list[int] = []
    reads.ask(lambda asked: asked.open_problem_count(), None, answers.append, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], StoreAway)
    qtbot.waitUntil(lambda: isinstance(reads.away, StoreAway))
    qt_homes.filled_home(other.root, 10)
    qtbot.waitUntil(lambda: reads.away is None)
    reads.ask(lambda asked: asked.open_problem_count(), None, answers.append)
    qtbot.waitUntil(lambda: answers == [0])
    assert reads.stop()


@pytest.mark.parametrize(("revision", "sentence"), [("9999", "newer version"), ("0000", "being brought")])
def test_a_store_of_another_version_is_away(revision: str, sentence: str, home: Home, qtbot: QtBot) -> None:
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    reads = StoreReads(home)
    failures: list[EtiketError] = []
    reads.ask(lambda asked: asked.sources(), None, print, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], StoreAway)
    assert sentence in failures[0].reason
    assert reads.stop()


def test_what_is_no_store_is_away_with_its_reason(home: Home, qtbot: QtBot) -> None:
    home.store.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    reads = StoreReads(home)
    failures: list[EtiketError] = []
    reads.ask(lambda asked: asked.sources(), None, print, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert "damaged" in failures[0].reason
    assert reads.stop()


def test_the_window_answers_while_much_is_read(reads: StoreReads, stalls: StallProbe, qtbot: QtBot) -> None:
    answers: list[object] = []
    stalls.begin()
    for _ in range(5):
        reads.ask(lambda asked: asked.connection.execute(_SLOW.format(count=300_000)).fetchone(), None, answers.append)
    qtbot.waitUntil(lambda: len(answers) == 5)
    assert stalls.take().count > 5


def test_at_once_waits_no_longer_than_said_and_answers_later(reads: StoreReads, qtbot: QtBot) -> None:
    begun, may_end, answers = threading.Event(), threading.Event(), []

    def work(_: Reads) -> str:
        begun.set()
        may_end.wait(5)
        return "late"

    assert not reads.ask_at_once(work, None, answers.append, within_s=0.02)
    assert answers == []
    may_end.set()
    qtbot.waitUntil(lambda: answers == ["late"])


def test_at_once_is_answered_before_it_returns_and_only_once(reads: StoreReads, qtbot: QtBot) -> None:
    answers: list[int] = []
    assert reads.ask_at_once(lambda asked: asked.open_problem_count(), None, answers.append, within_s=5)
    assert answers == [0]
    qtbot.wait(50)
    assert answers == [0]


def test_the_readers_leave_the_store_to_be_tidied(home: Home, reads: StoreReads, qtbot: QtBot) -> None:
    answers: list[object] = []
    reads.ask(lambda asked: asked.sources(), None, answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    qt_homes.add_dataset(home, 5000)
    connection = sqlite3.connect(home.store)
    try:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    finally:
        connection.close()
