"""Rows of the table of datasets are drawn once and shown again, and never show what is no longer true."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.reads import StoreReads
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.pages import dataset_rows
from etiket_gui.gui.pages.dataset_table import DatasetTable
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.settings.home import Home


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the datasets whose rows were drawn."""
    real, ids = dataset_rows.DatasetRows._draw, []

    def draw(self: dataset_rows.DatasetRows, painted: object, *arguments: object, **named: object) -> object:
        ids.append(painted.line.id)  # type: ignore[attr-defined]
        return real(self, painted, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset_rows.DatasetRows, "_draw", draw)
    return ids


@pytest.fixture
def table(reads: StoreReads, drawn: list[int], qtbot: QtBot) -> Iterator[DatasetTable]:
    """A table with all its rows painted."""
    model = DatasetTableModel(reads)
    view = DatasetTable(model)
    qtbot.addWidget(view)
    view.resize(1100, 500)
    with qtbot.waitExposed(view):
        view.show()
    qtbot.waitUntil(lambda: len(set(drawn)) >= _seen(view) > 5)
    _settle(qtbot, drawn)
    yield view
    view.close()
    model.deleteLater()


def _seen(view: DatasetTable) -> int:
    return view.rowAt(view.viewport().height() - 1) - view.rowAt(0) + 1


def _settle(qtbot: QtBot, drawn: list[int]) -> None:
    """Until nothing is drawn any more."""
    before = -1
    while before != len(drawn):
        before = len(drawn)
        qtbot.wait(60)


def _ids(view: DatasetTable, first: int, count: int) -> set[int]:
    return set(view.model().ids_between(first, first + count - 1))  # type: ignore[attr-defined]


def _colour(view: DatasetTable, row: int) -> QColor:
    """The ground of a row, at its very left."""
    image: QImage = view.viewport().grab().toImage()
    ratio = image.devicePixelRatio()
    place = QPoint(2, view.rowViewportPosition(row) + 2)
    return image.pixelColor(round(place.x() * ratio), round(place.y() * ratio))


def test_a_row_that_was_seen_is_not_drawn_again_when_it_is_scrolled_to(
    table: DatasetTable, drawn: list[int], qtbot: QtBot
) -> None:
    seen = _seen(table)
    drawn.clear()
    table.verticalScrollBar().setValue(3)
    qtbot.waitUntil(lambda: bool(drawn))
    _settle(qtbot, drawn)
    assert set(drawn) <= _ids(table, seen - 1, 5)
    drawn.clear()
    table.verticalScrollBar().setValue(0)
    _settle(qtbot, drawn)
    assert drawn == []


def test_a_row_that_changes_is_drawn_again_and_no_other(
    table: DatasetTable, home: Home, drawn: list[int], qtbot: QtBot
) -> None:
    changed = table.model().id_at(2)  # type: ignore[attr-defined]
    drawn.clear()
    with contextlib.closing(sqlite3.connect(home.store)) as connection, connection:
        connection.execute("UPDATE datasets SET size_bytes = 123456789 WHERE id = ?", (changed,))
    qtbot.waitUntil(lambda: bool(drawn))
    _settle(qtbot, drawn)
    assert set(drawn) == {changed}


def test_a_chosen_row_looks_chosen_and_plain_again_afterwards(
    table: DatasetTable, drawn: list[int], qtbot: QtBot
) -> None:
    plain = _colour(table, 1)
    table.selectRow(1)
    assert _colour(table, 1) == table.palette().highlight().color() != plain
    table.clearSelection()
    assert _colour(table, 1) == plain


def test_other_colours_and_other_widths_draw_all_rows_anew(table: DatasetTable, drawn: list[int], qtbot: QtBot) -> None:
    theme = Theme("light")
    theme.apply()
    try:
        _settle(qtbot, drawn)
        light = _colour(table, 1)
        theme.set_mode("dark")
        _settle(qtbot, drawn)
        assert _colour(table, 1).lightness() < 128 < light.lightness()
        drawn.clear()
        table.setColumnWidth(1, table.columnWidth(1) // 2)
        _settle(qtbot, drawn)
        assert set(drawn) == _ids(table, 0, _seen(table))
    finally:
        theme.set_mode("light")


def test_rows_for_which_there_is_no_time_while_it_moves_follow_by_themselves(
    table: DatasetTable, drawn: list[int], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_rows, "BUDGET_S", 0.0)
    monkeypatch.setattr(dataset_rows, "_MOVING_S", 1e9)
    seen = _seen(table)
    drawn.clear()
    table.verticalScrollBar().setValue(100)
    qtbot.waitUntil(lambda: _ids(table, 100, seen) <= set(drawn))


def test_no_more_pictures_are_kept_than_allowed(
    table: DatasetTable, drawn: list[int], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_rows, "MOST_BYTES", 0)
    for place in (50, 100, 150, 200):
        table.verticalScrollBar().setValue(place)
        qtbot.waitUntil(lambda place=place: _ids(table, place, 5) <= set(drawn))  # type: ignore[misc]
    assert len(table._rows._pictures) <= 2 * _seen(table) + 2
    table.hide()
    assert not table._rows._pictures
