"""What becomes of the tasks of a worker that died or was replaced: only the culprit is blamed."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.workers import RunningTask, Worker, WorkerPool
from etiket_gui.osys.framing import MessageWriter
from etiket_gui.worker import process
from etiket_gui.worker.lanes import Lane, Task

pytestmark = pytest.mark.allows_log("Worker 1 ended")


class Told:
    """The last event of each task, by kind and number."""

    def __init__(self) -> None:
        self.events: dict[int, str] = {}

    def __call__(self, task: RunningTask, message: Mapping[str, Any]) -> None:
        self.events[task.id] = message["event"] if message["event"] != "error" else message["error"]["kind"]


def _pool_with(kinds: list[TaskKind]) -> tuple[WorkerPool, Worker, Told]:
    pool = WorkerPool({}, lambda action: action(), stderr_path=None)
    worker = Worker(1, SimpleNamespace(returncode=-9), MessageWriter(io.BytesIO()))  # type: ignore[arg-type]
    pool._workers.append(worker)
    told = Told()
    for number, kind in enumerate(kinds):
        task = RunningTask(number, kind, {}, told, worker, 0.0)
        worker.busy[task.lane].append(task)
        pool._tasks[task.id] = task
    return pool, worker, told


def test_a_hanging_look_is_lost_and_the_transfer_beside_it_is_only_stopped() -> None:
    pool, worker, told = _pool_with([TaskKind.DISCOVER, TaskKind.TRANSFER])
    worker.hung_lane = "look"
    pool._bury(worker, "ended")
    assert told.events == {0: "lost", 1: "Stopped"}
    assert pool.is_idle


def test_a_task_that_waited_behind_the_one_that_killed_the_worker_is_only_stopped() -> None:
    pool, worker, told = _pool_with([TaskKind.TRANSFER, TaskKind.TRANSFER])
    pool._bury(worker, "ended")
    assert told.events == {0: "lost", 1: "Stopped"}


def test_when_a_worker_dies_of_itself_both_lanes_are_suspects() -> None:
    pool, worker, told = _pool_with([TaskKind.DISCOVER, TaskKind.TRANSFER])
    pool._bury(worker, "ended")
    assert told.events == {0: "lost", 1: "lost"}


def _rests(pool: WorkerPool) -> RunningTask:
    [task] = [task for task in pool._tasks.values() if task.kind is TaskKind.DISCOVER]
    task.body = {"is_leisurely": True}
    return task


def test_a_scan_that_rests_is_not_to_blame_for_the_end_of_its_worker() -> None:
    pool, worker, told = _pool_with([TaskKind.DISCOVER, TaskKind.TRANSFER])
    _rests(pool)
    pool._bury(worker, "ended")
    assert told.events == {0: "Stopped", 1: "lost"}


@pytest.mark.parametrize("why", ["it hung", "it was in a hurry"])
def test_a_scan_that_hung_or_was_in_a_hurry_is_a_suspect(why: str) -> None:
    pool, worker, told = _pool_with([TaskKind.DISCOVER])
    _rests(pool).is_hurried = why == "it was in a hurry"
    worker.hung_lane = "look" if why == "it hung" else ""
    pool._bury(worker, "ended")
    assert told.events == {0: "lost"}


def test_a_worker_that_did_enough_does_not_live_on_for_a_scan_that_rests() -> None:
    pool, worker, _ = _pool_with([TaskKind.DISCOVER, TaskKind.TRANSFER])
    resting = _rests(pool)
    sent: list[Mapping[str, Any]] = []
    pool._send = lambda worker, message: sent.append(message)  # type: ignore[method-assign]
    worker.datasets_done = 500
    pool._take(worker, {"id": 1, "event": "done"})
    assert worker.is_retiring
    assert resting.is_hurried
    assert {"hurry": resting.id} in sent


def test_two_transfers_that_run_on_when_only_one_may_keep_to_the_limit_together() -> None:
    pool, first, told = _pool_with([TaskKind.TRANSFER])
    second = Worker(2, SimpleNamespace(returncode=0), MessageWriter(io.BytesIO()))  # type: ignore[arg-type]
    pool._workers.append(second)
    running = RunningTask(7, TaskKind.TRANSFER, {}, told, second, 0.0)
    second.busy["move"].append(running)
    pool._tasks[7] = running
    shares: dict[int, float | None] = {}
    pool._send = lambda worker, message: shares.update(  # type: ignore[method-assign]
        {worker.number: message["rate_bytes_per_s"]} if "rate_bytes_per_s" in message else {}
    )
    pool.set_limits(2, None, {})
    pool.set_limits(1, 5e6, {})
    assert shares == {1: 2.5e6, 2: 2.5e6}
    pool._take(second, {"id": 7, "event": "done"})
    assert shares == {1: 5e6, 2: 5e6}
    assert first.busy["move"]


@pytest.mark.parametrize(("passed_s", "silent_s"), [(5.0, 105.0), (3600.0, 0.0)], ids=["awake", "after a sleep"])
def test_silence_while_the_machine_slept_is_not_the_tasks(
    monkeypatch: pytest.MonkeyPatch, passed_s: float, silent_s: float
) -> None:
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    told: list[Mapping[str, Any]] = []

    class OneBeat(threading.Event):
        beats = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.beats += 1
            clock.now_s += passed_s
            return self.beats > 1

    task = SimpleNamespace(id=7, stop=SimpleNamespace(asked_at_s=900.0))
    writer = SimpleNamespace(send=told.append)
    process._beat({"move": SimpleNamespace(current=task)}, writer, OneBeat(), lambda: 0)  # type: ignore[arg-type]
    assert told[0]["silent_s"] == {"move": [7, silent_s]}


@pytest.mark.allows_log("is no message")
def test_a_result_that_is_no_message_is_told_as_a_bug_and_the_lane_goes_on() -> None:
    told: list[Mapping[str, Any]] = []
    writer = MessageWriter(io.BytesIO())

    def send(message: Mapping[str, Any]) -> None:
        writer.send(message)
        told.append(message)

    lane = Lane("move", {"sweep": lambda task: {"removed": object() if task.id == 1 else 3}}, send)
    for number in (1, 2):
        lane.add(Task(number, "sweep", {}, send))
    end_s = time.monotonic() + 5.0
    while len(told) < 2 and time.monotonic() < end_s:
        time.sleep(0.01)
    lane.stop()
    lane.join(5.0)
    assert [message["event"] for message in told] == ["error", "done"]
    assert told[0]["error"]["kind"] == "ProgramError"
