"""The warm child processes: starts, feeds, times and replaces them. Owned by the coordinator's thread.

Each worker has four lanes: looks, moves, the newest points of running measurements and what is sent of them early, one
task at a time in each. A worker that dies, hangs or grows is replaced; what it was doing is told as lost.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.tasks import LANES, TaskKind
from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message
from etiket_gui.osys.processes import resident_bytes

log = logging.getLogger(__name__)

_RECYCLE_DATASETS = 500
_RECYCLE_BYTES = 300 * 1024 * 1024
_RECYCLE_IDLE_S = 600.0
_EXTRA_IDLE_S = 30.0
#: Above this a worker holds what drawing or converting took; engine, watcher and it stay below 150 MB when idle.
_SWOLLEN_BYTES = 72 * 1024 * 1024
_LONGEST_LOG_BYTES = 2_000_000
#: Longest time without a sign of life, by lane; a look on a dead share hangs in the kernel and never gives one.
SILENCE_S = {"look": 60.0, "move": 120.0, "live": 60.0, "early": 120.0}


@dataclass(slots=True)
class RunningTask:
    """A task that a worker has: what was asked, and whom to tell."""

    id: int
    kind: TaskKind
    body: Mapping[str, Any]
    on_message: Callable[[RunningTask, Mapping[str, Any]], None]
    worker: Worker
    started_s: float
    context: Any = None
    is_cancelled: bool = False
    is_hurried: bool = False

    @property
    def lane(self) -> str:
        """The lane it runs in."""
        return self.kind.lane


@dataclass(eq=False, slots=True)
class Worker:
    """One child process."""

    number: int
    process: subprocess.Popen[bytes]
    writer: MessageWriter
    busy: dict[str, list[RunningTask]] = field(default_factory=lambda: {lane: [] for lane in LANES})
    datasets_done: int = 0
    resident_bytes: int = 0
    idle_since_s: float = 0.0
    is_retiring: bool = False
    #: The lane whose silence had the worker killed; what the other lane did is not to blame.
    hung_lane: str = ""

    @property
    def is_idle(self) -> bool:
        """Whether no lane has a task."""
        return not any(self.busy.values())


def worker_command(*arguments: str) -> list[str]:
    """The command that starts a child process of this program; the frozen program starts itself."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--worker", *arguments]
    return [sys.executable, "-m", "etiket_gui", "--worker", *arguments]


def start_child(*arguments: str, stderr_path: str | None = None) -> subprocess.Popen[bytes]:
    """Start a child process with pipes for messages; its standard error goes to a file or to ours."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    creation_flags = 0
    if sys.platform == "win32":
        creation_flags = subprocess.CREATE_NO_WINDOW
    if stderr_path is not None:
        _keep_short(stderr_path)
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(open(stderr_path, "ab")) if stderr_path else None
        return subprocess.Popen(
            worker_command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            creationflags=creation_flags,
            # A signal for the engine's terminal must not end the worker in the middle of a message.
            start_new_session=sys.platform != "win32",
        )


def _keep_short(log_path: str) -> None:
    """Set a long log of the children aside, over the one set aside before it."""
    try:
        if os.path.getsize(log_path) > _LONGEST_LOG_BYTES:
            os.replace(log_path, f"{log_path}.1")
    except FileNotFoundError:
        return
    except OSError as error:
        log.info("The workers' log could not be set aside: %s", error)


class WorkerPool:
    """Up to ``limit`` workers. ``post`` hands a message of any worker to the coordinator's inbox, from any thread."""

    def __init__(
        self, home_message: Mapping[str, Any], post: Callable[[Callable[[], None]], None], *, stderr_path: str | None
    ) -> None:
        self._home_message = dict(home_message)
        self._post = post
        self._stderr_path = stderr_path
        self._workers: list[Worker] = []
        self._numbers = itertools.count(1)
        self._task_ids = itertools.count(1)
        self._tasks: dict[int, RunningTask] = {}
        self._rate_bytes_per_s: float | None = None
        self._told_share: float | None = None
        self._options: dict[str, Any] = {}
        self._limit = 1
        self._deaths: list[float] = []
        self.on_restart: Callable[[str], None] = lambda reason: None
        self.on_free: Callable[[], None] = lambda: None
        #: Answers a worker that asks for a secret, by sending to it.
        self.on_secret_wanted: Callable[[Mapping[str, Any], Callable[[Mapping[str, Any]], None]], None] | None = None

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The process ids of the workers that run now."""
        return tuple(worker.process.pid for worker in self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether no task is under way."""
        return not self._tasks

    def running(self, kind: TaskKind) -> list[RunningTask]:
        """The tasks of one kind that are under way."""
        return [task for task in self._tasks.values() if task.kind is kind]

    def running_transfers(self) -> list[RunningTask]:
        """The transfers that are under way."""
        return self.running(TaskKind.TRANSFER)

    def set_limits(self, workers: int, rate_bytes_per_s: float | None, options: Mapping[str, Any]) -> None:
        """How many workers may move data, how fast all together, and options for destinations."""
        workers = max(1, workers)
        if (workers, rate_bytes_per_s, dict(options)) == (self._limit, self._rate_bytes_per_s, self._options):
            return
        self._limit, self._rate_bytes_per_s, self._options = workers, rate_bytes_per_s, dict(options)
        self._told_share = self._share_bytes_per_s()
        for worker in self._workers:
            self._tell_limits(worker)

    def _share_bytes_per_s(self) -> float | None:
        """What each worker may take; where the limit fell, those that still move data share it meanwhile."""
        if self._rate_bytes_per_s is None:
            return None
        moving = sum(bool(worker.busy["move"]) for worker in self._workers)
        return self._rate_bytes_per_s / max(self._limit, moving)

    def _share_anew(self) -> None:
        share = self._share_bytes_per_s()
        if share != self._told_share:
            self._told_share = share
            for worker in self._workers:
                self._tell_limits(worker)

    def _tell_limits(self, worker: Worker) -> None:
        self._send(worker, {"rate_bytes_per_s": self._told_share, "options": self._options})

    def _alive(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.is_retiring]

    def free_lanes(self, lane: str) -> int:
        """How many tasks could start now in a lane, counting workers that may still be started."""
        return max(0, self._limit - sum(bool(worker.busy[lane]) for worker in self._alive()))

    def can_take(self, kind: TaskKind) -> bool:
        """Whether a task of this kind could start now."""
        return not self._is_too_deadly() and self.free_lanes(kind.lane) > 0

    def can_queue_move(self) -> bool:
        """Whether a move could wait behind one that is nearly done, so that no worker waits for the engine."""
        return self._worker_to_queue_at() is not None

    def _worker_to_queue_at(self) -> Worker | None:
        if self._is_too_deadly() or self.free_lanes("move") or len(self._alive()) > self._limit:
            return None
        for worker in self._alive():
            tasks = worker.busy["move"]
            is_short = len(tasks) == 1 and tasks[0].kind is TaskKind.TRANSFER and not tasks[0].context.is_large
            if is_short and worker.datasets_done < _RECYCLE_DATASETS:
                return worker
        return None

    def _is_too_deadly(self) -> bool:
        """Whether workers died so often lately (5 in a minute) that starting more would only burn the machine."""
        now_s = time.monotonic()
        self._deaths = [death for death in self._deaths if now_s - death < 60.0]
        return len(self._deaths) >= 5

    def start_task(
        self,
        kind: TaskKind,
        body: Mapping[str, Any],
        on_message: Callable[[RunningTask, Mapping[str, Any]], None],
        context: Any = None,
        *,
        may_queue: bool = False,
    ) -> RunningTask | None:
        """Give a task to a worker, starting one where needed; None when no lane is free.

        ``may_queue``: a move may also wait behind a short one.
        """
        lane = kind.lane
        if not self.can_take(kind):
            for task in [task for worker in self._workers for task in worker.busy[lane]]:
                self.hurry(task)
        if self.can_take(kind):
            candidates = [worker for worker in self._alive() if not worker.busy[lane]]
            worker = candidates[0] if candidates else self._start_worker()
        else:
            waiting_room = self._worker_to_queue_at() if may_queue else None
            if waiting_room is None:
                return None
            worker = waiting_room
        task = RunningTask(next(self._task_ids), kind, body, on_message, worker, time.monotonic(), context)
        worker.busy[lane].append(task)
        self._tasks[task.id] = task
        self._share_anew()
        self._send(worker, {"task": task.id, "kind": kind.value, "body": body})
        return task

    def forget_secret(self, account: str) -> None:
        """A person gave another secret or removed it: no worker uses the one it remembers any more."""
        for worker in self._workers:
            self._send(worker, {"forget_secret": account})

    def warm_up(self) -> None:
        """Start all workers that may run, ahead of work that is expected."""
        while len([worker for worker in self._workers if not worker.is_retiring]) < self._limit:
            self._start_worker()

    def hurry(self, task: RunningTask) -> None:
        """Somebody waits for a task that takes its time; harmless for any other."""
        if task.body.get("is_leisurely") and not task.is_hurried:
            task.is_hurried = True
            self._send(task.worker, {"hurry": task.id})

    def cancel(self, task: RunningTask) -> None:
        """Ask a task to stop; its answer still comes."""
        task.is_cancelled = True
        self._send(task.worker, {"cancel": task.id})

    def _start_worker(self) -> Worker:
        process = start_child(stderr_path=self._stderr_path)
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the child was started with pipes")
        worker = Worker(next(self._numbers), process, MessageWriter(process.stdin))
        worker.idle_since_s = time.monotonic()
        self._workers.append(worker)
        self._send(worker, self._home_message)
        self._tell_limits(worker)
        threading.Thread(target=self._read, args=(worker,), name=f"worker-{worker.number}-reader", daemon=True).start()
        return worker

    def _send(self, worker: Worker, message: Mapping[str, Any]) -> None:
        try:
            worker.writer.send(message)
        except (OSError, ValueError):
            # The reader thread sees the same end of the pipe and reports the death.
            log.info("Worker %d does not take messages any more.", worker.number)

    def _read(self, worker: Worker) -> None:
        stream = worker.process.stdout
        if stream is None:
            raise AssertionError("the child was started with pipes")
        reason = "ended"
        try:
            while (message := read_message(stream)) is not None:
                self._post(lambda message=message: self._take(worker, message))  # type: ignore[misc]
        except (OSError, ValueError, BrokenFraming) as error:
            reason = f"sent nonsense ({error})"
            worker.process.kill()
        stream.close()
        worker.process.wait()
        self._post(lambda: self._bury(worker, reason))

    def _take(self, worker: Worker, message: Mapping[str, Any]) -> None:
        if "id" not in message:
            self._take_beat(worker, message)
            return
        task = self._tasks.get(message["id"])
        if task is None:
            return
        if message["event"] == "sent":
            worker.datasets_done += 1
        is_last = message["event"] in {"done", "error"}
        if is_last:
            self._release(task)
        task.on_message(task, message)
        if is_last:
            self._retire_if_due(worker)
            self.on_free()

    def _release(self, task: RunningTask) -> None:
        self._tasks.pop(task.id, None)
        task.worker.busy[task.lane].remove(task)
        if task.worker.is_idle:
            task.worker.idle_since_s = time.monotonic()
        self._share_anew()

    def _take_beat(self, worker: Worker, message: Mapping[str, Any]) -> None:
        if message.get("event") == "secret_wanted" and self.on_secret_wanted is not None:
            self.on_secret_wanted(message, worker.writer.send)
        if message.get("event") != "beat":
            return
        worker.resident_bytes = int(message.get("resident_bytes", 0))
        for lane, (task_id, silent_s) in message.get("silent_s", {}).items():
            is_silent = silent_s > SILENCE_S[lane] and guards.is_on("silent-workers-are-replaced")
            if is_silent and any(task.id == task_id for task in worker.busy[lane]):
                log.warning("Worker %d gave no sign of life for %.0f s and is replaced.", worker.number, silent_s)
                worker.hung_lane = lane
                worker.process.kill()

    def _retire_if_due(self, worker: Worker) -> None:
        is_spent = worker.datasets_done >= _RECYCLE_DATASETS or worker.resident_bytes > _RECYCLE_BYTES
        if is_spent and not worker.is_retiring:
            worker.is_retiring = True
            for task in [task for tasks in worker.busy.values() for task in tasks]:
                self.hurry(task)
        if worker.is_retiring and worker.is_idle:
            worker.writer.close()

    def recycle_idle(self) -> None:
        """End workers without work: the first after ten idle minutes, those beside it and swollen ones after half a
        minute.

        One is started again when there is work.
        """
        now_s = time.monotonic()
        for place, worker in enumerate(self._alive()):
            is_swollen = worker.is_idle and resident_bytes(worker.process.pid) > _SWOLLEN_BYTES
            longest_s = _EXTRA_IDLE_S if place or is_swollen else _RECYCLE_IDLE_S
            if worker.is_idle and now_s - worker.idle_since_s >= longest_s:
                worker.is_retiring = True
                worker.writer.close()

    def _bury(self, worker: Worker, reason: str) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        worker.writer.close()
        lost = [task for tasks in worker.busy.values() for task in tasks]
        waiting = [task for tasks in worker.busy.values() for task in tasks[1:]]
        if not worker.is_retiring or lost:
            code = worker.process.returncode
            log.warning("Worker %d %s with code %s while it had %d tasks.", worker.number, reason, code, len(lost))
            self._deaths.append(time.monotonic())
            self.on_restart(f"{reason}, code {code}")
        for task in lost:
            self._release(task)
            # A rest ends no process; a scan that does is tried again without any, and is then to blame.
            is_resting = bool(task.body.get("is_leisurely")) and not task.is_hurried and not worker.hung_lane
            is_innocent = task in waiting or is_resting or worker.hung_lane not in {"", task.lane}
            if is_innocent:
                stopped = Stopped(f"The process that was to do this {reason}.")
                task.on_message(task, {"id": task.id, "event": "error", "error": stopped.to_json()})
            else:
                task.on_message(task, {"id": task.id, "event": "lost", "reason": reason})
        self.on_free()

    def stop(self, timeout_s: float) -> None:
        """Cancel everything and end all workers; those that do not end in time are killed."""
        for worker in self._workers:
            worker.is_retiring = True
            worker.writer.close()
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers:
            try:
                worker.process.wait(max(0.05, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.info("Worker %d did not end in time and is killed.", worker.number)
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()
        self._tasks.clear()
