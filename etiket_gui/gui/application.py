"""The window program put together: one desk, tray and window on it, single instance, first run, and a clean end."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from etiket_gui import __version__
from etiket_gui.bridge.background import Background
from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.garbage import GarbageRounds
from etiket_gui.bridge.jobs import JobClient
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain import guards
from etiket_gui.domain.commands import ReloadSettings
from etiket_gui.domain.errors import EtiketError, HomeInUse
from etiket_gui.gui.application_words import load_words, translation_folders
from etiket_gui.gui.crash import CrashReport
from etiket_gui.gui.crash_dialog import BugWatch, bug_dialog, crash_dialog
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.first_instance import First, end_first, note_shown, show_by_engine
from etiket_gui.gui.first_instance_door import Asked, WindowDoor
from etiket_gui.gui.login_start import follow_program
from etiket_gui.gui.main_window import MainWindow
from etiket_gui.gui.main_window_place import remember_place, restore_place
from etiket_gui.gui.notifications import Notifications
from etiket_gui.gui.notifications_rare import RareNotices
from etiket_gui.gui.opening import Opening
from etiket_gui.gui.page_list import PageList
from etiket_gui.gui.program_watch import ProgramWatch
from etiket_gui.gui.questions import ask, tell
from etiket_gui.gui.quitting import Quitting, SignalWatch, end_process
from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.sentences import capitalised
from etiket_gui.gui.settings_access import SettingsAccess
from etiket_gui.gui.steering_menu import Steering
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.tray import Tray
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings

log = logging.getLogger(__name__)

_AFTER_THE_FIRST_PICTURE_MS = 150
_SESSION_END_S = 4.0
#: A panel that starts after us, or that the shell takes down and puts up again, is waited for before the window shows
#: itself instead.
_TRAY_COMES_WITHIN_MS, _TRAY_RETURNS_WITHIN_MS = 60_000, 15_000


def new_application(arguments: list[str]) -> QApplication:
    """The one application object, with its names and icon."""
    QApplication.setApplicationName("etiket-gui")
    QApplication.setApplicationDisplayName("etiket")
    QApplication.setApplicationVersion(__version__)
    QApplication.setDesktopFileName("etiket-gui")
    application = QApplication(arguments[:1] or ["etiket-gui"])
    application.setQuitOnLastWindowClosed(False)
    application.setWindowIcon(QIcon(str(resources_folder() / "icons" / "app.svg")))
    return application


def _nothing() -> None:
    """There is nothing to get ready."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How the program begins. ``obstacle`` is why nothing can be written to the home, None where all is well.

    ``complaint`` is a sentence about settings or log; ``first`` an instance that was there before and does not serve;
    ``crash`` what is left of a crash; ``begun_s`` when the start began (monotonic seconds). ``prepare`` gets the home
    ready before another try, on a thread of its own; raises EtiketError. ``door`` is the channel of the window, which
    whoever made it closes.
    """

    is_hidden: bool = False
    obstacle: EtiketError | None = None
    complaint: str = ""
    first: First = First.NONE
    crash: CrashReport | None = None
    begun_s: float | None = None
    prepare: Callable[[], None] = _nothing
    door: WindowDoor | None = None


class Program(QObject):
    """One running program: its parts, and what is done with what people ask for."""

    _showAsked = Signal(object)
    _quitAsked = Signal()

    def __init__(self, home: Home, settings: Settings, beginning: Beginning = Beginning()) -> None:
        super().__init__()
        self._home = home
        self._beginning = beginning
        self._is_hidden = beginning.is_hidden
        self._was_first_run_offered = False
        self._must_restart = False
        self.door = beginning.door or WindowDoor(home)
        self.background = Background(self)
        self.settings = SettingsAccess(home, settings, self)
        self.theme = Theme(settings.appearance, self)
        self.theme.apply()
        self.host = EngineHost(home, settings, self)
        self.reads = StoreReads(home, self)
        self.reads.set_hidden(True)
        self.garbage = GarbageRounds(self)
        self.jobs = JobClient(home.root, self)
        self.desk = Desk(self.host, self.reads, self.jobs, self.theme, home, self.settings)
        self.watch = ProgramWatch(self.host, self.reads, self)
        self.steering = Steering(self.host, self)
        self.opening = Opening(self.desk, self.background, self)
        self.pages = PageList(self.desk, self.opening, self)
        self.window = MainWindow(self.watch, self.steering, self.pages.entries())
        self.opening.set_window(self.window)
        self.tray = Tray(self.watch, self.steering, self)
        self.notifications = Notifications(self.watch, self.settings, self)
        self.rare_notices = RareNotices(self.watch, self.desk, self.background, self)
        self.quitting = Quitting(self)
        self.signals = SignalWatch(self)
        self.bugs = BugWatch(self)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_AFTER_THE_FIRST_PICTURE_MS)
        self._soon.timeout.connect(self.opening.take_drops)
        self._tray_patience = QTimer(self)
        self._tray_patience.setSingleShot(True)
        self._tray_patience.timeout.connect(self._show_without_tray)
        self._connect()

    def _connect(self) -> None:
        self.window.acted.connect(self.act)
        self.window.closeAsked.connect(self.close_window)
        self.window.seenChanged.connect(lambda is_seen: self.reads.set_hidden(not is_seen))
        self.tray.acted.connect(self.act)
        self.tray.availabilityChanged.connect(self._on_tray)
        self.steering.answered.connect(self.window.say)
        self.steering.refused.connect(self._on_refused)
        self.settings.changed.connect(self._on_settings)
        self.settings.saved.connect(self._on_saved)
        self.settings.notSaved.connect(lambda error: self.window.say(error.reason))
        self.host.showRequested.connect(self._on_show_requested)
        self._showAsked.connect(self._on_show_asked, Qt.ConnectionType.QueuedConnection)
        self._quitAsked.connect(self.quit, Qt.ConnectionType.QueuedConnection)
        self.host.started.connect(self._on_started)
        self.host.failed.connect(self._on_failed)
        self.host.stopped.connect(self._on_stopped)
        self.watch.changed.connect(self._offer_first_run)
        for notices in (self.notifications, self.rare_notices):
            notices.noticed.connect(self.tray.pop_up)
        self.quitting.done.connect(self._leave)
        self.signals.asked.connect(self.quit)
        self.bugs.found.connect(self._show_bug, Qt.ConnectionType.QueuedConnection)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.commitDataRequest.connect(self._on_session_end, Qt.ConnectionType.DirectConnection)
        application.aboutToQuit.connect(self._end_now)

    # -- beginning ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Show what there is to show; the engine starts right after the first picture."""
        restore_place(self.window, self._home)
        self.door.serve(self._showAsked.emit, self._quitAsked.emit)
        self.tray.start()
        if self._is_hidden and not self.tray.is_available:
            self._tray_patience.start(_TRAY_COMES_WITHIN_MS)
        elif not self._is_hidden:
            self.window.show()
        self.watch.note_complaint(self._beginning.complaint)
        if self._beginning.crash is not None:
            self._show_crash(self._beginning.crash)
        if self._beginning.obstacle is not None:
            self.watch.note_failure(self._beginning.obstacle)
        if self._beginning.first is not First.NONE:
            self._ask_about_first(self._beginning.first)
        elif self._beginning.obstacle is None:
            QTimer.singleShot(0, self, self.host.start)
        QTimer.singleShot(0, self, self._tell_begun)
        # What drops need is loaded when the window is there.
        self._soon.start()

    def _tell_begun(self) -> None:
        if self._beginning.begun_s is not None:
            log.info("The window was there after %.2f s.", time.monotonic() - self._beginning.begun_s)

    def _show_crash(self, crash: CrashReport) -> None:
        crash_dialog(crash, self.window).show()

    def _show_bug(self, report: str) -> None:
        if not self.quitting.is_begun:
            bug_dialog(report, self.window).show()

    def _ask_about_first(self, first: First) -> None:
        """Another instance has the home, and it hangs or has no window."""
        if first is First.HANGS:
            text = self.tr("The program already runs, but it does not answer.")
            words = self.tr("End it and start anew")
        else:
            text = self.tr("The program already runs for these measurements, without a window.")
            words = self.tr("Stop it and open the window")
        ask(
            self.window,
            self.tr("Already running"),
            text,
            [("take-over", words), ("leave", self.tr("Leave it as it is"))],
            lambda key, _: self.take_over() if key == "take-over" else self.quit(),
            detail=self.tr("What it is sending is taken up again here. Nothing is lost."),
            name="take-over",
        )

    def _show_without_tray(self) -> None:
        if not self.tray.is_available and not self.quitting.is_begun and guards.is_on("window-without-tray"):
            self.window.show()

    @Slot()
    def _on_started(self) -> None:
        # Everything that lasts is there now.
        self.garbage.start()
        self.watch.look()
        self.background.run(lambda: follow_program(self._home), self, _ignore)

    def _offer_first_run(self) -> None:
        """Once per start, where nothing is set up and somebody looks."""
        shell = self.watch.facts.shell
        if self._was_first_run_offered or shell is None or not self.host.is_running or not self.window.isVisible():
            return
        self._was_first_run_offered = True
        if not shell.overview.sources and not shell.overview.destinations:
            self.opening.first_run()

    # -- what people ask for -----------------------------------------------------------------------------------------

    def act(self, key: str) -> None:
        """Do what a menu, a button or a banner names."""
        name, _, detail = key.partition(":")
        match name:
            case "open":
                self.show_window()
            case "problems":
                self.show_window()
                self.window.show_page("problems")
            case "settings":
                self.opening.settings()
            case "diagnostics":
                self.opening.diagnostics()
            case "quit":
                self.quit()
            case "resume":
                self.steering.resume()
            case "retry-now":
                self.steering.sync_now()
            case "sign-in":
                self.opening.sign_in(int(detail))
            case "restart-engine":
                self.restart_engine()
            case "take-over":
                self._ask_take_over()
            case "unlock-keyring":
                self._unlock_keyring()

    def show_window(self) -> None:
        """Bring the window to the front."""
        self.window.raise_up()
        self._offer_first_run()

    def restart_engine(self) -> None:
        """Start the engine anew, with the settings that hold now."""
        self.watch.note_failure(None)
        if self.host.is_alive:
            self._must_restart = True
            self.host.stop()
        else:
            self.background.run(self._beginning.prepare, self, lambda _: self._start_engine(), self.watch.note_failure)

    def _start_engine(self) -> None:
        if not self.quitting.is_begun:
            self.host.start(self.settings.current)

    def _unlock_keyring(self) -> None:
        def told(result: dict[str, Any]) -> None:
            is_locked = result.get("state") == "locked"
            self.watch.note_keyring(is_locked=is_locked)
            if not is_locked:
                self.steering.sync_now()

        self.jobs.start("keyring_state", {"may_ask": True}, self, told, self._on_refused)

    def _on_refused(self, error: EtiketError) -> None:
        self.window.say(capitalised(error.reason))

    # -- one instance ------------------------------------------------------------------------------------------------

    @Slot()
    def _on_show_requested(self) -> None:
        self.show_window()
        threading.Thread(target=note_shown, args=(self._home.run,), name="shown", daemon=True).start()

    @Slot(object)
    def _on_show_asked(self, asked: Asked) -> None:
        """Another start wants this window: there is to be one only, whatever became of the engine."""
        if not self.quitting.is_begun:
            self.show_window()
        asked.set_result(not self.quitting.is_begun)

    @Slot(object)
    def _on_failed(self, error: EtiketError) -> None:
        if isinstance(error, HomeInUse):
            # Two starts at the same moment: the other one was quicker, so its window is the one.
            self.background.run(lambda: show_by_engine(self._home), self, self._on_first)

    def _on_first(self, first: First) -> None:
        if first is First.SHOWN:
            self.quit()

    def _ask_take_over(self) -> None:
        ask(
            self.window,
            self.tr("Already running"),
            self.tr("Another instance of this program works on these measurements."),
            [("take-over", self.tr("Stop it and take over")), ("cancel", self.tr("Cancel"))],
            lambda key, _: self.take_over() if key == "take-over" else None,
            detail=self.tr("What it is sending is taken up again here. Nothing is lost."),
            name="take-over",
        )

    def take_over(self) -> None:
        """End the instance that has the home, and start the engine here."""
        self.window.say(self.tr("Stopping the other instance…"))
        self.background.run(
            self._end_first,
            self,
            lambda _: self.restart_engine(),
            lambda error: _ignore(tell(self.window, error)),
        )

    def _end_first(self) -> None:
        """On a thread of its own: afterwards the home and its window's channel are ours."""
        end_first(self._home)
        with contextlib.suppress(HomeInUse):
            self.door.open()

    # -- settings ----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_settings(self, settings: Settings) -> None:
        self.theme.set_mode(settings.appearance)
        logging.getLogger().setLevel(logging.DEBUG if settings.log_level == "debug" else logging.INFO)

    def _on_saved(self) -> None:
        if self.host.is_running:
            self.host.ask(ReloadSettings(), self, _ignore, self._on_refused)

    # -- closing and quitting ----------------------------------------------------------------------------------------

    def close_window(self) -> None:
        """What the window's close button does: hide where there is a tray, else ask."""
        if self.quitting.is_begun:
            return
        choice = self.settings.current.on_close
        if choice == "quit":
            self.quit()
        elif self.tray.is_available and choice == "tray":
            self._hide()
        else:
            self._ask_close()

    def _hide(self) -> None:
        remember_place(self.window, self._home, self.background)
        self.window.hide()

    def _ask_close(self) -> None:
        if self.tray.is_available:
            keep, words = "tray", self.tr("Keep running in the tray")
            detail = self.tr("New measurements are only archived while the program runs.")
        else:
            keep, words = "minimise", self.tr("Keep running, minimised")
            detail = self.tr(
                "There is no system tray here, so the window is the program. New measurements are only archived "
                "while it runs."
            )

        def answered(key: str, is_remembered: bool) -> None:
            if key == "cancel":
                return
            if is_remembered:
                self.settings.change(on_close="quit" if key == "quit" else "tray")
            if key == "quit":
                self.quit()
            elif key == "tray":
                self._hide()
            else:
                self.window.showMinimized()

        ask(
            self.window,
            self.tr("Close the window"),
            self.tr("Keep archiving when the window is closed?"),
            [(keep, words), ("quit", self.tr("Quit")), ("cancel", self.tr("Cancel"))],
            answered,
            detail=detail,
            remember=self.tr("Do this every time"),
            name="close",
        )

    @Slot(bool)
    def _on_tray(self, is_there: bool) -> None:
        """Without a tray the window is the program: it must be reachable."""
        if is_there:
            self._tray_patience.stop()
        elif not self.window.isVisible() and not self.quitting.is_begun:
            self._tray_patience.start(_TRAY_RETURNS_WITHIN_MS)

    @Slot()
    def quit(self) -> None:
        """End everything within five seconds; what is on its way is taken up again at the next start."""
        if self.quitting.is_begun:
            return
        remember_place(self.window, self._home, self.background)
        self.window.close_for_good()
        self._tray_patience.stop()
        self._soon.stop()
        self.tray.stop()
        self.quitting.begin(
            {"engine": (self.host.stopped, self.host.stop), "jobs": (self.jobs.stopped, self.jobs.stop)}
        )

    @Slot()
    def _on_stopped(self) -> None:
        if self.quitting.is_begun:
            return
        if self._must_restart:
            self._must_restart = False
            self.host.start(self.settings.current)
        elif self.watch.facts.failure is None:
            # The engine was ended by a command: that ends the program.
            self.quit()

    def _leave(self) -> None:
        application = QApplication.instance()
        if application is not None:
            application.quit()

    def _on_session_end(self, _manager: object) -> None:
        """The person logs out, or begins to: another program may still refuse it, so nothing is ended yet."""
        remember_place(self.window, self._home, self.background)

    @Slot()
    def _end_now(self) -> None:
        """The event loop ends, for whatever reason."""
        self.garbage.stop()
        self.signals.stop()
        self.bugs.stop()
        has_ended = self.host.stop_and_wait(_SESSION_END_S if not self.quitting.is_begun else 0.5)
        self.jobs.wait(1.0)
        has_ended = self.reads.stop() and has_ended
        self.background.stop()
        self.settings.stop()
        if not has_ended:
            end_process(0)


def _ignore(_: object) -> None:
    """Nothing follows from it."""


def run_gui(home: Home, settings: Settings, beginning: Beginning) -> int:
    """Run the window program until it ends; returns its exit code."""
    application = new_application(sys.argv)
    load_words(translation_folders(home))
    program = Program(home, settings, beginning)
    program.start()
    code = application.exec()
    program.window.deleteLater()
    return code
