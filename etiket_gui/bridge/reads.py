"""Questions to the store from the window: asked on the GUI thread, answered by reader threads of their own."""

from __future__ import annotations

import itertools
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from etiket_gui.bridge.calls import Call
from etiket_gui.bridge.interpreter import shared
from etiket_gui.bridge.queries import Reads, StoreAway, as_known, identity_of, one_moment, open_for_reading
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, ProgramError
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How often the store is asked whether it changed while the window is seen, and while it is not.
POLL_S = 0.25
HIDDEN_POLL_S = 1.0
_STOP_WAIT_MS = 4000
#: Some ten milliseconds of SQLite's own steps: each look waits for the interpreter.
_STEPS_BETWEEN_LOOKS = 300_000


@dataclass(slots=True)
class _Job:
    number: int
    work: Callable[[Reads], Any]
    call: Call
    key: Hashable
    is_superseded: bool = False
    #: Set by whoever waits a moment for the answer, which then stays in ``answer`` instead of going by the queue.
    done: threading.Event | None = None
    answer: tuple[Any, EtiketError | None] | None = None
    is_delivered: bool = False


class _Lane(QThread):
    """One reader: its own connection, its own queue. Only ``put``, ``drop`` and ``request_stop`` are for others."""

    def __init__(self, name: str, reads: StoreReads, path: Path) -> None:
        super().__init__()
        self.setObjectName(name)
        self._reads = reads
        self._path = path
        self._jobs: deque[_Job | None] = deque()
        self._has_news = threading.Condition()
        self._current: _Job | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_ending = False
        self.poll_s: float | None = None
        self._data_version: int | None = None
        self._polled_s = 0.0
        self._was_there: bool | None = None

    # --- for the GUI thread ---------------------------------------------------------------------------------

    def put(self, job: _Job) -> None:
        """Take a job; a job before it with the same key is not done any more, and stopped if it is under way."""
        with self._has_news:
            if job.key is not None:
                self._supersede(job.key)
            if job.done is not None:
                self._jobs.appendleft(job)
            else:
                self._jobs.append(job)
            self._has_news.notify()

    def drop(self, key: Hashable) -> None:
        """Forget what was asked under that key."""
        with self._has_news:
            self._supersede(key)

    def look_now(self) -> None:
        """Ask the store now whether it changed."""
        with self._has_news:
            self._jobs.append(None)
            self._has_news.notify()

    def request_stop(self) -> None:
        """End soon, also in the middle of a long question."""
        with self._has_news:
            self._is_ending = True
            for job in (self._current, *self._jobs):
                if job is not None:
                    job.is_superseded = True
            self._jobs.clear()
            self._has_news.notify()

    def _supersede(self, key: Hashable) -> None:
        for job in [job for job in self._jobs if job is not None and job.key == key]:
            job.is_superseded = True
            self._jobs.remove(job)
        if self._current is not None and self._current.key == key:
            self._current.is_superseded = True

    # --- on the lane's own thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """Qt calls this on the new thread."""
        try:
            while not self._is_ending:
                job = self._next()
                if job is not None:
                    self._do(job)
                is_poll_due = job is None or time.monotonic() >= self._polled_s + (self.poll_s or 0)
                if is_poll_due and self.poll_s is not None and not self._is_ending:
                    self._poll()
        except Exception:
            log.exception("The reader of the store ended by a bug.")
        finally:
            self._close()

    def _next(self) -> _Job | None:
        with self._has_news:
            if not self._jobs and not self._is_ending:
                self._has_news.wait(self.poll_s)
            job = self._jobs.popleft() if self._jobs else None
            self._current = job
            return job

    def _do(self, job: _Job) -> None:
        value: Any = None
        failure: EtiketError | None = None
        try:
            value = self._ask(job.work)
        except EtiketError as error:
            failure = error
            self._close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                log.exception("A question to the store failed by a bug.")
                failure = _bug(error)
        except Exception as error:
            log.exception("A question to the store failed by a bug.")
            failure = _bug(error)
        with self._has_news:
            self._current = None
        if not job.is_superseded:
            job.answer = value, failure
            self._reads.note_answer(job)
            if job.done is not None:
                job.done.set()

    def _ask(self, work: Callable[[Reads], Any]) -> Any:
        with one_moment(self._connected(), self._path) as reads:
            return work(reads)

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that is at the path now: a store that was moved aside is let go."""
        identity = identity_of(self._path)
        if self._connection is not None and identity != self._identity and guards.is_on("readers-follow-the-store"):
            self._close()
        if self._connection is None:
            self._connection, self._identity = open_for_reading(self._path), identity
            # Asked by SQLite itself: an interrupt from outside is lost between two statements.
            self._connection.set_progress_handler(self._is_unwanted, _STEPS_BETWEEN_LOOKS)
        return self._connection

    def _is_unwanted(self) -> int:
        job = self._current
        return int(self._is_ending or (job is not None and job.is_superseded))

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._data_version = None
        if connection is not None:
            connection.close()

    def _poll(self) -> None:
        self._polled_s = time.monotonic()
        before = self._identity, self._data_version
        try:
            connection = self._connected()
            self._data_version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        except (EtiketError, sqlite3.Error) as error:
            self._close()
            self._note_there(as_known(error, self._path))
            return
        self._note_there(None)
        if before != (self._identity, self._data_version):
            self._reads.note_changed()

    def _note_there(self, away: EtiketError | None) -> None:
        is_there = away is None
        if is_there != self._was_there:
            self._was_there = is_there
            self._reads.note_available(away)


def _bug(error: Exception) -> EtiketError:
    return ProgramError(f"A question to the store failed: {type(error).__name__}: {error}.")


class StoreReads(QObject):
    """The store for the window. Everything but the ``note_…`` methods belongs to the GUI thread.

    ``changed`` comes when the store moved: written by the engine or by another program, or another file took its
    place; at most four times a second. ``availabilityChanged`` has None when it can be read, else the StoreAway or
    StoreProblem that says why not.
    """

    changed = Signal()
    availabilityChanged = Signal(object)

    _answered = Signal(object)

    def __init__(self, home: Home, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = home.store
        self._numbers = itertools.count(1)
        self._newest: dict[Hashable, int] = {}
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_change_on_its_way = False
        self._away: EtiketError | None = StoreAway(f"{self._path} was not looked at yet.", path=str(self._path))
        self._answered.connect(self._on_answered, Qt.ConnectionType.QueuedConnection)
        self._quick = _Lane("store-reads", self, self._path)
        self._quick.poll_s = POLL_S
        self._slow = _Lane("store-lists", self, self._path)
        self._quick.start()
        self._is_slow_started = False

    @property
    def away(self) -> EtiketError | None:
        """Why the store cannot be read just now, None when it can."""
        return self._away

    def ask(
        self,
        work: Callable[[Reads], T],
        owner: QObject | None,
        then: Callable[[T], None],
        failed: Callable[[EtiketError], None] | None = None,
        *,
        key: Hashable = None,
        is_long: bool = False,
    ) -> int:
        """Have ``work`` read the store on a reader's thread; one callback follows on the GUI thread.

        Nothing follows when ``owner`` is gone, or when something newer was asked under the same ``key`` meanwhile: the
        older question is stopped. ``is_long`` questions (lists of everything) have a reader of their own, so that they
        hold up nothing. ``failed`` gets StoreAway or StoreProblem. ``work`` must touch nothing of the window.
        """
        job = _Job(next(self._numbers), work, Call(owner, then, failed), key)
        if key is not None:
            self._newest[key] = job.number
        if is_long and not self._is_slow_started:
            self._is_slow_started = True
            self._slow.start()
        (self._slow if is_long else self._quick).put(job)
        return job.number

    def ask_at_once(
        self,
        work: Callable[[Reads], T],
        owner: QObject | None,
        then: Callable[[T], None],
        failed: Callable[[EtiketError], None] | None = None,
        *,
        within_s: float,
    ) -> bool:
        """Like :meth:`ask`, before all others, for what is about to be painted: waits at most ``within_s`` seconds.

        True when a callback was called meanwhile; otherwise it follows as usual. Keep it below a frame: 8 ms.
        """
        job = _Job(next(self._numbers), work, Call(owner, then, failed), None, done=threading.Event())
        self._quick.put(job)
        with shared():
            is_done = job.done is not None and job.done.wait(within_s)
        if not is_done:
            return False
        self._deliver(job)
        return True

    def drop(self, key: Hashable) -> None:
        """Forget what was asked under that key; no callback follows."""
        self._newest.pop(key, None)
        self._quick.drop(key)
        self._slow.drop(key)

    def look_now(self) -> None:
        """See at once whether the store changed."""
        self._quick.look_now()

    def set_hidden(self, is_hidden: bool) -> None:
        """While the window is not seen, the store is asked less often."""
        self._quick.poll_s = HIDDEN_POLL_S if is_hidden else POLL_S
        self._quick.look_now()

    def stop(self) -> bool:
        """End both readers, long questions in the middle; whether they ended in time. No callback follows."""
        lanes = [self._quick, self._slow] if self._is_slow_started else [self._quick]
        for lane in lanes:
            lane.request_stop()
        have_ended = all(lane.wait(_STOP_WAIT_MS) for lane in lanes)
        self._newest.clear()
        while not self._news.empty():
            self._news.get()
        return have_ended

    # --- told by the readers' threads -----------------------------------------------------------------------

    def note_answer(self, job: _Job) -> None:
        """An answer is there."""
        self._post(lambda: self._deliver(job))

    def note_changed(self) -> None:
        """The store moved."""
        with self._lock:
            if self._is_change_on_its_way:
                return
            self._is_change_on_its_way = True
        self._post(self._tell_changed)

    def note_available(self, away: EtiketError | None) -> None:
        """The store can be read again, or not any more."""
        self._post(lambda: self._tell_available(away))

    def _post(self, news: Callable[[], None]) -> None:
        self._news.put(news)
        self._answered.emit(None)

    # --- on the GUI thread ----------------------------------------------------------------------------------

    @Slot(object)
    def _on_answered(self, _: object) -> None:
        try:
            news = self._news.get_nowait()
        except queue.Empty:
            return
        news()

    def _deliver(self, job: _Job) -> None:
        if job.is_delivered or job.answer is None:
            return
        job.is_delivered = True
        value, failure = job.answer
        if job.key is not None:
            if self._newest.get(job.key) != job.number and guards.is_on("stale-answers-are-dropped"):
                return
            self._newest.pop(job.key, None)
        if failure is None:
            job.call.answer(value)
        else:
            job.call.fail(failure)

    def _tell_changed(self) -> None:
        with self._lock:
            self._is_change_on_its_way = False
        self.changed.emit()

    def _tell_available(self, away: EtiketError | None) -> None:
        self._away = away
        self.availabilityChanged.emit(away)
