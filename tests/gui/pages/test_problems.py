"""The problems page: reasons and advice as they are, and buttons that ask the engine for exactly what they say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.queries_pages import Problem
from etiket_gui.domain.commands import Command, IgnoreDatasets, ProbeNow, Reply, RetryTransfers, ScanNow
from etiket_gui.domain.errors import SignInNeeded
from etiket_gui.domain.states import DestinationState, SourceState
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.problem_details import details_text
from etiket_gui.gui.pages.problems import ProblemsPage, commands_to_retry, place_to_show
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from tests.gui.pages.conftest import ShowPage

_BASE: dict[str, Any] = {
    "title": "t",
    "problem_kind": "k",
    "reason": "r",
    "advice": "a",
    "retry_class": "soon",
    "since_ns": 1,
    "due_ns": None,
    "attempts": 0,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """What the page asked the engine for; nothing of it is done."""
    commands: list[Command] = []

    def ask(_: object, command: Command, owner: object, then: Callable[[Reply], None], failed: object = None) -> int:
        commands.append(command)
        then(Reply(True, "Done."))
        return 1

    monkeypatch.setattr("etiket_gui.bridge.engine_host.EngineHost.ask", ask)
    return commands


def _page(home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot) -> ProblemsPage:
    page = ProblemsPage(desk_on(home))
    show_page(page)
    qtbot.waitUntil(lambda: bool(page.model.groups), timeout=5000)
    return page


def _choose(page: ProblemsPage, title: str, row: int = 0) -> Problem:
    place = next(place for place, group in enumerate(page.model.groups) if group.title == title)
    index = page.model.index(row, 0, page.model.index(place, 0))
    selection = page.view.selectionModel()
    selection.setCurrentIndex(index, selection.SelectionFlag.ClearAndSelect | selection.SelectionFlag.Rows)
    problem = page.model.row_at(index)
    assert problem is not None
    return problem


def test_nothing_wrong_is_said_calmly(
    new_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = ProblemsPage(desk_on(new_home))
    show_page(page)
    qtbot.waitUntil(page._empty.title.isVisible, timeout=5000)
    assert page._empty.title.text() == "No problem"


def test_the_question_about_many_changes_is_shown_first_and_answered_for_its_source_alone(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, asked: list[Command]
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    assert "60 datasets of cooldown" in page.details.text
    assert not page.details.retry.isVisible()
    qtbot.mouseClick(page.details.answer, Qt.MouseButton.LeftButton)
    source_id = page.view.chosen_rows()[0].source_id
    assert asked == [RetryTransfers(source_id=source_id)]


def test_yes_that_is_meant_reaches_the_engine_and_closes_the_question(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(rich_home).writer) as writer:
        for source in writer.sources():
            writer.edit_source(source.id, is_enabled=False)
    desk = desk_on(rich_home)
    desk.host.start()
    page = _page(rich_home, desk_on=lambda _: desk, show_page=show_page, qtbot=qtbot)
    _choose(page, "Many datasets changed at once")
    qtbot.mouseClick(page.details.answer, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "taken as meant" in page.reply.text, timeout=8000)


def test_retry_asks_for_the_chosen_dataset_and_retry_all_for_its_kind(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, asked: list[Command]
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    problem = _choose(page, "In use by another program", 1)
    assert problem.dataset_id is not None
    qtbot.mouseClick(page.details.retry, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(page.details.retry_kind, Qt.MouseButton.LeftButton)
    kind = page._of_kind(problem)
    assert asked == [
        RetryTransfers((problem.dataset_id,)),
        RetryTransfers(tuple(sorted(row.dataset_id for row in kind if row.dataset_id is not None))),
    ]
    assert len(kind) == 3


def test_ignore_leaves_out_the_chosen_datasets_in_the_real_store(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(rich_home).writer) as writer:
        for source in writer.sources():
            writer.edit_source(source.id, is_enabled=False)
    desk = desk_on(rich_home)
    desk.host.start()
    page = _page(rich_home, desk_on=lambda _: desk, show_page=show_page, qtbot=qtbot)
    problem = _choose(page, "Permission refused")
    qtbot.mouseClick(page.details.ignore, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.reply.text == "1 dataset is left out from now on.", timeout=8000)
    qtbot.waitUntil(lambda: not page.model.index_of(problem.key).isValid(), timeout=5000)


def test_what_is_retried_agrees_to_nothing_else() -> None:
    dataset = Problem(1, "item", "transfer:1", **_BASE, source_id=1, destination_id=2, dataset_id=7)
    source = Problem(2, "source", "source:3", **_BASE, source_id=3)
    place = Problem(3, "destination", "destination:4", **_BASE, destination_id=4)
    engine = Problem(4, "engine", "watcher", **_BASE)
    assert commands_to_retry([dataset, source, place]) == [RetryTransfers((7,)), ScanNow(3), ProbeNow(4)]
    assert commands_to_retry([engine]) == [ScanNow()]
    assert commands_to_retry([]) == []


def test_the_place_of_a_dataset_is_its_folder_and_that_of_a_source_its_root() -> None:
    dataset = Problem(
        1, "item", "t", **_BASE, dataset_id=7, place="2026-03-01/000 räumlich µ", root="/data/m", backend="folder"
    )
    database = Problem(2, "item", "u", **_BASE, dataset_id=8, place="guid", root="/data/x.db", backend="qcodes")
    assert place_to_show(dataset) == "/data/m/2026-03-01/000 räumlich µ"
    assert place_to_show(database) == "/data/x.db"


def test_details_are_copied_whole(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    problem = _choose(page, "Permission refused")
    page.view.setFocus()
    qtbot.mouseClick(page.details.copy_details, Qt.MouseButton.LeftButton)
    text = QGuiApplication.clipboard().text()
    assert text == details_text(problem)
    for part in (problem.uuid, problem.reason, "PermissionRefused", "fridge → lab-archive"):
        assert part in text


def test_names_with_markup_are_shown_as_they_are(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    texts = [
        page.model.index(row, 0, page.model.index(place, 0)).data()
        for place, group in enumerate(page.model.groups)
        for row in range(len(group.rows))
    ]
    assert "<b>T1</b> & T2* %s {name} 100%" in texts
    assert "מדידה של קיוביט 7" in texts


def test_a_sign_in_problem_asks_for_the_dialog_of_its_destination(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(archived_home).writer) as writer:
        error = SignInNeeded("The token of the server has expired.", advice="Sign in again.")
        writer.set_destination_state(1, DestinationState.SIGN_IN, error.reason)
        writer.open_problem("destination", "destination:1", error, destination_id=1)
        writer.set_source_state(1, SourceState.OK, "")
    page = _page(archived_home, desk_on, show_page, qtbot)
    _choose(page, "Sign-in needed")
    with qtbot.waitSignal(page.signInRequested) as asked:
        qtbot.mouseClick(page.details.sign_in, Qt.MouseButton.LeftButton)
    assert asked.args == [1]


def test_ignoring_asks_for_every_chosen_dataset_at_once(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, asked: list[Command]
) -> None:
    page = _page(rich_home, desk_on, show_page, qtbot)
    page.view.selectAll()
    page.ignore()
    assert len(asked) == 1
    assert isinstance(asked[0], IgnoreDatasets)
    assert len(asked[0].dataset_ids) == len(set(asked[0].dataset_ids)) >= 5


def test_a_password_that_a_source_needs_is_asked_for_by_its_source(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot
) -> None:
    with closing(open_store(archived_home).writer) as writer:
        writer.open_problem("source", "source:1", SignInNeeded("The database asks for a password."), source_id=1)
    page = _page(archived_home, desk_on, show_page, qtbot)
    _choose(page, "Sign-in needed")
    with qtbot.waitSignal(page.sourceSignInRequested) as asked:
        qtbot.mouseClick(page.details.sign_in, Qt.MouseButton.LeftButton)
    assert asked.args == [1]
