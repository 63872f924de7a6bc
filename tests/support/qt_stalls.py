"""How long the window's thread did not answer: a probe that beats on it and keeps the pauses between the beats."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer


@dataclass(frozen=True, slots=True)
class Stalls:
    """Pauses in milliseconds, of ``count`` beats."""

    p50_ms: float
    p99_ms: float
    longest_ms: float
    over_16_ms: int
    over_100_ms: int
    count: int


class StallProbe(QObject):
    """Beats every millisecond while the event loop runs; what comes late is the time the thread was busy.

    ``take`` gives the pauses since the last call. Belongs to the GUI thread.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pauses_ms: list[float] = []
        self._last_s = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now_s = time.perf_counter()
        self._pauses_ms.append((now_s - self._last_s) * 1000)
        self._last_s = now_s

    def begin(self) -> None:
        """Forget what was before."""
        self._pauses_ms.clear()
        self._last_s = time.perf_counter()

    def take(self) -> Stalls:
        """The pauses since :meth:`begin`, the present one included."""
        self._beat()
        pauses = sorted(self._pauses_ms)
        self._pauses_ms = []
        return Stalls(
            p50_ms=pauses[len(pauses) // 2],
            p99_ms=pauses[int(len(pauses) * 0.99)],
            longest_ms=pauses[-1],
            over_16_ms=sum(pause > 16 for pause in pauses),
            over_100_ms=sum(pause > 100 for pause in pauses),
            count=len(pauses),
        )

    def stop(self) -> None:
        """End it."""
        self._timer.stop()
