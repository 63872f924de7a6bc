"""The patterns of what is left out, each with the files it hits now; edited here, with the effect in view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QListWidget,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.sentences import files_text, number_text, size_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column, row

_DELAY_MS = 300
_ROWS = 7
#: Cells begin where their heading begins.
CELLS = f"QTableView::item {{ padding: 0 {Space.S}px; }}"


class _PatternLine(QLineEdit):
    """Enter adds what is typed, and is not taken for "go on" by the window around it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keep Enter."""
        super().keyPressEvent(event)
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            event.accept()


class IgnorePreview(QWidget):
    """Shows and edits ignore patterns. ``edited`` has the patterns as they are now."""

    edited = Signal(list)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._backend = ""
        self._config: dict[str, Any] = {}
        self._hits: dict[str, dict[str, Any]] = {}
        self._job: int | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._ask)
        self._sum = SentenceLabel(tint="muted")
        self._sum.setObjectName("ignore-sum")
        self._table = self._made_table()
        self._examples = QListWidget()
        self._examples.setObjectName("ignore-examples")
        self._examples.setAccessibleName(self.tr("Files that the chosen pattern leaves out"))
        self._examples.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self._examples_title = TextLabel("", TextRole.SMALL, "muted")
        self._new = _PatternLine()
        self._new.setObjectName("ignore-new")
        self._new.setAccessibleName(self.tr("A new pattern"))
        self._new.setPlaceholderText(self.tr("A new pattern, for example *.tmp"))
        self._new.returnPressed.connect(self._add)
        self._add_button = QPushButton(self.tr("Add"))
        self._add_button.setObjectName("ignore-add")
        self._add_button.setAccessibleName(self.tr("Add the pattern"))
        keep_icon(self._add_button, "plus")
        self._add_button.clicked.connect(self._add)
        self._remove_button = QPushButton(self.tr("Remove"))
        self._remove_button.setObjectName("ignore-remove")
        self._remove_button.setAccessibleName(self.tr("Remove the chosen pattern"))
        keep_icon(self._remove_button, "minus")
        self._remove_button.clicked.connect(self._remove)
        self._assemble()

    def _made_table(self) -> QTableWidget:
        table = QTableWidget(0, 3)
        table.setObjectName("ignore-patterns")
        table.setAccessibleName(self.tr("Patterns of files that are left out"))
        table.setHorizontalHeaderLabels([self.tr("Left out"), self.tr("Files"), self.tr("Size")])
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for place in (1, 2):
            header.setSectionResizeMode(place, QHeaderView.ResizeMode.ResizeToContents)
            item = table.horizontalHeaderItem(place)
            if item is not None:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item = table.horizontalHeaderItem(0)
        if item is not None:
            item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.setStyleSheet(CELLS)
        table.itemChanged.connect(self._on_edited)
        table.currentCellChanged.connect(lambda *_: self._show_examples())
        return table

    def _assemble(self) -> None:
        height = self.fontMetrics().lineSpacing() * (_ROWS * 2) + Space.L
        self._table.setMinimumHeight(height)
        self._examples.setMinimumHeight(height)
        layout = column(self, spacing=Space.S)
        layout.addWidget(SectionHeading(self.tr("What is left out")))
        layout.addWidget(self._sum)
        beside = row(spacing=Space.L)
        beside.addWidget(self._table, 3)
        right = column(spacing=Space.XS)
        right.addWidget(self._examples_title)
        right.addWidget(self._examples, 1)
        beside.addLayout(right, 4)
        layout.addLayout(beside, 1)
        below = row()
        below.addWidget(self._new, 1)
        below.addWidget(self._add_button)
        below.addWidget(self._remove_button)
        layout.addLayout(below)

    # -- what it is about --------------------------------------------------------------------------------------------

    def show_source(self, backend: str, config: Mapping[str, Any]) -> None:
        """Show the patterns of a configuration and ask what they hit."""
        self._backend, self._config = backend, dict(config)
        patterns = config.get("ignore")
        self._table.blockSignals(True)
        self._table.setRowCount(0)
        for pattern in patterns if isinstance(patterns, list) else ():
            self._append(str(pattern))
        self._table.blockSignals(False)
        self._ask()

    def patterns(self) -> list[str]:
        """The patterns that are there now."""
        items = [self._table.item(number, 0) for number in range(self._table.rowCount())]
        return [item.text().strip() for item in items if item is not None and item.text().strip()]

    def stop(self) -> None:
        """Ask nothing more."""
        self._timer.stop()
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    def _append(self, pattern: str) -> None:
        number = self._table.rowCount()
        self._table.insertRow(number)
        self._table.setItem(number, 0, QTableWidgetItem(pattern))
        for place in (1, 2):
            item = QTableWidgetItem("")
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._table.setItem(number, place, item)

    # -- editing -----------------------------------------------------------------------------------------------------

    def _add(self) -> None:
        pattern = self._new.text().strip()
        if not pattern:
            return
        if pattern not in self.patterns():
            self._table.blockSignals(True)
            self._append(pattern)
            self._table.blockSignals(False)
            self._tell()
        self._new.clear()
        self._table.setCurrentCell(self.patterns().index(pattern), 0)

    def _remove(self) -> None:
        number = self._table.currentRow()
        if number >= 0:
            self._table.removeRow(number)
            self._tell()

    def _on_edited(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            self._tell()

    def _tell(self) -> None:
        self.edited.emit(self.patterns())
        self._timer.start()

    # -- what they hit -----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        self.stop()
        parameters = {"backend": self._backend, "config": {**self._config, "ignore": self.patterns()}}
        self._sum.setText(self.tr("Looking which files that are…"))
        self._job = self._desk.jobs.start("ignore_preview", parameters, self, self._on_hits, self._on_failure)

    def _on_hits(self, result: dict[str, Any]) -> None:
        self._job = None
        self._hits = {item["pattern"]: item for item in result["patterns"]}
        self._table.blockSignals(True)
        for number in range(self._table.rowCount()):
            self._show_hit(number)
        self._table.blockSignals(False)
        sentence = self.tr("{left} left out, {kept} archived.").format(
            left=files_text(result["left_out"]), kept=files_text(result["kept"])
        )
        if not result["is_whole"]:
            sentence += " " + self.tr("Only the first part of this large source was looked at.")
        self._sum.setText(sentence)
        if self._table.currentRow() < 0:
            self._choose_first_hit()
        self._show_examples()

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._sum.setText(error.reason)

    def _show_hit(self, number: int) -> None:
        pattern, count, size = (self._table.item(number, place) for place in range(3))
        if pattern is None or count is None or size is None:
            return
        hit = self._hits.get(pattern.text().strip())
        if hit is None:
            count.setText("")
            size.setText("")
            return
        pattern.setToolTip(hit["error"])
        count.setText(self.tr("wrong") if hit["error"] else number_text(hit["count"]))
        size.setText(size_text(hit["size_bytes"]) if hit["count"] else "–")

    def _choose_first_hit(self) -> None:
        for number in range(self._table.rowCount()):
            item = self._table.item(number, 0)
            if item is not None and self._hits.get(item.text().strip(), {}).get("count"):
                self._table.setCurrentCell(number, 0)
                return

    def _show_examples(self) -> None:
        self._examples.clear()
        item = self._table.item(self._table.currentRow(), 0) if self._table.currentRow() >= 0 else None
        self._remove_button.setEnabled(item is not None)
        hit = None if item is None else self._hits.get(item.text().strip())
        if item is None or hit is None:
            self._examples_title.setText(self.tr("Choose a pattern to see its files."))
            return
        if hit["error"]:
            self._examples_title.setText(hit["error"])
            return
        if not hit["count"]:
            self._examples_title.setText(self.tr("{pattern} leaves out no file now.").format(pattern=item.text()))
            return
        shown = len(hit["examples"])
        more = "" if shown == hit["count"] else self.tr(" (the first {n})").format(n=shown)
        self._examples_title.setText(
            self.tr("{pattern} leaves out {files}{more}").format(
                pattern=item.text(), files=files_text(hit["count"]), more=more
            )
        )
        self._examples.addItems(hit["examples"])
