"""Columns of the table of datasets: all are seen in a usual window, what is left over goes to words, choices stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.queries_datasets import Column
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.datasets import DatasetsPage
from etiket_gui.settings.home import Home


@pytest.fixture
def page(rich_home: Home, desk_on: Callable[[Home], Desk], qtbot: QtBot) -> DatasetsPage:
    made = DatasetsPage(desk_on(rich_home))
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.model.rowCount() > 0)
    return made


def _width(page: DatasetsPage, characters: int) -> None:
    """Make the table so many characters wide."""
    around = page.width() - page.table.viewport().width()
    page.resize(characters * page.fontMetrics().averageCharWidth() + around, 700)


def _at(page: DatasetsPage, column: Column) -> int:
    return page.table.columnWidth(page.model.columns.index(column))


def _all(page: DatasetsPage) -> int:
    return sum(_at(page, column) for column in page.model.columns)


@pytest.mark.parametrize("characters", [138, 150, 200, 400])
def test_columns_fill_the_table_and_none_is_cut(page: DatasetsPage, characters: int) -> None:
    _width(page, characters)
    assert _all(page) == page.table.viewport().width()
    assert page.table.horizontalScrollBar().maximum() == 0


def test_what_is_left_over_goes_to_words_most_of_it_to_the_names(page: DatasetsPage) -> None:
    _width(page, 200)
    before = {column: _at(page, column) for column in page.model.columns}
    _width(page, 400)
    more = {column: _at(page, column) - width for column, width in before.items()}
    assert max(more, key=lambda column: more[column]) is Column.NAME
    assert more[Column.PROGRESS] == more[Column.COLLECTED] == more[Column.SIZE] == 0


def test_table_that_is_too_small_scrolls_and_keeps_what_can_be_read(page: DatasetsPage) -> None:
    _width(page, 80)
    assert page.table.horizontalScrollBar().maximum() > 0
    assert _at(page, Column.NAME) >= 22 * page.fontMetrics().averageCharWidth()


def test_width_that_somebody_chose_stays_in_windows_of_every_size(page: DatasetsPage) -> None:
    _width(page, 200)
    place = page.model.columns.index(Column.SIZE)
    page.table.setColumnWidth(place, 300)
    for characters in (100, 150, 400):
        _width(page, characters)
        assert _at(page, Column.SIZE) == 300
    assert page.table.widths()["size"] == round(300 / page.fontMetrics().averageCharWidth())


def test_sorting_filtering_and_other_columns_are_no_choice_of_widths(page: DatasetsPage, qtbot: QtBot) -> None:
    _width(page, 200)
    page.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    page.search.search.setText("a")
    qtbot.wait(300)
    menu: QMenu = page.table.columns_menu()
    for name in ("column-keywords", "column-progress"):
        next(action for action in menu.actions() if action.objectName() == name).trigger()
    menu.deleteLater()
    assert page.table.widths() == {}
    assert _all(page) == page.table.viewport().width()
