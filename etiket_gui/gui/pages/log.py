"""The log page: the end of a log file as it grows, by level and words."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QHeaderView, QLineEdit, QPushButton, QTableView, QWidget

from etiket_gui.bridge.log_tail import LogNews, LogTail
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import icon, keep_icon
from etiket_gui.gui.pages.log_model import LEVEL, TEXT, TIME, WHERE, LogModel
from etiket_gui.gui.pages.padded_cells import list_of_rows
from etiket_gui.gui.pages.page import ReplyLine, page_column
from etiket_gui.gui.pages.places import open_place
from etiket_gui.gui.sentences import number_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import TextLabel
from etiket_gui.gui.widgets.layouts import row

_FIRST_FILE = "etiket-gui.log"
_LOOK_MS = 1000


class LogPage(QWidget):
    """Follows the file while the page is seen; stays at the end unless somebody scrolled up. Has no secrets."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("log")
        self._folder = desk.home.logs
        self._tail = LogTail(desk.home.logs, self)
        self._tail.news.connect(self._take)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._tail.look)
        layout = page_column(self)
        layout.addLayout(self._make_tools())
        self.reply = ReplyLine()
        layout.addWidget(self.reply)
        self.model = LogModel(self)
        self.view = self._make_view()
        layout.addWidget(self.view, 1)
        self._count = TextLabel(role=TextRole.SMALL, tint="muted")
        layout.addWidget(self._count)

    def _make_tools(self) -> QHBoxLayout:
        line = row(spacing=Space.S)
        self.files = QComboBox()
        self.files.setObjectName("log-file")
        self.files.setAccessibleName(self.tr("Which file"))
        self.files.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.files.addItem(_FIRST_FILE)
        self.files.currentTextChanged.connect(self._tail.follow)
        self.level = QComboBox()
        self.level.setObjectName("log-level")
        self.level.setAccessibleName(self.tr("Least level"))
        for text, level in (
            (self.tr("Everything"), ""),
            (self.tr("Notes and worse"), "INFO"),
            (self.tr("Warnings and errors"), "WARNING"),
            (self.tr("Errors only"), "ERROR"),
        ):
            self.level.addItem(text, level)
        self.level.currentIndexChanged.connect(lambda _: self._filter())
        self.search = QLineEdit()
        self.search.setObjectName("log-search")
        self.search.setPlaceholderText(self.tr("Search the log"))
        self.search.setAccessibleName(self.tr("Search the log"))
        self.search.setClearButtonEnabled(True)
        self.search.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(lambda _: self._filter())
        copy = QPushButton(self.tr("Copy"))
        copy.setObjectName("log-copy")
        copy.setAccessibleName(self.tr("Copy the chosen lines, or all that are shown"))
        keep_icon(copy, "copy")
        copy.clicked.connect(self.copy)
        folder = QPushButton(self.tr("Open folder"))
        folder.setObjectName("log-folder")
        folder.setAccessibleName(self.tr("Open the folder of the log files"))
        keep_icon(folder, "folder-open")
        folder.clicked.connect(self._open_folder)
        for widget in (self.files, self.level):
            line.addWidget(widget)
        line.addWidget(self.search, 1)
        line.addWidget(copy)
        line.addWidget(folder)
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.activated.connect(self.search.setFocus)
        return line

    def _make_view(self) -> QTableView:
        view = list_of_rows(self.model)
        view.setObjectName("log-lines")
        view.setAccessibleName(self.tr("Log"))
        header = view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignVCenter)
        character = self.fontMetrics().averageCharWidth()
        for place, characters in ((TIME, 24), (LEVEL, 12), (WHERE, 26)):
            view.setColumnWidth(place, character * characters)
        header.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), view)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        return view

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the file."""
        super().showEvent(event)
        self._timer.start()
        if not self._tail.name:
            self._tail.follow(self.files.currentText())
        else:
            self._tail.look()

    def hideEvent(self, event: QHideEvent) -> None:
        """A log that is not seen is not read."""
        super().hideEvent(event)
        self._timer.stop()

    def _take(self, news: LogNews) -> None:
        self._show_files(news.files)
        bar = self.view.verticalScrollBar()
        is_at_end = bar.value() >= bar.maximum()
        if news.is_whole:
            self.model.set_lines(news.lines)
            self.reply.say(news.failure, is_bad=True)
        else:
            self.model.add_lines(news.lines)
        if is_at_end or news.is_whole:
            self.view.scrollToBottom()
        self._tell_count()

    def _show_files(self, names: tuple[str, ...]) -> None:
        wanted = list(names) or [_FIRST_FILE]
        if self.files.currentText() not in wanted:
            wanted.append(self.files.currentText())
        if wanted == [self.files.itemText(place) for place in range(self.files.count())]:
            return
        chosen = self.files.currentText()
        self.files.blockSignals(True)
        self.files.clear()
        self.files.addItems(wanted)
        self.files.setCurrentText(chosen)
        self.files.blockSignals(False)

    def _filter(self) -> None:
        self.model.show_only(str(self.level.currentData()), self.search.text())
        self.view.scrollToBottom()
        self._tell_count()

    def _tell_count(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        text = self.tr("{n} lines") if shown == total else self.tr("{n} of {total} lines")
        self._count.setText(text.format(n=number_text(shown), total=number_text(total)))

    def copy(self) -> None:
        """Put the chosen lines on the clipboard, or all that are shown when none is chosen."""
        chosen = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        rows = chosen or range(self.model.rowCount())
        lines = [self.model.line_at(place) for place in rows]
        QGuiApplication.clipboard().setText(
            "\n".join(f"{line.at} {line.level:<7} {line.where}: {line.text}".strip() for line in lines)
        )
        self.reply.say(self.tr("{n} lines are on the clipboard.").format(n=number_text(len(lines))))

    def _open_folder(self) -> None:
        if not open_place(str(self._folder)):
            self.reply.say(self.tr("{path} cannot be shown on this computer.").format(path=self._folder), is_bad=True)
