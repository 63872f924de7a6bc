"""The activity page: what happened, in plain sentences, by day."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QHeaderView, QPushButton, QStackedLayout, QWidget

from etiket_gui.bridge.queries_pages import source_names
from etiket_gui.bridge.queries_pages_activity import ActivityFact, activity
from etiket_gui.domain.names import display
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.grouped_model import Group, GroupedModel, GroupedView
from etiket_gui.gui.pages.page import Page, page_column
from etiket_gui.gui.sentences import day_text, ended, local, time_text
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.empty_state import EmptyState
from etiket_gui.gui.widgets.labels import TextLabel
from etiket_gui.gui.widgets.layouts import row

TIME, SENTENCE, SOURCE = range(3)
_PAGE = 500


def groups_by_day(facts: Sequence[ActivityFact]) -> tuple[Group[ActivityFact], ...]:
    """Sentences, newest first, under the day on which they happened here."""
    days = itertools.groupby(facts, key=lambda fact: local(fact.at_ns).date())
    return tuple(Group(day, day_text(day), tuple(found)) for day, found in days)


class ActivityModel(GroupedModel[ActivityFact]):
    """Headings are days; rows have the time of the day, the sentence, and the source."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__((self.tr("Time"), self.tr("What happened"), self.tr("Source")), parent)

    def row_key(self, row: ActivityFact) -> Hashable:
        """Sentences never change."""
        return row.id

    def row_data(self, row: ActivityFact, column: int, role: int) -> Any:
        """What a cell shows."""
        if role == Qt.ItemDataRole.DisplayRole:
            if column == TIME:
                return local(row.at_ns).strftime("%H:%M:%S")
            return ended(display(row.sentence)) if column == SENTENCE else display(row.source)
        if role == Qt.ItemDataRole.ToolTipRole:
            return time_text(row.at_ns) if column == TIME else display(row.sentence) if column == SENTENCE else None
        return None

    def group_data(self, group: Group[ActivityFact], column: int, role: int) -> Any:
        """A day."""
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setBold(True)
            return font
        return super().group_data(group, column, role)


class ActivityPage(Page):
    """``datasetRequested`` carries the id of a dataset whose sentence was opened."""

    datasetRequested = Signal(int)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.setObjectName("activity")
        self._limit = _PAGE
        self._stack = QStackedLayout(self)
        self._empty = EmptyState(
            "activity", self.tr("Nothing happened yet"), self.tr("What the program does is told here, in sentences.")
        )
        content = QWidget()
        layout = page_column(content)
        line = row(spacing=Space.S)
        line.addWidget(TextLabel(self.tr("Show")))
        self.sources = QComboBox()
        self.sources.setObjectName("activity-source")
        self.sources.setAccessibleName(self.tr("Which source"))
        self.sources.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.sources.addItem(self.tr("All sources"), None)
        self.sources.currentIndexChanged.connect(lambda _: self._ask_anew())
        line.addWidget(self.sources)
        line.addStretch(1)
        layout.addLayout(line)
        self.model = ActivityModel(self)
        self.view = self._make_view()
        layout.addWidget(self.view, 1)
        self.older = QPushButton(self.tr("Show older"))
        self.older.setObjectName("activity-older")
        self.older.setAccessibleName(self.tr("Show older activity"))
        self.older.clicked.connect(self._ask_older)
        layout.addWidget(self.older, 0, Qt.AlignmentFlag.AlignLeft)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(content)

    def _make_view(self) -> GroupedView:
        view = GroupedView(self.model)
        view.setObjectName("activity-list")
        view.setAccessibleName(self.tr("Activity"))
        view.setSelectionMode(GroupedView.SelectionMode.ExtendedSelection)
        header = view.header()
        header.setStretchLastSection(False)
        character = self.fontMetrics().averageCharWidth()
        view.setColumnWidth(TIME, character * 16)
        view.setColumnWidth(SOURCE, character * 24)
        header.setSectionResizeMode(SENTENCE, QHeaderView.ResizeMode.Stretch)
        view.doubleClicked.connect(lambda index: self._open(self.model.row_at(index)))
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), view)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        return view

    def ask_store(self) -> None:
        """Read the newest sentences, and which sources there are."""
        source_id, limit = self.sources.currentData(), self._limit
        self.desk.reads.ask(
            lambda reads: (
                source_names(reads.connection), activity(reads.connection, source_id=source_id, limit=limit)
            ),
            self, self._take, key="activity", is_long=True,
        )  # fmt: skip

    def _take(self, found: tuple[tuple[tuple[int, str], ...], tuple[ActivityFact, ...]]) -> None:
        names, facts = found
        self._show_sources(names)
        self.view.set_groups(groups_by_day(facts))
        self.older.setVisible(len(facts) >= self._limit)
        is_all = self.sources.currentData() is None
        self._stack.setCurrentIndex(0 if is_all and not facts else 1)

    def _show_sources(self, names: Sequence[tuple[int, str]]) -> None:
        shown = [
            (self.sources.itemData(place), self.sources.itemText(place)) for place in range(1, self.sources.count())
        ]
        if shown == list(names):
            return
        chosen = self.sources.currentData()
        self.sources.blockSignals(True)
        while self.sources.count() > 1:
            self.sources.removeItem(1)
        for number, name in names:
            self.sources.addItem(name, number)
        self.sources.setCurrentIndex(max(0, self.sources.findData(chosen)))
        self.sources.blockSignals(False)
        if self.sources.currentData() != chosen:
            self.refresh_soon()

    def _ask_anew(self) -> None:
        self._limit = _PAGE
        self.refresh()

    def _ask_older(self) -> None:
        self._limit += _PAGE
        self.refresh()

    def copy(self) -> None:
        """Put the chosen sentences on the clipboard."""
        lines = [f"{time_text(fact.at_ns)}  {fact.sentence}" for fact in self.view.chosen_rows()]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def _open(self, fact: ActivityFact | None) -> None:
        if fact is not None and fact.dataset_id is not None:
            self.datasetRequested.emit(fact.dataset_id)
