"""The frame of the main window: navigation, header, banners, pages and the line at the bottom; pages are plugged in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QByteArray, QSize, Signal
from PySide6.QtGui import QAction, QCloseEvent, QHideEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QSizePolicy, QStackedWidget, QWidget

from etiket_gui.gui.banners import MOST_SHOWN, BannerArea, banners
from etiket_gui.gui.header import Header, StatusLine
from etiket_gui.gui.program_watch import ProgramWatch
from etiket_gui.gui.rail import Rail
from etiket_gui.gui.steering_menu import Steering
from etiket_gui.gui.widgets.layouts import column, row

#: Below so many characters of width, navigation and header show icons alone.
_NARROW_CHARACTERS = 118
#: Below so many lines of height, only the worst banner is shown, so that there is room for the page.
_LOW_LINES = 38
_USUAL_SIZE = QSize(1180, 780)
_LEAST_CHARACTERS, _LEAST_LINES = 70, 24


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page: its key, its title in the navigation, its icon, and what makes it when it is first shown."""

    key: str
    title: str
    icon: str
    make: Callable[[], QWidget]


class MainWindow(QMainWindow):
    """The window. ``acted`` has the key of what a person wants: settings, diagnostics, quit, or a banner's action.

    ``closeAsked`` comes instead of closing: whoever assembled the program decides what closing means.
    ``seenChanged`` tells whether the window is shown or hidden now.
    """

    acted = Signal(str)
    closeAsked = Signal()
    pageShown = Signal(str)
    seenChanged = Signal(bool)

    def __init__(
        self,
        watch: ProgramWatch,
        steering: Steering,
        pages: Sequence[PageEntry],
        parent: QWidget | None = None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(parent)
        self._watch = watch
        self._now_ns = now_ns
        self._may_close = False
        self._pages = list(pages)
        self._made: dict[int, QWidget] = {}
        self.setObjectName("main-window")
        self.setWindowTitle(self.tr("etiket"))
        self._rail = Rail()
        self._header = Header(steering)
        self._banners = BannerArea()
        self._stack = QStackedWidget()
        # Pages scroll up and down; what stands above them keeps its room.
        self._stack.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self._status = StatusLine()
        self._assemble()
        self._add_shortcuts()
        watch.changed.connect(self._show_state)
        watch.moved.connect(self._show_moving)
        self._show_state()
        metrics = self.fontMetrics()
        self.setMinimumHeight(metrics.height() * _LEAST_LINES)
        # On a part and not on the window, so that a page that needs more room gets it.
        self._header.setMinimumWidth(metrics.averageCharWidth() * _LEAST_CHARACTERS)
        self.resize(_USUAL_SIZE)

    def _assemble(self) -> None:
        for entry in self._pages:
            self._rail.add_page(entry.key, entry.title, entry.icon)
            self._stack.addWidget(QWidget())
        self._rail.add_action("settings", self.tr("Settings"), "settings")
        self._rail.add_action("diagnostics", self.tr("Help"), "life-buoy")
        self._rail.chosen.connect(self.show_page_at)
        self._rail.acted.connect(self.acted)
        self._banners.acted.connect(self.acted)
        middle = QWidget()
        right = column(middle, spacing=0)
        right.addWidget(self._header)
        right.addWidget(self._banners)
        right.addWidget(self._stack, 1)
        right.addWidget(self._status)
        whole = QWidget()
        beside = row(whole, spacing=0)
        beside.addWidget(self._rail)
        beside.addWidget(middle, 1)
        self.setCentralWidget(whole)

    def _add_shortcuts(self) -> None:
        wanted: list[tuple[QKeySequence | QKeySequence.StandardKey, Callable[[], None]]] = [
            (QKeySequence(f"Ctrl+{index + 1}"), lambda index=index: self.show_page_at(index))  # type: ignore[misc]
            for index in range(len(self._pages))
        ]
        wanted.append((QKeySequence("F5"), self._header.actions_of.sync_now.trigger))
        wanted.append((QKeySequence("Ctrl+,"), lambda: self.acted.emit("settings")))
        wanted.append((QKeySequence("F1"), lambda: self.acted.emit("diagnostics")))
        wanted.append((QKeySequence("Ctrl+Q"), lambda: self.acted.emit("quit")))
        wanted.append((QKeySequence("Ctrl+W"), self.closeAsked.emit))
        for key, do in wanted:
            action = QAction(self)
            action.setShortcut(key)
            action.triggered.connect(do)
            self.addAction(action)

    # -- pages -------------------------------------------------------------------------------------------------------

    def show_page_at(self, index: int) -> None:
        """Show a page, which is made now if it was not yet."""
        self.page_at(index)
        self._stack.setCurrentIndex(index)
        self._rail.choose(index)
        self.pageShown.emit(self._pages[index].key)

    def show_page(self, key: str) -> QWidget:
        """Show the page of that key and return it. Raises StopIteration when there is none."""
        index = next(index for index, entry in enumerate(self._pages) if entry.key == key)
        self.show_page_at(index)
        return self._made[index]

    def page_at(self, index: int) -> QWidget:
        """A page, which is made now if it was not yet."""
        if index not in self._made:
            page = self._pages[index].make()
            empty = self._stack.widget(index)
            if empty is not None:
                self._stack.removeWidget(empty)
                empty.deleteLater()
            self._stack.insertWidget(index, page)
            self._made[index] = page
        return self._made[index]

    @property
    def page_count(self) -> int:
        """How many pages there are."""
        return len(self._pages)

    @property
    def shown_key(self) -> str:
        """The key of the page that is shown."""
        return self._pages[self._stack.currentIndex()].key

    # -- state -------------------------------------------------------------------------------------------------------

    def _show_state(self) -> None:
        now_ns = self._now_ns()
        facts = self._watch.facts
        self._header.show_state(facts, self._watch.state, now_ns)
        self._banners.show_banners(banners(facts, now_ns))
        self._status.show_looked(facts, now_ns)
        for index, entry in enumerate(self._pages):
            if entry.key == "problems":
                self._rail.button(index).set_count(facts.problem_count)
        self._show_moving()

    def _show_moving(self) -> None:
        self._status.show_moving(self._watch.moving)

    def say(self, sentence: str) -> None:
        """Show a sentence at the bottom for some seconds: what came of an order."""
        self._status.say(sentence)

    # -- window ------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where it is narrow, navigation and header show icons alone."""
        super().resizeEvent(event)
        is_narrow = self.width() < self.fontMetrics().averageCharWidth() * _NARROW_CHARACTERS
        self._rail.set_narrow(is_narrow=is_narrow)
        self._header.set_narrow(is_narrow=is_narrow)
        is_low = self.height() < self.fontMetrics().height() * _LOW_LINES
        self._banners.set_most(1 if is_low else MOST_SHOWN)

    def showEvent(self, event: QShowEvent) -> None:
        """The page that is shown is made now at the latest."""
        super().showEvent(event)
        if self._pages and self._stack.currentIndex() not in self._made:
            self.show_page_at(self._stack.currentIndex())
            # Nothing is marked before a person uses the keyboard.
            self.setFocus()
        self.seenChanged.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks any more."""
        super().hideEvent(event)
        self.seenChanged.emit(False)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask whoever assembled the program, unless it said that the window may close."""
        application = QApplication.instance()
        is_session_ending = isinstance(application, QApplication) and application.isSavingSession()
        if self._may_close or is_session_ending:
            super().closeEvent(event)
            return
        event.ignore()
        self.closeAsked.emit()

    def close_for_good(self) -> None:
        """Close without asking; the program ends."""
        self._may_close = True
        self.close()

    def raise_up(self) -> None:
        """Show the window in front of the others."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def remembered_place(self) -> str:
        """Size and place as text, for :meth:`restore_place`."""
        return bytes(self.saveGeometry().toBase64().data()).decode("ascii")

    def restore_place(self, text: str) -> None:
        """Take up size and place of an earlier time; text that makes no sense is left alone."""
        self.restoreGeometry(QByteArray.fromBase64(QByteArray(text.encode("ascii", "ignore"))))
