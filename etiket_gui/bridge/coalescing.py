"""What the engine told since the window looked last, in bounded memory: of each row only the newest is kept."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from etiket_gui.domain import guards
from etiket_gui.domain.events import (
    DatasetArchived,
    DatasetProgressed,
    DatasetsChanged,
    DestinationStateChanged,
    EngineIdled,
    EngineStarted,
    EngineStopped,
    Event,
    FileProgressed,
    ProblemsChanged,
    RouteMoved,
    ScanBroken,
    ScanFinished,
    SourceStateChanged,
    SteeringChanged,
    TransferFailed,
    TransferStarted,
    VerificationDiffered,
)

#: So many changed datasets are listed one by one; more means "everything may have changed".
MOST_DATASETS = 1000
#: So many rows of progress are kept at once; more files than that never move at the same time.
MOST_PROGRESS = 1000
#: So many rare events are kept until the window looks; of the plentiful ones, only the newest few.
MOST_EVENTS = 500
MOST_PLENTIFUL = 50

_PLENTIFUL = (TransferStarted, DatasetArchived, TransferFailed)
_CHANGES_OVERVIEW = (
    DatasetsChanged, DatasetArchived, TransferFailed, TransferStarted, ScanFinished, SourceStateChanged,
    DestinationStateChanged, ProblemsChanged, EngineStarted, EngineStopped, EngineIdled, VerificationDiffered,
    SteeringChanged, ScanBroken,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """Everything since the last look. ``dataset_ids`` None means: any dataset may have changed.

    ``progress`` holds the newest of each dataset and each file, ``ended`` the transfers that are over.
    ``left_out`` counts events that were told too fast.
    """

    events: tuple[Event, ...] = ()
    dataset_ids: frozenset[int] | None = frozenset()
    progress: tuple[DatasetProgressed | FileProgressed, ...] = ()
    ended: frozenset[int] = frozenset()
    has_new_overview: bool = False
    steering: SteeringChanged | None = None
    problem_count: int | None = None
    left_out: int = 0


class EventBox:
    """Filled by the engine's thread, emptied by the window's; either never waits for the other for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._events: deque[Event] = deque()
        self._plentiful: deque[Event] = deque()
        self._dataset_ids: set[int] | None = set()
        self._progress: dict[tuple[int, str | None], DatasetProgressed | FileProgressed] = {}
        self._rates: dict[tuple[int, int], RouteMoved] = {}
        self._ended: deque[int] = deque(maxlen=MOST_PROGRESS)
        self._has_new_overview = False
        self._steering: SteeringChanged | None = None
        self._problem_count: int | None = None
        self._left_out = 0

    def put(self, event: Event) -> None:
        """Take one event; quick, never raises."""
        with self._lock:
            if isinstance(event, FileProgressed):
                self._put_progress((event.transfer_id, event.file), event)
            elif isinstance(event, DatasetProgressed):
                self._put_progress((event.transfer_id, None), event)
            else:
                if isinstance(event, DatasetArchived | TransferFailed):
                    self._end_progress(event.transfer_id)
                self._has_new_overview = self._has_new_overview or isinstance(event, _CHANGES_OVERVIEW)
                self._put_other(event)

    def _put_progress(self, key: tuple[int, str | None], event: DatasetProgressed | FileProgressed) -> None:
        self._progress.pop(key, None)
        self._progress[key] = event
        if len(self._progress) > MOST_PROGRESS and guards.is_on("events-are-bounded"):
            del self._progress[next(iter(self._progress))]

    def _end_progress(self, transfer_id: int) -> None:
        """What was told of a transfer on its way must not be heard after its end."""
        self._ended.append(transfer_id)
        for key in [key for key in self._progress if key[0] == transfer_id]:
            del self._progress[key]

    def _put_other(self, event: Event) -> None:
        if isinstance(event, DatasetsChanged):
            self._note_datasets(event.dataset_ids)
        elif isinstance(event, SteeringChanged):
            self._steering = event
        elif isinstance(event, ProblemsChanged):
            self._problem_count = event.open_count
        elif isinstance(event, RouteMoved):
            self._rates[event.source_id, event.destination_id] = event
        elif isinstance(event, _PLENTIFUL):
            self._note_datasets((event.dataset_id,))
            self._keep(self._plentiful, event, MOST_PLENTIFUL)
        else:
            if isinstance(event, VerificationDiffered):
                self._note_datasets((event.dataset_id,))
            self._keep(self._events, event, MOST_EVENTS)

    def _keep(self, events: deque[Event], event: Event, most: int) -> None:
        events.append(event)
        if len(events) > most and guards.is_on("events-are-bounded"):
            events.popleft()
            self._left_out += 1

    def _note_datasets(self, dataset_ids: tuple[int, ...]) -> None:
        if not dataset_ids:
            self._dataset_ids = None
        if self._dataset_ids is None:
            return
        self._dataset_ids.update(dataset_ids)
        if len(self._dataset_ids) > MOST_DATASETS:
            self._dataset_ids = None

    def take(self) -> Told:
        """Everything since the last time; the box is empty afterwards."""
        with self._lock:
            told = Told(
                events=(*self._events, *self._rates.values(), *self._plentiful),
                dataset_ids=None if self._dataset_ids is None else frozenset(self._dataset_ids),
                progress=tuple(self._progress.values()),
                ended=frozenset(self._ended),
                has_new_overview=self._has_new_overview,
                steering=self._steering,
                problem_count=self._problem_count,
                left_out=self._left_out,
            )
            self._clear()
        return told
