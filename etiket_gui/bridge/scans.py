"""Which sources are being looked through now, said only of looks that last long enough to be read about."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.domain.commands import AskStatus, Reply
from etiket_gui.domain.events import Event, ScanBroken, ScanFinished, ScanStarted

#: A look that is over sooner is not told: a sentence that comes and goes is not read, only noticed.
TOLD_AFTER_S = 1.0
#: What was told stays told for so long, also when the look ends at once after that.
TOLD_FOR_S = 1.0


@dataclass(slots=True)
class _Scan:
    begun_s: float
    ended_s: float | None = None

    def is_told(self, now_s: float) -> bool:
        told_s = self.begun_s + TOLD_AFTER_S
        return now_s >= told_s and (self.ended_s is None or now_s < max(self.ended_s, told_s + TOLD_FOR_S))

    def is_over(self, now_s: float) -> bool:
        if self.ended_s is None:
            return False
        told_s = self.begun_s + TOLD_AFTER_S
        return self.ended_s < told_s or now_s >= max(self.ended_s, told_s + TOLD_FOR_S)


class Scans:
    """What is looked through, by source. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._scans: dict[int, _Scan] = {}

    def note(self, event: Event, now_s: float) -> bool:
        """Take note of an event; whether it was about a look at everything."""
        match event:
            case ScanStarted(source_id=source_id):
                self._scans[source_id] = _Scan(now_s)
            case ScanFinished(source_id=source_id) | ScanBroken(source_id=source_id):
                scan = self._scans.get(source_id)
                if scan is not None and scan.ended_s is None:
                    scan.ended_s = now_s
            case _:
                return False
        return True

    def take(self, begun: Iterable[tuple[int, float]], now_s: float) -> None:
        """These sources have been looked through for so many seconds: of looks that began before this was there."""
        for source_id, for_s in begun:
            self._scans.setdefault(source_id, _Scan(now_s - for_s))

    def forget_all(self) -> None:
        """The engine ended."""
        self._scans.clear()

    def under_way(self, now_s: float) -> dict[int, float]:
        """For how long each source that is to be told of has been looked through, in seconds."""
        for source_id in [key for key, scan in self._scans.items() if scan.is_over(now_s)]:
            del self._scans[source_id]
        return {
            key: (now_s if scan.ended_s is None else scan.ended_s) - scan.begun_s
            for key, scan in self._scans.items()
            if scan.is_told(now_s)
        }

    def changes_in_s(self, now_s: float) -> float | None:
        """When the answer of :meth:`under_way` may be another by itself; None: only by an event."""
        told_s = [scan.begun_s + TOLD_AFTER_S for scan in self._scans.values()]
        times = [*told_s, *(time_s + TOLD_FOR_S for time_s in told_s)]
        return min((time_s - now_s for time_s in times if time_s > now_s), default=None)


class ScanWatch(QObject):
    """Follows the looks of one engine; ``changed`` when another source is to be told of, or one no more."""

    changed = Signal()

    def __init__(
        self, host: EngineHost, parent: QObject | None = None, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._scans = Scans()
        self._monotonic_s = monotonic_s
        self._told: frozenset[int] = frozenset()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)
        host.eventHappened.connect(self._note)
        host.stopped.connect(self._forget)
        if host.is_running:
            host.ask(AskStatus(), self, self._take_status)

    @property
    def under_way(self) -> dict[int, float]:
        """For how long each source that is to be told of has been looked through, in seconds."""
        return self._scans.under_way(self._monotonic_s())

    def _take_status(self, reply: Reply) -> None:
        self._scans.take(reply.value.get("scans", ()), self._monotonic_s())
        self._look()

    @Slot(object)
    def _note(self, event: Event) -> None:
        if self._scans.note(event, self._monotonic_s()):
            self._look()

    @Slot()
    def _forget(self) -> None:
        self._scans.forget_all()
        self._look()

    @Slot()
    def _look(self) -> None:
        now_s = self._monotonic_s()
        told = frozenset(self._scans.under_way(now_s))
        wait_s = self._scans.changes_in_s(now_s)
        if wait_s is not None:
            self._timer.start(int(wait_s * 1000) + 20)
        if told != self._told:
            self._told = told
            self.changed.emit()
