"""The datasets page: the live table with its filters, what can be done with chosen rows, and the pane beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSplitter, QStackedWidget, QToolButton, QWidget

from etiket_gui.bridge.queries_datasets import ChipCounts, Column, TableQuestion
from etiket_gui.bridge.queries_pages import StateCounts, source_names, state_counts
from etiket_gui.bridge.queries_pages_dataset import DatasetFacts, dataset, uuids
from etiket_gui.domain.commands import IgnoreDatasets, RetryTransfers
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.dialogs.restore import RestoreDialog
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.pages.dataset_filters import FilterChips, SearchLine
from etiket_gui.gui.pages.dataset_pane import DatasetPane
from etiket_gui.gui.pages.dataset_table import DatasetTable
from etiket_gui.gui.pages.page import Page, page_column
from etiket_gui.gui.pages.places import dataset_place, open_place
from etiket_gui.gui.pages.verify_run import VerifyRun
from etiket_gui.gui.sentences import datasets_text, number_text
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.empty_state import EmptyState
from etiket_gui.gui.widgets.labels import TextLabel
from etiket_gui.gui.widgets.layouts import row

_MOST_RESTORED = 200
_ICON = 18
_PANE_CHARACTERS = 56


class DatasetsPage(Page):
    """``show_source`` and ``show_dataset`` are for the other pages."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.setObjectName("datasets")
        self._wanted: int | None = None
        self._by_source: dict[int, int] = {}
        #: The part of the width that somebody gave the pane; 0 for the usual one.
        self._wanted_share = 0.0
        self.model = DatasetTableModel(desk.reads, self)
        columns = [Column(name) for name in desk.settings.current.dataset_columns if name in set(Column)]
        if columns:
            self.model.set_columns(columns)
        layout = page_column(self)
        self.search = SearchLine()
        self.chips = FilterChips()
        layout.addLayout(self._make_tools())
        layout.addWidget(self.chips)
        layout.addWidget(self.reply)
        self.verifying = VerifyRun(desk)
        layout.addWidget(self.verifying)
        self.table = DatasetTable(self.model)
        self.pane = DatasetPane(desk)
        self._make_splitter()
        layout.addWidget(self.splitter, 1)
        layout.addLayout(self._make_actions())
        self._follow_later = QTimer(self)
        self._follow_later.setSingleShot(True)
        self._follow_later.setInterval(0)
        self._follow_later.timeout.connect(self._follow)
        self._connect()

    # -- what it consists of -----------------------------------------------------------------------------------------

    def _make_tools(self) -> QHBoxLayout:
        line = row(spacing=Space.S)
        line.addWidget(self.search, 1)
        self.columns_button = self._tool("columns", "columns-3", self.tr("Choose the columns"))
        self.columns_button.clicked.connect(self._choose_columns)
        self.pane_button = self._tool("show-pane", "panel-right", self.tr("Show the dataset beside the table (Space)"))
        self.pane_button.setCheckable(True)
        self.pane_button.toggled.connect(self._show_pane)
        line.addWidget(self.columns_button)
        line.addWidget(self.pane_button)
        return line

    @staticmethod
    def _tool(name: str, icon_name: str, said: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setProperty("boxed", "true")
        button.setIconSize(QSize(_ICON, _ICON))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setAccessibleName(said)
        button.setToolTip(said)
        keep_icon(button, icon_name)
        return button

    def _make_splitter(self) -> None:
        self._stack = QStackedWidget()
        self._nothing = EmptyState("search", self.tr("No dataset here"), self.tr("No dataset fits what is asked for."))
        self._stack.addWidget(self.table)
        self._stack.addWidget(self._nothing)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setObjectName("dataset-splitter")
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(Space.XS)
        self.splitter.addWidget(self._stack)
        self.splitter.addWidget(self.pane)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        self.pane.setMinimumWidth(self.fontMetrics().averageCharWidth() * (_PANE_CHARACTERS - 14))
        self.pane.hide()

    def _make_actions(self) -> QHBoxLayout:
        line = row(spacing=Space.S)
        self.count = TextLabel(tint="muted")
        self.count.setObjectName("dataset-count")
        line.addWidget(self.count)
        line.addStretch(1)
        self.actions_by_name: dict[str, QAction] = {}
        for name, icon_name, text, do in (
            ("retry", "rotate-ccw", self.tr("Retry"), self.retry),
            ("verify", "shield-check", self.tr("Verify"), self.verify),
            ("restore", "archive-restore", self.tr("Restore…"), self.restore),
            ("ignore", "eye-off", self.tr("Ignore"), self.ignore),
            ("show", "folder-open", self.tr("Show in folder"), self.show_in_folder),
            ("copy-uuids", "copy", self.tr("Copy UUIDs"), self.copy_uuids),
        ):
            action = QAction(text, self)
            action.setObjectName(f"datasets-{name}")
            keep_icon(action, icon_name)
            action.triggered.connect(do)
            self.actions_by_name[name] = action
            if name not in {"show", "copy-uuids"}:
                line.addWidget(self._action_button(name, action))
        self.actions_by_name["retry"].setToolTip(self.tr("Try again what failed, and take up again what was left out"))
        self.actions_by_name["verify"].setToolTip(self.tr("Read the stored copies again and compare them"))
        self.actions_by_name["ignore"].setToolTip(self.tr("Leave out from now on; what is archived stays"))
        copy = self.actions_by_name["copy-uuids"]
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.table.addAction(copy)
        return line

    @staticmethod
    def _action_button(name: str, action: QAction) -> QPushButton:
        button = QPushButton(action.text())
        button.setObjectName(f"button-{name}")
        button.setAccessibleName(action.text())
        button.setIcon(action.icon())
        button.setToolTip(action.toolTip())
        button.clicked.connect(action.trigger)

        def follow() -> None:
            button.setEnabled(action.isEnabled())
            button.setIcon(action.icon())
            button.setToolTip(action.toolTip())

        action.changed.connect(follow)
        return button

    def _connect(self) -> None:
        self.search.changed.connect(self._ask)
        self.chips.changed.connect(self._ask)
        self.model.countsChanged.connect(self._take_by_source)
        self.model.listed.connect(lambda _: self._on_listed())
        self.model.unavailable.connect(self._tell_unavailable)
        self.model.busyChanged.connect(self._show_busy)
        self.desk.host.progressed.connect(self.model.note_progress)
        selection = self.table.selectionModel()
        selection.selectionChanged.connect(lambda *_: self._on_selection())
        selection.currentRowChanged.connect(lambda *_: self._follow_later.start())
        self.table.opened.connect(self._open)
        self.table.peeked.connect(self.pane_button.toggle)
        self.table.menuRequested.connect(self._show_menu)
        self.table.columnsChosen.connect(self._keep_columns)
        self.pane.closed.connect(self._close_pane)
        self.pane.said.connect(lambda text, is_bad: self.reply.say(text, is_bad=is_bad))
        self.pane.restoreRequested.connect(lambda facts: self._open_restore([facts]))
        self.verifying.ended.connect(lambda text, is_bad: self.reply.say(text, is_bad=is_bad))
        self._on_selection()

    # -- what it shows -----------------------------------------------------------------------------------------------

    def show_source(self, source_id: int) -> None:
        """Show the datasets of one source, whatever was searched for before."""
        self.search.search.clear()
        self.chips.choose("all")
        self.desk.reads.ask(
            lambda reads: source_names(reads.connection), self, lambda names: self._choose_source(source_id, names)
        )

    def _choose_source(self, source_id: int, names: tuple[tuple[int, str], ...]) -> None:
        self.search.show_sources(names, self._by_source)
        self.search.choose_source(source_id)
        self._ask()

    def show_dataset(self, dataset_id: int) -> None:
        """Show one dataset in the pane, and choose its row where it is in the list."""
        self._wanted = dataset_id
        self.chips.choose("all")
        self.search.choose_source(None)
        self.search.search.clear()
        self.pane_button.setChecked(True)
        self.pane.follow(dataset_id)
        self._ask()
        self._choose_wanted()

    def _choose_wanted(self) -> None:
        row_number = None if self._wanted is None else self.model.row_of(self._wanted)
        if row_number is not None:
            self._wanted = None
            self.table.selectRow(row_number)
            self.table.scrollTo(self.model.index(row_number, 0), DatasetTable.ScrollHint.PositionAtCenter)

    def _ask(self) -> None:
        self.model.ask(self.chips.question(self.model.question, self.search.source_id, self.search.search.text()))
        self.refresh_soon()

    def ask_store(self) -> None:
        """Read the numbers of the chips and the sources."""
        source_id = self.search.source_id
        self.desk.reads.ask(
            lambda reads: (state_counts(reads.connection, source_id), source_names(reads.connection)),
            self, self._take_counts, key="chips",
        )  # fmt: skip

    def _take_counts(self, found: tuple[StateCounts, tuple[tuple[int, str], ...]]) -> None:
        counts, names = found
        self.chips.show_counts(counts)
        self.search.show_sources(names, self._by_source)

    def _take_by_source(self, counts: ChipCounts) -> None:
        self._by_source = dict(counts.by_source)
        self.refresh_soon()

    def _on_listed(self) -> None:
        self._choose_wanted()
        is_empty = self.model.rowCount() == 0
        question = self.model.question
        is_asking = question != TableQuestion(sort=question.sort, is_descending=question.is_descending)
        if is_empty:
            title = self.tr("No dataset fits") if is_asking else self.tr("No dataset yet")
            self._nothing.title.setText(title)
            self._nothing.sentence.setText(
                self.tr("Search for other words, or choose All.")
                if is_asking
                else self.tr("As soon as a source holds one, it is listed here.")
            )
        self._stack.setCurrentIndex(1 if is_empty else 0)
        self._tell_count()

    def _tell_unavailable(self, error: EtiketError | None) -> None:
        if error is None:
            self.reply.say("")
        elif self.model.rowCount():
            self.reply.say_error(error)

    def _show_busy(self, is_busy: bool) -> None:
        if is_busy:
            self.count.setText(self.tr("Reading the list…"))
        else:
            self._tell_count()

    def _tell_count(self) -> None:
        text = datasets_text(self.model.rowCount())
        chosen = len(self.chosen_ids())
        if chosen > 1:
            text = self.tr("{datasets}, {n} chosen").format(datasets=text, n=number_text(chosen))
        self.count.setText(text)

    def showEvent(self, event: QShowEvent) -> None:
        """The table has the keyboard."""
        super().showEvent(event)
        if not self.search.search.hasFocus():
            self.table.setFocus()

    # -- how a person left it -----------------------------------------------------------------------------------------

    def remembered(self) -> dict[str, Any]:
        """How it looks now, as JSON values for :meth:`take_up`; the columns themselves are in the settings."""
        question = self.model.question
        return {
            "widths": self.table.widths(),
            "sort": question.sort.value,
            "is_descending": question.is_descending,
            "has_pane": not self.pane.isHidden(),
            "pane_share": self._pane_share(),
        }

    def take_up(self, value: Mapping[str, Any]) -> None:
        """Look as it did at an earlier time; what makes no sense is left alone."""
        widths = value.get("widths")
        if isinstance(widths, Mapping):
            self.table.set_widths(widths)
        sort, is_descending = value.get("sort"), value.get("is_descending")
        if sort in set(Column) and isinstance(is_descending, bool):
            self.model.ask(replace(self.model.question, sort=Column(str(sort)), is_descending=is_descending))
        share = value.get("pane_share")
        if isinstance(share, float) and 0.1 < share < 0.9:
            self._wanted_share = share
        self.pane_button.setChecked(value.get("has_pane") is True)

    def _pane_share(self) -> float:
        """The part of the width that the pane has."""
        table, pane = self.splitter.sizes()
        return pane / (table + pane) if not self.pane.isHidden() and table + pane else self._wanted_share

    # -- the pane ----------------------------------------------------------------------------------------------------

    def _on_selection(self) -> None:
        chosen = len(self.chosen_ids())
        for name, action in self.actions_by_name.items():
            action.setEnabled(chosen == 1 if name == "show" else chosen > 0)
        self._tell_count()
        self._follow_later.start()

    def _follow(self) -> None:
        index = self.table.currentIndex()
        if not self.pane.isHidden() and index.isValid():
            self.pane.follow(self.model.id_at(index.row()))

    def _show_pane(self, is_shown: bool) -> None:
        if is_shown and self.pane.isHidden():
            usual = self.fontMetrics().averageCharWidth() * _PANE_CHARACTERS
            wanted = round(self.splitter.width() * self._wanted_share) if self._wanted_share else usual
            self.pane.show()
            self.splitter.setSizes([max(1, self.splitter.width() - wanted), wanted])
        if not is_shown and not self.pane.isHidden():
            self._wanted_share = self._pane_share()
        self.pane.setVisible(is_shown)
        self._follow()

    def _open(self) -> None:
        self.pane_button.setChecked(True)
        self._follow()
        self.pane.tabs.setFocus()

    def _close_pane(self) -> None:
        self.pane_button.setChecked(False)
        self.table.setFocus()

    # -- what can be done --------------------------------------------------------------------------------------------

    def chosen_ids(self) -> Sequence[int]:
        """The datasets that are chosen."""
        return self.table.keeper.selected_ids()

    def retry(self) -> None:
        """Try again what failed of the chosen, and take up again what was left out."""
        self.command(RetryTransfers(tuple(self.chosen_ids())))

    def ignore(self) -> None:
        """Leave out the chosen."""
        self.command(IgnoreDatasets(tuple(self.chosen_ids())))

    def verify(self) -> None:
        """Read the stored copies of the chosen again."""
        self.verifying.start(list(self.chosen_ids()))

    def restore(self) -> None:
        """Get the chosen back."""
        ids = list(self.chosen_ids())[:_MOST_RESTORED]
        self.desk.reads.ask(
            lambda reads: [facts for number in ids if (facts := dataset(reads.connection, number)) is not None],
            self, self._open_restore,
        )  # fmt: skip

    def _open_restore(self, found: list[DatasetFacts]) -> None:
        if found:
            dialog = RestoreDialog(self.desk, found, self)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

    def copy_uuids(self) -> None:
        """Put the uuids of the chosen on the clipboard, one per line."""
        ids = list(self.chosen_ids())
        self.desk.reads.ask(lambda reads: uuids(reads.connection, ids), self, self._take_uuids)

    def _take_uuids(self, found: tuple[str, ...]) -> None:
        QGuiApplication.clipboard().setText("\n".join(found))
        self.reply.say(
            self.tr("The UUID is on the clipboard.")
            if len(found) == 1
            else self.tr("{n} UUIDs are on the clipboard.").format(n=number_text(len(found)))
        )

    def show_in_folder(self) -> None:
        """Show where the chosen dataset lies."""
        ids = self.chosen_ids()
        if len(ids) == 1:
            number = ids[0]
            self.desk.reads.ask(lambda reads: dataset(reads.connection, number), self, self._show_place)

    def _show_place(self, facts: DatasetFacts | None) -> None:
        path = "" if facts is None else dataset_place(facts.backend, facts.root, facts.identifier)
        if not path or not open_place(path):
            self.reply.say(self.tr("This dataset has no folder on this computer."), is_bad=True)

    def _show_menu(self, where: QPoint) -> None:
        if not len(self.chosen_ids()):
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, action in self.actions_by_name.items():
            if name == "show":
                menu.addSeparator()
            menu.addAction(action)
        menu.popup(where)

    def _choose_columns(self) -> None:
        button = self.columns_button
        self.table.show_columns_menu(button.mapToGlobal(QPoint(0, button.height())))

    def _keep_columns(self, columns: Sequence[Column]) -> None:
        self.desk.settings.change(dataset_columns=tuple(item.value for item in columns))
