"""The models of the pages keep Qt's rules, also with twenty thousand files and names from every laboratory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from PySide6.QtCore import QAbstractItemModel, QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.log_tail import LogLine
from etiket_gui.bridge.queries import Reads, open_for_reading
from etiket_gui.bridge.queries_pages import Problem, problem_groups
from etiket_gui.bridge.queries_pages_activity import ActivityFact
from etiket_gui.domain.events import FileProgressed
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.activity import ActivityModel, groups_by_day
from etiket_gui.gui.pages.files_model import BLOCK, NAME, PROGRESS, FilesModel
from etiket_gui.gui.pages.grouped_model import GroupedView
from etiket_gui.gui.pages.log_model import MOST_LINES, LogModel
from etiket_gui.gui.pages.problems_model import ProblemsModel, groups_of
from etiket_gui.settings.home import Home
from tests.support.page_lab import add_files

_DAY_NS = 86_400 * 10**9
_NOON_NS = 1_780_000_000 * 10**9


def _watched(model: QAbstractItemModel) -> QAbstractItemModelTester:
    return QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)


@pytest.fixture
def store(rich_home: Home) -> Iterator[Reads]:
    with closing(open_for_reading(rich_home.store)) as connection:
        yield Reads(connection)


def test_problems_are_grouped_with_what_asks_for_an_answer_first(store: Reads, qtbot: QtBot) -> None:
    model = ProblemsModel()
    tester = _watched(model)
    model.set_groups(groups_of(problem_groups(store.connection)))
    titles = [group.title for group in model.groups]
    assert titles[0] == "Many datasets changed at once"
    assert set(titles) >= {"Destination not reachable", "In use by another program", "Permission refused"}
    heading = model.index(0, 0)
    assert heading.data() == "Many datasets changed at once · 1"
    assert model.index(0, 4, heading).data() == "when you answer"
    assert model.parent(model.index(0, 0, heading)) == heading
    del tester


def test_a_list_of_problems_that_changes_keeps_what_was_chosen_and_closed(store: Reads, qtbot: QtBot) -> None:
    model = ProblemsModel()
    tester = _watched(model)
    view = GroupedView(model)
    qtbot.addWidget(view)
    groups = groups_of(problem_groups(store.connection))
    view.set_groups(groups)
    busy = next(place for place, group in enumerate(model.groups) if group.title == "In use by another program")
    chosen = model.groups[busy].rows[1]
    view.setCurrentIndex(model.index(1, 0, model.index(busy, 0)))
    view.setExpanded(model.index(0, 0), False)
    fewer = tuple(replace(group, rows=group.rows[1:]) if place == busy else group for place, group in enumerate(groups))
    view.set_groups(fewer)
    assert [row.key for row in view.chosen_rows()] == [chosen.key]
    assert not view.isExpanded(model.index(0, 0))
    assert view.isExpanded(model.index(busy, 0))
    del tester


def test_an_empty_list_and_the_same_list_again_are_no_news(qtbot: QtBot) -> None:
    model = ProblemsModel()
    tester = _watched(model)
    assert not model.set_groups(())
    problem = Problem(1, "engine", "watcher", "Cannot be read", "SourceUnreadable", "why", "do", "on_user", 1, None, 0)
    groups = groups_of(())
    assert not model.set_groups(groups)
    assert model.row_data(problem, 0, Qt.ItemDataRole.DisplayRole) == "This program"
    del tester


def test_activity_is_told_by_day_on_this_machine_s_clock(qtbot: QtBot) -> None:
    facts = [
        ActivityFact(9 - n, _NOON_NS - n * _DAY_NS // 2, f"fridge: {n}\u202e", 1, None, "fridge") for n in range(5)
    ]
    model = ActivityModel()
    tester = _watched(model)
    model.set_groups(groups_by_day(facts))
    assert sum(len(group.rows) for group in model.groups) == 5
    assert len(model.groups) in {2, 3}
    first = model.index(0, 1, model.index(0, 0))
    assert first.data() == "fridge: 0<U+202E>."
    del tester


def test_the_log_is_filtered_by_level_and_words_and_keeps_the_newest(qtbot: QtBot) -> None:
    model = LogModel()
    tester = _watched(model)
    model.set_lines([LogLine("2026-03-01 12:00:00", "INFO", "etiket_gui.engine", f"step {n}th") for n in range(5)])
    model.add_lines([LogLine("2026-03-01 12:00:01", "ERROR", "etiket_gui.engine", "died\nTraceback")])
    assert model.rowCount() == 6
    model.show_only("WARNING", "")
    assert [model.line_at(0).text, model.rowCount()] == ["died\nTraceback", 1]
    assert model.index(0, 3).data() == "died …"
    model.add_lines([LogLine("2026-03-01 12:00:02", "INFO", "x", "quiet")])
    assert (model.rowCount(), model.total) == (1, 7)
    model.show_only("", "STEP 3th")
    assert model.rowCount() == 1
    model.add_lines([LogLine("", "", "", f"line {n}") for n in range(MOST_LINES)])
    assert model.total == MOST_LINES
    del tester


def test_twenty_thousand_files_are_read_as_they_are_seen(
    rich_home: Home, desk_on: Callable[[Home], Desk], qtbot: QtBot
) -> None:
    add_files(rich_home, 2, 20_000)
    model = FilesModel(desk_on(rich_home).reads)
    tester = _watched(model)
    model.follow(2, "u")
    qtbot.waitUntil(lambda: model.rowCount() >= 20_000, timeout=5000)
    read = sum(len(rows) for rows in model._blocks.values())
    assert read <= 3 * BLOCK
    last = model.index(19_990, NAME)
    qtbot.waitUntil(lambda: last.data() is not None, timeout=5000)
    assert str(last.data()).startswith("raw/trace ")
    assert sum(len(rows) for rows in model._blocks.values()) <= 5 * BLOCK
    model.follow(None)
    del tester


def test_progress_of_a_file_is_shown_at_its_row_alone(
    rich_home: Home, desk_on: Callable[[Home], Desk], qtbot: QtBot
) -> None:
    model = FilesModel(desk_on(rich_home).reads)
    tester = _watched(model)
    model.follow(1, "mine")
    qtbot.waitUntil(lambda: model.rowCount() > 2 and model.index(0, NAME).data() is not None, timeout=5000)
    name = str(model.index(1, NAME).data())
    model.note_progress(
        [FileProgressed(1, "mine", name, 30, 100, 1.0, None), FileProgressed(2, "other", name, 9, 10, 1.0, None)]
    )
    shown = [model.index(row, PROGRESS).data() for row in range(model.rowCount())]
    assert shown.count("") == len(shown) - 1
    assert shown[1] == "30\u00a0%"
    assert not model.index(0, 0, QModelIndex()).data(Qt.ItemDataRole.DecorationRole)
    del tester
