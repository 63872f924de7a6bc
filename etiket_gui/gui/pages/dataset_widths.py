"""How wide the columns of the table of datasets are: all of them seen where that can be, what is left to the names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QTableView

from etiket_gui.bridge.queries_datasets import Column
from etiket_gui.gui.models.dataset_table import DatasetTableModel

#: How wide a column is where there is room, and where there is little, in characters.
_WIDTHS = {
    Column.STATE: (21, 18),
    Column.NAME: (34, 22),
    Column.SOURCE: (18, 13),
    Column.COLLECTED: (21, 20),
    Column.SIZE: (11, 10),
    Column.FILES: (9, 8),
    Column.DESTINATIONS: (24, 17),
    Column.ARCHIVED: (21, 20),
    Column.PROGRESS: (12, 11),
    Column.KEYWORDS: (22, 14),
    Column.RUN_STATE: (16, 14),
    Column.CHANGED: (21, 20),
    Column.IDENTIFIER: (30, 18),
    Column.UUID: (40, 22),
}
#: Who gets what is left over, by what part of it; the names get the rest.
_GROWING = {Column.SOURCE: 0.12, Column.DESTINATIONS: 0.16, Column.KEYWORDS: 0.16, Column.IDENTIFIER: 0.2}


class ColumnWidths(QObject):
    """Fits the columns to the table until somebody drags one: then they stay as they are, but for what is left over."""

    def __init__(self, view: QTableView, model: DatasetTableModel) -> None:
        super().__init__(view)
        self._view = view
        self._model = model
        #: What somebody chose, in pixels; empty until then.
        self._chosen: dict[Column, int] = {}
        self._is_fitting = False
        view.viewport().installEventFilter(self)
        view.horizontalHeader().sectionResized.connect(self._on_resized)
        self.fit()

    def fit(self) -> None:
        """Give each column its width for the table as it is now."""
        columns = self._model.columns
        character = self._view.fontMetrics().averageCharWidth()
        usual = {column: self._chosen.get(column, _WIDTHS[column][0] * character) for column in columns}
        least = usual if self._chosen else {column: _WIDTHS[column][1] * character for column in columns}
        room = self._view.viewport().width()
        wanted = _grown(usual, room) if sum(usual.values()) <= room else _shrunk(usual, least, room)
        with self.unchosen():
            for place, column in enumerate(columns):
                if self._view.columnWidth(place) != wanted[column]:
                    self._view.setColumnWidth(place, wanted[column])

    @contextmanager
    def unchosen(self) -> Iterator[None]:
        """Inside, widths that change are nobody's choice."""
        before, self._is_fitting = self._is_fitting, True
        try:
            yield
        finally:
            self._is_fitting = before

    def kept(self) -> dict[str, int]:
        """The widths that somebody chose, in characters, by column; empty where nobody did."""
        character = self._view.fontMetrics().averageCharWidth()
        return {column.value: round(width / character) for column, width in self._chosen.items()}

    def take(self, widths: Mapping[str, Any]) -> None:
        """Take up widths of an earlier time, in characters; senseless ones are left alone."""
        character = self._view.fontMetrics().averageCharWidth()
        for column in Column:
            width = widths.get(column.value)
            if isinstance(width, int) and 3 <= width <= 400:
                self._chosen[column] = width * character
        self.fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The table has another size."""
        if event.type() is QEvent.Type.Resize:
            self.fit()
        return False

    def _on_resized(self, _place: int, _before: int, _now: int) -> None:
        if not self._is_fitting:
            self._chosen |= {column: self._view.columnWidth(place) for place, column in enumerate(self._model.columns)}


def _grown(usual: Mapping[Column, int], room: int) -> dict[Column, int]:
    """What is left over goes to columns of words, most of it to the names."""
    left = room - sum(usual.values())
    grown = {column: width + int(left * _GROWING.get(column, 0.0)) for column, width in usual.items()}
    grown[Column.NAME] += room - sum(grown.values())
    return grown


def _shrunk(usual: Mapping[Column, int], least: Mapping[Column, int], room: int) -> dict[Column, int]:
    """Each gives of what it can spare; where that is not enough, the table scrolls."""
    spare = sum(usual.values()) - sum(least.values())
    missing = sum(usual.values()) - room
    part = 1.0 if missing >= spare else missing / spare
    shrunk = {column: width - math.ceil((width - least[column]) * part) for column, width in usual.items()}
    shrunk[Column.NAME] += max(0, room - sum(shrunk.values()))
    return shrunk
