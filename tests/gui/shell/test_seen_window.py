"""A window that nobody sees asks the store less often, and garbage is only looked for between the window's events."""

from __future__ import annotations

import gc

from pytestqt.qtbot import QtBot

from etiket_gui.bridge.reads import HIDDEN_POLL_S, POLL_S
from tests.gui.shell.conftest import StartProgram


def test_the_store_is_asked_less_often_while_the_window_is_not_seen(start_program: StartProgram, qtbot: QtBot) -> None:
    program = start_program(is_hidden=True)
    assert program.reads._quick.poll_s == HIDDEN_POLL_S
    program.show_window()
    qtbot.waitUntil(program.window.isVisible)
    assert program.reads._quick.poll_s == POLL_S
    program._hide()
    assert program.reads._quick.poll_s == HIDDEN_POLL_S


def test_python_looks_for_garbage_by_itself_again_when_the_program_ends(
    start_program: StartProgram, qtbot: QtBot
) -> None:
    program = start_program(is_hidden=True)
    qtbot.waitUntil(lambda: program.watch.facts.is_running, timeout=10_000)
    assert not gc.isenabled()
    program.garbage.stop()
    assert gc.isenabled()
