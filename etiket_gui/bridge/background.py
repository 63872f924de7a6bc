"""Small work of the window that must not hold it up: done on a thread of its own, answered on the GUI thread."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from etiket_gui.bridge.calls import Call
from etiket_gui.domain.errors import EtiketError, ProgramError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Background(QObject):
    """One per program, for work of seconds at most: asking another instance, writing an entry, opening a folder."""

    _done = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], T],
        owner: QObject | None,
        then: Callable[[T], None],
        failed: Callable[[EtiketError], None] | None = None,
    ) -> None:
        """Do ``work`` on a thread; ``then`` or ``failed`` follows on the GUI thread unless ``owner`` is gone."""
        call = Call(owner, then, failed)
        thread = threading.Thread(target=self._run, args=(work, call), name="background", daemon=True)
        self._threads = {known for known in self._threads if known.is_alive()} | {thread}
        thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Wait a moment for what is under way; nothing is told any more."""
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))
        self._threads.clear()
        while not self._news.empty():
            self._news.get()

    def _run(self, work: Callable[[], T], call: Call) -> None:
        try:
            value = work()
        except EtiketError as error:
            failure: EtiketError = error
        except Exception as error:
            log.exception("Work beside the window failed by a bug.")
            failure = ProgramError(f"{type(error).__name__}: {error}")
        else:
            self._post(lambda: call.answer(value))
            return
        self._post(lambda: call.fail(failure))

    def _post(self, news: Callable[[], None]) -> None:
        self._news.put(news)
        try:
            self._done.emit()
        except RuntimeError:
            log.debug("The window ended before its work did.")

    @Slot()
    def _deliver(self) -> None:
        while not self._news.empty():
            self._news.get()()
