"""How the rows of the table of datasets are drawn: each once, into a picture that is shown again while it scrolls."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QFontMetricsF, QPainter, QPalette, QPixmap, QStaticText
from PySide6.QtWidgets import QTableView

from etiket_gui.bridge.queries_datasets import Column, DatasetLine
from etiket_gui.gui.models.dataset_table import DatasetTableModel, PaintedRow
from etiket_gui.gui.models.dataset_texts import RIGHT_ALIGNED, is_measuring
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Palette, Space
from etiket_gui.gui.widgets.status_dot import paint_status

#: So long one paint may draw rows anew while the view moves; the others follow a few milliseconds later.
BUDGET_S = 0.004
_MOVING_S = 0.25
_LEAST_ROWS = 4
#: Pictures of rows take this much memory at most, but never fewer are kept than are seen.
MOST_BYTES = 24_000_000
_MOST_TEXTS = 2000
_TIME = "0000-00-00 00:00:00"
_BAR_HEIGHT = 4
_SIGN_PART = 0.86
_MIDDLE = frozenset({Column.NAME, Column.IDENTIFIER, Column.UUID})
#: The same few words in many rows: laid out once.
_REPEATED = frozenset({Column.STATE, Column.SOURCE, Column.DESTINATIONS, Column.RUN_STATE})
#: All of one length, of digits and what is never wider.
_DIGITS = frozenset({Column.COLLECTED, Column.ARCHIVED, Column.CHANGED})
# Plain numbers: an enumeration costs microseconds each time.
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a column's text stands in a row, in pixels from the left edge of the view."""

    column: Column
    left: int
    width: int

    @property
    def room(self) -> tuple[int, int]:
        return self.left + Space.S, self.width - 2 * Space.S


@dataclass(slots=True)
class _Picture:
    row: PaintedRow
    is_chosen: bool
    fraction: float | None
    pixmap: QPixmap


class DatasetRows:
    """Draws what is seen of one view whose rows are all of one height. Belongs to the GUI thread."""

    def __init__(self, view: QTableView, model: DatasetTableModel) -> None:
        self._view = view
        self._model = model
        self._pictures: dict[int, _Picture] = {}
        self._signs: dict[tuple[str, int, float, bool, Palette], QPixmap] = {}
        self._texts: dict[tuple[str, int], QStaticText] = {}
        self._stamp: Hashable = None
        self._cells: tuple[_Cell, ...] = ()
        self._size = (1, 1)
        self._ratio = 1.0
        self._colours = Theme.colours()
        self._ink = (QColor(), QColor())
        self._ground = (QColor(), QColor())
        self._font = QFont()
        self._metrics = view.fontMetrics()
        self._exact = QFontMetricsF(view.font())
        self._advances: dict[str, float] = {}
        self._time_width = self._baseline = 0.0
        self._is_mirrored = False
        self._painted_s = 0.0

    def forget(self) -> None:
        """Free the pictures: nobody sees them just now."""
        self._pictures.clear()
        self._texts.clear()

    def paint(self, painter: QPainter, seen: QRect) -> bool:
        """Draw the rows within ``seen`` (pixels of the viewport); False when some are left for the next time.

        Rows that were not read yet stay empty and are drawn when they come.
        """
        view, model = self._view, self._model
        first = view.rowAt(seen.top())
        if first < 0:
            return True
        self._take_over_looks()
        height = self._size[1]
        top = view.rowViewportPosition(first)
        last = min(model.rowCount() - 1, first + (seen.bottom() - top) // height)
        # Asked for first: that may wait for what was not read yet.
        wanted = [model.painted_row(row) for row in range(first, last + 1)]
        now_s = time.perf_counter()
        end_s = now_s + BUDGET_S if now_s < self._painted_s + _MOVING_S else math.inf
        self._painted_s = now_s
        return self._paint(painter, first, wanted, top, end_s)

    def _paint(
        self, painter: QPainter, first: int, wanted: Sequence[PaintedRow | None], top: int, end_s: float
    ) -> bool:
        model, pictures, (width, height) = self._model, self._pictures, self._size
        chosen, drawn = self._chosen_rows(first, first + len(wanted) - 1), 0
        for row, painted in enumerate(wanted, first):
            is_chosen = row in chosen
            if painted is None:
                if is_chosen:
                    painter.fillRect(0, top, width, height, self._ground[1])
                top += height
                continue
            line = painted.line
            fraction = model.fraction_of(line)
            known = pictures.get(line.id)
            if (
                known is None
                or known.row is not painted
                or known.is_chosen is not is_chosen
                or known.fraction != fraction
            ):
                if drawn >= _LEAST_ROWS and time.perf_counter() > end_s:
                    return False
                drawn += 1
                # Behind all others: the oldest pictures are given up first.
                pictures.pop(line.id, None)
                pixmap = self._draw(painted, fraction, is_chosen=is_chosen)
                known = pictures[line.id] = _Picture(painted, is_chosen, fraction, pixmap)
                self._bound(len(wanted))
            painter.drawPixmap(0, top, known.pixmap)
            top += height
        return True

    def _bound(self, seen: int) -> None:
        width, height = self._size
        most = max(2 * seen, int(MOST_BYTES / (4 * width * height * self._ratio * self._ratio)))
        while len(self._pictures) > most:
            del self._pictures[next(iter(self._pictures))]

    def _chosen_rows(self, first: int, last: int) -> set[int]:
        selection = self._view.selectionModel().selection()
        chosen: set[int] = set()
        for number in range(selection.count()):
            piece = selection.at(number)
            chosen.update(range(max(first, piece.top()), min(last, piece.bottom()) + 1))
        return chosen

    def _take_over_looks(self) -> None:
        """Forget all pictures when something else than a row's own words decides how it looks now."""
        view = self._view
        columns = self._model.columns
        palette = view.palette()
        width, height = view.viewport().width(), view.verticalHeader().defaultSectionSize()
        places = [(view.columnViewportPosition(place), view.columnWidth(place)) for place in range(len(columns))]
        colours = Theme.colours()
        ratio = view.devicePixelRatioF()
        stamp = (
            columns, tuple(places), width, height, ratio, palette.cacheKey(), view.isActiveWindow(), view.font().key(),
            view.layoutDirection(), colours,
        )  # fmt: skip
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self.forget()
        self._size, self._ratio, self._colours = (max(1, width), max(1, height)), ratio, colours
        self._cells = tuple(
            _Cell(column, left, cell_width)
            for column, (left, cell_width) in zip(columns, places, strict=True)
            if left < width and left + cell_width > 0 and cell_width > 0
        )
        roles = QPalette.ColorRole
        self._ink = palette.color(roles.Text), palette.color(roles.HighlightedText)
        self._ground = palette.color(roles.Base), palette.color(roles.Highlight)
        self._font, self._metrics = view.font(), QFontMetrics(view.font(), view)
        self._exact = QFontMetricsF(view.font(), view)
        self._advances.clear()
        self._time_width = max(self._exact.horizontalAdvance(_TIME.replace("0", digit)) for digit in "0123456789")
        self._baseline = (self._size[1] - self._exact.height()) / 2 + self._exact.ascent()
        self._is_mirrored = view.layoutDirection() == Qt.LayoutDirection.RightToLeft

    # --- one row --------------------------------------------------------------------------------------------

    def _draw(self, painted: PaintedRow, fraction: float | None, *, is_chosen: bool) -> QPixmap:
        width, height = self._size
        picture = QPixmap(round(width * self._ratio), round(height * self._ratio))
        picture.setDevicePixelRatio(self._ratio)
        # Opaque: text keeps the same edges as everywhere, and is copied without mixing.
        picture.fill(self._ground[is_chosen])
        painter = QPainter(picture)
        painter.setFont(self._font)
        painter.setPen(self._ink[is_chosen])
        model, line = self._model, painted.line
        for cell in self._cells:
            column = cell.column
            left, room = cell.room
            if column is Column.STATE:
                left, room = self._draw_sign(painter, line, left, room, is_chosen=is_chosen)
            text = model.text_of(painted, column)
            if text and room > 0:
                self._draw_text(painter, column, text, left, room)
            if fraction is not None and column is Column.PROGRESS:
                self._draw_progress(painter, cell, fraction)
        painter.end()
        return picture

    def _draw_text(self, painter: QPainter, column: Column, text: str, left: int, room: int) -> None:
        height = self._size[1]
        is_at_right = (column in RIGHT_ALIGNED) != self._is_mirrored
        if column in _REPEATED and not is_at_right:
            known = self._texts.get((text, room))
            if known is None:
                known = QStaticText(self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, room))
                known.setTextFormat(Qt.TextFormat.PlainText)
                known.prepare(painter.transform(), self._font)
                if len(self._texts) >= _MOST_TEXTS:
                    self._texts.clear()
                self._texts[text, room] = known
            painter.drawStaticText(left, (height - self._metrics.height()) // 2, known)
            return
        mode = Qt.TextElideMode.ElideMiddle if column in _MIDDLE else Qt.TextElideMode.ElideRight
        advance = self._advance(column, text, is_exact=is_at_right)
        if advance > room or not (column in RIGHT_ALIGNED or text.isprintable()):
            shown = self._metrics.elidedText(text, mode, room)
            painter.drawText(QRect(left, 0, room, height), _RIGHT if is_at_right else _LEFT, shown)
            return
        # At a point, not into a rectangle: half the time, and the same picture.
        painter.drawText(QPointF(left + room - advance if is_at_right else left, self._baseline), text)

    def _advance(self, column: Column, text: str, *, is_exact: bool) -> float:
        """How wide a text is, or, where that is enough, as wide as it is at most."""
        if column in _DIGITS and len(text) == len(_TIME) and not is_exact:
            return self._time_width
        if column not in RIGHT_ALIGNED:
            return self._exact.horizontalAdvance(text)
        # The same few numbers in many rows.
        known = self._advances.get(text)
        if known is None:
            if len(self._advances) >= _MOST_TEXTS:
                self._advances.clear()
            known = self._advances[text] = self._exact.horizontalAdvance(text)
        return known

    def _draw_sign(
        self, painter: QPainter, line: DatasetLine, left: int, room: int, *, is_chosen: bool
    ) -> tuple[int, int]:
        """Draw the sign of a state; returns what is left for its word."""
        side = round(self._metrics.height() * _SIGN_PART)
        sign = self._sign(sign_of(line), side, is_chosen=is_chosen)
        place = left + room - side if self._is_mirrored else left
        painter.drawPixmap(QPoint(place, (self._size[1] - side) // 2), sign)
        shift = side + Space.S
        return (left if self._is_mirrored else left + shift), room - shift

    def _sign(self, state: str, side: int, *, is_chosen: bool) -> QPixmap:
        """The sign of a state, drawn once for each size and colours."""
        colours = self._colours
        key = state, side, self._ratio, is_chosen, colours
        known = self._signs.get(key)
        if known is None:
            known = QPixmap(round(side * self._ratio), round(side * self._ratio))
            known.setDevicePixelRatio(self._ratio)
            known.fill(Qt.GlobalColor.transparent)
            painter = QPainter(known)
            paint_status(
                painter, QRectF(0, 0, side, side), state, colours, colours.accent_soft if is_chosen else colours.surface
            )
            painter.end()
            self._signs[key] = known
        return known

    def _draw_progress(self, painter: QPainter, cell: _Cell, fraction: float) -> None:
        left, room = cell.room
        bar = QRectF(QPointF(left, self._size[1] - 2 - _BAR_HEIGHT), QPointF(left + room, self._size[1] - 2))
        done = QRectF(bar)
        done.setWidth(bar.width() * fraction)
        if self._is_mirrored:
            done.moveRight(bar.right())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._colours.hover))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(QColor(self._colours.accent))
        painter.drawRoundedRect(done, 2, 2)
        painter.restore()


def sign_of(line: DatasetLine) -> str:
    """The sign of a dataset: its state, or that it is being measured."""
    return "live" if is_measuring(line) else line.state
