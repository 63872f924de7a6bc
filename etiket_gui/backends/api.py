"""The contract of a backend: a plug-in that reads one kind of source and never writes to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from etiket_gui.domain.content import Content, Description, DiscoverySummary, FileEntry, Found
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.states import Realm, ScopePolicy
from etiket_gui.domain.stopping import StopToken


class SourceConfig(BaseModel):
    """Base of every backend's options; the wizard's form and the command line's KEY=VALUE come from its fields.

    Give each field a ``title`` and a ``description`` in plain words. Durations are floats in seconds with names
    ending in ``_time`` or ``_after``; paths are absolute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class KnownDatasets(Protocol):
    """What the store knows of a source's datasets; handed to a backend, which never sees the store itself."""

    def fingerprints(self) -> Mapping[str, int]:
        """Identifier to fingerprint of every dataset of the source that is not gone."""

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        """The entries last seen of one dataset, empty when there are none."""


@runtime_checkable
class IndexedKnownDatasets(KnownDatasets, Protocol):
    """What the store can say of a part of a source without reading all of it; a backend uses it where there is one."""

    def fingerprints_below(self, identifier: str) -> Mapping[str, int]:
        """Like :meth:`fingerprints`, of the dataset with that identifier and of those below it (identifier + "/")."""


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """What to look at: everything (``identifiers`` and ``paths`` are None), or just these.

    ``identifiers`` are datasets to look at again. ``paths`` are absolute paths where something was seen to
    happen; the backend finds out which datasets they belong to.
    """

    cursor: Mapping[str, Any] = field(default_factory=dict)
    identifiers: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether the whole source is to be scanned."""
        return self.identifiers is None and self.paths is None


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """Folders to watch for events, or how often to poll where events cannot be trusted.

    ``poll_interval_s`` is None for local folders, whose events are hints beside the reconcile scan. Where ``files`` are
    given, these are looked at four times a second, and nothing listens to the folders: for files that are written so
    often that a listener would slow their writer.
    """

    folders: tuple[str, ...] = ()
    is_recursive: bool = True
    poll_interval_s: float | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a path turned out to be: a sentence for a person, options for a source, and how sure that is (0 to 1)."""

    backend: str
    sentence: str
    options: Mapping[str, Any]
    confidence: float
    dataset_count: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackendContext:
    """What a backend is given to work with.

    ``work_folder`` is private scratch space, emptied between datasets; ``source_uuid`` names the source. ``secret``
    gives the source's password when it is needed, None where none is kept, and raises SignInNeeded where the password
    store is locked; it never enters the configuration.
    """

    source_uuid: str
    work_folder: Path
    secret: Callable[[], str | None] | None = None


class Backend(ABC):
    """Reads one source. Built in a worker process, used from one thread, and never writes below the source.

    Obligations: discovery opens no measurement file to learn that nothing changed; ``read`` gives the same content
    for the same input; every failure is an :class:`~etiket_gui.domain.errors.EtiketError`; every loop asks the
    stop token at least every 200 ms of work.
    """

    identifier: ClassVar[str]
    title: ClassVar[str]
    config_class: ClassVar[type[SourceConfig]]
    #: With the scope policy DISABLED a dataset says itself where it belongs: ``description.details["scope"]``.
    scope_policy: ClassVar[ScopePolicy] = ScopePolicy.OPTIONAL
    live_sync: ClassVar[bool] = False
    realm: ClassVar[Realm] = Realm.SOURCE
    #: Whether nothing of the source is held open while discovery asks the stop token, so that it may rest there.
    may_rest: ClassVar[bool] = False
    #: What a form calls the source's password; empty where there is none. It goes to the password store alone.
    sign_in_title: ClassVar[str] = ""

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        self.config = config
        self.context = context

    @classmethod
    @abstractmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """What this path is to this backend, or None. Bounded in time (2 s), never opens anything for writing."""

    @classmethod
    @abstractmethod
    def root(cls, config: SourceConfig) -> str:
        """Where the source lives, for people and for telling two sources apart: an absolute path or an address."""

    @classmethod
    @abstractmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """How long a dataset must have been quiet before it is read."""

    @abstractmethod
    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Look, and report every dataset that is new, whose fingerprint moved, or that was asked for by identifier.

        Datasets whose fingerprint is the known one are not reported in a scan of everything. Raises SourceOffline
        when the source as a whole is away; what cannot be read below it is listed in the summary and nothing
        there counts as missing.
        """

    @abstractmethod
    def read(self, identifier: str, stop: StopToken) -> Content:
        """The content of one dataset as it is now; derived files are made in the work folder.

        Raises SourceGone, SourceChanged, PermissionRefused, DescriptionBroken…
        """

    @abstractmethod
    def fingerprint(self, identifier: str) -> int:
        """The dataset's fingerprint now, as cheaply as possible. Raises SourceGone."""

    @abstractmethod
    def watch_plan(self) -> WatchPlan:
        """What to watch or poll, and how often."""

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points of a running measurement, for the local plot; None where this backend has none.

        ``since`` is the cursor of the last slice, empty for everything so far; at most 200 000 points at a time.
        Called every second or so while the run is live (``live_sync``), so it must cost milliseconds.
        Raises SourceGone.
        """
        return None

    def read_growing(self, identifier: str, stop: StopToken) -> Content:
        """The content of a measurement that is not finished, for a provisional version; by default as :meth:`read`.

        It may be of any moment, but must be whole in itself: a file that a reader can open.
        """
        return self.read(identifier, stop)

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What is known of a dataset beside its files; a backend whose ``read`` converts much answers it cheaper."""
        return self.read(identifier, stop).description


class FileBackend(Backend):
    """A backend whose datasets are folders at one depth below a root.

    ``level`` is a class default that the configuration may override: -1 the outermost folders that hold
    ``_QH_dataset_info.yaml``, 0 the root itself, 1 each sub-folder, n the folders at that depth.
    """

    level: ClassVar[int] = 1


class DatabaseBackend(Backend):
    """A backend whose datasets are rows of a database, found by a cursor."""


def unknown_option_names(config_class: type[SourceConfig], given: Iterable[str]) -> tuple[str, ...]:
    """The names among ``given`` that the configuration does not have."""
    return tuple(name for name in given if name.split(".", 1)[0] not in config_class.model_fields)
