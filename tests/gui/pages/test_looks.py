"""How the pages look in every size: no text is cropped, nothing overlaps, everything has a name and is reachable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.activity import ActivityPage
from etiket_gui.gui.pages.datasets import DatasetsPage
from etiket_gui.gui.pages.log import LogPage
from etiket_gui.gui.pages.overview import OverviewPage
from etiket_gui.gui.pages.problems import ProblemsPage
from etiket_gui.gui.widgets.labels import ElidedLabel
from etiket_gui.settings.home import Home
from tests.gui.pages.conftest import ShowPage
from tests.support.looks import cropped, nameless, overlapping
from tests.support.page_desk import for_a_moment

PAGES: tuple[type[QWidget], ...] = (OverviewPage, DatasetsPage, ProblemsPage, ActivityPage, LogPage)


def _make(kind: type[QWidget], desk: Desk, show_page: ShowPage, qtbot: QtBot, width: int, height: int) -> QWidget:
    page = kind(desk)  # type: ignore[call-overload]
    assert isinstance(page, QWidget)
    show_page(page, width, height)
    if isinstance(page, OverviewPage):
        qtbot.waitUntil(lambda: bool(page.headline), timeout=5000)
    if isinstance(page, ProblemsPage | ActivityPage):
        qtbot.waitUntil(lambda: bool(page.model.groups), timeout=5000)
    if isinstance(page, DatasetsPage):
        qtbot.waitUntil(lambda: page.model.rowCount() > 0, timeout=5000)
        page.show_dataset(1)
        qtbot.waitUntil(lambda: page.pane.dataset is not None, timeout=5000)
    for_a_moment(120)
    return page


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize(("width", "height"), [(780, 560), (1200, 800), (2400, 1300)])
def test_no_text_is_cropped_and_nothing_overlaps(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, kind: type[QWidget],
    width: int, height: int,
) -> None:  # fmt: skip
    page = _make(kind, desk_on(rich_home), show_page, qtbot, width, height)
    assert cropped(page) == []
    assert overlapping(page) == []


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("points", [7.0, 18.0])
def test_smaller_and_doubled_letters_fit_too(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, kind: type[QWidget],
    points: float,
) -> None:  # fmt: skip
    usual = QApplication.font()
    font = QApplication.font()
    font.setPointSizeF(points)
    QApplication.setFont(font)
    try:
        page = _make(kind, desk_on(rich_home), show_page, qtbot, 1500, 1000)
        assert cropped(page) == []
        assert overlapping(page) == []
    finally:
        QApplication.setFont(usual)


@pytest.mark.parametrize("kind", PAGES)
def test_every_control_has_a_name_for_a_screen_reader(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, kind: type[QWidget]
) -> None:
    page = _make(kind, desk_on(rich_home), show_page, qtbot, 1200, 800)
    assert nameless(page) == []


@pytest.mark.parametrize("kind", PAGES)
def test_pages_are_drawn_from_right_to_left(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, kind: type[QWidget]
) -> None:
    QApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        page = _make(kind, desk_on(rich_home), show_page, qtbot, 1200, 800)
        assert cropped(page) == []
        assert overlapping(page) == []
        assert not page.grab().isNull()
    finally:
        QApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_an_elided_text_is_whole_in_its_tooltip(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _make(OverviewPage, desk_on(rich_home), show_page, qtbot, 780, 560)
    short = [
        label for label in page.findChildren(ElidedLabel) if label.isVisible() and label.shown_text != label.text()
    ]
    assert all(label.toolTip() == label.text() for label in short)
    tall = page.mapTo(page.window(), QPoint(0, 0))
    assert QRect(tall, page.size()).isValid()
