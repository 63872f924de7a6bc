"""The sign of a state: each state has a shape of its own, so that it is told without colours."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Palette


def _disc(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawEllipse(box)
    painter.setPen(_pen(ground, box, 0.13))
    points = [(0.29, 0.52), (0.44, 0.67), (0.72, 0.36)]
    painter.drawPolyline(QPolygonF([_at(box, x, y) for x, y in points]))


def _arrow(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawEllipse(box)
    painter.setPen(_pen(ground, box, 0.13))
    painter.drawLine(_at(box, 0.5, 0.74), _at(box, 0.5, 0.3))
    painter.drawPolyline(QPolygonF([_at(box, x, y) for x, y in [(0.31, 0.47), (0.5, 0.27), (0.69, 0.47)]]))


def _ring(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen(ink, box, 0.14))
    inner = box.adjusted(*(box.width() * part for part in (0.08, 0.08, -0.08, -0.08)))
    painter.drawEllipse(inner)
    painter.drawPolyline(QPolygonF([_at(box, x, y) for x, y in [(0.5, 0.28), (0.5, 0.52), (0.66, 0.62)]]))


def _bars(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    radius = box.width() * 0.16
    painter.drawRoundedRect(box, radius, radius)
    painter.setBrush(ground)
    for left in (0.29, 0.57):
        painter.drawRect(QRectF(_at(box, left, 0.26), _at(box, left + 0.14, 0.74)))


def _octagon(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    angles = [math.pi / 8 + math.pi / 4 * step for step in range(8)]
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawPolygon(QPolygonF([_at(box, 0.5 + 0.54 * math.cos(a), 0.5 + 0.54 * math.sin(a)) for a in angles]))
    painter.setPen(_pen(ground, box, 0.13))
    painter.drawLine(_at(box, 0.33, 0.33), _at(box, 0.67, 0.67))
    painter.drawLine(_at(box, 0.67, 0.33), _at(box, 0.33, 0.67))


def _triangle(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    pen = _pen(ink, box, 0.12)
    painter.setPen(pen)
    painter.setBrush(ink)
    painter.drawPolygon(QPolygonF([_at(box, x, y) for x, y in [(0.5, 0.1), (0.93, 0.87), (0.07, 0.87)]]))
    painter.setPen(_pen(ground, box, 0.12))
    painter.drawLine(_at(box, 0.5, 0.38), _at(box, 0.5, 0.6))
    painter.drawPoint(_at(box, 0.5, 0.77))


def _diamond(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawPolygon(QPolygonF([_at(box, x, y) for x, y in [(0.5, -0.05), (1.05, 0.5), (0.5, 1.05), (-0.05, 0.5)]]))
    painter.setPen(_pen(ground, box, 0.12))
    wave = QPainterPath(_at(box, 0.24, 0.52))
    for x, y in ((0.38, 0.52), (0.46, 0.32), (0.56, 0.7), (0.64, 0.5), (0.78, 0.5)):
        wave.lineTo(_at(box, x, y))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(wave)


def _dash(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setPen(_pen(ink, box, 0.16))
    painter.drawLine(_at(box, 0.18, 0.5), _at(box, 0.82, 0.5))


def _slashed(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen(ink, box, 0.14))
    painter.drawEllipse(box.adjusted(*(box.width() * part for part in (0.08, 0.08, -0.08, -0.08))))
    painter.drawLine(_at(box, 0.24, 0.76), _at(box, 0.76, 0.24))


def _circle(painter: QPainter, box: QRectF, ink: QColor, ground: QColor) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen(ink, box, 0.14))
    painter.drawEllipse(box.adjusted(*(box.width() * part for part in (0.2, 0.2, -0.2, -0.2))))


def _at(box: QRectF, x: float, y: float) -> QPointF:
    return QPointF(box.x() + x * box.width(), box.y() + y * box.height())


def _pen(colour: QColor, box: QRectF, width: float) -> QPen:
    pen = QPen(colour, box.width() * width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


_Draw = Callable[[QPainter, QRectF, QColor, QColor], None]

#: State: (how it is drawn, colour of the theme). Transfer states, run states, states of sources and destinations.
_SIGNS: dict[str, tuple[_Draw, str]] = {
    "archived": (_disc, "good"),
    "ok": (_disc, "good"),
    "complete": (_disc, "good"),
    "sending": (_arrow, "accent"),
    "waiting": (_ring, "muted"),
    "announced": (_circle, "muted"),
    "new": (_circle, "muted"),
    "held": (_bars, "muted"),
    "paused": (_bars, "muted"),
    "live": (_diamond, "measuring"),
    "measuring": (_diamond, "measuring"),
    "interrupted": (_triangle, "warning"),
    "attention": (_triangle, "warning"),
    "empty": (_triangle, "warning"),
    "asking": (_triangle, "warning"),
    "sign_in": (_triangle, "warning"),
    "full": (_octagon, "bad"),
    "failed": (_octagon, "bad"),
    "problem": (_octagon, "bad"),
    "offline": (_slashed, "muted"),
    "ignored": (_dash, "muted"),
    "gone": (_dash, "muted"),
    "off": (_dash, "muted"),
}

STATES: tuple[str, ...] = tuple(_SIGNS)


def paint_status(painter: QPainter, box: QRectF, state: str, colours: Palette, ground: str = "") -> None:
    """Draw the sign of a state into a square box; ``ground`` is the colour behind it. Also for item delegates.

    Raises KeyError for a state that has no sign.
    """
    draw, tint = _SIGNS[state]
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter, box, QColor(colours.colour(tint)), QColor(ground or colours.surface))
    painter.restore()


def tint_of(state: str) -> str:
    """The name of the theme colour of a state. Raises KeyError for a state that has no sign."""
    return _SIGNS[state][1]


class StatusDot(QWidget):
    """The sign of one state, as large as the text beside it."""

    def __init__(
        self, state: str = "new", name: str = "", parent: QWidget | None = None, *, scale: float = 1.0
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._scale = scale
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name or state)

    @property
    def state(self) -> str:
        """The state that is shown."""
        return self._state

    def set_state(self, state: str, name: str = "") -> None:
        """Show another state; ``name`` is what it is called in words. Raises KeyError for one that has no sign."""
        tint_of(state)
        self.setAccessibleName(name or state)
        if state != self._state:
            self._state = state
            self.update()

    def sizeHint(self) -> QSize:
        """The height of capital letters with a little more."""
        side = round(self.fontMetrics().height() * self._scale)
        return QSize(side, side)

    def minimumSizeHint(self) -> QSize:
        """It does not shrink."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the sign."""
        side = min(self.width(), self.height()) * 0.84
        box = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        paint_status(QPainter(self), box, self._state, Theme.colours())
