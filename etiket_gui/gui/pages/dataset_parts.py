"""The parts of the dataset pane: facts in two columns, copies at destinations, what happened."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from etiket_gui.bridge.queries_pages_dataset import CopyFacts, HistoryFact
from etiket_gui.domain.names import display
from etiket_gui.gui.pages.dataset_sentences import copy_detail, copy_sentence, history_sentence, versions_text
from etiket_gui.gui.sentences import clock_text, time_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.status_dot import StatusDot

#: More attributes than that are told as a number; all of them are in the files.
_MOST_PAIRS = 200
_MOST_HISTORY = 100


class Pairs(QWidget):
    """Names with their values, one below the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(Space.L)
        self._grid.setVerticalSpacing(Space.XS)
        self._grid.setColumnStretch(1, 1)
        self._shown: tuple[tuple[str, str], ...] = ()

    def show_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show these."""
        wanted = tuple(pairs[:_MOST_PAIRS])
        if len(pairs) > _MOST_PAIRS:
            wanted += (("…", self.tr("and {n} more").format(n=len(pairs) - _MOST_PAIRS)),)
        if wanted == self._shown:
            return
        self._shown = wanted
        _empty(self._grid)
        widest = self.fontMetrics().averageCharWidth() * 22
        for place, (name, value) in enumerate(wanted):
            label = ElidedLabel(display(name), tint="muted")
            label.setMaximumWidth(widest)
            # A long value must not take the room of its name.
            label.setMinimumWidth(min(widest, label.fontMetrics().horizontalAdvance(label.text()) + Space.XS))
            said = SentenceLabel(display(value))
            said.setAccessibleName(f"{name}: {value}")
            self._grid.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(said, place, 1)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What is shown."""
        return self._shown


class Copies(QWidget):
    """The destinations of a dataset with how far it is, and the versions there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = column(self, spacing=Space.M)

    def show_copies(self, copies: Sequence[CopyFacts], now_ns: int) -> None:
        """Show these."""
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for copy in copies:
            self._column.addWidget(self._one(copy, now_ns))

    @staticmethod
    def _one(copy: CopyFacts, now_ns: int) -> QWidget:
        widget = QWidget()
        line = row(widget, spacing=Space.S)
        line.addWidget(StatusDot(copy.state, copy.state), 0, Qt.AlignmentFlag.AlignTop)
        texts = column(spacing=2)
        texts.addWidget(ElidedLabel(display(copy.destination), TextRole.STRONG))
        texts.addWidget(SentenceLabel(copy_sentence(copy, now_ns)))
        detail = copy_detail(copy, now_ns)
        if detail:
            texts.addWidget(SentenceLabel(detail, TextRole.SMALL, "muted"))
        if len(copy.versions) > 1:
            texts.addWidget(SentenceLabel(versions_text(copy, now_ns), TextRole.SMALL, "muted"))
        line.addLayout(texts, 1)
        return widget


class History(QWidget):
    """What happened to a dataset, newest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(Space.L)
        self._grid.setVerticalSpacing(Space.S)
        self._grid.setColumnStretch(1, 1)
        self._shown: tuple[tuple[str, str], ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """When and what, as shown."""
        return self._shown

    def show_history(self, facts: Sequence[HistoryFact], now_ns: int) -> None:
        """Show these."""
        told = [(clock_text(fact.at_ns, now_ns), history_sentence(fact)) for fact in facts[:_MOST_HISTORY]]
        if not told:
            told = [("", self.tr("Nothing happened to it yet."))]
        wanted = tuple(told)
        if wanted == self._shown:
            return
        self._shown = wanted
        _empty(self._grid)
        for place, (when, what) in enumerate(wanted):
            label = TextLabel(when, TextRole.SMALL, "muted")
            if place < len(facts):
                label.setToolTip(time_text(facts[place].at_ns))
            self._grid.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(SentenceLabel(what), place, 1)
        self._grid.setRowStretch(len(wanted), 1)


def _empty(grid: QGridLayout) -> None:
    for place in range(grid.rowCount()):
        grid.setRowStretch(place, 0)
    while (item := grid.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
