"""Cells of lists and tables with some air, so that a text stands under its heading; rows are chosen, not cells."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QSize
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from etiket_gui.gui.theme.tokens import Space

#: The style leaves this much beside a text.
STYLE_MARGIN = 3
PADDING = Space.S - STYLE_MARGIN


class PaddedCells(QStyledItemDelegate):
    """For views with headings; ``first_column`` is the first one that is moved, those before it are indented."""

    def __init__(self, parent: QObject | None = None, *, first_column: int = 0) -> None:
        super().__init__(parent)
        self._first_column = first_column

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw a cell."""
        inner = QStyleOptionViewItem(option)
        if index.column() >= self._first_column:
            if option.state & QStyle.StateFlag.State_Selected:
                painter.fillRect(option.rect, option.palette.highlight())
            inner.rect = option.rect.adjusted(PADDING, 0, -PADDING, 0)
        super().paint(painter, inner, index)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """No frame around single cells."""
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """A little air on all sides."""
        hint = super().sizeHint(option, index)
        return QSize(hint.width() + 2 * PADDING, hint.height() + Space.S)


def list_of_rows(model: QAbstractItemModel) -> QTableView:
    """A table that is read line by line: without grid, whole rows are chosen, Tab leads on."""
    view = QTableView()
    view.setModel(model)
    view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
    view.setItemDelegate(PaddedCells(view))
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + Space.S)
    view.horizontalHeader().setHighlightSections(False)
    return view
