"""The whole window program on a home of the test, and the look of Qt put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import shiboken6
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from etiket_gui.gui.application import Beginning, Program
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support import qt_leaks
from tests.support.patience import patient_s

StartProgram = Callable[..., Program]


@pytest.fixture(autouse=True)
def _look_of_qt(qapp: QApplication) -> Iterator[None]:
    font = qapp.font()
    yield
    qapp.setStyleSheet("")
    qapp.setPalette(QPalette())
    qapp.setFont(font)


def end(program: Program, qtbot: QtBot) -> None:
    """Quit as a person does, and wait until everything has ended; harmless for a program that has."""
    if not shiboken6.isValid(program):
        return
    if not program.quitting.is_begun:
        with qtbot.waitSignal(program.quitting.done, timeout=10_000):
            program.quit()
    # On a busy machine workers take longer than a person is made to wait; then the program would end the process.
    assert program.host.stop_and_wait(patient_s(20)), "the engine does not end"
    program._end_now()
    program.window.deleteLater()
    program.deleteLater()
    qt_leaks.settle()


@pytest.fixture
def start_program(home: Home, qtbot: QtBot) -> Iterator[StartProgram]:
    """Starts the program on the filled home; ends it after the test. No first-run wizard pops up."""
    programs: list[Program] = []

    def start(settings: Settings | None = None, *, home: Home = home, **beginning: object) -> Program:
        program = Program(home, settings or Settings(worker_count=1), Beginning(**beginning))  # type: ignore[arg-type]
        program._was_first_run_offered = True
        programs.append(program)
        program.start()
        return program

    yield start
    for program in programs:
        end(program, qtbot)


@pytest.fixture
def program(start_program: StartProgram, qtbot: QtBot) -> Program:
    """The program with its engine running."""
    made = start_program()
    qtbot.waitUntil(lambda: made.watch.facts.is_running and made.watch.facts.shell is not None, timeout=10_000)
    return made
