"""How much room the cells of the table of datasets want; the rows are drawn as wholes (see DatasetRows)."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSize
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from etiket_gui.bridge.queries_datasets import Column
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.theme.tokens import Space


class DatasetCells(QStyledItemDelegate):
    """One for the whole table."""

    def __init__(self, model: DatasetTableModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Room for the text, for air on all sides, and for the sign of a state."""
        hint = super().sizeHint(option, index)
        is_state = self._model.columns[index.column()] is Column.STATE
        extra = option.fontMetrics.height() + Space.S if is_state else 0
        return QSize(hint.width() + extra + 2 * Space.S, hint.height() + Space.S)
