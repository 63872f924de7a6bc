"""How the cells of the table of datasets are drawn: the sign of a state before its word, a bar of progress."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from etiket_gui.bridge.queries_datasets import Column, DatasetLine
from etiket_gui.gui.models.dataset_roles import Role
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.models.dataset_texts import RIGHT_ALIGNED, is_measuring
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Palette, Space
from etiket_gui.gui.widgets.status_dot import paint_status

_BAR_HEIGHT = 4
_SIGN_PART = 0.86
_MIDDLE = {Column.NAME, Column.IDENTIFIER, Column.UUID}
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)


class DatasetCells(QStyledItemDelegate):
    """One for the whole table. Texts are drawn directly: asking the style for each cell takes twice the time."""

    def __init__(self, model: DatasetTableModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._signs: dict[tuple[str, int, float, bool, Palette], QPixmap] = {}

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw a cell."""
        column = self._model.columns[index.column()]
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if is_chosen:
            painter.fillRect(option.rect, option.palette.highlight())
        room = option.rect.adjusted(Space.S, 0, -Space.S, 0)
        is_mirrored = option.direction == Qt.LayoutDirection.RightToLeft
        if column is Column.STATE:
            room = self._paint_sign(painter, option, index, room, is_chosen=is_chosen)
        text = index.data()
        if text:
            mode = Qt.TextElideMode.ElideMiddle if column in _MIDDLE else Qt.TextElideMode.ElideRight
            role = QPalette.ColorRole.HighlightedText if is_chosen else QPalette.ColorRole.Text
            painter.setPen(option.palette.color(role))
            shown = option.fontMetrics.elidedText(text, mode, room.width())
            painter.drawText(room, _RIGHT if (column in RIGHT_ALIGNED) != is_mirrored else _LEFT, shown)
        if column is Column.PROGRESS:
            self._paint_progress(painter, option, index)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Room for the text, for air on all sides, and for the sign of a state."""
        hint = super().sizeHint(option, index)
        is_state = self._model.columns[index.column()] is Column.STATE
        extra = option.fontMetrics.height() + Space.S if is_state else 0
        return QSize(hint.width() + extra + 2 * Space.S, hint.height() + Space.S)

    def _sign(self, state: str, side: int, ratio: float, *, is_chosen: bool) -> QPixmap:
        """The sign of a state, drawn once for each size and colours."""
        colours = Theme.colours()
        key = state, side, ratio, is_chosen, colours
        known = self._signs.get(key)
        if known is None:
            known = QPixmap(round(side * ratio), round(side * ratio))
            known.setDevicePixelRatio(ratio)
            known.fill(Qt.GlobalColor.transparent)
            painter = QPainter(known)
            ground = colours.accent_soft if is_chosen else colours.surface
            paint_status(painter, QRectF(0, 0, side, side), state, colours, ground)
            painter.end()
            self._signs[key] = known
        return known

    def _paint_sign(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
        room: QRect,
        *,
        is_chosen: bool,
    ) -> QRect:
        """Draw the sign of a state; returns what is left for its word."""
        line: DatasetLine | None = index.data(Role.LINE)
        if line is None:
            return room
        side = round(option.fontMetrics.height() * _SIGN_PART)
        is_mirrored = option.direction == Qt.LayoutDirection.RightToLeft
        left = room.right() - side if is_mirrored else room.left()
        ratio = painter.device().devicePixelRatio()
        sign = self._sign(sign_of(line), side, ratio, is_chosen=is_chosen)
        painter.drawPixmap(left, room.top() + (room.height() - side) // 2, sign)
        shift = side + Space.S
        return room.adjusted(0, 0, -shift, 0) if is_mirrored else room.adjusted(shift, 0, 0, 0)

    @staticmethod
    def _paint_progress(
        painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        fraction = index.data(Role.PROGRESS)
        if fraction is None:
            return
        colours = Theme.colours()
        cell = QRectF(option.rect).adjusted(Space.S, 0, -Space.S, -2)
        bar = QRectF(cell.left(), cell.bottom() - _BAR_HEIGHT, cell.width(), _BAR_HEIGHT)
        done = QRectF(bar)
        done.setWidth(bar.width() * fraction)
        if option.direction == Qt.LayoutDirection.RightToLeft:
            done.moveRight(bar.right())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.hover))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(QColor(colours.accent))
        painter.drawRoundedRect(done, 2, 2)
        painter.restore()


def sign_of(line: DatasetLine) -> str:
    """The sign of a dataset: its state, or that it is being measured."""
    return "live" if is_measuring(line) else line.state
