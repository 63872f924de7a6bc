"""The contract of a destination: a plug-in that takes datasets, keeps them, proves it and gives them back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from etiket_gui.domain.content import DatasetReference, Description, FileEntry, Outgoing, RemoteVersion
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.domain.states import Provisional, VerificationLevel
from etiket_gui.domain.stopping import Progress, StopToken


class DestinationConfig(BaseModel):
    """Base of every destination's options; forms and KEY=VALUE come from its fields. Secrets never go in here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RestoreMethod(Enum):
    """How a dataset comes back: real copies, or links to what the destination holds."""

    COPY = "copy"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a destination can do; the engine asks this and never the type."""

    is_resumable: bool
    provisional: Provisional
    has_versions: bool
    verification: VerificationLevel
    restores_by_link: bool
    is_local: bool
    needs_sign_in: bool = False
    has_scopes: bool = True
    batch_size: int = 1


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look at a destination found: empty ``problems`` means everything needed works.

    Sizes in bytes; ``identity`` is the destination's own uuid, which tells two of them apart.
    """

    problems: tuple[EtiketError, ...] = ()
    identity: str = ""
    free_bytes: int | None = None
    total_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether datasets can be sent now."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a destination keeps of one version, and how that was checked there.

    ``remote`` is the destination's own identity of the dataset (a title, a PID), ``digest`` the snapshot digest.
    ``files`` are the entries as read, with their SHA-256. ``is_new`` is False when the destination already had
    this very version. ``new_bytes`` were added to the destination.
    """

    uuid: str
    remote: str
    version: str
    digest: str
    level: VerificationLevel
    verified_at_ns: int
    files: tuple[FileEntry, ...]
    description: Description
    is_provisional: bool = False
    is_new: bool = True
    new_bytes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileVerification:
    """One stored file that is not what it should be: its name, and what is wrong ("missing", "differs"…)."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a re-read of one version found. ``is_proven``: read after the cache was dropped, or an hour later."""

    remote: str
    version: str
    checked_files: int
    checked_bytes: int
    differences: tuple[FileVerification, ...]
    verified_at_ns: int
    is_proven: bool = False

    @property
    def is_good(self) -> bool:
        """Whether everything that should be stored is, byte for byte."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version as the destination lists it, newest last in every list."""

    remote: str
    version: str
    digest: str
    published_at_ns: int
    is_provisional: bool
    size_bytes: int
    file_count: int


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset as a destination describes it; enough to rebuild a lost store."""

    reference: DatasetReference
    scope: str
    description: Description
    newest: StoredVersion
    files: tuple[FileEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source as a destination remembers it: host, root and backend, so that it can be continued."""

    uuid: str
    name: str
    backend: str
    host: str
    root: str
    share: str = ""
    root_place: str = ""
    written_at_ns: int = 0

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field; :meth:`from_json` turns it back."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StoredSource:
        """Rebuild a stored source; fields a newer version added are ignored."""
        return cls(**{name: value[name] for name in cls.__slots__ if name in value})


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a restore wrote: the dataset's folder, how many files and bytes, and what could not be had as asked.

    ``left_out`` are the names of the files that are damaged there.
    """

    folder: str
    version: str
    file_count: int
    size_bytes: int
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Checkpoint(Protocol):
    """Durable memory of how far one transfer is; what was saved is on disk when ``save`` returns."""

    def save(self, uuid: str, name: str, state: Mapping[str, Any]) -> None:
        """Remember the state of the file ``name`` of a dataset."""

    def load(self, uuid: str, name: str) -> Mapping[str, Any] | None:
        """What was saved, or None."""

    def clear(self, uuid: str) -> None:
        """Forget a dataset's states."""


class NoCheckpoint:
    """A checkpoint that remembers nothing: every transfer starts from its beginning."""

    def save(self, uuid: str, name: str, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def load(self, uuid: str, name: str) -> Mapping[str, Any] | None:
        """Nothing was saved."""
        return None

    def clear(self, uuid: str) -> None:
        """Do nothing."""


class CredentialLookup(Protocol):
    """Where a destination asks for a secret at the moment it needs it; nothing keeps it longer."""

    def get(self, account: str) -> str | None:
        """The secret, or None when there is none."""


@dataclass(frozen=True, slots=True)
class DestinationContext:
    """What a destination is given to work with. ``agent`` is this home's own uuid, which names its temporaries."""

    agent: str
    host: str
    work_folder: Path
    credentials: CredentialLookup | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Destination(ABC):
    """Keeps datasets. Built in a worker process, used from one thread.

    Obligations: ``push`` is idempotent by snapshot digest, resumable, publishes only what was verified and leaves
    complete things or nothing under final names; deletes only its own temporaries and its own provisional
    versions; every failure is an EtiketError; every loop asks the stop token at least every 200 ms of work.
    """

    identifier: ClassVar[str]
    title: ClassVar[str]
    config_class: ClassVar[type[DestinationConfig]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, config: DestinationConfig, context: DestinationContext) -> None:
        self.config = config
        self.context = context

    @classmethod
    @abstractmethod
    def address(cls, config: DestinationConfig) -> str:
        """Where the destination is, for people: an absolute path or a URL without secrets."""

    @abstractmethod
    def probe(self) -> Probe:
        """Reachable, signed in, may write here? One known failure with a sentence for each thing wrong."""

    @abstractmethod
    def create(self) -> None:
        """Make the destination ready for its first dataset where it is not yet; harmless when it is."""

    @abstractmethod
    def remember_source(self, source: StoredSource) -> None:
        """Write down which source sends here, so that it can be continued."""

    @abstractmethod
    def sources(self) -> tuple[StoredSource, ...]:
        """Every source that was written down here."""

    @abstractmethod
    def find(self, uuid: str, scope: str) -> RemoteVersion | None:
        """The newest version of a dataset that is not provisional, or None."""

    @abstractmethod
    def push(self, outgoing: Outgoing, checkpoint: Checkpoint, progress: Progress, stop: StopToken) -> Receipt:
        """Bring one dataset here, verified; returns the receipt of what is stored.

        Calls ``outgoing.confirm`` after the last byte was read and before anything is published.
        """

    def push_many(
        self, batch: Sequence[Outgoing], checkpoint: Checkpoint, progress: Progress, stop: StopToken
    ) -> Iterator[tuple[int, Receipt | EtiketError]]:
        """Bring several datasets here; yields (index, receipt or failure) as each is durable.

        A failure that concerns the whole destination is raised after what is already durable was yielded.
        """
        for index, outgoing in enumerate(batch):
            try:
                result: Receipt | EtiketError = self.push(outgoing, checkpoint, progress, stop)
            except EtiketError as error:
                if error.concerns_all:
                    raise
                result = error
            yield index, result

    @abstractmethod
    def verify(self, remote: str, version: str, scope: str, stop: StopToken) -> Verification:
        """Re-read what is stored of one version and compare it with its record."""

    def verify_sent(self, remote: str, version: str, scope: str, stop: StopToken) -> Verification:
        """:meth:`verify` for a version that was put here: that it is not here any more is a difference."""
        try:
            return self.verify(remote, version, scope, stop)
        except UsageError as error:
            lost = FileVerification(version, f"is not there any more: {error.reason}")
            return Verification(remote, version, 0, 0, (lost,), time.time_ns())

    def holds(self, remote: str, version: str, scope: str) -> bool:
        """Whether that version is in the list of what is stored here; cheap, no content is read."""
        return version in self.version_names(remote, scope)

    def version_names(self, remote: str, scope: str) -> tuple[str, ...]:
        """The names of all versions that are not provisional, oldest first, unreadable ones too; empty without any."""
        try:
            return tuple(stored.version for stored in self.versions(remote, scope) if not stored.is_provisional)
        except UsageError:
            return ()

    @abstractmethod
    def versions(self, remote: str, scope: str) -> tuple[StoredVersion, ...]:
        """Every version of a dataset, oldest first by semantic version."""

    @abstractmethod
    def datasets(self, stop: StopToken, *, source_uuid: str | None = None) -> Iterator[StoredDataset]:
        """The newest version of every dataset stored here, of one source or of all."""

    @abstractmethod
    def resolve(self, query: str, stop: StopToken) -> tuple[StoredDataset, ...]:
        """Datasets whose uuid, unique uuid prefix (6 or more), identifier, remote or exact name is ``query``."""

    @abstractmethod
    def search(self, text: str, stop: StopToken) -> Iterator[StoredDataset]:
        """Datasets in whose name, identifier, description, attributes or keywords every word of ``text`` occurs."""

    @abstractmethod
    def fetch(
        self,
        remote: str,
        version: str,
        scope: str,
        target: Path,
        method: RestoreMethod,
        progress: Progress,
        stop: StopToken,
        *,
        leaves_out_damaged: bool = False,
    ) -> FetchReport:
        """Bring a version back into the new folder ``target``; everything is hashed on the way, all or nothing.

        With ``leaves_out_damaged`` nothing damaged is brought back, but all the rest; DestinationDamaged where there is
        no rest.
        """

    @abstractmethod
    def withdraw(self, remote: str, version: str, scope: str) -> None:
        """Remove a provisional version of ours; refuses any other."""

    def view_address(self, remote: str, scope: str) -> str:
        """Where a person can look at a dataset: an absolute folder or an address of the web; "" where there is none."""
        return ""

    def derive(self, remote: str, scope: str, stop: StopToken) -> None:
        """Make the views that can be rebuilt at any time (a browsable tree); outside the critical path."""

    def sweep(self, stop: StopToken, *, minimum_age_s: float = 24 * 3600) -> int:
        """Remove our own temporaries that are older than that; returns how many."""
        return 0
