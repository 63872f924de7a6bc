"""A model of groups with rows in them: two levels, replaced as a whole, with what was open and chosen kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QTreeView

from etiket_gui.gui.pages.padded_cells import PaddedCells
from etiket_gui.gui.theme.tokens import Space

AnyIndex = QModelIndex | QPersistentModelIndex
Row = TypeVar("Row")
_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Group(Generic[Row]):
    """Rows under one heading. ``key`` stays the same while the group is the same."""

    key: Hashable
    title: str
    rows: tuple[Row, ...]


class GroupedModel(QAbstractItemModel, Generic[Row]):
    """Subclasses say what a row shows by :meth:`row_data`, a group by :meth:`group_data`, and name the columns."""

    def __init__(self, columns: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._columns = tuple(columns)
        self._groups: tuple[Group[Row], ...] = ()

    @property
    def groups(self) -> tuple[Group[Row], ...]:
        """What is shown."""
        return self._groups

    def set_groups(self, groups: Sequence[Group[Row]]) -> bool:
        """Show these groups; returns whether that is anything new."""
        wanted = tuple(groups)
        if wanted == self._groups:
            return False
        self.beginResetModel()
        self._groups = wanted
        self.endResetModel()
        return True

    def row_key(self, row: Row) -> Hashable:
        """What makes two rows the same one."""
        return row

    def row_data(self, row: Row, column: int, role: int) -> Any:
        """What a cell of a row shows."""
        raise AssertionError

    def group_data(self, group: Group[Row], column: int, role: int) -> Any:
        """What a cell of a heading shows."""
        if column == 0 and role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return group.title
        return None

    def row_at(self, index: AnyIndex) -> Row | None:
        """The row at an index; None for a heading."""
        if not index.isValid() or not index.internalId():
            return None
        return self._groups[index.internalId() - 1].rows[index.row()]

    def group_at(self, index: AnyIndex) -> Group[Row] | None:
        """The group at an index, of a heading or of a row in it."""
        if not index.isValid():
            return None
        return self._groups[index.internalId() - 1 if index.internalId() else index.row()]

    def index_of(self, key: Hashable) -> QModelIndex:
        """Where the row of that key is now; an invalid index when it is nowhere."""
        for group_row, group in enumerate(self._groups):
            for place, row in enumerate(group.rows):
                if self.row_key(row) == key:
                    return self.createIndex(place, 0, group_row + 1)
        return QModelIndex()

    def ages_passed(self) -> None:
        """Have views ask again for what says how old something is."""
        for place, group in enumerate(self._groups):
            heading = self.index(place, 0)
            if group.rows:
                first = self.index(0, 0, heading)
                last = self.index(len(group.rows) - 1, len(self._columns) - 1, heading)
                self.dataChanged.emit(first, last, [Qt.ItemDataRole.DisplayRole])

    # -- what Qt asks ------------------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: AnyIndex = _NOWHERE) -> QModelIndex:
        """Headings have the internal id 0, rows that of their heading's place plus 1."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: AnyIndex = _NOWHERE) -> Any:
        """The heading of a row."""
        if not index.isValid() or not index.internalId():
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Groups, or rows of a group."""
        if not parent.isValid():
            return len(self._groups)
        if parent.internalId() or parent.column() > 0:
            return 0
        return len(self._groups[parent.row()].rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """The same for headings and rows."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The names of the columns."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section] if 0 <= section < len(self._columns) else None
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        if not index.isValid():
            return None
        row = self.row_at(index)
        if row is not None:
            return self.row_data(row, index.column(), role)
        return self.group_data(self._groups[index.row()], index.column(), role)


class GroupedView(QTreeView):
    """Shows a grouped model: headings over the whole width; what a person closed and chose stays so."""

    def __init__(self, model: GroupedModel[Any]) -> None:
        super().__init__()
        self._model = model
        self._closed: set[Hashable] = set()
        self.setModel(model)
        self.setItemDelegate(PaddedCells(self, first_column=1))
        self.setUniformRowHeights(True)
        self.setIndentation(Space.L)
        self.setRootIsDecorated(True)
        self.setAllColumnsShowFocus(True)
        self.setExpandsOnDoubleClick(True)
        self.setSelectionBehavior(QTreeView.SelectionBehavior.SelectRows)
        self.collapsed.connect(lambda index: self._note(index, is_closed=True))
        self.expanded.connect(lambda index: self._note(index, is_closed=False))

    def _note(self, index: QModelIndex, *, is_closed: bool) -> None:
        group = self._model.group_at(index)
        if group is not None:
            (self._closed.add if is_closed else self._closed.discard)(group.key)

    def set_groups(self, groups: Sequence[Group[Any]]) -> None:
        """Show other groups."""
        chosen = {self._model.row_key(row) for row in self.chosen_rows()}
        current = self._model.row_at(self.currentIndex())
        scrolled_to = self.verticalScrollBar().value()
        if not self._model.set_groups(groups):
            return
        for place, group in enumerate(self._model.groups):
            heading = self._model.index(place, 0)
            self.setFirstColumnSpanned(place, QModelIndex(), True)
            self.setExpanded(heading, group.key not in self._closed)
        selection = self.selectionModel()
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        for key in chosen:
            index = self._model.index_of(key)
            if index.isValid():
                selection.select(index, flags)
        if current is not None:
            index = self._model.index_of(self._model.row_key(current))
            if index.isValid():
                selection.setCurrentIndex(index, selection.SelectionFlag.NoUpdate)
        self.verticalScrollBar().setValue(scrolled_to)

    def chosen_rows(self) -> list[Any]:
        """The rows that are chosen, in the order they are shown; those of a chosen heading are not among them."""
        indexes = sorted(self.selectionModel().selectedRows(), key=lambda index: (index.internalId(), index.row()))
        return [row for row in map(self._model.row_at, indexes) if row is not None]
