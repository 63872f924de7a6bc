"""How fast everything moves now, as the engine told last: by source, by destination, and in all."""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain.events import Event, RouteMoved

#: The engine tells twice a second while something moves; what is older is not true any more.
TOLD_FOR_S = 3.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes and files per second."""

    bytes_per_s: float = 0.0
    files_per_s: float = 0.0

    @property
    def is_anything(self) -> bool:
        """Whether something moves."""
        return self.bytes_per_s > 0 or self.files_per_s > 0


class Rates:
    """The newest rate of each source to each destination. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], tuple[RouteMoved, float]] = {}

    def note(self, event: Event, now_s: float) -> bool:
        """Take note of an event; whether it told a rate."""
        if not isinstance(event, RouteMoved):
            return False
        self._told[event.source_id, event.destination_id] = (event, now_s)
        return True

    def forget_all(self) -> None:
        """The engine ended."""
        self._told.clear()

    def of_source(self, source_id: int, now_s: float) -> Rate:
        """How fast a source is sent."""
        return self._sum(now_s, source_id=source_id)

    def of_destination(self, destination_id: int, now_s: float) -> Rate:
        """How fast a destination receives."""
        return self._sum(now_s, destination_id=destination_id)

    def whole(self, now_s: float) -> Rate:
        """How fast everything moves."""
        return self._sum(now_s)

    def _sum(self, now_s: float, *, source_id: int | None = None, destination_id: int | None = None) -> Rate:
        told = [
            event
            for event, told_s in self._told.values()
            if now_s - told_s < TOLD_FOR_S
            and source_id in {None, event.source_id}
            and destination_id in {None, event.destination_id}
        ]
        return Rate(sum(event.rate_bytes_per_s for event in told), sum(event.rate_files_per_s for event in told))
