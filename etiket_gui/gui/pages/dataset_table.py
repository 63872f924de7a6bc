"""The view of the table of datasets: columns that a person chooses, rows that are chosen, keys that act on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHeaderView, QMenu, QTableView, QWidget

from etiket_gui.bridge.interpreter import held
from etiket_gui.bridge.queries_datasets import Column
from etiket_gui.gui.models.dataset_roles import FIRST_COLUMNS
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.models.dataset_texts import column_title
from etiket_gui.gui.models.table_keeper import TableKeeper
from etiket_gui.gui.pages.dataset_cells import DatasetCells
from etiket_gui.gui.pages.dataset_rows import DatasetRows
from etiket_gui.gui.pages.dataset_widths import ColumnWidths
from etiket_gui.gui.theme.tokens import Space

#: Rows that were left out of a paint follow after this time, in which the window answers.
_REST_MS = 4


class DatasetTable(QTableView):
    """``opened`` when somebody wants to see the current row, ``peeked`` to open or close the pane.

    ``menuRequested`` has a place on the screen, ``columnsChosen`` the columns somebody chose.
    """

    opened = Signal()
    peeked = Signal()
    menuRequested = Signal(QPoint)
    columnsChosen = Signal(object)

    def __init__(self, model: DatasetTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._rows = DatasetRows(self, model)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.viewport().update)
        self.setObjectName("dataset-table")
        self.setAccessibleName(self.tr("Datasets"))
        self.setModel(model)
        self.setItemDelegate(DatasetCells(model, self))
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + Space.M)
        self._make_header()
        self.keeper = TableKeeper(self, model)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._ask_menu)
        self.doubleClicked.connect(lambda _: self.opened.emit())

    def _make_header(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setMinimumSectionSize(self.fontMetrics().averageCharWidth() * 6)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(lambda where: self.show_columns_menu(header.mapToGlobal(where)))
        self._show_sort()
        self.setSortingEnabled(True)
        self._model.modelReset.connect(self._show_sort)
        self._widths = ColumnWidths(self, self._model)

    def _show_sort(self) -> None:
        """The arrow of the header stands where the list is ordered by."""
        question, columns = self._model.question, self._model.columns
        order = Qt.SortOrder.DescendingOrder if question.is_descending else Qt.SortOrder.AscendingOrder
        header = self.horizontalHeader()
        header.blockSignals(True)
        header.setSortIndicator(columns.index(question.sort) if question.sort in columns else -1, order)
        header.blockSignals(False)

    def widths(self) -> dict[str, int]:
        """The widths that somebody chose, in characters, by column, to be kept."""
        return self._widths.kept()

    def set_widths(self, widths: Mapping[str, Any]) -> None:
        """Give columns the widths of an earlier time, in characters; senseless ones are left alone."""
        self._widths.take(widths)

    # -- columns -----------------------------------------------------------------------------------------------------

    def show_columns_menu(self, where: QPoint) -> None:
        """Have somebody choose the columns."""
        menu = self.columns_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)

    def columns_menu(self) -> QMenu:
        """A menu with a tick for each column; the name is always there."""
        menu = QMenu(self)
        for column in Column:
            action = menu.addAction(column_title(column))
            action.setObjectName(f"column-{column.value}")
            action.setCheckable(True)
            action.setChecked(column in self._model.columns)
            action.setEnabled(column is not Column.NAME)
            action.toggled.connect(self._toggler(column))
        menu.addSeparator()
        usual = menu.addAction(self.tr("The usual columns"))
        usual.setObjectName("column-usual")
        usual.triggered.connect(lambda: self._choose(FIRST_COLUMNS))
        return menu

    def _toggler(self, column: Column) -> Callable[[bool], None]:
        def toggle(is_on: bool) -> None:
            present = self._model.columns
            wanted = [*present, column] if is_on else [item for item in present if item is not column]
            if is_on:
                order = list(dict.fromkeys([*FIRST_COLUMNS, *Column]))
                wanted.sort(key=order.index)
            self._choose(wanted)

        return toggle

    def _choose(self, columns: Sequence[Column]) -> None:
        self.set_columns(columns)
        self.columnsChosen.emit(tuple(columns))

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show these columns; those whose width somebody chose keep it."""
        with self._widths.unchosen():
            self._model.set_columns(columns)
        self._widths.fit()

    # -- paint -------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is seen: rows as wholes. Asking for each cell takes many times as long.

        What cannot be drawn in time follows in a moment, so that the window answers meanwhile.
        """
        with held():
            painter = QPainter(self.viewport())
            is_complete = self._rows.paint(painter, event.rect())
            painter.end()
            if not is_complete:
                # All of it: what was left out may have been scrolled elsewhere by then, and the others are ready.
                self._rest.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other rows are seen."""
        super().resizeEvent(event)
        self.keeper.note_soon()

    def showEvent(self, event: QShowEvent) -> None:
        """Rows are seen."""
        super().showEvent(event)
        self.keeper.note_soon()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: the pictures of rows are freed."""
        self._rest.stop()
        self._rows.forget()
        super().hideEvent(event)

    # -- keys --------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return opens, Space opens and closes the pane; the rest is the table's own."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self.currentIndex().isValid():
            self.opened.emit()
            return
        if event.key() == Qt.Key.Key_Space and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.peeked.emit()
            return
        super().keyPressEvent(event)

    def _ask_menu(self, where: QPoint) -> None:
        self.menuRequested.emit(self.viewport().mapToGlobal(where))
