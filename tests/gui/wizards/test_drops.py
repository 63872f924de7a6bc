"""Dropped things are taken as copies, recognised without holding up the window, and added or refused one by one."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QTableWidget, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.commands import AddDestination, Reply
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.drops import DropFilter, DropSheet, dropped_texts
from tests.gui.wizards.conftest import Hand
from tests.support.patience import patient_s

_BOTH = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction


def _drop(widget: QWidget, data: QMimeData, actions: Qt.DropAction = _BOTH) -> tuple[QDragEnterEvent, QDropEvent]:
    enter = QDragEnterEvent(QPoint(5, 5), actions, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, enter)
    drop = QDropEvent(QPoint(5, 5), actions, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    drop.setDropAction(Qt.DropAction.MoveAction)
    if enter.isAccepted():
        QApplication.sendEvent(widget, drop)
    return enter, drop


@pytest.fixture
def target(qtbot: QtBot) -> tuple[QWidget, list[list[str]]]:
    window = QWidget()
    layout = QVBoxLayout(window)
    layout.addWidget(QTableWidget(2, 2))
    qtbot.addWidget(window)
    window.show()
    heard: list[list[str]] = []
    DropFilter(window).dropped.connect(heard.append)
    return window, heard


def test_files_and_addresses_arrive_as_texts_and_as_a_copy(target: tuple[QWidget, list[list[str]]]) -> None:
    window, heard = target
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/data/a b é"), QUrl("https://example.org/x")])
    _, drop = _drop(window, data)
    assert heard == [["/data/a b é", "https://example.org/x"]]
    assert drop.dropAction() is Qt.DropAction.CopyAction


def test_what_can_only_be_moved_is_refused(target: tuple[QWidget, list[list[str]]]) -> None:
    window, heard = target
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/data")])
    enter, _ = _drop(window, data, Qt.DropAction.MoveAction)
    assert not enter.isAccepted()
    assert heard == []


def test_a_thing_that_is_no_place_is_left_alone(target: tuple[QWidget, list[list[str]]]) -> None:
    window, heard = target
    data = QMimeData()
    data.setData("application/x-colour", b"red")
    enter, _ = _drop(window, data)
    assert not enter.isAccepted()
    assert heard == []


def test_paths_as_text_are_taken_too() -> None:
    data = QMimeData()
    data.setText("/data/one\n\n/data/two\n")
    assert dropped_texts(data) == ["/data/one", "/data/two"]


# -- the sheet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(desk: Desk, hand: Hand, tmp_path: Path) -> Path:
    made: list[object] = []
    config = {"path": str(tmp_path / "archive")}

    def add(probe: dict[str, object]) -> None:
        def added(reply: Reply) -> None:
            made.append(reply)

        desk.host.ask(AddDestination("lab archive", "archive", config, str(probe["identity"])), None, added)

    desk.jobs.start("create_destination", {"kind": "archive", "config": config}, desk.host, add)
    hand.wait(lambda: bool(made))
    return tmp_path / "archive"


def _sources(desk: Desk) -> list[str]:
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return [row[0] for row in store.execute("SELECT name FROM sources ORDER BY id")]
    finally:
        store.close()


def _sheet(desk: Desk, qtbot: QtBot, *paths: object) -> DropSheet:
    sheet = DropSheet(desk, None, [str(path) for path in paths])
    qtbot.addWidget(sheet)
    sheet.show()
    qtbot.waitUntil(lambda: sheet._job is None, timeout=20_000)
    return sheet


def test_one_click_adds_what_was_dropped(desk: Desk, archive: Path, qtbot: QtBot, hand: Hand, data: Path) -> None:
    sheet = _sheet(desk, qtbot, data)
    hand.wait(lambda: "lab archive" in sheet._said.text())
    hand.picture(sheet, "drop-one")
    hand.click(sheet, "drop-add")
    hand.wait(lambda: not sheet.isVisible())
    assert _sources(desk) == ["fridge data"]
    assert hand.clicks == 1


def test_several_things_are_told_apart_and_the_good_ones_added(
    desk: Desk, archive: Path, qtbot: QtBot, hand: Hand, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "fridge data"
    (other / "run 1").mkdir(parents=True)
    (other / "run 1" / "a.csv").write_text("1")
    (tmp_path / "old.zip").write_bytes(b"PK")
    sheet = _sheet(desk, qtbot, data, other, tmp_path / "old.zip", "https://example.org/data", archive)
    assert [bool(card.answer["refusal"]) for card in sheet._cards] == [False, False, True, True, True]
    hand.wait(lambda: sheet._all.isVisible() and sheet._all.isEnabled())
    hand.picture(sheet, "drop-several")
    hand.click(sheet, "drop-add-all")
    hand.wait(lambda: len(_sources(desk)) == 2)
    hand.wait(lambda: all(card.is_added for card in sheet._cards[:2]))
    assert _sources(desk) == ["fridge data", "fridge data 2"]
    assert sheet.isVisible()
    hand.click(sheet, "drop-close")


def test_without_a_destination_one_is_asked_for_in_the_sheet(
    desk: Desk, qtbot: QtBot, hand: Hand, data: Path, tmp_path: Path
) -> None:
    sheet = _sheet(desk, qtbot, data)
    hand.wait(lambda: sheet._choice is not None and sheet._choice._form is not None)
    hand.type(sheet, "field-path", str(tmp_path / "new archive"))
    hand.picture(sheet, "drop-no-destination")
    hand.click(sheet, "drop-add")
    hand.wait(lambda: not sheet.isVisible())
    assert _sources(desk) == ["fridge data"]
    assert (tmp_path / "new archive" / ".rmearchive").exists()


def test_change_opens_the_wizard_at_the_settings(
    desk: Desk, archive: Path, qtbot: QtBot, hand: Hand, data: Path
) -> None:
    from etiket_gui.gui.wizards.add_source import AddSourceWizard

    sheet = _sheet(desk, qtbot, data)
    hand.click(sheet, "drop-change")
    (wizard,) = sheet.findChildren(AddSourceWizard)
    hand.wait(lambda: wizard.settings.form is not None and bool(wizard.draft.root))
    assert wizard.draft.config["level"] == 2
    assert wizard.draft.name == "fridge data"
    wizard.close()
    sheet.close()


def test_an_empty_drop_is_answered_with_a_sentence(desk: Desk, archive: Path, qtbot: QtBot) -> None:
    sheet = _sheet(desk, qtbot)
    assert "Nothing was dropped" in sheet._cards[0].answer["refusal"]
    sheet.close()


@pytest.mark.alone
def test_a_thousand_files_do_not_hold_up_the_window(desk: Desk, archive: Path, qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}.csv").write_text("1")
    begun_s = time.monotonic()
    sheet = DropSheet(desk, None, [str(path) for path in folder.iterdir()])
    qtbot.addWidget(sheet)
    sheet.show()
    assert time.monotonic() - begun_s < patient_s(1.0)
    qtbot.waitUntil(lambda: sheet._job is None, timeout=20_000)
    (card,) = sheet._cards
    assert "1000 things were dropped" in card.answer["notes"][0]
    sheet.close()


def test_add_all_goes_on_after_one_that_cannot_be_added(
    desk: Desk, archive: Path, qtbot: QtBot, hand: Hand, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other fridge"
    (other / "run 1").mkdir(parents=True)
    (other / "run 1" / "a.csv").write_text("1")
    sheet = _sheet(desk, qtbot, data, data / "20260303", other)
    hand.wait(lambda: "lab archive" in sheet._said.text())
    hand.click(sheet, "drop-add-all")
    hand.wait(lambda: len(_sources(desk)) == 2)
    assert _sources(desk) == ["fridge data", "other fridge"]
    hand.wait(lambda: any("lies inside the source fridge data" in card._said.text() for card in sheet._cards))
