"""A thin line that says how far something is."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Space

_THICKNESS = 6


class ProgressLine(QWidget):
    """A part of 1 that is done; None while it cannot be told, which is drawn as an empty line."""

    def __init__(self, name: str = "", parent: QWidget | None = None, *, tint: str = "accent") -> None:
        super().__init__(parent)
        self._fraction: float | None = None
        self._tint = tint
        self._name = name
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    @property
    def fraction(self) -> float | None:
        """What is done, from 0 to 1."""
        return self._fraction

    def set_fraction(self, fraction: float | None) -> None:
        """Show how much is done; values outside 0 to 1 are brought to the nearer end."""
        wanted = None if fraction is None else min(max(fraction, 0.0), 1.0)
        if wanted == self._fraction:
            return
        self._fraction = wanted
        share = "" if wanted is None else f"{round(wanted * 100)} %"
        self.setAccessibleDescription(share)
        self.update()

    def sizeHint(self) -> QSize:
        """Thin, and as wide as there is room."""
        return QSize(Space.XXL * 4, _THICKNESS)

    def minimumSizeHint(self) -> QSize:
        """Short, so that it never widens a row."""
        return QSize(Space.XXL, _THICKNESS)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the line and what is done of it."""
        colours = Theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        top = (self.height() - _THICKNESS) / 2
        radius = _THICKNESS / 2
        painter.setBrush(QColor(colours.hover))
        painter.drawRoundedRect(QRectF(0, top, self.width(), _THICKNESS), radius, radius)
        if self._fraction:
            painter.setBrush(QColor(colours.colour(self._tint)))
            width = max(self.width() * self._fraction, float(_THICKNESS))
            left = self.width() - width if self.layoutDirection() is Qt.LayoutDirection.RightToLeft else 0.0
            painter.drawRoundedRect(QRectF(left, top, width, _THICKNESS), radius, radius)
