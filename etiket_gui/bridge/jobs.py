"""Runs what the window asks of plug-ins, disks and the password store in a child process, and brings the answers back.

The GUI thread only puts messages into queues; starting the child, writing to it and reading from it happen on helper
threads. The child has normal priority because a person waits for it.
"""

from __future__ import annotations

import itertools
import logging
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, WorkerLost, error_from_json
from etiket_gui.engine.workers import start_child
from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message

log = logging.getLogger(__name__)

Then = Callable[[dict[str, Any]], None]
Failed = Callable[[EtiketError], None]

#: The child ends after so long without work.
IDLE_S = 180.0
#: A job that was told to stop and does not is left behind with its child after this time.
_GRACE_S = 3.0
_TICK_MS = 500
#: How long a job of each kind may take; None: as long as it needs, a person can cancel it.
TIME_LIMITS_S: Mapping[str, float | None] = {
    "plugins": 60.0,
    "validate": 20.0,
    "recognise": 60.0,
    "find_sources": 10.0,
    "survey": None,
    "ignore_preview": 120.0,
    "test_destination": 60.0,
    "known_sources": 60.0,
    "create_destination": 60.0,
    "restore": None,
    "verify": None,
    "diagnostics_preview": 120.0,
    "diagnostics_save": 120.0,
    "keyring_state": 150.0,
    "keyring_store": 150.0,
    "keyring_forget": 150.0,
}
_DEFAULT_LIMIT_S = 60.0
_WORDS: Mapping[str, str] = {
    "plugins": "Loading the plug-ins",
    "validate": "Checking these values",
    "recognise": "Looking at what was dropped",
    "find_sources": "Looking for measurements on this computer",
    "survey": "Looking through the source",
    "ignore_preview": "Looking which files are left out",
    "test_destination": "Testing the destination",
    "known_sources": "Asking the destination what it knows",
    "create_destination": "Making the destination ready",
    "restore": "Restoring",
    "verify": "Verifying",
    "diagnostics_preview": "Collecting the diagnostics",
    "diagnostics_save": "Writing the diagnostics",
    "keyring_state": "Asking the password store",
    "keyring_store": "Keeping the password",
    "keyring_forget": "Removing the password",
}


@dataclass(slots=True)
class _Job:
    """A job under way: for whom it is done, and until when it may take."""

    id: int
    kind: str
    owner: QObject
    then: Then
    failed: Failed | None
    progressed: Callable[[dict[str, Any]], None] | None
    child: _Child
    deadline_s: float | None
    #: When the job was given up; its child gets a moment to stop it.
    given_up_s: float | None = None


class _Child:
    """One child process with the two threads that serve its pipes; never blocks who asks it."""

    def __init__(self, home: Path, take: Callable[[_Child, dict[str, Any] | None], None], stderr: Path | None) -> None:
        self._home = home
        self._take = take
        self._stderr = stderr
        self._outgoing: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._must_die = threading.Event()
        self.exit_code: int | None = None
        self.is_retired = False
        #: It has a job that does not stop.
        self.is_hung = False
        self.jobs: set[int] = set()
        self.thread = threading.Thread(target=self._run, name="desk-writer", daemon=True)
        self.thread.start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue a message."""
        self._outgoing.put(message)

    def retire(self) -> None:
        """Let the child end when it has read what was sent; it takes no further message."""
        self.is_retired = True
        self._outgoing.put(None)

    def kill(self) -> None:
        """End the child now."""
        self.is_retired = True
        self._must_die.set()
        process = self._process
        if process is not None:
            process.kill()
        self._outgoing.put(None)

    def _run(self) -> None:
        try:
            process = start_child("--role", "desk", stderr_path=None if self._stderr is None else str(self._stderr))
        except OSError as error:
            log.warning("The child process for the window cannot be started: %s", error)
            self._take(self, None)
            return
        self._process = process
        if self._must_die.is_set():
            process.kill()
        if process.stdin is None:
            raise AssertionError("the child was started with pipes")
        reader = threading.Thread(target=self._read, args=(process,), name="desk-reader", daemon=True)
        reader.start()
        writer = MessageWriter(process.stdin)
        try:
            writer.send({"home": str(self._home)})
            while (message := self._outgoing.get()) is not None:
                writer.send(message)
        except (OSError, ValueError):
            # The reader sees the same end of the pipe and reports it.
            log.info("The child process for the window takes no messages any more.")
        writer.close()
        reader.join()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        stream = process.stdout
        if stream is None:
            raise AssertionError("the child was started with pipes")
        try:
            while (message := read_message(stream)) is not None:
                self._take(self, message)
        except (OSError, ValueError, BrokenFraming) as error:
            log.warning("The child process for the window sent nonsense: %s", error)
            process.kill()
        stream.close()
        self.exit_code = process.wait()
        self._outgoing.put(None)
        self._take(self, None)


@dataclass(slots=True)
class _Timing:
    """The times a client keeps, so that tests need not wait."""

    idle_s: float = IDLE_S
    grace_s: float = _GRACE_S
    limits_s: Mapping[str, float | None] = field(default_factory=lambda: dict(TIME_LIMITS_S))


class JobClient(QObject):
    """Gives jobs to the child process. Every callback runs on the thread this object lives in.

    A callback is dropped when its owner is gone, and the job of an owner that is gone is cancelled. ``stopped`` comes
    after :meth:`stop`, when no child process is left.
    """

    stopped = Signal()
    _arrived = Signal(object, object)

    def __init__(
        self,
        home: Path,
        parent: QObject | None = None,
        *,
        stderr_path: Path | None = None,
        idle_s: float = IDLE_S,
        grace_s: float = _GRACE_S,
        limits_s: Mapping[str, float | None] = TIME_LIMITS_S,
    ) -> None:
        super().__init__(parent)
        self._home = home
        self._stderr_path = stderr_path
        self._timing = _Timing(idle_s, grace_s, limits_s)
        self._ids = itertools.count(1)
        self._jobs: dict[int, _Job] = {}
        self._children: list[_Child] = []
        self._is_stopping = False
        self._idle_since_s = 0.0
        self._stop_deadline_s = 0.0
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    # -- asking ------------------------------------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        owner: QObject,
        then: Then,
        failed: Failed | None = None,
        progressed: Callable[[dict[str, Any]], None] | None = None,
    ) -> int:
        """Have a job done; returns its number. ``then`` gets the result, ``progressed`` each message on the way.

        ``failed`` gets the failure: what the job met, WorkerLost when its process died or the time was over.
        """
        number = next(self._ids)
        child = self._current_child()
        limit_s = self._timing.limits_s.get(kind, _DEFAULT_LIMIT_S)
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        self._jobs[number] = _Job(number, kind, owner, then, failed, progressed, child, deadline_s)
        child.jobs.add(number)
        child.send({"job": number, "kind": kind, "parameters": dict(parameters)})
        self._timer.start()
        return number

    def cancel(self, job_id: int) -> None:
        """Have a job stopped; its owner hears nothing more of it. A job that is over already is no error."""
        job = self._jobs.get(job_id)
        if job is not None and job.given_up_s is None:
            self._give_up(job)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The process ids of the children that run now."""
        running = [child._process for child in self._children]  # noqa: SLF001  # a part of this module
        return tuple(process.pid for process in running if process is not None and process.poll() is None)

    # -- ending ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Cancel everything and let the child end; ``stopped`` comes within about two seconds."""
        self._is_stopping = True
        self._stop_deadline_s = time.monotonic() + min(2.0, self._timing.grace_s)
        for job in list(self._jobs.values()):
            if job.given_up_s is None:
                self._give_up(job)
        for child in self._children:
            child.retire()
        self._timer.setInterval(50)
        self._timer.start()
        if not self._children:
            self._timer.stop()
            QTimer.singleShot(0, self, self.stopped.emit)

    def wait(self, timeout_s: float = 3.0) -> None:
        """Wait, at the very end of the program, until no child is left; what still runs after that is killed."""
        end_s = time.monotonic() + timeout_s
        children = list(self._children)
        for child in children:
            if not child.is_retired:
                child.retire()
            child.thread.join(max(0.0, end_s - time.monotonic()))
        for child in children:
            if child.thread.is_alive():
                child.kill()
                child.thread.join(2.0)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _current_child(self) -> _Child:
        for child in self._children:
            if not child.is_retired:
                return child
        child = _Child(self._home, self._post, self._stderr_path)
        self._children.append(child)
        return child

    def _post(self, child: _Child, message: dict[str, Any] | None) -> None:
        """Called on a thread of the child."""
        try:
            self._arrived.emit(child, message)
        except RuntimeError:
            # This object was deleted before its child ended; nobody waits for what it says.
            child.kill()

    def _give_up(self, job: _Job) -> None:
        job.given_up_s = time.monotonic()
        job.child.send({"cancel": job.id})

    @Slot(object, object)
    def _take(self, child: _Child, message: dict[str, Any] | None) -> None:
        if message is None:
            self._bury(child)
            return
        job = self._jobs.get(int(message.get("id", -1)))
        if job is None:
            return
        event = message.get("event")
        if event == "progress":
            if job.progressed is not None and self._is_heard(job):
                job.progressed(message["body"])
            return
        self._forget(job)
        if not self._is_heard(job):
            return
        if event == "done":
            job.then(message["result"])
        elif job.failed is not None:
            job.failed(error_from_json(dict(message["error"])))

    def _is_heard(self, job: _Job) -> bool:
        """Whether somebody still waits for it: the owner is there, and did not cancel it."""
        return job.given_up_s is None and _is_there(job.owner)

    def _forget(self, job: _Job) -> None:
        self._jobs.pop(job.id, None)
        job.child.jobs.discard(job.id)
        if not self._jobs:
            self._idle_since_s = time.monotonic()

    def _bury(self, child: _Child) -> None:
        if child in self._children:
            self._children.remove(child)
        for number in sorted(child.jobs):
            job = self._jobs[number]
            self._forget(job)
            if self._is_heard(job) and job.failed is not None:
                job.failed(
                    WorkerLost(
                        f"{_words(job.kind)} was interrupted: the process that did it ended unexpectedly "
                        f"(code {child.exit_code}).",
                        advice="Try again. If it happens again, a plug-in or a damaged file may be the cause.",
                    )
                )
        if self._is_stopping and not self._children:
            self._timer.stop()
            self.stopped.emit()

    def _tick(self) -> None:
        now_s = time.monotonic()
        for job in list(self._jobs.values()):
            if job.given_up_s is None:
                if not _is_there(job.owner):
                    self._give_up(job)
                elif job.deadline_s is not None and now_s > job.deadline_s:
                    self._tell_too_late(job)
            elif now_s - job.given_up_s > self._timing.grace_s:
                # It does not stop: its child takes no new job, and is killed once nobody else needs it.
                self._forget(job)
                job.child.is_retired = job.child.is_hung = True
        for child in self._children:
            if child.is_hung and not any(self._jobs[number].given_up_s is None for number in child.jobs):
                child.kill()
        if self._is_stopping:
            if now_s > self._stop_deadline_s:
                for child in self._children:
                    child.kill()
            return
        if not self._jobs:
            if not self._children:
                self._timer.stop()
            elif now_s - self._idle_since_s > self._timing.idle_s:
                for child in self._children:
                    child.retire()

    def _tell_too_late(self, job: _Job) -> None:
        heard = self._is_heard(job)
        self._give_up(job)
        if heard and job.failed is not None:
            limit_s = self._timing.limits_s.get(job.kind, _DEFAULT_LIMIT_S)
            job.failed(
                WorkerLost(
                    f"{_words(job.kind)} takes longer than {limit_s:.0f} s and was given up.",
                    advice="A disk or share that does not answer may be the cause. Try again when it does.",
                )
            )


def _is_there(owner: QObject) -> bool:
    return shiboken6.isValid(owner) or not guards.is_on("gone-owners-hear-nothing")


def _words(kind: str) -> str:
    return _WORDS.get(kind, "This work")
