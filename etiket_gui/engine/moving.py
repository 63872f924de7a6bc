"""How fast everything moves: of each source to each destination, over all transfers together, told twice a second."""

from __future__ import annotations

from etiket_gui.domain.events import RouteMoved
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.progress import RecentRate

_TELL_EVERY_S = 0.5
_Way = tuple[int, int]


class MovingRates:
    """Owned by the coordinator's thread. A way is (source id, destination id)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rates: dict[_Way, RecentRate] = {}
        #: Of each transfer on its way: how many bytes of it were counted.
        self._counted: dict[int, int] = {}

    def progressed(self, way: _Way, transfer_id: int, done_bytes: int) -> None:
        """So many bytes of a transfer moved since it began."""
        more_bytes = done_bytes - self._counted.get(transfer_id, 0)
        self._counted[transfer_id] = done_bytes
        if more_bytes > 0:
            self._add(way, more_bytes, 0)

    def arrived(self, way: _Way, transfer_id: int, *, size_bytes: int, files: int) -> None:
        """A transfer is complete: what was not told of it on its way moved, too."""
        self._add(way, max(0, size_bytes - self._counted.pop(transfer_id, 0)), files)

    def ended(self, transfer_id: int) -> None:
        """A transfer is over and did not succeed, or nothing of it had to move."""
        self._counted.pop(transfer_id, None)

    def _add(self, way: _Way, size_bytes: int, files: int) -> None:
        now_s = self._desk.clock.monotonic_s()
        self._rates.setdefault(way, RecentRate()).add(now_s, size_bytes, files)
        self._desk.timers.not_later_than("rates", now_s + _TELL_EVERY_S, self._tell)

    def _tell(self) -> None:
        for way, (bytes_per_s, files_per_s) in self.rates().items():
            self._desk.emit(RouteMoved(*way, bytes_per_s, files_per_s))
            if not bytes_per_s and not files_per_s:
                del self._rates[way]
        if self._rates:
            self._desk.timers.at("rates", self._desk.clock.monotonic_s() + _TELL_EVERY_S, self._tell)

    def rates(self) -> dict[_Way, tuple[float, float]]:
        """Bytes and files per second of each way on which something moved lately."""
        now_s = self._desk.clock.monotonic_s()
        return {way: rate.rates(now_s) for way, rate in self._rates.items()}
