"""When so much of a source changes at once that a person is asked before anything is sent over good versions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from etiket_gui.domain import guards

WINDOW_S = 3600.0
MORE_THAN_DATASETS = 50
MORE_THAN_SHARE = 0.10
#: The name under which the store keeps that a person answered, until the scan after the answer is finished.
ANSWER = "mass change is meant"
#: Options of a source that say which files belong to a dataset, and not where the datasets are.
_RULES = frozenset({"ignore"})


def is_edit_of_rules(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a person changed only which files belong to the datasets: then many datasets change, as is meant."""
    edited = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    return bool(edited) and edited <= _RULES


class MassChangeWatch:
    """Counts the different datasets of one source that changed or vanished within an hour (monotonic seconds).

    What a person has said is meant is seen again by every look until it is settled, and must not be asked about again.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._counts: dict[int, int] = {}
        self._meant: set[int] = set()
        #: From an answer to the end of the next scan, whatever is found changed is what the answer was about.
        self.is_answered = False

    def note(self, dataset_ids: Iterable[int], monotonic_s: float) -> None:
        """These datasets, settled before, changed or are gone."""
        if self.is_answered:
            self._meant.update(dataset_ids)
            return
        for dataset_id in dataset_ids:
            if dataset_id in self._meant:
                continue
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

    def accept(self, changed_ids: Iterable[int] = ()) -> None:
        """A person said it is meant: count anew, but not ``changed_ids``, what was counted, and what a scan finds."""
        if not guards.is_on("answer-is-kept"):
            self._seen.clear()
            self._counts.clear()
            return
        self._meant.update(self._counts, changed_ids)
        self._seen.clear()
        self._counts.clear()
        self.is_answered = True

    def end_of_answer(self) -> None:
        """The scan after the answer is finished: what changes from now on counts again."""
        self.is_answered = False

    def forget(self, dataset_ids: Iterable[int]) -> None:
        """These are settled or written down as gone: their next change is a new one."""
        self._meant.difference_update(dataset_ids)
