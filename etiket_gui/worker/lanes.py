"""The lanes of a worker process: looks, moves and running measurements beside each other, each one task at a time.

A look (scan, probe) must not wait behind hours of copying; a move must not wait behind a slow scan; the newest points
of a running measurement must wait for neither, nor for a provisional version that is on its way.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, ProgramError, Stopped
from etiket_gui.domain.stopping import StopToken
from etiket_gui.worker.leisure import Leisure

log = logging.getLogger(__name__)

Send = Callable[[Mapping[str, Any]], None]
Handler = Callable[["Task"], dict[str, Any]]


class BeatingStopToken(StopToken):
    """A stop token that remembers when the work last asked it, so that a hang is seen from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_at_s = time.monotonic()
        self._leisure: Leisure | None = None
        self._is_hurried = False

    def stop(self) -> None:
        """Ask the work to end as soon as it can, also from a rest."""
        super().stop()
        self.hurry()

    def hurry(self) -> None:
        """Ask a look that takes its time to take none any more."""
        # First the word, then the look: who takes leisure does it the other way round, so that no hurry is missed.
        self._is_hurried = True
        if self._leisure is not None:
            self._leisure.hurry()

    def take_leisure(self, leisure: Leisure) -> None:
        """From now on the work may rest where it asks, unless somebody waits already."""
        self._leisure = leisure
        if self._is_hurried:
            leisure.hurry()

    def check(self) -> None:
        """Note a sign of life; raise Stopped when the work was asked to end. May rest where nobody waits."""
        self._live()
        if self._leisure is not None:
            self._leisure.rest_if_due(self._live)
        super().check()

    def _live(self) -> None:
        self.asked_at_s = time.monotonic()

    @property
    def is_stopped(self) -> bool:
        """Whether the work was asked to end; also a sign of life."""
        self.asked_at_s = time.monotonic()
        return super().is_stopped


class Task:
    """One task under way: what is asked, where its messages go, and how it is stopped."""

    def __init__(self, task_id: int, kind: str, body: Mapping[str, Any], send: Send) -> None:
        self.id = task_id
        self.kind = kind
        self.body = body
        self.stop = BeatingStopToken()
        self._send = send

    def tell(self, event: str, **body: Any) -> None:
        """Send a message about this task; also a sign of life."""
        self.stop.asked_at_s = time.monotonic()
        self._send({"id": self.id, "event": event, **body})


class Lane:
    """One thread that runs tasks in the order they come."""

    def __init__(self, name: str, handlers: Mapping[str, Handler], send: Send) -> None:
        self.name = name
        self.current: Task | None = None
        self._handlers = handlers
        self._send = send
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._waiting: dict[int, Task] = {}
        self._thread = threading.Thread(target=self._run, name=f"lane-{name}", daemon=True)
        self._thread.start()

    def add(self, task: Task) -> None:
        """Queue a task."""
        self._waiting[task.id] = task
        self._tasks.put(task)

    def cancel(self, task_id: int) -> bool:
        """Ask the task of that id to stop; False when this lane does not know it."""
        task = self._waiting.get(task_id)
        if task is None:
            return False
        if guards.is_on("cancel-ends-work"):
            task.stop.stop()
        return True

    def hurry(self, task_id: int) -> None:
        """Ask the task of that id to take no time off any more; harmless when this lane does not know it."""
        task = self._waiting.get(task_id)
        if task is not None:
            task.stop.hurry()

    def stop(self) -> None:
        """Cancel everything and end the thread after the present step."""
        for task in list(self._waiting.values()):
            task.stop.stop()
        self._tasks.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the present step to end, so that it can keep what it has done so far."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            # First the sign of life: a task that waited long in the queue must not look like one that hangs.
            task.stop.asked_at_s = time.monotonic()
            self.current = task
            try:
                self._run_one(task)
            except (OSError, ValueError):
                # The engine at the other end of the pipe is gone: this process ends with it.
                log.info("The engine is gone; the worker ends.")
                return
            finally:
                self.current = None
                self._waiting.pop(task.id, None)

    def _run_one(self, task: Task) -> None:
        try:
            task.stop.check()
            result = self._handlers[task.kind](task)
        except Stopped as error:
            self._send({"id": task.id, "event": "error", "error": error.to_json()})
        except EtiketError as error:
            self._send({"id": task.id, "event": "error", "error": error.to_json()})
        except BaseException as error:
            # Also SystemExit, which would end the lane without a word and leave the engine waiting for ever.
            if not guards.is_on("bugs-have-a-name"):
                raise
            log.exception("A task of kind %s failed by a bug.", task.kind)
            detail = "".join(traceback.format_exception_only(error)).strip()
            bug = ProgramError(f"The task {task.kind!r} failed: {detail}")
            self._send({"id": task.id, "event": "error", "error": bug.to_json()})
        else:
            self._tell_result(task, result)

    def _tell_result(self, task: Task, result: dict[str, Any]) -> None:
        try:
            self._send({"id": task.id, "event": "done", "result": result})
        except TypeError as error:
            log.exception("The result of a task of kind %s is no message.", task.kind)
            bug = ProgramError(f"The task {task.kind!r} came to something that cannot be told: {error}")
            self._send({"id": task.id, "event": "error", "error": bug.to_json()})
