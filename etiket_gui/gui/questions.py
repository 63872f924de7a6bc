"""Questions and notices that do not stop the program: a window of their own, an answer by a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QCheckBox, QGridLayout, QMessageBox, QPushButton, QSpacerItem, QWidget

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.sentences import capitalised

_WIDTH_CHARACTERS = 64


def ask(
    parent: QWidget | None,
    title: str,
    text: str,
    choices: Sequence[tuple[str, str]],
    answered: Callable[[str, bool], None],
    *,
    detail: str = "",
    remember: str = "",
    name: str = "question",
) -> QMessageBox:
    """Ask; ``choices`` are (key, words), the first one is the usual answer and the last one means "no".

    ``answered`` gets the key of the choice and whether the box of ``remember`` was ticked. Escape is the last choice.
    """
    box = QMessageBox(parent)
    box.setObjectName(name)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText(detail)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    buttons: list[tuple[str, QPushButton]] = []
    for index, (key, words) in enumerate(choices):
        is_last = index == len(choices) - 1 and len(choices) > 1
        button = box.addButton(
            words, QMessageBox.ButtonRole.RejectRole if is_last else QMessageBox.ButtonRole.AcceptRole
        )
        button.setObjectName(f"{name}-{key}")
        button.setAccessibleName(words)
        buttons.append((key, button))
    box.setDefaultButton(buttons[0][1])
    box.setEscapeButton(buttons[-1][1])
    tick: QCheckBox | None = None
    if remember:
        tick = QCheckBox(remember)
        tick.setObjectName(f"{name}-remember")
        tick.setAccessibleName(remember)
        box.setCheckBox(tick)

    _widen(box)

    def finish() -> None:
        clicked = box.clickedButton()
        key = next((key for key, button in buttons if button is clicked), choices[-1][0])
        answered(key, tick is not None and tick.isChecked())

    box.finished.connect(finish)
    box.open()
    return box


def _widen(box: QMessageBox) -> None:
    """Qt breaks the lines of a short question after a few words, and cuts its title."""
    grid = box.layout()
    if isinstance(grid, QGridLayout):
        width = box.fontMetrics().averageCharWidth() * _WIDTH_CHARACTERS
        grid.addItem(QSpacerItem(width, 0), grid.rowCount(), 0, 1, grid.columnCount())


def tell(parent: QWidget | None, error: EtiketError, *, title: str = "", name: str = "notice") -> QMessageBox:
    """Say what went wrong, where, and what to do."""
    return ask(
        parent,
        title or error.title,
        capitalised(error.reason),
        [("ok", QCoreApplication.translate("questions", "Close"))],
        lambda _key, _tick: None,
        detail=error.advice,
        name=name,
    )
