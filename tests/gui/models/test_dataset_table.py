"""The table of datasets: live, in any order, the selection of a person kept, no read on the window's own thread."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QAbstractItemView, QTableView
from pytestqt.qtbot import QtBot

from etiket_gui.bridge import queries_datasets
from etiket_gui.bridge.queries import StoreAway
from etiket_gui.bridge.queries_datasets import Column, TableQuestion
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain.events import DatasetProgressed, FileProgressed
from etiket_gui.gui.models import dataset_table
from etiket_gui.gui.models.dataset_roles import FIRST_COLUMNS, Role
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.models.table_keeper import TableKeeper
from etiket_gui.settings.home import Home
from tests.support import qt_homes
from tests.support.patience import patient_s
from tests.support.qt_stalls import StallProbe


@pytest.fixture
def model(reads: StoreReads, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetTableModel]:
    """The model of a home with 300 datasets, listed; Qt's own tester looks at every step of it."""
    monkeypatch.setattr(dataset_table, "_LIST_PAUSE_S", 0.05)
    monkeypatch.setattr(dataset_table, "PATIENCE_S", patient_s(5.0))
    monkeypatch.setattr(dataset_table, "MOVING_PATIENCE_S", patient_s(5.0))
    made = DatasetTableModel(reads)
    tester = QAbstractItemModelTester(made, QAbstractItemModelTester.FailureReportingMode.Fatal)
    with qtbot.waitSignal(made.listed):
        pass
    yield made
    made.deleteLater()
    del tester


@pytest.fixture
def view(model: DatasetTableModel, qtbot: QtBot) -> QTableView:
    """A view of it, kept by a keeper."""
    made = QTableView()
    qtbot.addWidget(made)
    made.setModel(model)
    made.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    made.resize(1200, 600)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def keeper(view: QTableView, model: DatasetTableModel) -> TableKeeper:
    """What keeps selection and place."""
    return TableKeeper(view, model)


def _text(model: DatasetTableModel, row: int, column: Column) -> Any:
    return model.index(row, model.columns.index(column)).data()


def _row(model: DatasetTableModel, dataset_id: int) -> int:
    row = model.row_of(dataset_id)
    assert row is not None
    return row


def _asked(model: DatasetTableModel, qtbot: QtBot, question: TableQuestion) -> None:
    with qtbot.waitSignal(model.listed):
        model.ask(question)


def test_the_newest_is_on_top_with_all_that_is_known_of_it(model: DatasetTableModel) -> None:
    assert model.rowCount() == 300
    assert model.columnCount() == len(FIRST_COLUMNS)
    assert model.id_at(0) == 300
    assert _text(model, 0, Column.NAME).endswith("#300")
    assert _text(model, 0, Column.STATE) == "Problem"
    assert model.index(0, 0).data(Role.STATE) == "failed"
    assert model.index(0, 0).data(Role.ID) == 300
    assert model.index(0, 0).data(Role.LINE).id == 300
    assert _text(model, 0, Column.DESTINATIONS) == "Backup disk 1.0.0 · Group archive"
    assert _text(model, 0, Column.SOURCE) == "Fridge Alpha"
    assert _text(model, 0, Column.COLLECTED).startswith("2020-09-13")


def test_every_column_has_a_heading_and_a_text(model: DatasetTableModel, qtbot: QtBot) -> None:
    model.set_columns(list(Column))
    assert model.columns == tuple(Column)
    headings = [model.headerData(number, Qt.Orientation.Horizontal) for number in range(model.columnCount())]
    assert len(set(headings)) == len(list(Column))
    archived = next(row for row in range(300) if model.index(row, 0).data(Role.STATE) == "archived")
    texts = {column: _text(model, archived, column) for column in Column}
    assert [column for column, text in texts.items() if not text] == [Column.PROGRESS]
    assert model.headerData(0, Qt.Orientation.Vertical) is None


def test_columns_are_chosen_once_each(model: DatasetTableModel) -> None:
    model.set_columns([Column.NAME, Column.SIZE, Column.NAME])
    assert model.columns == (Column.NAME, Column.SIZE)
    model.set_columns([])
    assert model.columns == (Column.NAME, Column.SIZE)


def test_numbers_stand_right_and_words_left(model: DatasetTableModel) -> None:
    right = Qt.AlignmentFlag.AlignRight
    for number, column in enumerate(model.columns):
        alignment = Qt.AlignmentFlag(model.index(0, number).data(Qt.ItemDataRole.TextAlignmentRole))
        assert bool(alignment & right) == (column in {Column.SIZE, Column.FILES, Column.PROGRESS})


def test_a_click_on_a_heading_orders(model: DatasetTableModel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(model.listed):
        model.sort(model.columns.index(Column.SIZE), Qt.SortOrder.AscendingOrder)
    qtbot.waitUntil(lambda: all(model.index(row, 0).data(Role.LINE) for row in range(300)))
    sizes = [model.index(row, 0).data(Role.LINE).size_bytes for row in range(300)]
    assert sizes == sorted(sizes)
    assert model.question.sort is Column.SIZE


def test_only_the_last_of_many_questions_is_shown(model: DatasetTableModel, qtbot: QtBot) -> None:
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(model.rowCount()))
    for word in ("a", "ab", "rabi", "hall bar"):
        model.ask(TableQuestion(search=word))
    qtbot.waitUntil(lambda: bool(resets))
    qtbot.wait(100)
    assert len(resets) == 1
    assert 0 < model.rowCount() < 300
    assert model.question.search == "hall bar"


def test_what_another_program_changes_is_seen_in_the_rows_that_are_seen(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: _text(model, 1, Column.STATE) == "Archived")
    told: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last, _: told.append((first.row(), last.row())))

    def is_quiet() -> bool:
        told.clear()
        qtbot.wait(300)
        return not told

    qtbot.waitUntil(is_quiet)
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET shown = 'failed' WHERE id IN (299, 2)")
    qtbot.waitUntil(lambda: _text(model, 1, Column.STATE) == "Problem")
    assert told == [(1, 1)]
    assert _text(model, _row(model, 2), Column.STATE) != "Archived"


def test_a_new_dataset_appears_on_top_without_a_reset(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    qt_homes.add_dataset(home, 5000, name="just measured")
    qtbot.waitUntil(lambda: model.rowCount() == 301)
    assert _text(model, 0, Column.NAME) == "just measured"
    assert resets == []


def test_a_dataset_that_is_gone_leaves_the_list(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET shown = 'gone', is_gone = 1 WHERE id IN (5, 150, 300)")
    qtbot.waitUntil(lambda: model.rowCount() == 297)
    assert model.row_of(150) is None
    _asked(model, qtbot, TableQuestion(states=frozenset({"gone"})))
    assert sorted(model.ids) == [5, 150, 300]
    assert _text(model, 0, Column.STATE) == "Gone"


def test_the_same_datasets_stay_selected_when_rows_come_go_and_change_places(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    _asked(model, qtbot, TableQuestion(sort=Column.SIZE))
    chosen = [model.id_at(row) for row in (3, 4, 40)]
    flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    for dataset_id in chosen:
        view.selectionModel().select(model.index(_row(model, dataset_id), 0), flags)
    view.selectionModel().setCurrentIndex(
        model.index(_row(model, chosen[2]), 1), QItemSelectionModel.SelectionFlag.NoUpdate
    )
    others = [dataset_id for dataset_id in (50, 51, 52) if dataset_id not in chosen]
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET size_bytes = 1 WHERE id = ?", (chosen[0],))
        connection.execute("UPDATE datasets SET shown = 'gone' WHERE id = ?", (others[0],))
    qt_homes.add_dataset(home, 6000)
    qtbot.waitUntil(lambda: model.row_of(6000) is not None and model.row_of(others[0]) is None)
    qtbot.waitUntil(lambda: _row(model, chosen[0]) > 290)
    assert sorted(keeper.selected_ids()) == sorted(chosen)
    assert model.id_at(view.currentIndex().row()) == chosen[2]
    _asked(model, qtbot, TableQuestion(sort=Column.NAME))
    assert sorted(keeper.selected_ids()) == sorted(chosen)
    assert model.id_at(view.currentIndex().row()) == chosen[2]
    assert view.currentIndex().column() == 1


def test_all_stay_selected_when_all_were(
    model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    view.selectAll()
    _asked(model, qtbot, TableQuestion(sort=Column.NAME))
    assert len(keeper.selected_ids()) == 300


def test_what_is_seen_stays_where_it_is_when_rows_come_above(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    view.verticalScrollBar().setValue(100)
    qtbot.wait(50)
    seen = model.id_at(view.rowAt(0))
    for number in range(5):
        qt_homes.add_dataset(home, 7000 + number)
    qtbot.waitUntil(lambda: model.rowCount() == 305)
    qtbot.waitUntil(lambda: model.id_at(view.rowAt(0)) == seen)


def test_progress_moves_only_its_own_cell(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot
) -> None:
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET shown = 'sending' WHERE id = 298")
    qtbot.waitUntil(lambda: model.index(2, 0).data(Role.STATE) == "sending")
    uuid = model.index(2, 0).data(Role.LINE).uuid
    column = model.columns.index(Column.PROGRESS)
    told: list[tuple[int, int, int, int]] = []
    model.dataChanged.connect(
        lambda first, last, _: told.append((first.row(), last.row(), first.column(), last.column()))
    )
    model.note_progress(
        (
            DatasetProgressed(1, uuid, "n", 42, 100, 1.0, None),
            FileProgressed(1, uuid, "f", 1, 2, 1.0, None),
            DatasetProgressed(2, "of another list", "n", 1, 2, 1.0, None),
            DatasetProgressed(3, "empty", "n", 0, 0, 1.0, None),
        )
    )
    assert told == [(2, 2, column, column)]
    assert model.index(2, column).data(Role.PROGRESS) == pytest.approx(0.42)
    assert model.index(2, column).data().startswith("42")
    assert model.index(1, column).data(Role.PROGRESS) is None
    with qt_homes.written(home) as connection:
        connection.execute("UPDATE datasets SET shown = 'archived' WHERE id = 298")
    qtbot.waitUntil(lambda: model.index(2, 0).data(Role.STATE) == "archived")
    assert model.index(2, column).data(Role.PROGRESS) is None


def test_counts_for_the_chips_come_with_the_list(home: Home, model: DatasetTableModel, qtbot: QtBot) -> None:
    assert model.counts is not None
    assert model.counts.total == 300
    assert model.counts.by_state["archived"] == 294
    with qtbot.waitSignal(model.countsChanged), qt_homes.written(home) as connection:
        connection.execute("UPDATE counts SET number = number + 1 WHERE shown = 'failed' AND route_id = 0")


def test_rows_are_read_by_another_thread(model: DatasetTableModel, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    real = queries_datasets.dataset_lines

    def watched(connection: sqlite3.Connection, ids: Any) -> Any:
        threads.add(threading.get_ident())
        return real(connection, ids)

    monkeypatch.setattr(dataset_table, "dataset_lines", watched)
    assert _text(model, 200, Column.NAME)
    assert threads
    assert threading.get_ident() not in threads


def test_rows_that_come_late_are_painted_empty_first_and_filled_in(
    model: DatasetTableModel, view: QTableView, keeper: TableKeeper, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    real = queries_datasets.dataset_lines

    def slow(connection: sqlite3.Connection, ids: Any) -> Any:
        may_go_on.wait(5)
        return real(connection, ids)

    monkeypatch.setattr(dataset_table, "dataset_lines", slow)
    monkeypatch.setattr(dataset_table, "PATIENCE_S", 0.005)
    view.verticalScrollBar().setValue(200)
    row = view.rowAt(0)
    assert _text(model, row, Column.NAME) is None
    assert model.index(row, 0).data(Role.ID) == model.id_at(row)
    told: list[int] = []
    model.dataChanged.connect(lambda first, last, _: told.append(first.row()))
    may_go_on.set()
    qtbot.waitUntil(lambda: bool(told))
    assert _text(model, row, Column.NAME)


def test_a_store_that_is_away_leaves_the_list_and_says_so(home: Home, model: DatasetTableModel, qtbot: QtBot) -> None:
    told: list[Any] = []
    model.unavailable.connect(told.append)
    aside = home.root / "aside"
    aside.mkdir()
    moved = [Path(f"{home.store}{ending}") for ending in ("", "-wal", "-shm")]
    for path in [path for path in moved if path.exists()]:
        path.rename(aside / path.name)
    model.ask(TableQuestion(sort=Column.NAME))
    qtbot.waitUntil(lambda: bool(told))
    assert isinstance(told[0], StoreAway)
    assert model.rowCount() == 300
    for path in aside.iterdir():
        path.rename(home.root / path.name)
    qtbot.waitUntil(lambda: told[-1] is None)
    assert model.away is None
    assert model.question.sort is Column.NAME
    qtbot.waitUntil(lambda: model.index(2, 0).data(Role.LINE) is not None)
    names = [model.index(row, 0).data(Role.LINE).name.lower() for row in range(3)]
    assert names == sorted(names, reverse=True)


def test_nothing_of_a_row_is_out_of_reach(model: DatasetTableModel) -> None:
    assert model.rowCount(model.index(0, 0)) == 0
    assert model.columnCount(model.index(0, 0)) == 0
    assert not model.index(300, 0).isValid()
    assert model.data(QModelIndex()) is None
    assert model.row_of(-1) is None
    assert model.ids_at([0, 1]) == [300, 299]


@pytest.mark.alone
def test_the_window_answers_while_the_table_is_scrolled_and_the_store_is_written(
    home: Home, model: DatasetTableModel, view: QTableView, keeper: TableKeeper, stalls: StallProbe, qtbot: QtBot
) -> None:
    numbers = itertools.count(8000)
    stalls.begin()
    for step in range(60):
        view.verticalScrollBar().setValue(step * 7 % 250)
        if step % 5 == 0:
            qt_homes.add_dataset(home, next(numbers))
        qtbot.wait(10)
    # Generous: a tested machine has other work to do. The figures are measured in tests/bench.
    assert stalls.take().longest_ms < patient_s(500)
