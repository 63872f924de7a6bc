"""What the parts of the coordinator share: the store, the workers, the clock, the timers and the listeners."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from etiket_gui.domain.events import Event
from etiket_gui.engine.budget import Budget
from etiket_gui.engine.diary import Diary
from etiket_gui.engine.timers import Timers
from etiket_gui.engine.workers import WorkerPool
from etiket_gui.settings.settings import Settings
from etiket_gui.store.reader import StoreReader
from etiket_gui.store.writer import StoreWriter


class Clock(Protocol):
    """Wall and monotonic time; the tests bring their own."""

    def now_ns(self) -> int:
        """Wall time, ns since 1970 UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never jump."""


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Wall time, ns since 1970 UTC."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()


@dataclass(slots=True)
class Desk:
    """Shared by the parts of one coordinator, on its thread alone."""

    writer: StoreWriter
    reader: StoreReader
    pool: WorkerPool
    clock: Clock
    settings: Settings
    budget: Budget
    emit: Callable[[Event], None]
    timers: Timers = field(default_factory=Timers)
    rng: random.Random = field(default_factory=random.Random)
    is_clock_trusted: bool = True
    diary: Diary = field(init=False)

    def __post_init__(self) -> None:
        self.diary = Diary(self.say, self.clock, self.timers)

    def say(
        self, sentence: str, *, source_id: int | None = None, dataset_id: int | None = None, at_ns: int | None = None
    ) -> None:
        """Write a sentence into the activity list; ``at_ns``: when it happened, None for now."""
        self.writer.add_activity(sentence, source_id=source_id, dataset_id=dataset_id, at_ns=at_ns)
