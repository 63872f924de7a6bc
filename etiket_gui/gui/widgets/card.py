"""A card: one thing and what is known of it, on a surface of its own."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import SectionHeading
from etiket_gui.gui.widgets.layouts import column, row


class Card(QFrame):
    """A surface with an optional title. :attr:`body` takes the content, :attr:`header` what stands beside the title."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", "true")
        outer = column(self, margin=Space.L, spacing=Space.M)
        self.header: QHBoxLayout = row(spacing=Space.S)
        self.title = SectionHeading(title)
        self.title.setVisible(bool(title))
        self.header.addWidget(self.title)
        self.header.addStretch(1)
        outer.addLayout(self.header)
        self.body: QVBoxLayout = column(spacing=Space.S)
        outer.addLayout(self.body, 1)
        self.setAccessibleName(title)

    def set_title(self, title: str) -> None:
        """Show another title."""
        self.title.setText(title)
        self.title.setVisible(bool(title))
        self.setAccessibleName(title)
