"""The program as a whole: starts beside others, holds that outlast it, failures of the engine, first run, quitting."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.errors import EtiketError, PermissionRefused
from etiket_gui.gui.application import Program
from etiket_gui.gui.first_instance import First, show_first
from etiket_gui.gui.program_state import TrayKind
from etiket_gui.osys.locking import HomeLock
from etiket_gui.settings.home import Home
from tests.gui.shell.conftest import StartProgram, end
from tests.gui.shell.test_main_window import answer, question
from tests.support.patience import patient_s
from tests.support.qt_homes import written


def banner_keys(program: Program) -> list[str]:
    return [banner.key for banner in program.window._banners.shown]


def until_running(program: Program, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: program.watch.facts.is_running and program.watch.facts.shell is not None, timeout=15_000)


def test_hold_outlasts_the_program_and_says_so_at_the_next_start(start_program: StartProgram, qtbot: QtBot) -> None:
    first = start_program()
    until_running(first, qtbot)
    first.steering.hold(3600)
    qtbot.waitUntil(lambda: "held" in banner_keys(first))
    end(first, qtbot)
    second = start_program()
    until_running(second, qtbot)
    qtbot.waitUntil(lambda: "held" in banner_keys(second))
    assert second.watch.state.kind in {TrayKind.PAUSED, TrayKind.OFFLINE, TrayKind.ATTENTION}
    assert second.watch.facts.held_until_ns > time.time_ns()


def test_second_start_raises_this_window(program: Program, home: Home, qtbot: QtBot) -> None:
    program.window.hide()
    found: list[First] = []
    program.background.run(lambda: show_first(home), None, found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=10_000)
    assert found == [First.SHOWN]
    assert program.window.isVisible()


def test_home_that_another_program_holds_is_a_banner_with_a_way_out(
    start_program: StartProgram, home: Home, qtbot: QtBot
) -> None:
    with HomeLock(home.run):
        program = start_program()
        qtbot.waitUntil(lambda: "failed" in banner_keys(program), timeout=15_000)
        button = program.window.findChild(QWidget, "banner-take-over")
        assert button is not None
        program.act("take-over")
        assert "Nothing is lost" in question("take-over").informativeText()
        answer("take-over", "cancel")
    program.act("restart-engine")
    until_running(program, qtbot)
    assert "failed" not in banner_keys(program)


@pytest.mark.parametrize("first", [First.HANGS, First.NO_WINDOW])
def test_first_one_that_does_not_serve_is_asked_about_and_left_alone_when_told(
    start_program: StartProgram, qtbot: QtBot, first: First
) -> None:
    program = start_program(first=first)
    assert not program.host.is_alive, "nothing starts before the answer"
    assert isinstance(question("take-over"), QMessageBox)
    with qtbot.waitSignal(program.quitting.done, timeout=10_000):
        answer("take-over", "leave")


def test_home_that_cannot_be_written_is_shown_with_the_reason(start_program: StartProgram, qtbot: QtBot) -> None:
    obstacle = PermissionRefused("/data/etiket cannot be written: Read-only file system.", advice="Name another home.")
    program = start_program(obstacle=obstacle)
    (banner, *_) = program.window._banners.shown
    assert "Read-only file system" in banner.sentence
    assert "Name another home." in banner.sentence
    assert not program.host.is_alive


def test_engine_that_a_command_ends_ends_the_program(program: Program, qtbot: QtBot) -> None:
    engine = program.host._running
    assert engine is not None
    with qtbot.waitSignal(program.quitting.done, timeout=10_000):
        engine.request_stop()


def test_settings_that_were_complained_about_are_said(start_program: StartProgram) -> None:
    program = start_program(complaint="The settings cannot be understood; the defaults hold.")
    assert "complaint" in banner_keys(program)


def test_first_run_wizard_opens_once_where_nothing_is_set_up(
    start_program: StartProgram, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[str] = []
    empty = Home(tmp_path / "empty")
    empty.prepare()
    program = start_program(home=empty)
    program._was_first_run_offered = False
    monkeypatch.setattr(program.opening, "first_run", lambda: offered.append("first run"))
    until_running(program, qtbot)
    qtbot.waitUntil(lambda: bool(offered), timeout=10_000)
    program.show_window()
    program.watch.look()
    qtbot.wait(200)
    assert offered == ["first run"]


def test_new_problem_is_noticed_and_old_ones_are_not(program: Program, home: Home, qtbot: QtBot) -> None:
    noticed: list[object] = []
    program.notifications.noticed.connect(noticed.append)
    with written(home) as connection:
        connection.execute(
            "INSERT INTO problems (kind, key, source_id, title, problem_kind, reason, retry_class, since_ns)"
            " VALUES ('source', 'new', NULL, 'Cannot be read', 'SourceUnreadable', 'no right', 'on_user', ?)",
            (time.time_ns(),),
        )
    qtbot.waitUntil(lambda: len(noticed) == 1, timeout=5000)
    assert "Cannot be read" in str(noticed[0]) or "problems" in str(noticed[0])


@pytest.mark.alone
def test_quit_ends_everything_within_five_seconds(program: Program, qtbot: QtBot) -> None:
    begun_s = time.monotonic()
    with qtbot.waitSignal(program.quitting.done, timeout=10_000):
        program.quit()
    assert time.monotonic() - begun_s < patient_s(5)
    assert not program.host.is_alive
    assert not program.window.isVisible()


def test_refused_order_is_said_at_the_bottom(program: Program) -> None:
    program.steering.refused.emit(EtiketError("the engine waits for its store"))
    assert program.window._status._moving.text() == "The engine waits for its store."
