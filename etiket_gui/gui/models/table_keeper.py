"""Keeps a view of the dataset table as a person left it: what is selected, what is current, and what is seen."""

from __future__ import annotations

from array import array

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QObject, QTimer
from PySide6.QtWidgets import QAbstractItemView, QTableView

from etiket_gui.gui.models.dataset_table import DatasetTableModel

#: A selection of more separate pieces than that is given up when the list is made anew.
_MOST_PIECES = 5000


class TableKeeper(QObject):
    """Joins one view and its model, which must be set already; lives as long as the view.

    The model learns which rows are seen. When the list is made anew, the same datasets are selected and current
    again; when rows come or go above what is seen, the seen rows stay where they are.
    """

    def __init__(self, view: QTableView, model: DatasetTableModel) -> None:
        super().__init__(view)
        self._view = view
        self._model = model
        self._chosen: frozenset[int] = frozenset()
        self._has_all = False
        self._current: tuple[int, int] | None = None
        self._note_timer = QTimer(self)
        self._note_timer.setSingleShot(True)
        self._note_timer.setInterval(0)
        self._note_timer.timeout.connect(self.note_visible)
        bar = view.verticalScrollBar()
        bar.valueChanged.connect(self.note_visible)
        bar.rangeChanged.connect(self._note_timer.start)
        model.modelAboutToBeReset.connect(self._remember)
        model.modelReset.connect(self._restore)
        model.rowsInserted.connect(self._on_inserted)
        model.rowsRemoved.connect(self._on_removed)
        model.layoutChanged.connect(self._note_timer.start)
        self.note_visible()

    def selected_ids(self) -> array[int]:
        """The datasets that are selected, in the order of the table."""
        ids: array[int] = array("q")
        selection = self._view.selectionModel().selection()
        pieces = [selection.at(number) for number in range(selection.count())]
        ranges = sorted((piece.top(), piece.bottom()) for piece in pieces)
        last = -1
        for top, bottom in ranges:
            ids.extend(self._model.ids_between(max(top, last + 1), bottom))
            last = max(last, bottom)
        return ids

    def note_soon(self) -> None:
        """The seen rows changed with the size of the view, which says so: a filter would be asked at each paint."""
        self._note_timer.start()

    def note_visible(self) -> None:
        """Tell the model which rows are seen now."""
        viewport = self._view.viewport()
        first = self._view.rowAt(0)
        last = self._view.rowAt(max(0, viewport.height() - 1))
        end = self._model.rowCount() - 1
        self._model.set_visible_rows(max(0, first), end if last < 0 else last)

    def _remember(self) -> None:
        ids = self.selected_ids()
        self._has_all = bool(ids) and len(ids) == self._model.rowCount()
        self._chosen = frozenset() if self._has_all else frozenset(ids)
        index = self._view.currentIndex()
        self._current = (self._model.id_at(index.row()), index.column()) if index.isValid() else None

    def _restore(self) -> None:
        model, selection = self._model, self._view.selectionModel()
        current, self._current = self._current, None
        if current is not None:
            row = model.row_of(current[0])
            if row is not None:
                index = model.index(row, min(current[1], model.columnCount() - 1))
                selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        if self._has_all:
            self._view.selectAll()
        elif self._chosen:
            self._select(self._chosen)
        self._chosen, self._has_all = frozenset(), False
        self._note_timer.start()

    def _select(self, chosen: frozenset[int]) -> None:
        model = self._model
        rows = [row for row, dataset_id in enumerate(model.ids) if dataset_id in chosen]
        pieces = QItemSelection()
        right = model.columnCount() - 1
        start = 0
        for position, row in enumerate(rows):
            if position + 1 == len(rows) or rows[position + 1] != row + 1:
                pieces.select(model.index(rows[start], 0), model.index(row, right))
                start = position + 1
        if pieces.count() <= _MOST_PIECES:
            self._view.selectionModel().select(pieces, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _on_inserted(self, _: object, first: int, last: int) -> None:
        self._shift(first, last - first + 1)

    def _on_removed(self, _: object, first: int, last: int) -> None:
        self._shift(first, first - last - 1)

    def _shift(self, first: int, count: int) -> None:
        """Rows came or went above: go with them, except at the very top, where the newest is to be seen."""
        self._note_timer.start()
        bar = self._view.verticalScrollBar()
        is_by_row = self._view.verticalScrollMode() == QAbstractItemView.ScrollMode.ScrollPerItem
        height = 1 if is_by_row else max(1, self._view.verticalHeader().defaultSectionSize())
        top = bar.value() // height
        if top > 0 and first <= top:
            self._view.executeDelayedItemsLayout()
            bar.setValue(max(0, bar.value() + count * height))
