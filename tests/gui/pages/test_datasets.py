"""The datasets page: chips and words filter, columns are kept, chosen rows are acted on, the pane tells all."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QBuffer, QIODevice, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QPixmap
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.queries_datasets import Column
from etiket_gui.domain.commands import Command, IgnoreDatasets, Reply, RetryTransfers
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.dialogs.restore import RestoreDialog
from etiket_gui.gui.pages.datasets import DatasetsPage
from etiket_gui.settings.home import Home
from tests.gui.pages.conftest import ShowPage
from tests.support.page_lab import describe


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """What the page asked the engine for; nothing of it is done."""
    commands: list[Command] = []

    def ask(_: object, command: Command, owner: object, then: Callable[[Reply], None], failed: object = None) -> int:
        commands.append(command)
        then(Reply(True, "Done."))
        return 1

    monkeypatch.setattr("etiket_gui.bridge.engine_host.EngineHost.ask", ask)
    return commands


def _page(home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot) -> DatasetsPage:
    page = DatasetsPage(desk_on(home))
    show_page(page)
    qtbot.waitUntil(lambda: page.model.rowCount() > 0, timeout=5000)
    return page


def _chip(page: DatasetsPage, key: str) -> QPoint:
    return page.chips._chips[key].rect().center()


def _choose(page: DatasetsPage, qtbot: QtBot, dataset_id: int) -> None:
    row = page.model.row_of(dataset_id)
    assert row is not None
    page.table.selectRow(row)


def test_each_chip_shows_as_many_as_it_says(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    qtbot.waitUntil(lambda: page.chips._chips["gone"].text().endswith("0"), timeout=5000)
    numbers = {key: int(chip.text().split()[-1]) for key, chip in page.chips._chips.items()}
    assert numbers == {
        "all": 69, "waiting": 37, "sending": 0, "live": 1, "archived": 24, "problems": 5, "ignored": 2, "gone": 0,
    }  # fmt: skip
    assert numbers["all"] == sum(number for key, number in numbers.items() if key not in {"all", "gone"})
    for key, number in numbers.items():
        qtbot.mouseClick(page.chips._chips[key], Qt.MouseButton.LeftButton, pos=_chip(page, key))
        qtbot.waitUntil(lambda number=number: page.model.rowCount() == number, timeout=5000)  # type: ignore[misc]
    qtbot.waitUntil(page._nothing.isVisible, timeout=2000)


def test_words_are_searched_in_names_attributes_and_keywords(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    qtbot.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(page.search.search.hasFocus, timeout=2000)
    for words in ("chevron", "sq22", "qubit 3"):
        page.search.search.setText("")
        qtbot.keyClicks(page.search.search, words)
        qtbot.waitUntil(lambda: page.model.rowCount() == 1, timeout=5000)
    qtbot.keyClicks(page.search.search, " nowhere")
    qtbot.waitUntil(page._nothing.isVisible, timeout=5000)
    assert page._nothing.title.text() == "No dataset fits"


def test_a_source_is_shown_alone_with_chips_that_count_it_alone(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    page.show_source(2)
    qtbot.waitUntil(lambda: page.model.rowCount() == 30, timeout=5000)
    qtbot.waitUntil(lambda: page.chips._chips["all"].text().endswith("30"), timeout=5000)
    assert page.search.source_id == 2


def test_chosen_columns_are_kept_in_the_settings_and_the_name_always_stays(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(rich_home)
    page = _page(rich_home, lambda _: desk, show_page, qtbot)
    menu = page.table.columns_menu()
    actions = {action.objectName(): action for action in menu.actions()}
    assert not actions["column-name"].isEnabled()
    actions["column-uuid"].trigger()
    actions["column-source"].trigger()
    assert Column.UUID in page.model.columns
    assert Column.SOURCE not in page.model.columns
    assert desk.settings.current.dataset_columns == tuple(item.value for item in page.model.columns)
    again = DatasetsPage(desk)
    show_page(again)
    assert again.model.columns == page.model.columns
    menu.deleteLater()


def test_the_page_looks_again_as_a_person_left_it(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(rich_home)
    page = _page(rich_home, lambda _: desk, show_page, qtbot)
    page.pane_button.setChecked(True)
    page.splitter.setSizes([500, 700])
    page.table.sortByColumn(page.model.columns.index(Column.SIZE), Qt.SortOrder.AscendingOrder)
    page.table.setColumnWidth(1, page.fontMetrics().averageCharWidth() * 50)
    left = json.loads(json.dumps(page.remembered()))
    again = DatasetsPage(desk)
    show_page(again)
    again.take_up({"widths": 3, "sort": "colour", "pane_share": "wide"})
    again.take_up(left)
    assert again.model.question == page.model.question
    assert again.table.widths()["name"] == 50
    assert again.remembered()["pane_share"] == pytest.approx(left["pane_share"], abs=0.02)


def test_a_click_on_a_heading_sorts_and_keeps_the_choice(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    _choose(page, qtbot, 3)
    place = page.model.columns.index(Column.NAME)
    header = page.table.horizontalHeader()
    where = QPoint(header.sectionViewportPosition(place) + 20, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.waitUntil(lambda: page.model.question.sort is Column.NAME, timeout=3000)
    qtbot.waitUntil(lambda: list(page.chosen_ids()) == [3], timeout=3000)


def test_actions_are_for_what_is_chosen(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, asked: list[Command]
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    buttons = {name: page.findChild(QPushButton, f"button-{name}") for name in ("retry", "ignore")}
    retry, ignore = buttons["retry"], buttons["ignore"]
    assert retry is not None
    assert ignore is not None
    page.table.clearSelection()
    assert not retry.isEnabled()
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    ids = tuple(page.chosen_ids())
    assert len(ids) == 2
    qtbot.mouseClick(retry, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(ignore, Qt.MouseButton.LeftButton)
    assert asked == [RetryTransfers(ids), IgnoreDatasets(ids)]
    assert "2 chosen" in page.count.text()


def test_uuids_of_the_chosen_are_copied_in_their_order(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    page.table.setFocus()
    page.table.selectAll()
    page.actions_by_name["copy-uuids"].trigger()
    qtbot.waitUntil(lambda: "69 UUIDs" in page.reply.text, timeout=5000)
    lines = QGuiApplication.clipboard().text().splitlines()
    with closing(sqlite3.connect(rich_home.store)) as connection:
        known = dict(connection.execute("SELECT id, uuid FROM datasets"))
    assert lines == [known[number] for number in page.chosen_ids()]


def test_return_opens_the_pane_and_space_closes_it(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.table.setFocus()
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.pane.dataset is not None, timeout=5000)
    assert page.pane.dataset_id == page.model.id_at(0)
    assert page.pane.sentence.startswith("Archived and verified ")
    page.table.setFocus()
    qtbot.keyClick(page.table, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: page.pane.dataset_id == page.model.id_at(1), timeout=3000)
    qtbot.keyClick(page.table, Qt.Key.Key_Space)
    assert page.pane.isHidden()


def test_the_pane_tells_description_attributes_copies_files_and_history(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    with closing(sqlite3.connect(archived_home.store)) as connection:
        number = connection.execute("SELECT id FROM datasets WHERE name = 'Rabi chevron Q3'").fetchone()[0]
    page.show_dataset(number)
    qtbot.waitUntil(lambda: page.pane.dataset is not None, timeout=5000)
    pane = page.pane
    text = "\n".join(label.text() for label in pane.findChildren(QLabel))
    assert "Drive frequency against duration." in text
    assert dict(pane.attributes.pairs) == {"sample": "SQ22", "fridge": "Triton 7", "set_up": "XLD-1"}
    assert {"rabi", "qubit 3", "cooldown 12"} <= set(text.splitlines())
    assert "version 1.0.0 · read back and compared · not read again yet" in text
    qtbot.waitUntil(lambda: pane.files_model.rowCount() >= 5, timeout=5000)
    names = [str(pane.files_model.index(row, 0).data()) for row in range(pane.files_model.rowCount())]
    assert "µ-wave (a+b) 100%.txt" in names
    assert any("lab-archive took version 1.0.0: " in what for _, what in pane.history.lines)


def test_show_in_archive_opens_the_folder_that_people_can_browse(
    archived_home: Home,
    desk_on: Callable[[Home], Desk],
    show_page: ShowPage,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("etiket_gui.gui.pages.dataset_pane.open_place", lambda path: bool(opened.append(path)) or True)
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.show_dataset(1)
    qtbot.waitUntil(lambda: page.pane.archive_button.isEnabled() and page.pane.dataset is not None, timeout=5000)
    qtbot.mouseClick(page.pane.archive_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(opened), timeout=20_000)
    assert (Path(opened[0]) / "SHA256SUMS").exists()


def test_a_preview_of_the_archive_is_shown_and_no_empty_room_without_one(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.show_dataset(1)
    qtbot.waitUntil(lambda: bool(page.pane._views), timeout=20_000)
    assert page.pane.preview.isHidden()
    folder = Path(page.pane._view_folder())
    assert folder.is_dir()
    assert (folder / "index.html").exists()
    pixmap = QPixmap(40, 30)
    pixmap.fill(Qt.GlobalColor.red)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    pixmap.save(buffer, "PNG")
    content = bytes(buffer.data().data())
    page.pane._take_views(1, {"views": [], "preview": base64.b64encode(content).decode()})
    assert page.pane.preview.isVisible()
    assert page.pane.picture.has_picture


def test_the_pane_follows_what_happens_to_its_dataset(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.show_dataset(2)
    qtbot.waitUntil(lambda: page.pane.dataset is not None, timeout=5000)
    describe(archived_home, 2, text="Written later.")
    qtbot.waitUntil(
        lambda: "Written later." in [label.text() for label in page.pane.findChildren(QLabel)], timeout=5000
    )


def test_a_dataset_that_is_forgotten_is_said_to_be(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.show_dataset(999_999)
    qtbot.waitUntil(lambda: page.pane.sentence == "This dataset is no longer known.", timeout=5000)


def test_restore_of_chosen_rows_opens_a_dialog_for_them(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.table.selectAll()
    page.restore()
    qtbot.waitUntil(lambda: page.findChild(RestoreDialog) is not None, timeout=5000)
    dialog = page.findChild(RestoreDialog)
    assert dialog is not None
    assert len(dialog._datasets) == 12
    dialog.reject()


def test_stored_copies_are_verified_and_the_engine_writes_it_down(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    desk = desk_on(archived_home)
    desk.host.start()
    page = _page(archived_home, lambda _: desk, show_page, qtbot)
    with closing(sqlite3.connect(archived_home.store)) as connection:
        before = connection.execute("SELECT max(verified_at_ns) FROM transfers").fetchone()[0]
    page.table.selectAll()
    page.verify()
    qtbot.waitUntil(lambda: "12 stored copies are what was sent, byte for byte" in page.reply.text, timeout=30_000)
    with closing(sqlite3.connect(archived_home.store)) as connection:
        assert connection.execute("SELECT min(verified_at_ns) FROM transfers").fetchone()[0] > before
    assert page.verifying.isHidden()


def test_verifying_can_be_stopped(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(archived_home, desk_on, show_page, qtbot)
    page.table.selectAll()
    page.verify()
    stop = page.findChild(QPushButton, "verify-stop")
    assert stop is not None
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    assert page.reply.text.startswith("Stopped.")
    assert not page.verifying.is_running
