"""Faults around the window: a second start, a hung first one, quitting, no tray, homes that refuse, bugs in slots."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from etiket_gui import bootstrap
from etiket_gui.domain.commands import AskStatus, Reply
from etiket_gui.gui.application import Beginning, Program
from etiket_gui.gui.crash_dialog import BugWatch
from etiket_gui.gui.first_instance import First, note_shown, show_first
from etiket_gui.gui.quitting import Quitting
from etiket_gui.osys.control import ControlClient, ControlServer, NobodyAnswers
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, save_settings
from tests.support import qt_leaks
from tests.support.command_line import CommandLineRunner
from tests.support.patience import patient_s


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def program(home: Home, qapp: QApplication, qtbot: QtBot) -> Iterator[Program]:
    """The program on an empty home, not started."""
    made = Program(home, Settings(worker_count=1), Beginning())
    made._was_first_run_offered = True
    yield made
    if not made.quitting.is_begun:
        with qtbot.waitSignal(made.quitting.done, timeout=10_000):
            made.quit()
    made._end_now()
    made.window.deleteLater()
    made.deleteLater()
    qt_leaks.settle()
    qapp.setStyleSheet("")
    qapp.setPalette(QPalette())


# -- one instance ----------------------------------------------------------------------------------------------------


class FirstProgram:
    """Answers on the control channel as an engine with a window does; ``raises``: its window comes up."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.raises = True

    def __call__(self, request: dict[str, Any]) -> Mapping[str, Any]:
        if self.raises:
            note_shown(self.home.run)
        return Reply(is_ok=True).to_json()


@pytest.mark.fault("F91", guard="second-start-raises")
def test_second_start_raises_the_window_of_the_first(home: Home) -> None:
    with ControlServer(home.run, FirstProgram(home)):
        assert show_first(home) is First.SHOWN


@pytest.mark.fault("F91", guard="hung-first-is-noticed")
def test_window_that_hangs_is_noticed_although_its_engine_answers(home: Home) -> None:
    first = FirstProgram(home)
    first.raises = False
    with ControlServer(home.run, first):
        assert show_first(home, timeout_s=0.3) is First.HANGS


# -- quitting --------------------------------------------------------------------------------------------------------


class HungPart(QObject):
    """Never says that it stopped."""

    stopped = Signal()

    def stop(self) -> None:
        """Hang."""


@pytest.mark.allows_log("do not end in time")
@pytest.mark.fault("F92", guard="quit-has-an-end")
def test_part_that_hangs_holds_up_the_end_for_so_long_and_no_longer(qtbot: QtBot) -> None:
    part = HungPart()
    quitting = Quitting(most_s=0.7)
    with qtbot.waitSignal(quitting.done, timeout=3000):
        quitting.begin({"engine": (part.stopped, part.stop)})


@pytest.fixture
def sending(home: Home, tmp_path: Path, command_line: CommandLineRunner) -> Iterator[subprocess.Popen[str]]:
    """A program, as a process of its own, in the middle of a transfer of 60 MB at 1 MB/s."""
    source = tmp_path / "source" / "run 1"
    source.mkdir(parents=True)
    (source / "big.dat").write_bytes(b"0123456789abcdef" * 3_750_000)
    save_settings(home, Settings(worker_count=1, rate_limit_bytes_per_s=1e6))
    (tmp_path / "archive").mkdir()
    command_line.ok("--home", home.root, "add-destination", "archive", "NAS", f"path={tmp_path / 'archive'}")
    command_line.ok(
        "--home", home.root, "add-source", "folder", "F", f"root_directory={source.parent}", "level=1",
        "settle_time=1s", "--to", "NAS",
    )  # fmt: skip
    # Whoever runs these tests by nohup means them to outlive a hang-up, and the program would respect that too.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL) if hasattr(signal, "SIGHUP") else None
    process = subprocess.Popen(
        [sys.executable, "-m", "etiket_gui", "--home", str(home.root)], stderr=subprocess.PIPE, text=True
    )
    if before is not None:
        signal.signal(signal.SIGHUP, before)
    try:
        end_s = time.monotonic() + 40
        while not _is_sending(home):
            assert process.poll() is None, "it ended"
            assert time.monotonic() < end_s, "nothing is sent"
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> CommandLineRunner:
    return CommandLineRunner(capsys)


def _is_sending(home: Home) -> bool:
    try:
        return bool(ControlClient(home.run).ask(AskStatus().to_json(), 5.0)["value"]["sending"])
    except NobodyAnswers:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a session ends by a message of the window system")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.alone
def test_end_of_the_session_in_the_middle_of_a_transfer_takes_five_seconds_at_most(
    sending: subprocess.Popen[str], home: Home, number: signal.Signals
) -> None:
    begun_s = time.monotonic()
    sending.send_signal(number)
    _, said = sending.communicate(timeout=patient_s(10))
    assert time.monotonic() - begun_s < patient_s(5)
    assert sending.returncode == 0
    assert "QThread" not in said
    assert "Traceback" not in said
    with HomeLockFree(home):
        pass


class HomeLockFree:
    """The home can be had by another program."""

    def __init__(self, home: Home) -> None:
        from etiket_gui.osys.locking import HomeLock

        self._lock = HomeLock(home.run)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


# -- the tray --------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F95", guard="icon-comes-back")
def test_icon_is_shown_anew_in_a_panel_that_was_started_again(program: Program, qtbot: QtBot) -> None:
    panel = {"is_there": False}
    program.tray._is_there = lambda: panel["is_there"]
    program.start()
    assert program.tray.icon is None, "an icon that is made before its panel is never shown by it"
    icons = []
    for panel["is_there"] in (True, False, True):
        program.tray._look()
        icons.append(program.tray.icon)
    # Nor does a panel that was restarted take the icon of the one before it.
    assert icons[0] is not None
    assert icons[2] is not None
    assert icons[2] is not icons[0]
    assert icons[2].isVisible()
    assert icons[2].toolTip()


@pytest.mark.fault("F95", guard="window-without-tray")
def test_window_shows_itself_when_the_tray_does_not_come_back(program: Program, qtbot: QtBot) -> None:
    is_there = True
    program.tray._is_there = lambda: is_there
    program.start()
    program._hide()
    is_there = False
    program.tray._look()
    assert program._tray_patience.isActive()
    assert not program.window.isVisible()
    program._tray_patience.setInterval(1)
    qtbot.waitUntil(program.window.isVisible, timeout=2000)


# -- homes that refuse -----------------------------------------------------------------------------------------------


@pytest.mark.fault("F90", guard="window-despite-read-only")
def test_home_that_cannot_be_written_opens_a_window_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from etiket_gui.gui import application

    (tmp_path / "file").write_text("in the way", "utf-8")
    begun: list[Beginning] = []

    def run_gui(home: Home, settings: Settings, beginning: Beginning) -> int:
        begun.append(beginning)
        return 0

    monkeypatch.setattr(application, "run_gui", run_gui)
    monkeypatch.setattr(logging.getLogger("etiket_gui.credentials.logs"), "disabled", True)
    assert bootstrap.start_window(str(tmp_path / "file" / "home")) == 0
    obstacle = begun[0].obstacle
    assert obstacle is not None
    assert "cannot be written" in obstacle.reason
    assert "--home" in obstacle.advice


# -- bugs ------------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F98", guard="bugs-are-shown")
@pytest.mark.parametrize("where", ["slot", "thread"])
def test_exception_that_nobody_caught_is_logged_and_told(
    where: str, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: logged.append(kind.__name__))
    monkeypatch.setattr(threading, "excepthook", lambda arguments: logged.append(arguments.exc_type.__name__))
    watch = BugWatch()
    told: list[str] = []
    watch.found.connect(told.append)

    def fail() -> None:
        raise ZeroDivisionError("a bug of ours")

    if where == "slot":
        try:
            fail()
        except ZeroDivisionError:
            # PySide hands an exception of a slot to the hook; the tests' own catcher stands before that.
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    else:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    watch.stop()
    assert logged == ["ZeroDivisionError"]
    qtbot.waitUntil(lambda: len(told) == 1, timeout=1000)
    assert "a bug of ours" in told[0]


def test_endless_bugs_are_told_a_few_times_only(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    watch = BugWatch()
    told: list[str] = []
    watch.found.connect(told.append)
    for _ in range(100):
        sys.excepthook(ZeroDivisionError, ZeroDivisionError("again"), None)
    watch.stop()
    assert len(told) == 5
