"""Filter chips: small buttons that stay down, each with a word and a number."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton, QWidget

from etiket_gui.gui.sentences import number_text


class Chip(QToolButton):
    """A word and, where one is known, a count; ``toggled`` says when it was clicked."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = text
        self.setProperty("chip", "true")
        self.setCheckable(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.set_count(None)

    @property
    def label(self) -> str:
        """The word without the count."""
        return self._label

    def set_count(self, count: int | None) -> None:
        """Show a count beside the word; None for none."""
        text = self._label if count is None else f"{self._label}  {number_text(count)}"
        if text != self.text():
            self.setText(text)
            self.setAccessibleName(text)
