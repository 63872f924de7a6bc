"""Where a further backend begins: a base for folders that works as it is, and one for a database with two questions.

The generated packages derive from these; everything beside what a person fills in is done here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from etiket_gui.backends.api import (
    BackendContext,
    DatabaseBackend,
    DiscoveryRequest,
    KnownDatasets,
    Recognition,
    SourceConfig,
    WatchPlan,
)
from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.domain.content import Content, Description, DiscoverySummary, FileEntry, Found, Scalar
from etiket_gui.domain.errors import EtiketError, SourceGone, SourceOffline, SourceUnreadable
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.states import RetryClass, RunState
from etiket_gui.domain.stopping import Deadline, StopToken

log = logging.getLogger(__name__)

INTERRUPTED_AFTER_S = 30 * 60.0
_POLL_INTERVAL_S = 5.0
_SETTLE_TIME_S = 1.0
_RECOGNISE_S = 1.5
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DatasetDetails:
    """What a person should see of a dataset beside its files; what is left empty is not changed.

    ``collected`` is ISO 8601 text, with a zone or in the laboratory's local time. ``scope`` is where the dataset
    belongs at the destinations; it counts where the backend's scope policy is DISABLED.
    """

    name: str = ""
    collected: str | None = None
    text: str = ""
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    scope: str = ""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One dataset as a look at a database sees it.

    ``version`` is anything whose text changes when the dataset does: a time, a counter, a tuple of both.
    ``changed_ns`` is when it changed last (ns since 1970 UTC), 0 where the database does not say.
    """

    identifier: str
    name: str
    version: object
    is_complete: bool = True
    collected: str | None = None
    changed_ns: int = 0


class FileSource(FolderBackend):
    """A backend whose datasets are folders: each is sent as it is. Works without anything filled in.

    Fill in :meth:`details` to give datasets better names, times and attributes.
    """

    def details(self, folder: Path) -> DatasetDetails | None:
        """What is known of the dataset in a folder, or None. Called when it is read; opens files for reading only."""
        return None

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The folder's files, with the details that were filled in."""
        content = super().read(identifier, stop)
        folder = Path(self._dataset_path(identifier))
        with _known_failures(str(folder)):
            told = self.details(folder)
        return content if told is None else replace(content, description=_told(content.description, told))

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A folder with datasets at this backend's level: how many."""
        if not path.is_dir():
            return None
        options = {"root_directory": to_portable(os.path.abspath(path))}
        found: list[Found] = []
        try:
            cls(cls.config_class(**options), BackendContext("", path)).discover(
                DiscoveryRequest(), _NothingKnown(), found.append, Deadline(stop, _RECOGNISE_S)
            )
        except (EtiketError, ValueError):
            # Options of its own that have no default are asked for when a source is added.
            stop.check()
            return None
        if not found:
            return None
        number = "1 dataset" if len(found) == 1 else f"{len(found)} datasets"
        sentence = f"{cls.title}: {display(options['root_directory'])} with {number}."
        return Recognition(cls.identifier, sentence, options, 0.35, len(found))


class FileSourceConfig(FolderConfig):
    """The options of a file source; derive from it to change a default or to add options."""


class TableSource(DatabaseBackend):
    """A backend whose datasets are rows of a database.

    Fill in :meth:`list_datasets` and :meth:`write_files`. ``path_option`` names the option that holds the database's
    file or address, and ``endings`` the endings of its file's name, by which a drop recognises it.
    """

    path_option: ClassVar[str] = "database_path"
    endings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._unfinished: dict[str, tuple[str, int]] = {}

    @abstractmethod
    def list_datasets(self) -> Iterable[DatasetRow]:
        """Every dataset that is there now, in the order it was made. Must cost little: it is asked every few seconds.

        Open the database for reading only, and close it before returning or at the end of the iteration.
        """

    @abstractmethod
    def write_files(self, identifier: str, folder: Path) -> DatasetDetails | None:
        """Write the dataset's files into an empty folder, and tell what is known of it.

        The same dataset must give the same bytes: no time of writing, no random order.
        """

    @classmethod
    def address(cls, config: SourceConfig) -> str:
        """The database's file or address, as the option says."""
        return str(getattr(config, cls.path_option))

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The database's file or address."""
        return cls.address(config)

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """1 s: a row says itself whether it is complete."""
        return _SETTLE_TIME_S

    def watch_plan(self) -> WatchPlan:
        """Poll: a database sends no events."""
        return WatchPlan(poll_interval_s=_POLL_INTERVAL_S)

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A file with one of the endings, or a folder with exactly one, whose datasets can be listed."""
        try:
            candidates = [path] if path.is_file() else sorted(path.iterdir())[:500] if path.is_dir() else []
        except OSError:
            return None
        matching = [item for item in candidates if item.name.lower().endswith(cls.endings or ("\x00",))]
        if len(matching) != 1:
            return None
        stop.check()
        place = to_portable(os.path.abspath(matching[0]))
        options: dict[str, Any] = {cls.path_option: place}
        try:
            source = cls(cls.config_class(**options), BackendContext("", path.parent))
            count = sum(1 for _ in source.list_datasets())
        except Exception:
            log.info("%s cannot list %s, so it is none of its sources.", cls.identifier, matching[0], exc_info=True)
            return None
        number = "1 dataset" if count == 1 else f"{count} datasets"
        return Recognition(cls.identifier, f"{cls.title}: {display(place)} with {number}.", options, 0.8, count)

    # -- what is done with the two answers ---------------------------------------------------------------------------

    def _listed(self, stop: StopToken) -> Iterator[DatasetRow]:
        stop.check()
        place = self.address(self.config)
        if os.path.isabs(place) and not os.path.exists(place):
            raise SourceOffline(f"{place} cannot be reached: it is not there.", path=place)
        with _known_failures(place):
            for row in self.list_datasets():
                stop.check()
                yield row

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare the list of datasets with what is known."""
        begun_s = time.perf_counter()
        self._recall(request.cursor)
        fingerprints = known.fingerprints()
        wanted = None if request.identifiers is None else set(request.identifiers)
        there: set[str] = set()
        for row in self._listed(stop):
            if wanted is not None and row.identifier not in wanted:
                continue
            there.add(row.identifier)
            found = self._found(row)
            if wanted is not None or fingerprints.get(row.identifier) != found.fingerprint:
                report(found)
        if wanted is None:
            self._unfinished = {name: seen for name, seen in self._unfinished.items() if name in there}
        expected = wanted if wanted is not None else fingerprints.keys() if request.is_everything else set()
        return DiscoverySummary(
            seen_count=len(there),
            missing=tuple(sorted(expected - there)),
            root_place=f"database:{self.address(self.config)}",
            duration_s=time.perf_counter() - begun_s,
            is_complete_scan=request.is_everything,
            cursor={"unfinished": {name: list(seen) for name, seen in self._unfinished.items()}},
        )

    def _recall(self, cursor: Mapping[str, Any]) -> None:
        """How long unfinished datasets have been quiet is counted on, whatever process looks."""
        for identifier, (version, changed_ns) in dict(cursor.get("unfinished") or {}).items():
            seen = self._unfinished.get(identifier)
            if seen is None or (seen[0] == version and changed_ns < seen[1]):
                self._unfinished[identifier] = (str(version), int(changed_ns))

    def _found(self, row: DatasetRow) -> Found:
        now_ns = time.time_ns()
        changed_ns = min(row.changed_ns or now_ns, now_ns)
        state = RunState.COMPLETE
        if row.is_complete:
            self._unfinished.pop(row.identifier, None)
        else:
            version = repr(row.version)
            seen = self._unfinished.get(row.identifier)
            if seen is None or seen[0] != version:
                seen = self._unfinished[row.identifier] = (version, changed_ns)
            changed_ns = seen[1]
            limit_s = float(getattr(self.config, "interrupted_after", None) or INTERRUPTED_AFTER_S)
            state = RunState.INTERRUPTED if now_ns - changed_ns >= limit_s * _NS else RunState.LIVE
        return Found(
            identifier=row.identifier,
            name=row.name or row.identifier,
            fingerprint=_fingerprint(row),
            run_state=state,
            newest_change_ns=changed_ns,
            looked_at_ns=now_ns,
            has_completion_mark=row.is_complete,
        )

    def _row(self, identifier: str, stop: StopToken) -> DatasetRow:
        for row in self._listed(stop):
            if row.identifier == identifier:
                return row
        place = self.address(self.config)
        raise SourceGone(f"The dataset {identifier} is not in {place} any more.", path=place)

    def fingerprint(self, identifier: str) -> int:
        """The dataset's fingerprint now. Raises SourceGone."""
        return _fingerprint(self._row(identifier, StopToken()))

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The files that were written of the dataset, and what is known of it."""
        row = self._row(identifier, stop)
        derived = DerivedFiles(self.context.work_folder, identifier)
        try:
            with _known_failures(self.address(self.config)):
                told = self.write_files(identifier, derived.folder)
        except BaseException:
            derived.discard()
            raise
        plain = Description(
            name=row.name or identifier,
            identifier=identifier,
            run_state=RunState.COMPLETE if row.is_complete else RunState.LIVE,
            collected=row.collected,
        )
        return Content(
            description=plain if told is None else _told(plain, told),
            files=derived.files(row.changed_ns or 0),
            fingerprint=_fingerprint(row),
        )


class _NothingKnown:
    """A store that knows no dataset yet."""

    def fingerprints(self) -> Mapping[str, int]:
        return {}

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        return ()


@contextmanager
def _known_failures(place: str) -> Iterator[None]:
    """Give what filled-in code raises a name, so that it becomes a row with its reason."""
    try:
        yield
    except (EtiketError, GeneratorExit):
        raise
    except Exception as error:
        raise SourceUnreadable(
            f"{place} cannot be read: {type(error).__name__}: {error}.", path=place, retry_class=RetryClass.SOON
        ) from error


def _fingerprint(row: DatasetRow) -> int:
    told = repr((row.identifier, row.name, row.version, row.is_complete, row.collected)).encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big", signed=True)


def _told(plain: Description, told: DatasetDetails) -> Description:
    return replace(
        plain,
        name=told.name or plain.name,
        collected=told.collected or plain.collected,
        text=told.text or plain.text,
        attributes={**plain.attributes, **{name: told.attributes[name] for name in sorted(told.attributes)}},
        keywords=(*plain.keywords, *(word for word in told.keywords if word not in plain.keywords)),
        details={**plain.details, "scope": told.scope} if told.scope else plain.details,
    )
