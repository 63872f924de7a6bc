"""The overview on real stores: it leads on when nothing is there, tells the truth, and its buttons do what they say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from etiket_gui.domain.events import DatasetProgressed, RouteMoved, ScanFinished, ScanStarted
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.card_grid import Tile
from etiket_gui.gui.pages.overview import OverviewPage
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from tests.gui.pages.conftest import ShowPage


def _text(page: OverviewPage) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisible())


def _shown(page: OverviewPage, qtbot: QtBot) -> OverviewPage:
    qtbot.waitUntil(lambda: bool(page.headline), timeout=5000)
    return page


def test_an_empty_home_leads_to_the_wizard(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = OverviewPage(desk_on(new_home))
    show_page(page)
    button = page.findChild(QPushButton, "add-first-source")
    assert button is not None
    qtbot.waitUntil(button.isVisible, timeout=5000)
    with qtbot.waitSignal(page.addSourceRequested):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_all_archived_is_said_with_the_time_of_the_look_that_proves_it(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = OverviewPage(desk_on(archived_home))
    show_page(page)
    _shown(page, qtbot)
    assert page.headline.startswith("All 12 datasets are archived and verified as of ")


def test_all_archived_is_not_said_before_a_look_was_finished(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(archived_home).writer) as writer:
        destination = writer.destinations()[0].id
        writer.add_source("u-new", "never looked at", "folder", {"root_directory": "/nowhere"}, [(destination, "")])
    page = OverviewPage(desk_on(archived_home))
    show_page(page)
    _shown(page, qtbot)
    assert page.headline == "Looking through never looked at for the first time."


def test_the_figures_of_a_card_add_up(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = OverviewPage(desk_on(rich_home))
    show_page(page)
    _shown(page, qtbot)
    card = next(card for card in page._source_cards.values() if card.facts.name == "fridge")
    assert card.texts() == {"found": "39", "waiting": "7", "measuring": "1", "archived": "24", "problems": "5"}
    facts = card.facts
    assert facts.found == facts.waiting + facts.live + facts.archived + facts.failed + facts.ignored
    text = _text(page)
    assert "Oldest not safe yet:" in text
    assert "2 left out" in text
    assert "group share cannot take anything now." in text


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("paused_until_ns", "Sending is paused until you resume."),
        ("held_until_ns", "Nothing is touched until you resume."),
    ],
)
def test_a_pause_and_a_hold_are_said_first(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, field: str, sentence: str
) -> None:
    with closing(open_store(rich_home).writer) as writer:
        writer.set_steering(**{field: -1})
    page = OverviewPage(desk_on(rich_home))
    show_page(page)
    _shown(page, qtbot)
    assert page.headline == sentence
    assert "43 datasets wait." in _text(page)


def test_tiles_and_menus_ask_for_wizards_by_mouse_and_keyboard(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = OverviewPage(desk_on(rich_home))
    show_page(page)
    _shown(page, qtbot)
    source = page.findChild(Tile, "add-source")
    destination = page.findChild(Tile, "add-destination")
    assert source is not None
    assert destination is not None
    with qtbot.waitSignal(page.addSourceRequested):
        qtbot.mouseClick(source, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(page.addDestinationRequested):
        qtbot.keyClick(destination, Qt.Key.Key_Return)
    card = page._source_cards[1]
    actions = {action.objectName(): action for action in card.more.menu().actions()}
    with qtbot.waitSignal(page.editSourceRequested) as edited:
        actions["source-1-edit"].trigger()
    with qtbot.waitSignal(page.removeSourceRequested) as removed:
        actions["source-1-remove"].trigger()
    assert (edited.args, removed.args) == ([1], [1])


def test_a_source_is_switched_off_and_on_by_the_engine(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(archived_home)
    desk.host.start()
    page = OverviewPage(desk)
    show_page(page)
    _shown(page, qtbot)
    switch = next(a for a in page._source_cards[1].more.menu().actions() if a.objectName() == "source-1-switch")
    assert switch.text() == "Switch off"
    switch.trigger()
    qtbot.waitUntil(lambda: switch.text() == "Switch on", timeout=8000)
    assert page.headline == "Every source is switched off, so nothing new is archived."


def test_a_destination_is_tested_in_the_child_process_and_tells_its_space(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = OverviewPage(desk_on(archived_home))
    show_page(page)
    _shown(page, qtbot)
    card = page._destination_cards[1]
    qtbot.mouseClick(card.test, Qt.MouseButton.LeftButton)
    assert not card.test.isEnabled()
    qtbot.waitUntil(card.test.isEnabled, timeout=20_000)
    assert "everything that is needed works" in card.answer.text()
    assert " free" in _text(page)
    assert " of " in card._space.text()


def test_what_is_being_sent_is_shown_and_goes_away(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(rich_home)
    page = OverviewPage(desk)
    show_page(page)
    _shown(page, qtbot)
    told = DatasetProgressed(1, "u", "spectroscopy 12", 1_000_000, 4_000_000, 12_300_000.0, None)
    desk.host.eventHappened.emit(RouteMoved(1, 1, 12_300_000.0, 0.3))
    desk.host.progressed.emit((told,))
    qtbot.waitUntil(lambda: "spectroscopy 12 · 12.3\u00a0MB/s · estimating" in _text(page), timeout=3000)
    assert "Receives 12.3\u00a0MB/s" in _text(page)
    qtbot.waitUntil(lambda: "Receives" not in _text(page), timeout=6000)


def test_a_missing_engine_is_said_instead_of_a_good_state(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    from etiket_gui.domain.errors import HomeInUse

    desk = desk_on(archived_home)
    page = OverviewPage(desk)
    show_page(page)
    _shown(page, qtbot)
    desk.host.failed.emit(HomeInUse("Another engine works in this home."))
    assert page.headline == "Nothing is archived just now."
    assert "Another engine works in this home." in _text(page)


@pytest.mark.parametrize(("width", "columns"), [(700, 1), (1000, 2), (2000, 3)])
def test_cards_use_the_width_there_is(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, width: int, columns: int
) -> None:
    page = OverviewPage(desk_on(rich_home))
    show_page(page, width, 800)
    _shown(page, qtbot)
    qtbot.waitUntil(lambda: page._sources.columns == columns, timeout=2000)


def test_a_card_that_asks_leads_to_its_question(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = show_page(OverviewPage(desk_on(rich_home)))
    qtbot.waitUntil(lambda: page.findChild(QPushButton, "source-2-problems") is not None, timeout=5000)
    asking, other = (page.findChild(QPushButton, f"source-{number}-problems") for number in (2, 1))
    assert (asking.text(), other.text()) == ("Answer…", "Problems")
    with qtbot.waitSignal(page.problemsRequested):
        asking.click()


def test_a_card_says_that_its_source_is_looked_through_while_that_lasts(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(archived_home)
    page = OverviewPage(desk)
    show_page(page)
    _shown(page, qtbot)
    card = page._source_cards[1]
    desk.host.eventHappened.emit(ScanStarted(1, card.facts.name))
    assert not card.sentence.text().startswith("Being looked through")
    qtbot.waitUntil(lambda: card.sentence.text().startswith("Being looked through for 1"))
    qtbot.waitUntil(lambda: card.sentence.text().startswith("Being looked through for 2"))
    assert card.detail.text().startswith("Everything is archived and verified as of ")
    desk.host.eventHappened.emit(ScanFinished(1, card.facts.name, 12, 0, 0, 2.0))
    qtbot.waitUntil(lambda: card.sentence.text().startswith("Everything is archived and verified"))
