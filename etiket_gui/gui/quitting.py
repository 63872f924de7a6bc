"""The end of the program: everything is asked to stop, waited for five seconds at most, and then it ends anyway."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from PySide6.QtCore import QObject, QSocketNotifier, QTimer, Signal

from etiket_gui.domain import guards

log = logging.getLogger(__name__)

#: What a person waits for at most.
MOST_S = 5.0
_LAST_WAIT_S = 0.5


class Quitting(QObject):
    """Stops parts side by side; ``done`` when all of them said so, or when the time is over."""

    done = Signal()

    def __init__(self, parent: QObject | None = None, *, most_s: float = MOST_S) -> None:
        super().__init__(parent)
        self._waiting: set[str] = set()
        self._is_begun = False
        self._is_done = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(round((most_s - _LAST_WAIT_S) * 1000))
        self._timer.timeout.connect(self._give_up)

    @property
    def is_begun(self) -> bool:
        """Whether the program is ending."""
        return self._is_begun

    def begin(self, parts: dict[str, tuple[Any, Callable[[], None]]]) -> None:
        """Stop the parts: name, (its ``stopped`` signal, what asks it to stop)."""
        if self._is_begun:
            return
        self._is_begun = True
        self._waiting = set(parts)
        if guards.is_on("quit-has-an-end"):
            self._timer.start()
        for name, (stopped, stop) in parts.items():
            stopped.connect(lambda name=name: self._on_stopped(name))
            stop()

    def _on_stopped(self, name: str) -> None:
        self._waiting.discard(name)
        if not self._waiting:
            self._finish()

    def _give_up(self) -> None:
        log.error(
            "These parts do not end in time: %s. What they were doing is taken up again.", ", ".join(self._waiting)
        )
        self._finish()

    def _finish(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._timer.stop()
            self.done.emit()


def end_process(code: int) -> None:
    """End this process now, although a thread of it hangs: what it had promised is on the disk."""
    log.error("A part of the program hangs; the process ends without it.")
    if sys.stderr is not None:
        faulthandler.dump_traceback(all_threads=True)
    logging.shutdown()
    os._exit(code)


class SignalWatch(QObject):
    """Tells on the GUI thread that the system or Ctrl-C asks the program to end."""

    asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._before: dict[int, Any] = {}
        self._ours, theirs = socket.socketpair()
        self._theirs = theirs
        for end in (self._ours, theirs):
            end.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._ours.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_signal)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _ignore)

    def stop(self) -> None:
        """Leave signals as they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        try:
            signal.set_wakeup_fd(self._wakeup_before)
        except (OSError, ValueError):
            # Whoever had it before us ended before us.
            signal.set_wakeup_fd(-1)
        self._notifier.setEnabled(False)
        self._ours.close()
        self._theirs.close()

    def _on_signal(self) -> None:
        try:
            self._ours.recv(64)
        except BlockingIOError:
            return
        self.asked.emit()


def _ignore(number: int, frame: FrameType | None) -> None:
    """The wake-up of the event loop does the rest."""
