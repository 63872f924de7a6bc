"""What happens before the engine: checks of the machine and the home, and the log; the place where parts are joined."""

from __future__ import annotations

import contextlib
import logging
import time

from etiket_gui.credentials.logs import ProgramLog
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, HomeInUse
from etiket_gui.osys.early_checks import check_machine, check_writable
from etiket_gui.osys.log_files import FILE_COUNT
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, load_settings

log = logging.getLogger(__name__)


def prepare(home: Home, *, level: int = logging.INFO, is_on_screen: bool = False) -> ProgramLog:
    """Check the machine, make the home and prove that it can be written, and open the log, which the caller closes.

    Raises UsageError, PermissionRefused or StoreProblem with what to do. A log that cannot be written is no obstacle:
    it goes to standard error and its ``complaint`` says so.
    """
    check_home(home)
    return ProgramLog(home.logs).open(level=level, is_on_screen=is_on_screen)


def check_home(home: Home) -> None:
    """Check the machine, make the home and prove that it can be written.

    Raises UsageError, PermissionRefused or StoreProblem with what to do.
    """
    check_machine()
    check_writable(home.root)
    check_writable(home.run)
    home.prepare()


def open_log(home: Home, settings: Settings) -> ProgramLog:
    """The log after a person's settings, which the caller closes."""
    level = logging.DEBUG if settings.log_level == "debug" else logging.INFO
    return ProgramLog(home.logs, file_bytes=settings.log_limit_bytes // FILE_COUNT).open(level=level)


def start_window(home_path: str | None, *, is_hidden: bool = False) -> int:
    """Show the window of the instance that runs already, or be the one; returns the exit code.

    A home that cannot be written does not stop the window: it says why and what to do.
    """
    from etiket_gui.gui.first_instance import First, is_window_there, show_first
    from etiket_gui.gui.first_instance_door import WindowDoor
    from etiket_gui.osys.control import ControlClient

    begun_s = time.monotonic()
    home = Home.locate(home_path)
    if is_hidden and (ControlClient(home.run).is_answered() or is_window_there(home)):
        return 0
    first = First.NONE if is_hidden else show_first(home)
    if first is First.SHOWN:
        return 0
    obstacle: EtiketError | None = None
    try:
        check_home(home)
    except EtiketError as error:
        if not guards.is_on("window-despite-read-only"):
            raise
        obstacle = error
    door = WindowDoor(home)
    if first is First.NONE:
        try:
            door.open()
        except HomeInUse:
            # Two starts at the same moment: the other one was quicker.
            first = First.NONE if is_hidden else show_first(home)
            if is_hidden or first is First.SHOWN:
                return 0
    notes: list[str] = []
    settings = load_settings(home, notes.append)
    from etiket_gui.gui.crash import take_last_crash

    crash = take_last_crash(home.logs)
    with contextlib.closing(door), open_log(home, settings) as program_log:
        for note in (*notes, *([program_log.complaint] if program_log.complaint else [])):
            log.info("%s", note)
        from etiket_gui.gui.application import Beginning, run_gui

        def prepare() -> None:
            check_home(home)
            if program_log.complaint:
                program_log.open_again()

        complaint = "" if obstacle is not None else " ".join([*notes, program_log.complaint]).strip()
        beginning = Beginning(
            is_hidden=is_hidden, obstacle=obstacle, complaint=complaint, first=first, crash=crash, begun_s=begun_s,
            prepare=prepare, door=door,
        )  # fmt: skip
        return run_gui(home, settings, beginning)
