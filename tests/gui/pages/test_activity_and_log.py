"""Activity and log: sentences by day and source; the end of the log as it grows, by level and words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.activity import ActivityPage
from etiket_gui.gui.pages.log import LogPage
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from tests.gui.pages.conftest import ShowPage

_LINE = "2026-03-01 12:00:{second:02d},123 {level:<7} [41 MainThread] etiket_gui.engine.service: {text}\n"


def test_nothing_happened_yet_is_said(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = ActivityPage(desk_on(new_home))
    show_page(page)
    qtbot.waitUntil(page._empty.title.isVisible, timeout=5000)


def test_what_happens_appears_while_the_page_is_seen_and_can_be_of_one_source(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = ActivityPage(desk_on(rich_home))
    show_page(page)
    qtbot.waitUntil(lambda: bool(page.model.groups), timeout=5000)
    before = len(page.model.groups[0].rows)
    with closing(open_store(rich_home).writer) as writer:
        writer.add_activity("The share is back.")
    qtbot.waitUntil(lambda: len(page.model.groups[0].rows) == before + 1, timeout=5000)
    assert page.model.index(0, 1, page.model.index(0, 0)).data() == "The share is back."
    page.sources.setCurrentIndex(page.sources.findText("fridge"))
    qtbot.waitUntil(
        lambda: {row.source for group in page.model.groups for row in group.rows} == {"fridge"}, timeout=5000
    )


def test_a_sentence_about_a_dataset_leads_to_it(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = ActivityPage(desk_on(rich_home))
    show_page(page)
    qtbot.waitUntil(lambda: bool(page.model.groups), timeout=5000)
    place = next(place for place, row in enumerate(page.model.groups[0].rows) if row.dataset_id == 1)
    with qtbot.waitSignal(page.datasetRequested) as asked:
        page.view.doubleClicked.emit(page.model.index(place, 0, page.model.index(0, 0)))
    assert asked.args == [1]


def test_older_sentences_are_shown_on_demand(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(new_home).writer) as writer, writer.batch():
        for number in range(700):
            writer.add_activity(f"Sentence {number}.")
    page = ActivityPage(desk_on(new_home))
    show_page(page)
    qtbot.waitUntil(lambda: sum(len(group.rows) for group in page.model.groups) == 500, timeout=5000)
    qtbot.mouseClick(page.older, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: sum(len(group.rows) for group in page.model.groups) == 700, timeout=5000)
    qtbot.waitUntil(page.older.isHidden, timeout=2000)


def test_the_log_is_followed_filtered_and_copied(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    path = new_home.logs / "etiket-gui.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        _LINE.format(second=1, level="INFO", text="begins")
        + _LINE.format(second=2, level="ERROR", text="died\nTraceback (most recent call last):\n  somewhere")
    )
    page = LogPage(desk_on(new_home))
    show_page(page)
    qtbot.waitUntil(lambda: page.model.rowCount() == 2, timeout=5000)
    with path.open("a") as file:
        file.write(_LINE.format(second=3, level="WARNING", text="slow disk"))
    qtbot.waitUntil(lambda: page.model.rowCount() == 3, timeout=5000)
    page.level.setCurrentIndex(page.level.findData("WARNING"))
    assert page.model.rowCount() == 2
    page.search.setText("traceback")
    assert page.model.rowCount() == 1
    copy = page.findChild(QPushButton, "log-copy")
    assert copy is not None
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert "somewhere" in QGuiApplication.clipboard().text()
    assert page._count.text() == "1 of 3 lines"


def test_a_log_that_began_anew_is_read_anew_and_a_missing_one_is_no_error(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    new_home.logs.mkdir(exist_ok=True)
    page = LogPage(desk_on(new_home))
    show_page(page)
    qtbot.waitUntil(lambda: bool(page._count.text()), timeout=5000)
    assert page.model.rowCount() == 0
    path = new_home.logs / "etiket-gui.log"
    path.write_text("".join(_LINE.format(second=n, level="INFO", text="old") for n in range(5)))
    qtbot.waitUntil(lambda: page.model.rowCount() == 5, timeout=5000)
    path.rename(new_home.logs / "etiket-gui.log.1")
    path.write_text(_LINE.format(second=9, level="INFO", text="new"))
    qtbot.waitUntil(lambda: page.model.rowCount() == 1, timeout=5000)
    assert page.files.findText("etiket-gui.log.1") > 0
