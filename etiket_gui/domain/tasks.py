"""What the engine asks of a worker process and what it answers, as values that become one JSON object each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from etiket_gui.domain.content import DatasetReference, RemoteVersion


class TaskKind(StrEnum):
    """The kinds of work a worker does."""

    DESCRIBE_SOURCE = "describe_source"
    DISCOVER = "discover"
    TRANSFER = "transfer"
    DERIVE = "derive"
    VERIFY = "verify"
    PROBE = "probe"
    REMEMBER = "remember"
    RECOVER = "recover"
    SWEEP = "sweep"
    WATCH = "watch"
    LIVE = "live"
    PROVISIONAL = "provisional"

    @property
    def lane(self) -> str:
        """Where in a worker it runs: looks never wait behind moves, and a running measurement for neither."""
        if self is TaskKind.LIVE:
            return "live"
        if self is TaskKind.PROVISIONAL:
            return "early"
        return "look" if self in _LOOKS else "move"


_LOOKS = frozenset({TaskKind.DESCRIBE_SOURCE, TaskKind.DISCOVER, TaskKind.PROBE, TaskKind.REMEMBER})
LANES = ("look", "move", "live", "early")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as a worker needs it. ``config`` holds the backend's options as JSON values."""

    id: int
    uuid: str
    name: str
    backend: str
    config: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``SourceSpec(**object)`` turns it back."""
        return {
            "id": self.id, "uuid": self.uuid, "name": self.name, "backend": self.backend, "config": dict(self.config),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """A destination as a worker needs it. ``config`` holds its options as JSON values, never a secret."""

    id: int
    uuid: str
    name: str
    kind: str
    config: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``DestinationSpec(**object)`` turns it back."""
        return {"id": self.id, "uuid": self.uuid, "name": self.name, "kind": self.kind, "config": dict(self.config)}


@dataclass(frozen=True, slots=True)
class TransferItem:
    """One claimed dataset for one destination. ``fingerprint`` is the settled state that the claim is for."""

    transfer_id: int
    dataset_id: int
    reference: DatasetReference
    scope: str
    fingerprint: int
    previous: RemoteVersion | None = None
    previous_identifiers: tuple[str, ...] = ()
    size_bytes: int = 0
    run_state: str = "complete"

    def to_json(self) -> dict[str, Any]:
        """A JSON object; :meth:`from_json` turns it back."""
        previous = self.previous
        return {
            "transfer_id": self.transfer_id,
            "dataset_id": self.dataset_id,
            "reference": self.reference.to_json(),
            "scope": self.scope,
            "fingerprint": self.fingerprint,
            "previous": None if previous is None else [previous.remote, previous.version, previous.digest],
            "previous_identifiers": list(self.previous_identifiers),
            "size_bytes": self.size_bytes,
            "run_state": self.run_state,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TransferItem:
        """Rebuild an item from :meth:`to_json`'s object."""
        previous = value["previous"]
        return cls(
            transfer_id=value["transfer_id"],
            dataset_id=value["dataset_id"],
            reference=DatasetReference.from_json(value["reference"]),
            scope=value["scope"],
            fingerprint=value["fingerprint"],
            previous=None if previous is None else RemoteVersion(*previous),
            previous_identifiers=tuple(value["previous_identifiers"]),
            size_bytes=value["size_bytes"],
            run_state=value["run_state"],
        )


@dataclass(frozen=True, slots=True)
class SourceTraits:
    """What a backend says about a configured source, so that the engine can steer it without knowing it.

    Times in seconds; ``folders`` are absolute paths to watch, ``poll_interval_s`` is None where events are trusted.
    ``files`` are looked at instead of listening to ``folders``. ``may_rest``: a scan may take breaks between folders.
    """

    realm: str
    root: str
    settle_time_s: float
    live_sync: bool
    folders: tuple[str, ...]
    poll_interval_s: float | None
    share: str = ""
    is_recursive: bool = True
    files: tuple[str, ...] = ()
    may_rest: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object; :meth:`from_json` turns it back."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SourceTraits:
        """Rebuild traits from :meth:`to_json`'s object."""
        return cls(**{**value, "folders": tuple(value["folders"]), "files": tuple(value["files"])})


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """One stored version to be verified or derived: whose transfer it is and how the destination names it."""

    transfer_id: int
    remote: str
    version: str
    scope: str


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """One message of a worker about a task: ``event`` is found, progress, sent, failed, checked, done or error."""

    task_id: int
    event: str
    body: Mapping[str, Any] = field(default_factory=dict)
