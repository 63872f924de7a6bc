"""A row of figures: large numbers with a word below each, aligned with one another."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from etiket_gui.gui.sentences import number_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import TextLabel, set_tint


class Figures(QWidget):
    """Figures under fixed words; a figure that is not 0 may have a colour."""

    def __init__(self, words: tuple[tuple[str, str], ...], parent: QWidget | None = None) -> None:
        """``words`` are (word, tint of its figure when it is not 0)."""
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(Space.L)
        grid.setVerticalSpacing(0)
        self._figures: list[tuple[TextLabel, TextLabel, str]] = []
        for column, (word, tint) in enumerate(words):
            figure = TextLabel("0", TextRole.HEADING)
            below = TextLabel(word, TextRole.SMALL, "muted")
            grid.addWidget(figure, 0, column, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(below, 1, column, Qt.AlignmentFlag.AlignLeft)
            grid.setColumnStretch(column, 1)
            self._figures.append((figure, below, tint))

    def set_numbers(self, *numbers: int) -> None:
        """Show these numbers, in the order of the words."""
        told = []
        for (figure, below, tint), number in zip(self._figures, numbers, strict=True):
            figure.setText(number_text(number))
            set_tint(figure, tint if number else "muted")
            told.append(f"{below.text()}: {number}")
        self.setAccessibleName(", ".join(told))

    def texts(self) -> dict[str, str]:
        """What is shown, by word."""
        return {below.text(): figure.text() for figure, below, _ in self._figures}
