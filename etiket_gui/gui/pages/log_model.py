"""The lines of a log as a table, with a least level and words that have to occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QColor

from etiket_gui.bridge.log_tail import LogLine
from etiket_gui.domain.names import display
from etiket_gui.gui.pages.grouped_model import AnyIndex
from etiket_gui.gui.theme.theme import Theme

TIME, LEVEL, WHERE, TEXT = range(4)
MOST_LINES = 20_000
_RANKS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_TINTS = {"WARNING": "warning", "ERROR": "bad", "CRITICAL": "bad"}
_NOWHERE = QModelIndex()


class LogModel(QAbstractTableModel):
    """Keeps the newest 20 000 entries; the newest is last."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._columns = (self.tr("Time"), self.tr("Level"), self.tr("Part"), self.tr("Message"))
        self._lines: list[LogLine] = []
        self._shown: list[LogLine] = []
        self._least = 0
        self._words: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many entries there are, shown or not."""
        return len(self._lines)

    def set_lines(self, lines: Sequence[LogLine]) -> None:
        """Show these instead of all before."""
        self._lines = list(lines[-MOST_LINES:])
        self._filter()

    def add_lines(self, lines: Sequence[LogLine]) -> None:
        """Show these after those before."""
        if len(self._lines) + len(lines) > MOST_LINES:
            self.set_lines([*self._lines, *lines])
            return
        self._lines.extend(lines)
        new = [line for line in lines if self._is_wanted(line)]
        if new:
            self.beginInsertRows(QModelIndex(), len(self._shown), len(self._shown) + len(new) - 1)
            self._shown.extend(new)
            self.endInsertRows()

    def show_only(self, level: str, search: str) -> None:
        """Show entries of that level and worse ("" for all) that have every word of the search."""
        self._least = _RANKS.get(level, 0)
        self._words = tuple(search.casefold().split())
        self._filter()

    def _filter(self) -> None:
        self.beginResetModel()
        self._shown = [line for line in self._lines if self._is_wanted(line)]
        self.endResetModel()

    def _is_wanted(self, line: LogLine) -> bool:
        if _RANKS.get(line.level, 20) < self._least:
            return False
        if not self._words:
            return True
        text = f"{line.at} {line.where} {line.text}".casefold()
        return all(word in text for word in self._words)

    def line_at(self, row: int) -> LogLine:
        """The entry in a row."""
        return self._shown[row]

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """How many entries are shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Time, level, part, message."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The names of the columns."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section] if 0 <= section < len(self._columns) else None
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows; the whole entry as tooltip."""
        if not index.isValid():
            return None
        line = self._shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(line, index.column())
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == TEXT:
            return "\n".join(display(part) for part in line.text.splitlines()[:40])
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == LEVEL and line.level in _TINTS:
            return QColor(Theme.colours().colour(_TINTS[line.level]))
        return None

    def _text(self, line: LogLine, column: int) -> str:
        match column:
            case 0:
                return line.at
            case 1:
                return self._level_text(line.level)
            case 2:
                return line.where.removeprefix("etiket_gui.")
        first, _, rest = line.text.partition("\n")
        return display(first) + (" …" if rest else "")

    def _level_text(self, level: str) -> str:
        words = {
            "DEBUG": self.tr("Detail"),
            "INFO": self.tr("Note"),
            "WARNING": self.tr("Warning"),
            "ERROR": self.tr("Error"),
            "CRITICAL": self.tr("Error"),
        }
        return words.get(level, level)
