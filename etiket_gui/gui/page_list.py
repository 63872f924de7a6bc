"""The pages of the main window and what their requests lead to: wizards, dialogs, and each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.main_window import MainWindow, PageEntry

if TYPE_CHECKING:
    from etiket_gui.gui.opening import Opening


class PageList(QObject):
    """Makes each page when it is first shown, and connects what it asks for."""

    def __init__(self, desk: Desk, opening: Opening, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._opening = opening

    @property
    def _window(self) -> MainWindow:
        return self._opening.window

    def entries(self) -> list[PageEntry]:
        """The pages from top to bottom."""
        return [
            PageEntry("overview", self.tr("Overview"), "layout-dashboard", self._overview),
            PageEntry("datasets", self.tr("Datasets"), "database", self._datasets),
            PageEntry("problems", self.tr("Problems"), "triangle-alert", self._problems),
            PageEntry("activity", self.tr("Activity"), "history", self._activity),
            PageEntry("log", self.tr("Log"), "scroll-text", self._log),
        ]

    def _overview(self) -> QWidget:
        from etiket_gui.gui.pages.overview import OverviewPage

        page = OverviewPage(self._desk, has_headline=False)
        self._connect(page)
        return page

    def _datasets(self) -> QWidget:
        from etiket_gui.gui.pages.datasets import DatasetsPage

        page = DatasetsPage(self._desk)
        self._connect(page)
        return page

    def _problems(self) -> QWidget:
        from etiket_gui.gui.pages.problems import ProblemsPage

        page = ProblemsPage(self._desk)
        self._connect(page)
        return page

    def _activity(self) -> QWidget:
        from etiket_gui.gui.pages.activity import ActivityPage

        page = ActivityPage(self._desk)
        self._connect(page)
        return page

    def _log(self) -> QWidget:
        from etiket_gui.gui.pages.log import LogPage

        page = LogPage(self._desk)
        self._connect(page)
        return page

    def _connect(self, page: QWidget) -> None:
        """Each page has those of these signals that it needs."""
        opening = self._opening
        for name, slot in (
            ("addSourceRequested", opening.add_source),
            ("addDestinationRequested", opening.add_destination),
            ("editSourceRequested", opening.edit_source),
            ("removeSourceRequested", opening.remove_source),
            ("editDestinationRequested", opening.edit_destination),
            ("removeDestinationRequested", opening.remove_destination),
            ("signInRequested", opening.sign_in),
            ("sourceSignInRequested", opening.sign_in_source),
            ("dropped", opening.drop),
            ("datasetsRequested", self._show_datasets),
            ("datasetRequested", self._show_dataset),
            ("problemsRequested", self._show_problems),
            ("diagnosticsRequested", opening.diagnostics),
        ):
            signal: Any = getattr(page, name, None)
            if signal is not None:
                signal.connect(slot)

    def _show_datasets(self, source_id: int | None = None) -> None:
        page: Any = self._window.show_page("datasets")
        if source_id is not None:
            page.show_source(source_id)

    def _show_dataset(self, dataset_id: int) -> None:
        page: Any = self._window.show_page("datasets")
        page.show_dataset(dataset_id)

    def _show_problems(self, *_: object) -> None:
        self._window.show_page("problems")
