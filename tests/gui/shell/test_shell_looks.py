"""How window and dialogs look in every size: no text is cropped, nothing overlaps, everything has a name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.errors import StoreProblem
from etiket_gui.gui.application import Program
from etiket_gui.gui.crash_dialog import ReportDialog, bug_dialog
from etiket_gui.gui.diagnostics import DiagnosticsDialog
from etiket_gui.gui.settings_dialog import SettingsDialog
from etiket_gui.settings.settings import Settings
from tests.gui.shell.conftest import StartProgram
from tests.gui.shell.test_dialogs import MemoryAutostart
from tests.support import looks


@pytest.fixture(params=[7.0, 10.0, 18.0], ids=["70 %", "100 %", "180 %"])
def letters(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[float]:
    usual = qapp.font()
    font = qapp.font()
    font.setPointSizeF(request.param)
    qapp.setFont(font)
    yield request.param
    qapp.setFont(usual)


def flaws(widget: QWidget, qtbot: QtBot) -> list[str]:
    qtbot.wait(60)
    return looks.flaws(widget)


def full_of_banners(program: Program) -> None:
    """Everything is in the way at once."""
    program.watch.note_complaint("The settings had fields that this version does not know. They are left out.")
    program.watch.note_keyring(is_locked=True)
    program.watch._on_failed(
        StoreProblem(
            "The disk of a rather long folder name, /home/somebody/measurements/2026/fridge, has no space left.",
            advice="Make space there; the program goes on by itself as soon as something can be written again.",
        )
    )


@pytest.mark.parametrize("size", [(0, 0), (1000, 700), (2560, 1440)], ids=["least", "small", "large"])
@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_window_with_every_banner(
    letters: float, start_program: StartProgram, qtbot: QtBot, size: tuple[int, int], appearance: str
) -> None:
    program = start_program(Settings(worker_count=1, appearance=appearance))  # type: ignore[arg-type]
    full_of_banners(program)
    window = program.window
    least = window.minimumSizeHint().expandedTo(window.minimumSize())
    window.resize(max(size[0], least.width()), max(size[1], least.height()))
    assert window._banners.shown[0].key == "failed"
    if size[1] == 1440:
        assert len(window._banners.shown) == 3
    assert flaws(window, qtbot) == []


def test_dialogs(letters: float, program: Program, qtbot: QtBot) -> None:
    dialogs: list[QWidget] = [
        SettingsDialog(program.desk, program.background, program.window, autostart=MemoryAutostart()),
        DiagnosticsDialog(program.desk, program.window),
        bug_dialog("Traceback (most recent call last):\n" + "  a rather long line " * 30, program.window),
    ]
    for dialog in dialogs:
        dialog.show()
        assert flaws(dialog, qtbot) == [], dialog
    assert isinstance(dialogs[2], ReportDialog)
    for dialog in dialogs:
        dialog.close()
        dialog.deleteLater()
