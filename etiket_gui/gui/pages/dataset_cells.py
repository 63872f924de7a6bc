"""How the cells of the table of datasets are drawn: the sign of a state before its word, a bar of progress."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from etiket_gui.bridge.queries_datasets import Column, DatasetLine
from etiket_gui.gui.models.dataset_roles import Role
from etiket_gui.gui.pages.padded_cells import PaddedCells
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.status_dot import paint_status

_BAR_HEIGHT = 4


class DatasetCells(PaddedCells):
    """One for the whole table; what a cell is follows from the model's column role."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw a cell."""
        # Qt hands the column back as its plain word.
        column = index.data(Role.COLUMN)
        if column == Column.STATE:
            self._paint_state(painter, option, index)
            return
        super().paint(painter, option, index)
        if column == Column.PROGRESS:
            self._paint_progress(painter, option, index)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Long names give way where they differ least."""
        super().initStyleOption(option, index)
        if index.data(Role.COLUMN) in {Column.NAME.value, Column.IDENTIFIER.value}:
            option.textElideMode = Qt.TextElideMode.ElideMiddle

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Room for the sign."""
        hint = super().sizeHint(option, index)
        extra = option.fontMetrics.height() + Space.S if index.data(Role.COLUMN) == Column.STATE else 0
        return QSize(hint.width() + extra, hint.height())

    def _paint_state(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        line: DatasetLine | None = index.data(Role.LINE)
        sign = None if line is None else sign_of(line)
        if sign is not None:
            colours = Theme.colours()
            is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            side = option.fontMetrics.height() * 0.86
            box = QRectF(0, 0, side, side)
            cell = QRectF(option.rect)
            box.moveCenter(cell.center())
            is_mirrored = option.direction is Qt.LayoutDirection.RightToLeft
            box.moveLeft(cell.right() - side - Space.S if is_mirrored else cell.left() + Space.S)
            shift = round(side) + Space.XS
            text = QStyleOptionViewItem(option)
            text.rect = option.rect.adjusted(0, 0, -shift, 0) if is_mirrored else option.rect.adjusted(shift, 0, 0, 0)
            super().paint(painter, text, index)
            paint_status(painter, box, sign, colours, colours.accent_soft if is_chosen else colours.surface)
            return
        super().paint(painter, option, index)

    def _paint_progress(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        fraction = index.data(Role.PROGRESS)
        if fraction is None:
            return
        colours = Theme.colours()
        cell = QRectF(option.rect).adjusted(Space.S, 0, -Space.S, -2)
        bar = QRectF(cell.left(), cell.bottom() - _BAR_HEIGHT, cell.width(), _BAR_HEIGHT)
        done = QRectF(bar)
        done.setWidth(bar.width() * fraction)
        if option.direction is Qt.LayoutDirection.RightToLeft:
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
    if line.run_state.value == "live" and line.state in {"held", "waiting", "sending"}:
        return "live"
    return line.state
