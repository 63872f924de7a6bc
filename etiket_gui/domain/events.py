"""What happened, as frozen values that the engine hands to whoever listens; names are past tense."""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain.states import DestinationState, SourceState


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class EngineStarted(Event):
    """The engine owns its home and works."""


@dataclass(frozen=True, slots=True)
class EngineStopped(Event):
    """The engine gave its home back."""


@dataclass(frozen=True, slots=True)
class ScanStarted(Event):
    """A source begins to be looked through; ScanFinished or ScanBroken follows."""

    source_id: int
    source: str


@dataclass(frozen=True, slots=True)
class ScanBroken(Event):
    """A source is not looked through any more, though the end was not reached."""

    source_id: int
    source: str


@dataclass(frozen=True, slots=True)
class ScanFinished(Event):
    """A source was looked through completely."""

    source_id: int
    source: str
    seen_count: int
    changed_count: int
    gone_count: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class SourceStateChanged(Event):
    """A source is reachable or not, empty, or waits for an answer."""

    source_id: int
    source: str
    state: SourceState
    reason: str


@dataclass(frozen=True, slots=True)
class DestinationStateChanged(Event):
    """A destination is reachable or not, full, or wants a sign-in."""

    destination_id: int
    destination: str
    state: DestinationState
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetsChanged(Event):
    """These datasets' rows in the store changed; empty means: too many to list, read again."""

    dataset_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransferStarted(Event):
    """Bytes of a dataset begin to move to a destination."""

    dataset_id: int
    transfer_id: int
    uuid: str
    name: str
    destination: str
    file_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileProgressed(Event):
    """Bytes of one file moved. ``rate_bytes_per_s`` is smoothed; ``rest_s`` is None while it cannot be told."""

    transfer_id: int
    uuid: str
    file: str
    done_bytes: int
    size_bytes: int
    rate_bytes_per_s: float
    rest_s: float | None


@dataclass(frozen=True, slots=True)
class DatasetProgressed(Event):
    """Bytes of one dataset moved. ``rate_bytes_per_s`` is smoothed; ``rest_s`` is None while it cannot be told."""

    transfer_id: int
    uuid: str
    name: str
    done_bytes: int
    size_bytes: int
    rate_bytes_per_s: float
    rest_s: float | None


@dataclass(frozen=True, slots=True)
class RouteMoved(Event):
    """How much all transfers of one source to one destination moved over the last seconds; zeros when they stopped."""

    source_id: int
    destination_id: int
    rate_bytes_per_s: float
    rate_files_per_s: float


@dataclass(frozen=True, slots=True)
class DatasetArchived(Event):
    """A dataset is archived and verified at a destination; ``is_new`` is False when it already was."""

    dataset_id: int
    transfer_id: int
    uuid: str
    name: str
    destination: str
    version: str
    file_count: int
    size_bytes: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class LivePointsArrived(Event):
    """A running measurement has new points in the home's ``live`` folder; ``expected_count`` None: nobody knows."""

    dataset_id: int
    uuid: str
    point_count: int
    expected_count: int | None


@dataclass(frozen=True, slots=True)
class ProvisionalStored(Event):
    """What there is of a running measurement is at a destination, until the final version replaces it."""

    dataset_id: int
    uuid: str
    name: str
    destination: str
    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TransferFailed(Event):
    """A transfer did not succeed; the reason and the next try are in the store."""

    dataset_id: int
    transfer_id: int
    uuid: str
    name: str
    destination: str
    title: str
    reason: str
    due_ns: int | None


@dataclass(frozen=True, slots=True)
class ProblemsChanged(Event):
    """The list of problems is not what it was; ``open_count`` problems are open."""

    open_count: int


@dataclass(frozen=True, slots=True)
class SteeringChanged(Event):
    """Paused, held or measuring changed. Times are ns since 1970 UTC, 0 means not, -1 means without end."""

    paused_until_ns: int
    held_until_ns: int
    is_measuring: bool


@dataclass(frozen=True, slots=True)
class VerificationDiffered(Event):
    """A stored copy is not what was put there."""

    dataset_id: int
    transfer_id: int
    destination: str
    version: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerRestarted(Event):
    """A worker process was replaced; ``reason`` says whether it was recycled, died or hung."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineIdled(Event):
    """Nothing is left to do until something happens or a time comes."""
