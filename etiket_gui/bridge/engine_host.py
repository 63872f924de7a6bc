"""The engine in a thread of its own: started, asked and stopped by the window without ever waiting for it."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from etiket_gui.bridge.calls import Call
from etiket_gui.bridge.coalescing import EventBox
from etiket_gui.bridge.interpreter import share_finely
from etiket_gui.domain import guards
from etiket_gui.domain.commands import BY_WINDOW, Command, Reply
from etiket_gui.domain.errors import EtiketError, ProgramError, Stopped, StoreProblem
from etiket_gui.domain.events import Event
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings

if TYPE_CHECKING:
    from etiket_gui.engine.service import Engine

log = logging.getLogger(__name__)

#: Signals of what moves come at most this often.
LONGEST_QUIET_MS = 250
#: A command that is not answered by then fails with a sentence; it may still be carried out.
ANSWER_WITHIN_S = 30.0
#: Of the five seconds a quit may take, the engine gets this many for its workers.
_ENGINE_STOP_S = 3.0
_MOST_WAITING = 1000


class _EngineThread(QThread):
    """Runs one engine from its start to its end. ``host`` hears of it from this thread."""

    def __init__(self, host: EngineHost, home: Home, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("engine")
        self._host = host
        self._home = home
        self._settings = settings
        self._lock = threading.Lock()
        self._is_stop_asked = False
        self.engine: Engine | None = None

    def run(self) -> None:
        """Qt calls this on the new thread."""
        try:
            self._run()
        except EtiketError as error:
            log.info("The engine ended: %s", error.reason)
            self._host.note_failure(error)
        except Exception as error:
            log.exception("The engine ended by a bug.")
            self._host.note_failure(
                ProgramError(f"The part that archives ended unexpectedly: {type(error).__name__}: {error}.")
            )

    def _run(self) -> None:
        # Imported here: what the engine needs takes a third of a second, and the window is painted meanwhile.
        from etiket_gui.engine.service import Engine

        engine = Engine(
            self._home, self._settings, listeners=[self._host.note_event], on_show=self._host.note_show_asked
        )
        with self._lock:
            if self._is_stop_asked:
                return
            self.engine = engine
        engine.start()
        try:
            self._host.note_running(engine)
            engine.run()
        finally:
            self._host.note_ending()
            engine.stop(timeout_s=_ENGINE_STOP_S)

    def request_stop(self) -> None:
        """Have the engine end soon, also while it starts; callable from any thread."""
        with self._lock:
            self._is_stop_asked = True
            engine = self.engine
        if engine is not None:
            engine.request_stop()


@dataclass(slots=True)
class _Asked:
    call: Call
    command: Command
    due_s: float


class EngineHost(QObject):
    """The engine of one home, for the window. Everything but the ``note_…`` methods belongs to the GUI thread.

    Signals carry frozen values. ``datasetsChanged`` has a frozenset of dataset ids, or None for "any of them";
    ``progressed`` a tuple of DatasetProgressed and FileProgressed, the newest of each row, at most four times a second;
    ``transfersEnded``, told before it, a frozenset of transfer ids of which nothing moves any more.
    ``eventHappened`` one event: every rare one, and the newest of those that come by the thousand.
    ``failed`` tells why there is no engine: HomeInUse, StoreTooNew, StoreProblem or ProgramError; then ``stopped``
    follows. ``start`` may be called again after ``stopped``.
    """

    eventHappened = Signal(object)
    datasetsChanged = Signal(object)
    progressed = Signal(object)
    transfersEnded = Signal(object)
    overviewChanged = Signal()
    steeringChanged = Signal(object)
    problemsChanged = Signal(int)
    failed = Signal(object)
    showRequested = Signal()
    started = Signal()
    stopped = Signal()

    _woken = Signal(bool)

    def __init__(self, home: Home, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self._settings = settings
        self._thread: _EngineThread | None = None
        self._running: Engine | None = None
        self._box = EventBox()
        #: Filled by other threads, emptied on the GUI thread; holds one entry per answer, failure or request.
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_lock = threading.Lock()
        self._is_woken = False
        self._is_woken_urgently = False
        self._asked: dict[int, _Asked] = {}
        self._waiting: list[int] = []
        self._numbers = itertools.count(1)
        self._is_stopping = False
        self._has_ended = False
        self._last_told_s = 0.0
        self._woken.connect(self._on_woken, Qt.ConnectionType.QueuedConnection)
        self._tell_timer = QTimer(self)
        self._tell_timer.setSingleShot(True)
        self._tell_timer.timeout.connect(self._tell)
        self._patience_timer = QTimer(self)
        self._patience_timer.setInterval(1000)
        self._patience_timer.timeout.connect(self._lose_patience)

    # --- life -----------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether an engine is up and takes commands."""
        return self._running is not None and not self._is_stopping

    @property
    def is_alive(self) -> bool:
        """Whether there is an engine thread, be it starting, running or ending."""
        return self._thread is not None

    @property
    def settings(self) -> Settings:
        """The settings with which the next engine starts."""
        return self._settings

    def start(self, settings: Settings | None = None) -> None:
        """Start an engine unless there is one; ``started`` or ``failed`` follows. Returns at once."""
        if settings is not None:
            self._settings = settings
        if self._thread is not None:
            return
        self._is_stopping = self._has_ended = False
        share_finely()
        thread = _EngineThread(self, self._home, self._settings)
        thread.finished.connect(self._on_thread_finished, Qt.ConnectionType.QueuedConnection)
        self._thread = thread
        thread.start()

    def stop(self) -> None:
        """End the engine, also in the middle of its start or of a transfer; ``stopped`` follows within five seconds."""
        if self._thread is None:
            QTimer.singleShot(0, self, self.stopped.emit)
            return
        self._is_stopping = True
        if guards.is_on("quit-stops-the-engine"):
            self._thread.request_stop()

    def stop_and_wait(self, timeout_s: float = 5.0) -> bool:
        """For the end of the session, when no event loop runs any more: whether the engine ended in time."""
        thread = self._thread
        if thread is None:
            return True
        self._is_stopping = True
        thread.request_stop()
        has_ended = thread.wait(int(timeout_s * 1000))
        if has_ended:
            self._on_thread_finished()
        return has_ended

    @Slot()
    def _on_thread_finished(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.wait()
        thread.deleteLater()
        self._has_ended = True
        self._running = None
        self._tell()
        self._run_news()
        self._fail_all(Stopped("The engine ended before it answered."))
        self.stopped.emit()

    # --- commands -------------------------------------------------------------------------------------------

    def ask(
        self,
        command: Command,
        owner: QObject | None,
        then: Callable[[Reply], None],
        failed: Callable[[EtiketError], None] | None = None,
    ) -> int:
        """Have a command carried out; one of the callbacks follows on the GUI thread unless ``owner`` is gone by then.

        While the engine starts, commands wait for it. Returns the command's number.
        """
        number = next(self._numbers)
        self._asked[number] = _Asked(Call(owner, then, failed), command, time.monotonic() + ANSWER_WITHIN_S)
        if self._running is not None:
            self._submit(number, self._running)
        elif self._thread is not None and not self._is_stopping and len(self._waiting) < _MOST_WAITING:
            self._waiting.append(number)
        else:
            self._news.put(lambda: self._answer(number, None, StoreProblem("The engine does not run.")))
            self._wake(is_urgent=True)
        if not self._patience_timer.isActive():
            self._patience_timer.start()
        return number

    def _submit(self, number: int, engine: Engine) -> None:
        def done(future: concurrent.futures.Future[Reply]) -> None:
            error = future.exception()
            reply = None if error is not None else future.result()
            self._news.put(lambda: self._answer(number, reply, error))
            self._wake(is_urgent=True)

        try:
            engine.submit(self._asked[number].command, by=BY_WINDOW).add_done_callback(done)
        except StoreProblem as error:
            refused = error
            self._news.put(lambda: self._answer(number, None, refused))
            self._wake(is_urgent=True)

    def _answer(self, number: int, reply: Reply | None, error: BaseException | None) -> None:
        asked = self._asked.pop(number, None)
        if not self._asked:
            self._patience_timer.stop()
        if asked is None:
            return
        if reply is not None:
            asked.call.answer_reply(reply)
        elif isinstance(error, EtiketError):
            asked.call.fail(error)
        else:
            asked.call.fail(ProgramError(f"{type(asked.command).__name__} failed: {type(error).__name__}: {error}."))

    def _lose_patience(self) -> None:
        now_s = time.monotonic()
        for number in [number for number, asked in self._asked.items() if asked.due_s < now_s]:
            error = StoreProblem(
                f"The engine did not answer within {ANSWER_WITHIN_S:.0f} s.",
                advice="It is busy and may still do what was asked. Look again in a minute.",
            )
            self._answer(number, None, error)

    def _fail_all(self, error: EtiketError) -> None:
        self._waiting.clear()
        for number in list(self._asked):
            self._answer(number, None, error)

    # --- told by the engine's thread ------------------------------------------------------------------------

    def note_event(self, event: Event) -> None:
        """The engine's listener; quick, never raises."""
        self._box.put(event)
        self._wake(is_urgent=False)

    def note_show_asked(self) -> None:
        """Somebody started the program a second time."""
        self._news.put(self.showRequested.emit)
        self._wake(is_urgent=True)

    def note_running(self, engine: Engine) -> None:
        """The engine owns its home."""
        self._news.put(lambda: self._on_running(engine))
        self._wake(is_urgent=True)

    def note_ending(self) -> None:
        """The engine takes no commands any more."""
        self._news.put(self._on_ending)
        self._wake(is_urgent=True)

    def note_failure(self, error: EtiketError) -> None:
        """There is no engine, and why."""
        self._news.put(lambda: self._on_failure(error))
        self._wake(is_urgent=True)

    def _wake(self, *, is_urgent: bool) -> None:
        """At most one call, and one urgent one after it, waits in the GUI thread's queue at any time."""
        with self._wake_lock:
            is_on_its_way = self._is_woken_urgently or (self._is_woken and not is_urgent)
            if is_on_its_way and guards.is_on("one-wake-at-a-time"):
                return
            self._is_woken = True
            self._is_woken_urgently = self._is_woken_urgently or is_urgent
        self._woken.emit(is_urgent)

    # --- on the GUI thread ----------------------------------------------------------------------------------

    @Slot(bool)
    def _on_woken(self, is_urgent: bool) -> None:
        if is_urgent:
            with self._wake_lock:
                self._is_woken_urgently = False
            self._run_news()
        self._tell_soon()

    def _run_news(self) -> None:
        while True:
            try:
                news = self._news.get_nowait()
            except queue.Empty:
                return
            news()

    def _tell_soon(self) -> None:
        if self._tell_timer.isActive():
            return
        passed_ms = (time.monotonic() - self._last_told_s) * 1000
        if passed_ms >= LONGEST_QUIET_MS or self._has_ended:
            self._tell()
        else:
            self._tell_timer.start(max(1, int(LONGEST_QUIET_MS - passed_ms)))

    def _tell(self) -> None:
        self._tell_timer.stop()
        self._last_told_s = time.monotonic()
        with self._wake_lock:
            self._is_woken = False
        told = self._box.take()
        if told.steering is not None:
            self.steeringChanged.emit(told.steering)
        for event in told.events:
            self.eventHappened.emit(event)
        if told.problem_count is not None:
            self.problemsChanged.emit(told.problem_count)
        if told.dataset_ids is None or told.dataset_ids:
            self.datasetsChanged.emit(told.dataset_ids)
        if told.ended:
            self.transfersEnded.emit(told.ended)
        if told.progress:
            self.progressed.emit(told.progress)
        if told.has_new_overview:
            self.overviewChanged.emit()

    def _on_running(self, engine: Engine) -> None:
        self._running = engine
        waiting, self._waiting = self._waiting, []
        for number in waiting:
            if number in self._asked:
                self._submit(number, engine)
        self.started.emit()

    def _on_ending(self) -> None:
        self._running = None

    def _on_failure(self, error: EtiketError) -> None:
        self._fail_all(error)
        self.failed.emit(error)
