"""The control channel of the window itself: a second start finds it also where no engine runs. No Qt here."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import logging
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.commands import Reply, ShowWindow, StopEngine, command_from_json
from etiket_gui.domain.errors import EtiketError, HomeInUse, UsageError
from etiket_gui.osys.control import ControlServer
from etiket_gui.osys.locking import HomeLock
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

#: Whoever asks gives up earlier; then nobody is left to be told.
_LONGEST_S = 8.0

Asked = concurrent.futures.Future[bool]


def door_folders(home: Home) -> tuple[Path, ...]:
    """Where the window of a home may have its lock and its channel: in the home, else among the temporary folders.

    The second one is for a home that cannot be written; one that is not this account's alone is left out.
    """
    account = str(os.getuid()) if hasattr(os, "getuid") else "account"
    name = hashlib.sha256(os.fsencode(os.path.realpath(home.root))).hexdigest()[:16]
    elsewhere = Path(tempfile.gettempdir()) / f"etiket-gui-{account}-{name}"
    found = [home.run / "window"]
    if not elsewhere.exists() or _is_private(elsewhere):
        found.append(elsewhere)
    return tuple(found)


def _is_private(folder: Path) -> bool:
    try:
        seen = folder.lstat()
    except OSError:
        return False
    if sys.platform == "win32":
        return stat.S_ISDIR(seen.st_mode)
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077


class WindowDoor:
    """One per window, from :meth:`open` to :meth:`close`; asked for on threads of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock: HomeLock | None = None
        self._server: ControlServer | None = None
        self._is_served = threading.Event()
        self._on_show: Callable[[Asked], None] = _not_shown
        self._on_stop: Callable[[], None] = _nothing

    @property
    def is_open(self) -> bool:
        """Whether another start finds this window."""
        return self._server is not None

    def open(self) -> None:
        """Take the lock of the window and listen. Raises HomeInUse when another window of this home has it.

        Where no folder can be written at all, nothing is opened: that is no obstacle.
        """
        if self.is_open or not guards.is_on("window-has-a-door"):
            return
        for folder in door_folders(self._home):
            lock = HomeLock(folder)
            try:
                lock.acquire()
            except HomeInUse:
                raise
            except EtiketError as error:
                log.debug("No channel of the window in %s: %s", folder, error.reason)
                continue
            server = ControlServer(folder, self._answer)
            try:
                server.start()
            except OSError as error:
                log.debug("No channel of the window in %s: %s", folder, error)
                lock.release()
                continue
            self._lock, self._server = lock, server
            return
        log.info("A second start will not find this window: no folder for its channel can be written.")

    def serve(self, on_show: Callable[[Asked], None], on_stop: Callable[[], None]) -> None:
        """From now on requests are answered; both are called on threads of the channel.

        ``on_show`` is given a future: True once the window is in front, False where the program is ending.
        """
        self._on_show, self._on_stop = on_show, on_stop
        self._is_served.set()

    def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        lock, self._lock = self._lock, None
        if server is not None:
            server.stop(timeout_s=1.0)
        if lock is not None:
            lock.release()

    def _answer(self, request: dict[str, Any]) -> Mapping[str, Any]:
        command = command_from_json(request)
        if not isinstance(command, ShowWindow | StopEngine):
            raise UsageError("This is the window's channel; the engine has one of its own.")
        if not self._is_served.wait(_LONGEST_S):
            return Reply(is_ok=False, sentence="The window does not come up.").to_json()
        if isinstance(command, StopEngine):
            self._on_stop()
            return Reply(is_ok=True, sentence="The program ends.").to_json()
        asked: Asked = concurrent.futures.Future()
        is_shown = False
        # RuntimeError: the window is gone already.
        with contextlib.suppress(TimeoutError, RuntimeError):
            self._on_show(asked)
            is_shown = asked.result(_LONGEST_S)
        return Reply(is_ok=is_shown, sentence="" if is_shown else "The program is ending.").to_json()


def _not_shown(asked: Asked) -> None:
    asked.set_result(False)


def _nothing() -> None:
    """There is nothing to end yet."""
