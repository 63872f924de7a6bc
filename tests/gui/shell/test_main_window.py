"""The frame of the window: navigation, header, banners, status line, and what closing means."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.errors import StoreTooNew
from etiket_gui.domain.events import DatasetProgressed, RouteMoved
from etiket_gui.gui.application import Program
from etiket_gui.gui.program_state import TrayKind
from etiket_gui.settings.home import Home
from tests.gui.shell.conftest import StartProgram, end


def button(program: Program, name: str) -> QPushButton | QToolButton:
    found = program.window.findChild(QWidget, name)
    assert isinstance(found, QPushButton | QToolButton), name
    return found


def click(qtbot: QtBot, program: Program, name: str) -> None:
    qtbot.mouseClick(button(program, name), Qt.MouseButton.LeftButton)


def question(name: str) -> QMessageBox:
    """The question of that name which is on the screen."""
    found = [box for box in QApplication.topLevelWidgets() if box.objectName() == name and box.isVisible()]
    assert len(found) == 1, f"{len(found)} questions {name}"
    assert isinstance(found[0], QMessageBox)
    return found[0]


def answer(name: str, choice: str) -> None:
    box = question(name)
    chosen = box.findChild(QPushButton, f"{name}-{choice}")
    assert chosen is not None
    chosen.click()


def test_overview_is_shown_first_and_each_page_by_its_button_and_key(program: Program, qtbot: QtBot) -> None:
    window = program.window
    assert window.shown_key == "overview"
    for index, key in enumerate(("overview", "datasets", "problems", "activity", "log")):
        click(qtbot, program, f"nav-{key}")
        assert window.shown_key == key
        qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_1 + index), Qt.KeyboardModifier.ControlModifier)


def test_pages_are_made_when_they_are_first_shown(program: Program) -> None:
    assert set(program.window._made) == {0}


def test_pause_and_resume_from_the_header_reach_the_engine_and_the_banner(program: Program, qtbot: QtBot) -> None:
    program.window._header.actions_of.pause_menu.actions()[3].trigger()
    qtbot.waitUntil(lambda: program.watch.state.kind is not TrayKind.IDLE and "paused" in _banners(program))
    assert program.reads is not None
    click(qtbot, program, "banner-resume")
    qtbot.waitUntil(lambda: "paused" not in _banners(program))


def test_hold_is_a_switch_with_an_end(program: Program, qtbot: QtBot) -> None:
    click(qtbot, program, "header-hold")
    qtbot.waitUntil(lambda: "held" in _banners(program))
    assert program.watch.facts.held_until_ns > 0, "a hold that a person forgets ends by itself"
    assert button(program, "header-hold").isChecked()
    click(qtbot, program, "header-hold")
    qtbot.waitUntil(lambda: "held" not in _banners(program))
    assert not button(program, "header-hold").isChecked()


def _banners(program: Program) -> list[str]:
    return [banner.key for banner in program.window._banners.shown]


def test_engine_that_failed_is_a_banner_with_the_reason(program: Program) -> None:
    program.watch._on_failed(StoreTooNew("The store was written by version 9.", advice="Install version 9."))
    (banner, *_) = program.window._banners.shown
    assert banner.key == "failed"
    assert "version 9" in banner.sentence
    assert "Install version 9." in banner.sentence
    assert not button(program, "header-sync").isEnabled()


def test_progress_is_summed_up_at_the_bottom(program: Program) -> None:
    rows = tuple(
        DatasetProgressed(number, f"u{number}", f"run {number}", 50_000_000, 100_000_000, 5_000_000.0, 10.0)
        for number in (1, 2)
    )
    program.watch._on_event(RouteMoved(1, 1, 10_000_000.0, 0.2))
    program.watch._on_progressed(rows)
    line = program.window._status
    assert line._moving.text() == "Sending 2 datasets · 10.0\u00a0MB/s · about 10\u00a0s left"
    assert line._line.fraction == 0.5


def test_progress_ends_with_the_last_dataset_that_moves(program: Program) -> None:
    line = program.window._status
    program.watch._on_progressed((DatasetProgressed(1, "u1", "run 1", 50, 100, 5.0, None),))
    assert line._moving.text() == "Sending 1 dataset · estimating"
    program.host.transfersEnded.emit(frozenset({1}))
    assert line._moving.text() == ""
    assert not line._line.isVisible()


def test_narrow_window_shows_icons_alone_with_their_words_in_tooltips(program: Program, qtbot: QtBot) -> None:
    window = program.window
    window.resize(QSize(1400, 900))
    assert not window._rail.is_narrow
    window.resize(window.minimumSizeHint())
    qtbot.waitUntil(lambda: window._rail.is_narrow)
    assert button(program, "nav-datasets").toolTip() == "Datasets"
    assert button(program, "nav-datasets").accessibleName() == "Datasets"


def test_every_focusable_widget_of_the_frame_has_a_name(program: Program) -> None:
    window = program.window
    page = window.page_at(0)
    nameless = [
        f"{type(child).__name__} {child.objectName()}"
        for child in window.findChildren(QWidget)
        if child.focusPolicy() is not Qt.FocusPolicy.NoFocus
        and child.isVisible()
        and not page.isAncestorOf(child)
        and not child.accessibleName()
    ]
    assert nameless == []


def test_closing_without_a_tray_asks_and_cancel_changes_nothing(program: Program, qtbot: QtBot) -> None:
    assert not program.tray.is_available, "there is no tray where nothing is shown"
    program.window.close()
    assert "no system tray" in question("close").informativeText()
    answer("close", "cancel")
    assert program.window.isVisible()
    assert program.settings.current.on_close == "ask"


def test_closing_asks_once_when_told_to_remember(program: Program, qtbot: QtBot) -> None:
    program.tray._is_there = lambda: True
    program.tray._look()
    program.window.close()
    box = question("close")
    tick = box.checkBox()
    assert tick is not None
    tick.setChecked(True)
    answer("close", "tray")
    assert not program.window.isVisible()
    assert program.settings.current.on_close == "tray"
    program.show_window()
    program.window.close()
    assert not program.window.isVisible()


def test_quit_in_the_question_quits(program: Program, qtbot: QtBot) -> None:
    with qtbot.waitSignal(program.quitting.done, timeout=10_000):
        program.window.close()
        answer("close", "quit")


def test_size_and_place_are_taken_up_again(start_program: StartProgram, home: Home, qtbot: QtBot) -> None:
    first = start_program()
    first.window.resize(790, 666)
    end(first, qtbot)
    assert json.loads((home.root / "window.json").read_text("utf-8"))["geometry"]
    second = start_program()
    assert second.window.size() == QSize(790, 666)


def test_window_of_a_larger_screen_is_made_to_fit(start_program: StartProgram, home: Home, qtbot: QtBot) -> None:
    first = start_program()
    first.window.resize(3000, 2500)
    first.window.move(1500, 1500)
    end(first, qtbot)
    window = start_program().window
    room = window.screen().availableGeometry()
    assert room.contains(window.geometry())


@pytest.mark.parametrize("content", [b"", b"{", b'{"geometry": 5}', b'{"geometry": "AAAA"}', b"[]"])
def test_place_that_makes_no_sense_is_left_alone(start_program: StartProgram, home: Home, content: bytes) -> None:
    (home.root / "window.json").write_bytes(content)
    assert start_program().window.isVisible()
