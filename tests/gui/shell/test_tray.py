"""The tray: seven pictures, a tooltip that says why, a menu that is made once, and an icon that comes back."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QSystemTrayIcon
from pytestqt.qtbot import QtBot

from etiket_gui.domain.errors import StoreTooNew
from etiket_gui.gui.application import Program
from etiket_gui.gui.program_state import TrayKind
from etiket_gui.gui.tray import tray_icon
from tests.gui.shell.conftest import StartProgram


@pytest.fixture
def icon(program: Program) -> QSystemTrayIcon:
    """The icon in a panel that is said to be there."""
    program.tray._is_there = lambda: True
    program.tray._look()
    assert program.tray.icon is not None
    return program.tray.icon


@pytest.mark.parametrize("is_dark", [False, True])
def test_seven_states_have_seven_pictures_in_every_size(qtbot: QtBot, is_dark: bool) -> None:
    for size in (16, 22, 32):
        pictures = []
        for kind in TrayKind:
            image = tray_icon(kind, is_dark_panel=is_dark).pixmap(size, size).toImage()
            assert image.size().width() == size
            # Told apart by shape: without colours, too.
            pictures.append(bytes(image.convertToFormat(QImage.Format.Format_Alpha8).constBits()))
        assert len(set(pictures)) == len(TrayKind)


def test_tooltip_and_status_line_say_why(program: Program, icon: QSystemTrayIcon) -> None:
    program.watch._on_failed(StoreTooNew("The store was written by version 9."))
    assert icon.toolTip().startswith("The store was written by version 9.")
    assert program.tray.menu.actions()[0].text() == "The store was written by version 9."
    assert not program.tray.menu.actions()[0].isEnabled()


def test_menu_is_made_once_and_has_nine_rows_at_most(program: Program, qtbot: QtBot) -> None:
    menu = program.tray.menu
    before = [id(action) for action in menu.actions()]
    rows = [action for action in menu.actions() if not action.isSeparator()]
    assert len(rows) <= 9
    program.steering.pause()
    qtbot.waitUntil(lambda: program.watch.facts.paused_until_ns == -1)
    menu.aboutToShow.emit()
    assert [id(action) for action in menu.actions()] == before
    names = [action.objectName() for action in rows[1:]]
    assert names == ["tray-open", "sync-now", "", "hold", "tray-problems", "tray-settings", "tray-quit"]


def test_problems_are_counted_in_the_menu(program: Program) -> None:
    action = next(action for action in program.tray.menu.actions() if action.objectName() == "tray-problems")
    count = program.watch.facts.problem_count
    assert action.isEnabled() == bool(count)
    assert "problem" in action.text()
    assert not count or str(count) in action.text()


def test_click_opens_the_window(program: Program, icon: QSystemTrayIcon) -> None:
    program.window.hide()
    icon.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
    assert program.window.isVisible()


def test_hidden_start_shows_no_window_while_there_is_a_tray(start_program: StartProgram, qtbot: QtBot) -> None:
    program = start_program(is_hidden=True)
    qtbot.waitUntil(lambda: program.watch.facts.is_running, timeout=10_000)
    assert not program.window.isVisible()


def test_hidden_start_without_any_tray_shows_the_window_after_a_while(
    start_program: StartProgram, qtbot: QtBot
) -> None:
    program = start_program(is_hidden=True)
    program._show_without_tray()
    assert program.window.isVisible()


def test_pop_up_is_only_tried_where_there_is_a_panel(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from etiket_gui.gui.notifications import Notice

    shown: list[str] = []
    monkeypatch.setattr(QSystemTrayIcon, "showMessage", lambda icon, title, *rest: shown.append(title))
    program.tray.pop_up(Notice("F: 1 problem", "why"))
    assert shown == []
    program.tray._is_there = lambda: True
    program.tray._look()
    program.tray.pop_up(Notice("F: 1 problem", "why"))
    assert shown == ["F: 1 problem"]
