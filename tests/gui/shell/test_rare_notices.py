"""Notices that are no problems: a new source archived as a whole, once; a forgotten pause, daily; over restarts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QSystemTrayIcon
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.background import Background
from etiket_gui.bridge.queries_pages import Overview, SourceFacts
from etiket_gui.bridge.queries_shell import ShellFacts
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.notifications import Notice
from etiket_gui.gui.notifications_rare import FORGOTTEN_NS, RareNotices, Told, is_whole, load_told, save_told
from etiket_gui.gui.program_state import Facts
from etiket_gui.gui.sentences import datasets_text, size_text
from etiket_gui.settings.home import Home
from tests.gui.shell.conftest import StartProgram
from tests.support.page_desk import page_desk
from tests.support.qt_homes import written

NOW_NS = 1_790_000_000_000_000_000
_DONE = SourceFacts(
    id=1, name="Fridge", backend="folder", root="/data", is_enabled=True, state="ok", state_reason="",
    last_scan_ns=NOW_NS, last_scan_duration_s=1.0, stray_files=0, missed_by_watcher=0, counts={"archived": 12},
    live=0, problems=0, oldest_unsafe=None, destinations=("NAS",),
)  # fmt: skip
_ON_ITS_WAY = dataclasses.replace(_DONE, counts={"archived": 5, "waiting": 7})


class Watch(QObject):
    """Tells the facts that a test says."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()

    def say(self, *sources: SourceFacts, **facts: object) -> None:
        """These are the facts from now on."""
        shell = ShellFacts(Overview(sources=sources))
        self.facts = Facts(**{"shell": shell, "is_running": True, **facts})  # type: ignore[arg-type]
        self.changed.emit()


class Person:
    """One start of the program after the other on one home; what popped up in the running one."""

    def __init__(self, desk: Desk, qtbot: QtBot) -> None:
        self.desk = desk
        self.qtbot = qtbot
        self.background = Background()
        self.now_ns = NOW_NS
        self.popped: list[Notice] = []
        self.start()

    def start(self) -> None:
        """The program starts anew."""
        self.popped = []
        self.watch = Watch()
        self.notices = RareNotices(
            self.watch,  # type: ignore[arg-type]
            self.desk, self.background, self.watch, now_ns=lambda: self.now_ns,
        )  # fmt: skip
        self.notices.noticed.connect(self.popped.append)

    def settles(self) -> None:
        """All that was begun beside the window is done."""
        self.qtbot.waitUntil(lambda: self.notices._told is not None and not self.notices._is_asking)
        self.qtbot.waitUntil(lambda: not any(thread.is_alive() for thread in self.background._threads))

    @property
    def kept(self) -> Told | None:
        """What the next start will know."""
        self.settles()
        return load_told(self.desk.home.root / "notices.json")


@pytest.fixture
def person(home: Home, qtbot: QtBot) -> Iterator[Person]:
    with written(home) as connection:
        connection.execute("UPDATE sources SET name = 'Fridge' WHERE id = 1")
        connection.execute("UPDATE datasets SET shown = 'archived', size_bytes = 2000000 WHERE source_id = 1")
    with page_desk(home) as desk:
        made = Person(desk, qtbot)
        yield made
        made.watch.deleteLater()
        made.background.stop()
        made.background.deleteLater()


def test_new_source_that_is_archived_as_a_whole_is_told_once(person: Person) -> None:
    person.watch.say(_ON_ITS_WAY)
    person.settles()
    assert person.popped == []
    person.watch.say(_DONE)
    person.qtbot.waitUntil(lambda: len(person.popped) == 1)
    (notice,) = person.popped
    assert notice.title == "Everything of Fridge is archived and verified"
    assert notice.body.startswith(f"{datasets_text(75)}, {size_text(150e6)}. ")
    assert (notice.action, notice.is_good) == ("open", True)
    person.watch.say(_ON_ITS_WAY)
    person.watch.say(_DONE)
    person.settles()
    assert len(person.popped) == 1, "what comes later is everyday life"


def test_it_is_told_once_over_many_starts(person: Person) -> None:
    person.watch.say(_ON_ITS_WAY)
    person.settles()
    person.watch.say(_DONE)
    person.qtbot.waitUntil(lambda: len(person.popped) == 1)
    assert person.kept is not None
    person.start()
    person.watch.say(_DONE)
    person.settles()
    assert person.popped == []


def test_source_that_became_whole_while_no_window_ran_is_told_at_the_next_start(person: Person) -> None:
    person.watch.say(_ON_ITS_WAY)
    assert person.kept == Told()
    person.start()
    person.watch.say(_DONE)
    person.qtbot.waitUntil(lambda: len(person.popped) == 1)


def test_what_was_archived_before_the_first_start_of_all_is_nothing_new(person: Person) -> None:
    person.watch.say(_DONE)
    person.settles()
    assert person.popped == []
    kept = person.kept
    assert kept is not None
    assert len(kept.whole) == 1


@pytest.mark.fault("F113", guard="silent-while-measuring")
def test_neither_pops_up_while_measuring_and_both_are_told_afterwards(person: Person) -> None:
    person.watch.say(_ON_ITS_WAY, paused_until_ns=-1)
    person.settles()
    person.now_ns += FORGOTTEN_NS
    person.watch.say(_DONE, paused_until_ns=-1, is_measuring=True)
    person.settles()
    assert person.popped == []
    person.watch.say(_DONE, paused_until_ns=-1)
    person.qtbot.waitUntil(lambda: len(person.popped) == 2)


def test_pause_without_end_is_recalled_each_day_also_after_a_restart(person: Person) -> None:
    person.watch.say(_ON_ITS_WAY, paused_until_ns=-1)
    person.settles()
    person.now_ns += FORGOTTEN_NS - 1
    person.notices.look()
    assert person.popped == []
    person.now_ns += 1
    person.notices.look()
    person.notices.look()
    (notice,) = person.popped
    assert notice.title.startswith("Still paused, since yesterday")
    assert notice.body == "7 datasets are not archived yet. They wait until you resume."
    assert notice.action == "open"
    person.settles()
    person.start()
    person.watch.say(_ON_ITS_WAY, paused_until_ns=-1)
    person.settles()
    assert person.popped == [], "it was told today"
    person.now_ns += FORGOTTEN_NS
    person.notices.look()
    assert len(person.popped) == 1


@pytest.mark.parametrize("facts", [{"paused_until_ns": NOW_NS + 90 * FORGOTTEN_NS}, {"paused_until_ns": 0}, {}])
def test_pause_that_ends_by_itself_is_not_recalled(person: Person, facts: dict[str, int]) -> None:
    person.watch.say(_ON_ITS_WAY, **facts)
    person.settles()
    person.now_ns += 3 * FORGOTTEN_NS
    person.notices.look()
    assert person.popped == []


def test_pause_that_was_ended_begins_anew(person: Person) -> None:
    person.watch.say(_DONE, paused_until_ns=-1)
    person.settles()
    person.now_ns += FORGOTTEN_NS - 1
    person.watch.say(_DONE)
    person.watch.say(_DONE, paused_until_ns=-1)
    person.now_ns += FORGOTTEN_NS - 1
    person.notices.look()
    assert person.popped == []


def test_hold_without_end_is_recalled_too(person: Person) -> None:
    person.watch.say(_DONE, held_until_ns=-1)
    person.settles()
    person.now_ns += FORGOTTEN_NS
    person.notices.look()
    assert [notice.title.partition(",")[0] for notice in person.popped] == ["Still on hold"]


def test_clock_that_is_put_back_recalls_nothing_too_early(person: Person) -> None:
    person.watch.say(_DONE, paused_until_ns=-1)
    person.settles()
    person.now_ns -= 10 * FORGOTTEN_NS
    person.notices.look()
    person.now_ns += FORGOTTEN_NS
    person.notices.look()
    assert len(person.popped) == 1


def test_nothing_pops_up_where_notices_are_switched_off(person: Person) -> None:
    person.desk.settings.change(notifications="off")
    person.watch.say(_ON_ITS_WAY, paused_until_ns=-1)
    person.settles()
    person.now_ns += 2 * FORGOTTEN_NS
    person.watch.say(_DONE, paused_until_ns=-1)
    person.settles()
    assert person.popped == []
    kept = person.kept
    assert kept is not None
    assert len(kept.whole) == 1, "it does not come when they are switched on again"


@pytest.mark.parametrize(
    "change",
    [
        {"is_enabled": False}, {"state": "problem"}, {"last_scan_ns": None}, {"counts": {}}, {"live": 1},
        {"counts": {"archived": 5, "failed": 1}}, {"problems": 1}, {"unreadable": 1},
    ],
)  # fmt: skip
def test_what_is_not_all_archived_is_not_called_so(change: dict[str, object]) -> None:
    assert is_whole(_DONE)
    assert not is_whole(dataclasses.replace(_DONE, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"whole": 3, "paused_ns": 0, "recalled_ns": 0}', "nonsense"])
def test_memory_that_makes_no_sense_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "notices.json").write_text(content, "utf-8")
    assert load_told(tmp_path / "notices.json") is None


def test_memory_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    save_told(tmp_path / "file" / "notices.json", Told())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_click_on_a_notice_does_what_it_is_about(start_program: StartProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    program = start_program(is_hidden=True)
    monkeypatch.setattr(QSystemTrayIcon, "showMessage", lambda *_: None)
    done: list[str] = []
    monkeypatch.setattr(program, "act", done.append)
    program.tray.acted.connect(done.append)
    program.tray._is_there = lambda: True
    program.tray._look()
    assert program.tray.icon is not None
    clicks: Callable[[], None] = program.tray.icon.messageClicked.emit
    for action in ("open", "problems"):
        program.tray.pop_up(Notice("title", "body", action))
        clicks()
    assert done[-1] == "problems"
    assert "open" in done
