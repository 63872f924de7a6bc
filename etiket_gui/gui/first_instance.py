"""Whether this program already runs for a home, showing its window if so, and ending it where it hangs. No Qt here."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from etiket_gui.domain import guards
from etiket_gui.domain.commands import ShowWindow, StopEngine
from etiket_gui.domain.errors import EtiketError, HomeInUse, UsageError
from etiket_gui.gui.first_instance_door import door_folders
from etiket_gui.osys.control import ADDRESS_FILE, ControlClient, EngineHangs, NobodyAnswers
from etiket_gui.osys.locking import HomeLock, LockOwner, read_owner
from etiket_gui.osys.processes import kill_tree, wait_gone
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

#: The window of the first instance touches this file when it was raised: its engine may answer while it hangs.
SHOWN_FILE = "window-shown"
ANSWERS_WITHIN_S = 4.0
_POLL_S = 0.02
_STOPS_WITHIN_S = 6.0


class First(enum.Enum):
    """What is known of an instance that was there before this one."""

    NONE = "none"
    SHOWN = "shown"
    NO_WINDOW = "no window"
    HANGS = "hangs"


def show_first(home: Home, timeout_s: float = ANSWERS_WITHIN_S) -> First:
    """Have the window of an instance that runs for this home raised; says what came of it within ``timeout_s``."""
    if not guards.is_on("second-start-raises"):
        return First.NONE
    for folder in door_folders(home):
        found = _ask_window(folder, timeout_s)
        if found is not First.NONE:
            return found
    return show_by_engine(home, timeout_s)


def _ask_window(folder: Path, timeout_s: float) -> First:
    """Ask the channel of the window itself, which is there with and without an engine."""
    if not (folder / ADDRESS_FILE).exists():
        return First.NONE
    owner = read_owner(folder)
    try:
        reply = ControlClient(folder).ask(ShowWindow().to_json(), timeout_s)
    except EngineHangs:
        return First.HANGS
    except NobodyAnswers:
        return First.NONE
    if reply.get("is_ok"):
        return First.SHOWN
    # It is ending: the home is free when it has gone.
    if owner is None or not owner.is_here or wait_gone(owner.process, _STOPS_WITHIN_S):
        return First.NONE
    return First.HANGS


def is_window_there(home: Home) -> bool:
    """Whether a window of this home listens, shown or not."""
    return any(ControlClient(folder).is_answered() for folder in door_folders(home))


def show_by_engine(home: Home, timeout_s: float = ANSWERS_WITHIN_S) -> First:
    """Like :func:`show_first`, but only the engine that owns the home is asked."""
    if not (home.run / ADDRESS_FILE).exists():
        return First.NONE
    before_ns = _shown_ns(home.run)
    end_s = time.monotonic() + timeout_s
    try:
        reply = ControlClient(home.run).ask(ShowWindow().to_json(), timeout_s)
    except EngineHangs:
        return First.HANGS
    except NobodyAnswers:
        return First.NONE
    if not reply.get("is_ok"):
        return First.NO_WINDOW
    while _shown_ns(home.run) == before_ns and guards.is_on("hung-first-is-noticed"):
        if time.monotonic() > end_s:
            return First.HANGS
        time.sleep(_POLL_S)
    return First.SHOWN


def note_shown(run_folder: Path) -> None:
    """The window was raised because another start asked for it. A folder that cannot be written is no obstacle."""
    with contextlib.suppress(OSError):
        (run_folder / SHOWN_FILE).write_text(str(time.time_ns()), encoding="ascii")


def _shown_ns(run_folder: Path) -> str:
    try:
        return (run_folder / SHOWN_FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def end_first(home: Home, *, wait_s: float = _STOPS_WITHIN_S, end: Callable[[int], None] = kill_tree) -> None:
    """End the instance that runs for this home: it is asked first, and ended by force when it does not go.

    Raises HomeInUse when it runs on another machine or does not go at all.
    """
    owner = read_owner(home.run)
    with contextlib.suppress(EtiketError):
        ControlClient(home.run).ask(StopEngine().to_json(), ANSWERS_WITHIN_S)
    if owner is not None:
        if not owner.is_here:
            raise HomeInUse(
                f"The program runs on {owner.host}, so it cannot be ended from here.",
                advice="End it there, or use another home on this computer with --home.",
            )
        if owner.process.pid == os.getpid():
            raise UsageError("This program cannot end itself to take over its own home.")
        _see_off(owner, wait_s, end)
    _end_window(home, wait_s, end)
    lock = HomeLock(home.run)
    # Whoever still holds it is named in the failure.
    lock.acquire(wait_s=wait_s)
    lock.release()


def _end_window(home: Home, wait_s: float, end: Callable[[int], None]) -> None:
    """End a window of this home that has no engine, unless it is this one."""
    for folder in door_folders(home):
        owner = read_owner(folder)
        if owner is None or not owner.is_running or owner.process.pid == os.getpid():
            continue
        with contextlib.suppress(EtiketError):
            ControlClient(folder).ask(StopEngine().to_json(), ANSWERS_WITHIN_S)
        _see_off(owner, wait_s, end)


def _see_off(owner: LockOwner, wait_s: float, end: Callable[[int], None]) -> None:
    """Wait until that program has ended; it is ended by force when it does not go."""
    if not wait_gone(owner.process, wait_s):
        log.warning("The program with process id %s does not end when asked and is ended by force.", owner.process.pid)
        end(owner.process.pid)
