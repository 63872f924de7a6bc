"""What is being sent just now, by source and destination, and how long the rest of a source takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etiket_gui.bridge.progress import RestEstimator
from etiket_gui.domain.events import DatasetProgressed

#: What was not heard of for so long is not under way any more.
MOVES_FOR_S = 2.0
#: A source that was at rest for so long begins anew.
_ANEW_AFTER_S = 20.0


class SourceRest:
    """How long the rest of one source takes. What comes on top meanwhile counts as more to do. Monotonic seconds."""

    def __init__(self, now_s: float) -> None:
        self._estimator = RestEstimator(now_s)
        self._left = (0, 0)
        self._total = (0, 0)
        self.looked_s = now_s

    def update(self, now_s: float, left_bytes: int, left_datasets: int) -> None:
        """So much is still to be sent."""
        grown = (max(0, left_bytes - self._left[0]), max(0, left_datasets - self._left[1]))
        self._total = (self._total[0] + grown[0], self._total[1] + grown[1])
        self._left = (left_bytes, left_datasets)
        self.looked_s = now_s
        self._estimator.update(
            now_s,
            done_bytes=self._total[0] - left_bytes,
            size_bytes=self._total[0],
            done_files=self._total[1] - left_datasets,
            file_count=self._total[1],
        )

    def rest_s(self, now_s: float) -> float | None:
        """Seconds, None while it cannot be told."""
        return self._estimator.estimate(now_s).rest_s


class Moving:
    """The newest progress of each transfer, and where each goes. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._progress: dict[int, tuple[DatasetProgressed, float]] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._rests: dict[int, SourceRest] = {}

    def note(self, told: Iterable[object], now_s: float) -> None:
        """Progress came."""
        for item in told:
            if isinstance(item, DatasetProgressed):
                self._progress[item.transfer_id] = (item, now_s)
        self.forget_old(now_s)

    def end(self, transfer_ids: Iterable[int]) -> None:
        """These transfers are over."""
        for transfer_id in transfer_ids:
            self._progress.pop(transfer_id, None)
            self._places.pop(transfer_id, None)

    def forget_old(self, now_s: float) -> None:
        """Leave out what was not heard of for a while."""
        self._progress = {key: pair for key, pair in self._progress.items() if now_s - pair[1] < MOVES_FOR_S}
        self._places = {key: place for key, place in self._places.items() if key in self._progress}

    @property
    def is_anything(self) -> bool:
        """Whether something is being sent."""
        return bool(self._progress)

    @property
    def unplaced(self) -> list[int]:
        """Transfers of which it is not known yet where they go."""
        return [key for key in self._progress if key not in self._places]

    def place(self, places: Mapping[int, tuple[int, int]]) -> None:
        """These transfers go from that source to that destination."""
        self._places.update(places)

    def of_source(self, source_id: int) -> list[DatasetProgressed]:
        """What is being sent from a source."""
        return self._of(0, source_id)

    def of_destination(self, destination_id: int) -> list[DatasetProgressed]:
        """What is being sent to a destination."""
        return self._of(1, destination_id)

    def _of(self, side: int, number: int) -> list[DatasetProgressed]:
        placed = self._places
        return [told for key, (told, _) in self._progress.items() if key in placed and placed[key][side] == number]

    def note_unsent(self, unsent: Mapping[int, tuple[int, int]], now_s: float) -> None:
        """So many bytes and datasets of each source are still to be sent; those under way are among them."""
        for source_id, (size_bytes, count) in unsent.items():
            told = self.of_source(source_id)
            rest = self._rests.get(source_id)
            if rest is None or now_s - rest.looked_s > _ANEW_AFTER_S:
                rest = self._rests[source_id] = SourceRest(now_s)
            rest.update(now_s, max(0, size_bytes - sum(item.done_bytes for item in told)), count)

    def rest_s(self, source_id: int, now_s: float) -> float | None:
        """How long the rest of a source takes; None while it cannot be told."""
        rest = self._rests.get(source_id)
        return None if rest is None else rest.rest_s(now_s)
