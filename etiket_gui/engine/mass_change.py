"""When so much of a source changes at once that a person is asked before anything is sent over good versions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from etiket_gui.domain import guards

WINDOW_S = 3600.0
MORE_THAN_DATASETS = 50
MORE_THAN_SHARE = 0.10


class MassChangeWatch:
    """Counts the different datasets of one source that changed or vanished within an hour (monotonic seconds)."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._counts: dict[int, int] = {}

    def note(self, dataset_ids: Iterable[int], monotonic_s: float) -> None:
        """These datasets, settled before, changed or are gone."""
        for dataset_id in dataset_ids:
            self._seen.append((monotonic_s, dataset_id))
            self._counts[dataset_id] = self._counts.get(dataset_id, 0) + 1
        while self._seen and monotonic_s - self._seen[0][0] > WINDOW_S:
            _, dataset_id = self._seen.popleft()
            self._counts[dataset_id] -= 1
            if not self._counts[dataset_id]:
                del self._counts[dataset_id]

    @property
    def changed_count(self) -> int:
        """How many different datasets changed within the window."""
        return len(self._counts)

    def is_too_much(self, known_count: int) -> bool:
        """Whether this is more than 50 datasets and more than 10 % of the ``known_count`` known ones."""
        if not guards.is_on("mass-change"):
            return False
        changed = self.changed_count
        return changed > MORE_THAN_DATASETS and changed > MORE_THAN_SHARE * known_count

    def accept(self) -> None:
        """A person said it is meant: start counting anew."""
        self._seen.clear()
        self._counts.clear()
