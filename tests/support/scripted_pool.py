"""Workers that are played: tasks take time on a fake clock and answer what a test says, in the worker's own words."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from etiket_gui.domain.content import Description, DiscoverySummary, FileEntry, Found
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.tasks import SourceTraits, TaskKind
from etiket_gui.engine.coordinator import Coordinator
from tests.support.clock import FakeClock

Message = dict[str, Any]
#: What a task says, each after so many seconds: the last one is "done" or "error".
Script = Iterator[tuple[float, Message]]


class EngineClock(FakeClock):
    """The fake clock as the engine wants it."""

    def monotonic_s(self) -> float:
        """Seconds that never jump."""
        return self.monotonic()


class ScriptedPool:
    """Stands for the pool of workers. ``look(body)`` gives the finds, ``send_s(item)`` the seconds a dataset takes."""

    def __init__(self, clock: EngineClock, traits: SourceTraits) -> None:
        self.clock = clock
        self.traits = traits
        self.workers = 1
        self.rate_bytes_per_s: float | None = None
        self.full_rate_bytes_per_s = 100e6
        self.look: Callable[[], list[Found]] = list
        self.failures: dict[str, Message] = {}
        #: What re-reading the copies of these remotes says, and the remotes that were re-read well.
        self.unreadable: dict[str, Message] = {}
        self.verified: list[str] = []
        self.cancelled: list[TaskKind] = []
        #: Whether the destination has something of the source already, which is then read back for so long.
        self.read_back_s: float | None = None
        self.archived_at_ns: dict[str, int] = {}
        self.rates: list[tuple[int, float | None]] = []
        self._numbers = itertools.count(1)
        self._due: list[tuple[float, int, Any, Message, Script]] = []
        self._tasks: dict[int, Any] = {}
        self.hurried: list[Any] = []

    process_ids: tuple[int, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether no task is under way."""
        return not self._tasks

    def running(self, kind: TaskKind) -> list[Any]:
        """The tasks of one kind."""
        return [task for task in self._tasks.values() if task.kind is kind]

    def running_transfers(self) -> list[Any]:
        """The transfers."""
        return self.running(TaskKind.TRANSFER)

    def set_limits(self, workers: int, rate_bytes_per_s: float | None, options: Mapping[str, Any]) -> None:
        """How many workers, and how fast all together."""
        if (workers, rate_bytes_per_s) != (self.workers, self.rate_bytes_per_s):
            self.rates.append((self.clock.now_ns(), rate_bytes_per_s))
        self.workers, self.rate_bytes_per_s = workers, rate_bytes_per_s

    def hurry(self, task: Any) -> None:
        """Somebody waits for a task that takes its time."""
        if task.body.get("is_leisurely") and not task.is_hurried:
            task.is_hurried = True
            self.hurried.append(task)

    def can_take(self, kind: TaskKind) -> bool:
        """Whether a lane is free."""
        lane = kind.lane
        return sum(task.kind.lane == lane for task in self._tasks.values()) < self.workers

    def can_queue_move(self) -> bool:
        """Nothing waits at a worker here."""
        return False

    def start_task(
        self, kind: TaskKind, body: Mapping[str, Any], on_message: Any, context: Any = None, *, may_queue: bool = False
    ) -> Any:
        """Begin to play a task."""
        if not self.can_take(kind):
            return None
        task = SimpleNamespace(
            id=next(self._numbers), kind=kind, body=body, on_message=on_message, context=context, is_hurried=False
        )
        self._tasks[task.id] = task
        self._plan(task, self._script(kind, body))
        return task

    def _plan(self, task: Any, script: Script) -> None:
        after_s, message = next(script)
        heapq.heappush(self._due, (self.clock.monotonic() + after_s, next(self._numbers), task, message, script))

    @property
    def next_due_s(self) -> float | None:
        """When the next answer comes."""
        return self._due[0][0] if self._due else None

    def play(self, coordinator: Coordinator) -> None:
        """Hand the coordinator every answer that is due."""
        while self._due and self._due[0][0] <= self.clock.monotonic():
            _, _, task, message, script = heapq.heappop(self._due)
            if task.id not in self._tasks:
                continue
            if message["event"] in {"done", "error"}:
                del self._tasks[task.id]
            else:
                self._plan(task, script)
            coordinator.post(lambda task=task, message=message: task.on_message(task, message))  # type: ignore[misc]

    def cancel(self, task: Any) -> None:
        """Note that a task was to stop; it goes on all the same."""
        self.cancelled.append(task.kind)

    def recycle_idle(self) -> None:
        """Nothing to recycle."""

    def stop(self, timeout_s: float) -> None:
        """Nothing to stop."""

    def _script(self, kind: TaskKind, body: Mapping[str, Any]) -> Script:
        match kind:
            case TaskKind.DESCRIBE_SOURCE:
                yield 0.1, {"event": "done", "result": {"traits": self.traits.to_json()}}
            case TaskKind.DISCOVER:
                asked = body["request"].get("identifiers")
                found = [item for item in self.look() if asked is None or item.identifier in asked]
                yield 0.1, {"event": "found", "rows": [item.to_row() for item in found]}
                summary = DiscoverySummary(len(found), duration_s=0.1, is_complete_scan=asked is None)
                yield 0.0, {"event": "done", "result": {"summary": summary.to_json()}}
            case TaskKind.TRANSFER:
                yield from self._send(body["items"])
            case TaskKind.PROBE:
                result = {"problems": [], "batch_size": 1, "address": "", "free_bytes": 10**12}
                yield 0.1, {"event": "done", "result": result}
            case TaskKind.REMEMBER:
                yield 0.1, {"event": "done", "result": {"was_known": self.read_back_s is not None}}
            case TaskKind.RECOVER:
                yield self.read_back_s or 0.1, {"event": "done", "result": {}}
            case TaskKind.SWEEP:
                yield 0.1, {"event": "done", "result": {"removed": 0}}
            case TaskKind.VERIFY | TaskKind.DERIVE:
                checked = {"event": "checked", "verified_at_ns": self.clock.now_ns(), "is_proven": True}
                for place, (_, remote, *_) in enumerate(body["copies"]):
                    if kind is TaskKind.VERIFY and remote in self.unreadable:
                        yield 0.01, {"event": "failed", "place": place, "error": self.unreadable[remote]}
                        continue
                    if kind is TaskKind.VERIFY:
                        self.verified.append(remote)
                    yield 0.01, {**checked, "place": place, "differences": []}
                yield 0.0, {"event": "done", "result": {}}
            case TaskKind.LIVE:
                yield 0.1, {"event": "done", "result": {"runs": {}, "more": []}}
            case _:
                yield 0.1, {"event": "done", "result": {}}

    def _send(self, items: list[Message]) -> Script:
        for place, item in enumerate(items):
            identifier, size_bytes = item["reference"]["identifier"], item["size_bytes"]
            yield 0.0, {"event": "started", "place": place, "files": 1, "size_bytes": size_bytes}
            if identifier in self.failures:
                yield 0.1, {"event": "failed", "place": place, "error": self.failures[identifier]}
                continue
            rest_bytes = float(size_bytes)
            while rest_bytes > 0:
                # A limit may change on the way.
                rate = self.rate_bytes_per_s or self.full_rate_bytes_per_s
                step_s = min(rest_bytes / rate, 30.0)
                rest_bytes -= rate * step_s
                yield step_s + 0.001, {"event": "progress", "rows": []}
            entry = FileEntry("data", EntryKind.FILE, size_bytes, 0, sha256="0" * 64)
            description = Description(name=identifier, identifier=identifier)
            receipt = {
                "remote": f"w/{identifier}", "version": "1.0.0", "digest": "1" * 64, "level": "re_read",
                "verified_at_ns": self.clock.now_ns(), "is_new": True, "is_provisional": False,
                "new_bytes": size_bytes, "description": description.to_json(), "notes": [],
            }  # fmt: skip
            self.archived_at_ns[identifier] = self.clock.now_ns()
            yield 0.0, {"event": "sent", "place": place, "receipt": receipt, "rows": [entry.to_row()]}
        yield 0.0, {"event": "done", "result": {}}


def pass_time(coordinator: Coordinator, pool: ScriptedPool, seconds: float) -> None:
    """Let so much fake time pass, from one thing that is due to the next."""
    clock = pool.clock
    end_s = clock.monotonic() + seconds
    while True:
        pool.play(coordinator)
        for _ in range(2):
            coordinator.turn(0.0)
        wakes = [pool.next_due_s, coordinator.desk.timers.next_due_s()]
        wakes += [source.wake_at_s for source in coordinator.sources.values()]
        now_s = clock.monotonic()
        next_s = min((due_s for due_s in wakes if due_s is not None), default=end_s)
        if next_s >= end_s:
            clock.advance(max(0.0, end_s - now_s))
            return
        clock.advance(max(next_s - now_s, 0.01))
