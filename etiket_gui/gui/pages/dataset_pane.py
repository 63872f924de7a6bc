"""The dataset pane: everything about the dataset that is chosen, and what can be done with it."""

from __future__ import annotations

import base64
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHeaderView,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from etiket_gui.bridge.queries import SteeringNow
from etiket_gui.bridge.queries_pages_dataset import DatasetFacts, FileFact, dataset, files
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.names import display
from etiket_gui.domain.states import RunState
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.pages.dataset_parts import Copies, History, Pairs
from etiket_gui.gui.pages.dataset_sentences import dataset_told
from etiket_gui.gui.pages.files_model import NAME, FilesModel
from etiket_gui.gui.pages.flow import Flow
from etiket_gui.gui.pages.padded_cells import list_of_rows
from etiket_gui.gui.pages.picture import Picture
from etiket_gui.gui.pages.places import dataset_place, open_place
from etiket_gui.gui.pages.snippets import python_snippet
from etiket_gui.gui.sentences import capitalised, files_text, is_ahead, number_text, size_text, time_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import Badge, ElidedLabel, SectionHeading, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row, scrolled
from etiket_gui.gui.widgets.status_dot import StatusDot

if TYPE_CHECKING:
    from etiket_gui.gui.plots.live_plot import LivePlot

#: A dataset has to stay chosen for so long before its folder in the archive is looked for.
_LOOK_AFTER_MS = 350
_MOST_SEARCHED_FILES = 1000
_COMMAND_VARIABLE = "ETIKET_GUI_COMMAND"


class DatasetPane(QWidget):
    """Shows one dataset, live. ``restoreRequested`` carries its DatasetFacts, ``said`` a sentence and if it is bad.

    ``preview`` is a stack of nothing, the stored picture, and the live plot while the dataset is being measured.
    """

    restoreRequested = Signal(object)
    said = Signal(str, bool)
    closed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataset-pane")
        self._desk = desk
        self._id: int | None = None
        self._facts: DatasetFacts | None = None
        self._files: tuple[FileFact, ...] = ()
        self._views: list[dict[str, Any]] = []
        self._viewed: tuple[int, str] | None = None
        self._live: LivePlot | None = None
        self._is_archive_wanted = False
        self._steering = SteeringNow(0, 0)
        self._look_later = QTimer(self)
        self._look_later.setSingleShot(True)
        self._look_later.setInterval(_LOOK_AFTER_MS)
        self._look_later.timeout.connect(self._look_at_views)
        layout = column(self, spacing=Space.M)
        layout.setContentsMargins(Space.L, Space.M, Space.L, Space.M)
        self._make_head(layout)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("dataset-tabs")
        self.tabs.setAccessibleName(self.tr("Parts of the dataset"))
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self._make_about(), self.tr("About"))
        self.tabs.addTab(self._make_files(), self.tr("Files"))
        self.history = History()
        self.tabs.addTab(self._padded(self.history), self.tr("History"))
        layout.addWidget(self.tabs, 1)
        desk.reads.changed.connect(self._refresh_if_seen)
        desk.host.progressed.connect(self.files_model.note_progress)

    # -- what it consists of -----------------------------------------------------------------------------------------

    def _make_head(self, layout: QVBoxLayout) -> None:
        top = row(spacing=Space.S)
        self._name = ElidedLabel("", TextRole.HEADING)
        self._name.setObjectName("dataset-name")
        close = QToolButton()
        close.setObjectName("pane-close")
        keep_icon(close, "x", "muted")
        close.setAccessibleName(self.tr("Close the pane"))
        close.setToolTip(self.tr("Close (Space)"))
        close.clicked.connect(self.closed)
        top.addWidget(self._name, 1)
        top.addWidget(close)
        layout.addLayout(top)
        state = row(spacing=Space.S)
        self._sign = StatusDot("new")
        self._sentence = SentenceLabel()
        self._sentence.setObjectName("dataset-sentence")
        self._detail = SentenceLabel(role=TextRole.SMALL, tint="muted")
        texts = column(spacing=2)
        texts.addWidget(self._sentence)
        texts.addWidget(self._detail)
        state.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        state.addLayout(texts, 1)
        layout.addLayout(state)
        self._make_buttons(layout)

    def _make_buttons(self, layout: QVBoxLayout) -> None:
        line = Flow()
        self.restore_button = self._button("pane-restore", self.tr("Restore…"), "archive-restore")
        self.restore_button.clicked.connect(self._ask_restore)
        self.archive_button = self._button("pane-archive", self.tr("Show in archive"), "folder-archive")
        self.archive_button.clicked.connect(self._show_in_archive)
        self.folder_button = self._button("pane-folder", self.tr("Show in folder"), "folder-open")
        self.folder_button.clicked.connect(self._show_in_folder)
        self.copy_button = self._button("pane-copy", self.tr("Copy"), "copy")
        menu = QMenu(self.copy_button)
        for name, text, do in (
            ("copy-path", self.tr("Path"), self.copy_path),
            ("copy-uuid", self.tr("UUID"), self.copy_uuid),
            ("copy-python", self.tr("Python"), self.copy_python),
        ):
            action = menu.addAction(text)
            action.setObjectName(name)
            action.triggered.connect(do)
        self.copy_button.setMenu(menu)
        for button in (self.restore_button, self.archive_button, self.folder_button, self.copy_button):
            line.add(button)
        layout.addWidget(line)

    @staticmethod
    def _button(name: str, text: str, icon_name: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setAccessibleName(text)
        keep_icon(button, icon_name)
        return button

    def _make_about(self) -> QWidget:
        content = QWidget()
        layout = column(content, spacing=Space.M)
        layout.setContentsMargins(0, Space.M, Space.S, Space.M)
        self.preview = QStackedWidget()
        self.preview.setObjectName("preview")
        self.preview.addWidget(QWidget())
        self.picture = Picture()
        self.preview.addWidget(self.picture)
        self.preview.hide()
        layout.addWidget(self.preview)
        self._text = SentenceLabel()
        layout.addWidget(self._text)
        self._keywords = Flow(spacing=Space.XS)
        layout.addWidget(self._keywords)
        self.facts = Pairs()
        layout.addWidget(self.facts)
        self._attributes_title = SectionHeading(self.tr("Attributes"))
        self.attributes = Pairs()
        layout.addWidget(self._attributes_title)
        layout.addWidget(self.attributes)
        layout.addWidget(SectionHeading(self.tr("Destinations")))
        self.copies = Copies()
        layout.addWidget(self.copies)
        layout.addStretch(1)
        return scrolled(content)

    def _make_files(self) -> QWidget:
        page = QWidget()
        layout = column(page, spacing=Space.S)
        layout.setContentsMargins(0, Space.M, 0, 0)
        self._files_note = SentenceLabel(tint="muted")
        layout.addWidget(self._files_note)
        self.files_model = FilesModel(self._desk.reads, self)
        self.files_model.modelReset.connect(self._tell_files)
        view = list_of_rows(self.files_model)
        view.setObjectName("dataset-files")
        view.setAccessibleName(self.tr("Files"))
        header = view.horizontalHeader()
        character = self.fontMetrics().averageCharWidth()
        for place, characters in ((1, 11), (2, 23), (3, 8)):
            view.setColumnWidth(place, character * characters)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(character * 8)
        self.files_view = view
        layout.addWidget(view, 1)
        return page

    @staticmethod
    def _padded(widget: QWidget) -> QWidget:
        content = QWidget()
        layout = column(content)
        layout.setContentsMargins(0, Space.M, Space.S, Space.M)
        layout.addWidget(widget)
        layout.addStretch(1)
        return scrolled(content)

    # -- what it shows -----------------------------------------------------------------------------------------------

    @property
    def dataset_id(self) -> int | None:
        """The dataset that is shown."""
        return self._id

    @property
    def sentence(self) -> str:
        """How it stands."""
        return self._sentence.text()

    @property
    def dataset(self) -> DatasetFacts | None:
        """All that is known of it; None before it was read."""
        return self._facts

    def follow(self, dataset_id: int | None) -> None:
        """Show another dataset; None for none."""
        if dataset_id == self._id:
            return
        self._id, self._facts, self._files = dataset_id, None, ()
        self._views, self._viewed, self._is_archive_wanted = [], None, False
        self._show_picture(b"")
        self.tabs.setEnabled(dataset_id is not None)
        self.files_model.follow(dataset_id)
        if dataset_id is None:
            self._desk.reads.drop(("pane", id(self)))
            return
        self._ask()

    def _refresh_if_seen(self) -> None:
        if self._id is not None and self.isVisible():
            self._ask()
            self.files_model.refresh()

    def _ask(self) -> None:
        dataset_id = self._id
        if dataset_id is None:
            return
        self._desk.reads.ask(
            lambda reads: (
                dataset(reads.connection, dataset_id),
                files(reads.connection, dataset_id, limit=_MOST_SEARCHED_FILES),
                reads.steering(),
            ),
            self, lambda found: self._take(dataset_id, *found), key=("pane", id(self)),
        )  # fmt: skip

    def _take(
        self, dataset_id: int, facts: DatasetFacts | None, found: tuple[FileFact, ...], steering: SteeringNow
    ) -> None:
        if dataset_id != self._id:
            return
        if facts is None:
            self._sentence.setText(self.tr("This dataset is no longer known."))
            self.tabs.setEnabled(False)
            return
        self._steering = steering
        self._facts, self._files = facts, found
        self.files_model.follow(facts.id, facts.uuid)
        self._show(facts)

    def _show(self, facts: DatasetFacts) -> None:
        now_ns = time.time_ns()
        told = dataset_told(
            facts,
            is_paused=is_ahead(self._steering.paused_until_ns, now_ns),
            is_held=is_ahead(self._steering.held_until_ns, now_ns),
            now_ns=now_ns,
        )
        self._name.setText(display(facts.name))
        self._sign.set_state(told.sign, told.sentence)
        self._sentence.setText(capitalised(told.sentence))
        self._detail.setText(told.detail)
        self._detail.setVisible(bool(told.detail))
        self._text.setText(display(facts.text))
        self._text.setVisible(bool(facts.text))
        self._show_keywords(facts.keywords)
        self.facts.show_pairs(self._pairs(facts))
        self.attributes.show_pairs(facts.attributes)
        for widget in (self._attributes_title, self.attributes):
            widget.setVisible(bool(facts.attributes))
        self.copies.show_copies(facts.copies, now_ns)
        self.history.show_history(facts.history, now_ns)
        self._tell_files()
        self._choose_preview()
        self.restore_button.setEnabled(bool(facts.stored))
        self.archive_button.setEnabled(bool(facts.stored))
        self.folder_button.setEnabled(bool(self._own_place()))
        versions = " ".join(copy.version for copy in facts.copies)
        if facts.stored and self._viewed != (facts.id, versions):
            self._viewed = (facts.id, versions)
            self._look_later.start()

    def _pairs(self, facts: DatasetFacts) -> list[tuple[str, str]]:
        collected = time_text(facts.collected_ns) or facts.collected
        pairs = [
            (self.tr("Source"), facts.source),
            (self.tr("Collected"), collected),
            (self.tr("Last change"), time_text(facts.newest_change_ns)),
            (self.tr("Size"), f"{size_text(facts.size_bytes)}, {files_text(facts.file_count)}"),
            (self.tr("Identifier"), facts.identifier),
            (self.tr("Before"), ", ".join(facts.previous_identifiers)),
            (self.tr("UUID"), facts.uuid),
        ]
        return [(name, value) for name, value in pairs if value]

    def _show_keywords(self, keywords: tuple[str, ...]) -> None:
        self._keywords.clear()
        for word in keywords:
            self._keywords.add(Badge(display(word)))
        self._keywords.setVisible(bool(keywords))

    def _tell_files(self) -> None:
        facts, count = self._facts, self.files_model.rowCount()
        if facts is None:
            return
        self.tabs.setTabText(1, self.tr("Files {n}").format(n=number_text(count or facts.file_count)))
        self._files_note.setVisible(not count)
        self._files_note.setText(self.tr("The files are listed when the dataset is first read."))
        self.files_view.setVisible(bool(count))

    # -- where it is stored ------------------------------------------------------------------------------------------

    def _look_at_views(self) -> None:
        facts = self._facts
        if facts is not None and facts.stored and self.isVisible():
            number = facts.id
            self._desk.jobs.start(
                "dataset_view",
                {"dataset": number},
                self,
                lambda result: self._take_views(number, result),
                self._take_no_views,
            )

    def _take_views(self, dataset_id: int, result: dict[str, Any]) -> None:
        if dataset_id != self._id:
            return
        self._views = [view for view in result.get("views", ()) if isinstance(view, dict)]
        self._show_picture(base64.b64decode(result.get("preview") or ""))
        if self._is_archive_wanted:
            self._open_archive()

    def _take_no_views(self, error: EtiketError) -> None:
        if self._is_archive_wanted:
            self._is_archive_wanted = False
            self.said.emit(f"{error.reason} {error.advice}".strip(), True)

    def _show_picture(self, content: bytes) -> None:
        self.picture.show_png(content)
        self._choose_preview()

    def _choose_preview(self) -> None:
        """While it is measured the newest points, later the stored picture, else nothing and no empty room for it."""
        facts = self._facts
        is_live = facts is not None and facts.run_state == RunState.LIVE.value and not facts.is_gone
        if is_live and self._live is None:
            # Drawing needs libraries that take a moment to load, and most datasets are complete.
            from etiket_gui.gui.plots.live_plot import LivePlot

            self._live = LivePlot(self._desk)
            self.preview.addWidget(self._live)
        if self._live is not None:
            self._live.follow(facts.uuid if is_live and facts is not None else "")
        shown = self._live if is_live else self.picture if self.picture.has_picture else self.preview.widget(0)
        if shown is not None:
            self.preview.setCurrentWidget(shown)
        self.preview.setVisible(is_live or self.picture.has_picture)

    def _view_folder(self) -> str:
        return next((view["address"] for view in self._views if os.path.isabs(view.get("address") or "")), "")

    def _own_place(self) -> str:
        facts = self._facts
        return "" if facts is None or facts.is_gone else dataset_place(facts.backend, facts.root, facts.identifier)

    # -- what can be done --------------------------------------------------------------------------------------------

    def _ask_restore(self) -> None:
        if self._facts is not None:
            self.restoreRequested.emit(self._facts)

    def _show_in_archive(self) -> None:
        self._is_archive_wanted = True
        if self._views:
            self._open_archive()
        else:
            self._look_at_views()

    def _open_archive(self) -> None:
        self._is_archive_wanted = False
        addresses = [view["address"] for view in self._views if view.get("address")]
        if addresses and open_place(addresses[0]):
            return
        reasons = [str(view["reason"]) for view in self._views if view.get("reason")]
        self.said.emit(reasons[0] if reasons else self.tr("There is nothing to show there yet."), True)

    def _show_in_folder(self) -> None:
        path = self._own_place()
        if path and not open_place(path):
            self.said.emit(self.tr("{path} cannot be shown on this computer.").format(path=path), True)

    def copy_path(self) -> None:
        """Put the dataset's own place, else that in the archive, on the clipboard."""
        path = self._own_place() or self._view_folder()
        if path:
            self._copy(path, self.tr("The path is on the clipboard."))
        else:
            self.said.emit(self.tr("This dataset has no path on this computer."), True)

    def copy_uuid(self) -> None:
        """Put the uuid on the clipboard."""
        if self._facts is not None:
            self._copy(self._facts.uuid, self.tr("The UUID is on the clipboard."))

    def copy_python(self) -> None:
        """Put Python code that gets at the dataset on the clipboard."""
        if self._facts is not None:
            code = python_snippet(self._facts, self._files, self._view_folder(), program_words(self._desk))
            self._copy(code, self.tr("Python code is on the clipboard."))

    def _copy(self, text: str, sentence: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.said.emit(sentence, False)


def program_words(desk: Desk) -> tuple[str, ...]:
    """The words that start a command of this program for this home, from any Python on this computer."""
    command = os.environ.get(_COMMAND_VARIABLE, "")
    if command and os.path.isabs(command.split(" ")[0]):
        return (*command.split(" "), "--home", str(desk.home.root))
    if getattr(sys, "frozen", False):
        return (sys.executable, "--home", str(desk.home.root))
    return (sys.executable, "-m", "etiket_gui", "--home", str(desk.home.root))
