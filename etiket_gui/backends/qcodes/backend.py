"""QCoDeS databases as sources: each run is a dataset."""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
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
from etiket_gui.backends.qcodes.config import QCoDeSConfig
from etiket_gui.backends.qcodes.discovery import Discovery
from etiket_gui.backends.qcodes.keeping import found_database, identifier_of, is_small_enough, read_database
from etiket_gui.backends.qcodes.live import newest_points
from etiket_gui.backends.qcodes.reading import RunContent, describe, make_files, read_head
from etiket_gui.backends.qcodes.recognising import recognise_database
from etiket_gui.backends.qcodes.runs import RunRow, last_id_sql, last_ids, read_layout
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.backends.sqlite_signature import Signature
from etiket_gui.domain.content import Content, Description, DiscoverySummary, Found
from etiket_gui.domain.errors import SourceGone, SourceOffline
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.states import Realm
from etiket_gui.domain.stopping import StopToken

NETWORK_POLL_INTERVAL_S = 60.0
#: A finished run says so itself, in the same transaction as its last point: one more unchanged look is enough.
SETTLE_TIME_S = 0.2
#: Of so many datasets it is remembered what the database was when they were read; a batch is smaller.
_KEPT_READINGS = 500
#: How long what is known of a running measurement besides its points is believed (seconds), and of how many.
_LIVE_HEAD_S, _KEPT_LIVE_HEADS = 30.0, 16


class QCoDeSBackend(DatabaseBackend):
    """Each run of a database is a dataset: its points, its snapshot and its metadata.

    The database is only ever read, in short looks; what is made of it is made in the work folder.
    """

    identifier: ClassVar[str] = "qcodes"
    title: ClassVar[str] = "QCoDeS"
    config_class: ClassVar[type[SourceConfig]] = QCoDeSConfig
    live_sync: ClassVar[bool] = True
    realm: ClassVar[Realm] = Realm.WORLD
    config: QCoDeSConfig

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._options = _as_qcodes_config(config)
        self._path = self._options.path
        copies_only = self._options.is_on_network()
        self._access = Access(self._path, context.work_folder / "database-copy", copies_only=copies_only)
        self._discovery = Discovery(self._access, self._options.interrupted_after, self._file_key)
        self._read: OrderedDict[str, tuple[Signature, int]] = OrderedDict()
        self._live_heads: OrderedDict[str, tuple[RunContent, float]] = OrderedDict()

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A QCoDeS database, or a folder with one: its version, how many runs, and when the last one was."""
        return recognise_database(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The database file."""
        return _as_qcodes_config(config).path

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """Next to nothing: finished runs have a mark."""
        return SETTLE_TIME_S

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Look for new, changed and finished runs; see :class:`~etiket_gui.backends.api.Backend`."""
        with _AwayIsOffline(self._path):
            if request.identifiers is not None:
                return self._these(request.identifiers, report, stop)
            if request.paths is not None:
                if not any(self._is_ours(path) for path in request.paths):
                    return DiscoverySummary(0, is_complete_scan=False)
                return self._discovery.what_changed(known, report, stop)
            others = self._database_found(known, report)
            return self._discovery.everything(known, report, stop, cursor=request.cursor, others=others)

    def _these(
        self, identifiers: tuple[str, ...], report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        own = identifier_of(self.context.source_uuid)
        summary = self._discovery.these([name for name in identifiers if name != own], report, stop)
        if own in identifiers:
            report(self._database())
        return summary

    def _database_found(self, known: KnownDatasets, report: Callable[[Found], None]) -> tuple[str, ...]:
        """Report the database itself where it is kept; its identifier is never missing while it is an option."""
        if not self._options.keep_database:
            return ()
        signature = self._access.signature()
        name = identifier_of(self.context.source_uuid)
        if is_small_enough(signature):
            found = self._database()
            if known.fingerprints().get(name) != found.fingerprint:
                report(found)
        return (name,)

    def _database(self) -> Found:
        return found_database(self._path, self.context.source_uuid, self._access.signature(), time.time_ns())

    def _is_ours(self, path: str) -> bool:
        if path == self._path or path in {f"{self._path}-wal", f"{self._path}-journal"}:
            return True
        # A folder that something happened in: the watcher could not tell more.
        return self._path.startswith(path.rstrip(os.sep) + os.sep)

    def _file_key(self) -> str:
        """Names this database where runs have no guid: the folder it is in and its name, so that copies differ."""
        return f"v0-{hashlib.sha256(os.fsencode(self._path)).hexdigest()[:16]}"

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The run as measurement.h5, snapshot.json and metadata.json, made in the work folder.

        Raises SourceGone, SourceChanged, SourceOffline, PermissionRefused, FileBusy, DatabaseBroken, CannotConvert
        and Stopped.
        """
        with _AwayIsOffline(self._path):
            files = DerivedFiles(self.context.work_folder, identifier)
            try:
                if identifier == identifier_of(self.context.source_uuid):
                    return read_database(self._path, self.context.source_uuid, files, time.time_ns(), stop)
                signature = self._access.signature()
                head = self._head(identifier, stop)
                run_state, fingerprint = self._discovery.state_of(identifier, head.row, self._last_id(head), signature)
                made, flaws = make_files(self._access, head, files, stop)
            except BaseException:
                files.discard()
                raise
            self._remember(identifier, signature, fingerprint)
            description = describe(head, run_state, identifier, self._static_attributes())
            return Content(description, made, fingerprint, flaws)

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What is known of a run beside its points."""
        with _AwayIsOffline(self._path):
            signature = self._access.signature()
            head = self._head(identifier, stop)
            run_state, _ = self._discovery.state_of(identifier, head.row, self._last_id(head), signature)
            return describe(head, run_state, identifier, self._static_attributes())

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The points after ``since``; None for a run without a table of results."""
        with _AwayIsOffline(self._path):
            head, last_id = self._live_head(identifier, stop)
            if last_id < 0 or head.begun is None:
                return None
            scratch = self.context.work_folder / "live"
            table, names = head.row.result_table, head.begun.names
            return newest_points(self._access, table, names, head.found, since, last_id, scratch, stop)

    def _live_head(self, identifier: str, stop: StopToken) -> tuple[RunContent, int]:
        """What does not change while a run is measured, and its last point: asking for little disturbs little."""
        kept = self._live_heads.pop(identifier, None)
        if kept is None or time.monotonic() - kept[1] > _LIVE_HEAD_S or kept[0].last_id < 0:
            head, read_at_s = self._head(identifier, stop), time.monotonic()
            last_id = head.last_id
        else:
            head, read_at_s = kept
            ((last,),) = self._access.look(lambda reader: reader.query(last_id_sql(head.row.result_table)), stop)
            last_id = int(str(last or 0))
        self._live_heads[identifier] = head, read_at_s
        while len(self._live_heads) > _KEPT_LIVE_HEADS:
            self._live_heads.popitem(last=False)
        return head, last_id

    def fingerprint(self, identifier: str) -> int:
        """The run's fingerprint now; no run is looked at while the files are as they were when it was read."""
        with _AwayIsOffline(self._path):
            signature = self._access.signature()
            if identifier == identifier_of(self.context.source_uuid):
                return self._database().fingerprint
            read = self._read.get(identifier)
            if read is not None and read[0].is_still(signature):
                return read[1]
            row, last_id = self._access.look(lambda reader: self._row_and_last(reader, identifier), StopToken())
            return self._discovery.state_of(identifier, row, last_id, signature)[1]

    def watch_plan(self) -> WatchPlan:
        """Look at the files of a local database, poll one on a network drive."""
        if self._access.copies_only:
            return WatchPlan(poll_interval_s=NETWORK_POLL_INTERVAL_S)
        files = tuple(self._path + ending for ending in ("", "-wal", "-journal"))
        return WatchPlan(folders=(os.path.dirname(self._path),), is_recursive=False, files=files)

    @property
    def longest_look_s(self) -> float:
        """The longest time that one look kept the database (seconds)."""
        return self._access.longest_look_s

    def _head(self, identifier: str, stop: StopToken) -> RunContent:
        def look(reader: Reader) -> RunContent:
            row = self._row(reader, identifier)
            return read_head(reader, row, read_layout(reader).columns)

        return self._access.look(look, stop)

    def _row(self, reader: Reader, identifier: str) -> RunRow:
        rows = self._discovery.rows_of(reader, [identifier])
        if not rows:
            raise SourceGone(f"{self._path} holds no run {identifier} any more.", path=self._path)
        if len(rows) == 1:
            return rows[0]
        counts = list(last_ids(reader, [row.result_table for row in rows]))
        return rows[max(range(len(rows)), key=lambda place: (counts[place], -place))]

    def _row_and_last(self, reader: Reader, identifier: str) -> tuple[RunRow, int]:
        row = self._row(reader, identifier)
        if row.is_completed:
            return row, 0
        (last_id,) = last_ids(reader, [row.result_table])
        return row, last_id

    @staticmethod
    def _last_id(head: RunContent) -> int:
        """A finished run's points do not change any more, so they are no part of its fingerprint."""
        return 0 if head.row.is_completed else head.last_id

    def _static_attributes(self) -> dict[str, str]:
        attributes = dict(self._options.static_attributes)
        if self._options.set_up:
            attributes["set_up"] = self._options.set_up
        return attributes

    def _remember(self, identifier: str, signature: Signature, fingerprint: int) -> None:
        self._read.pop(identifier, None)
        self._read[identifier] = signature, fingerprint
        while len(self._read) > _KEPT_READINGS:
            self._read.popitem(last=False)


class _AwayIsOffline:
    """A database that is not there is a source that is away, never a dataset that is gone."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SourceGone) and not os.path.lexists(self._path):
            raise SourceOffline(f"{self._path} is not there.", path=self._path) from error


def _as_qcodes_config(config: SourceConfig) -> QCoDeSConfig:
    if not isinstance(config, QCoDeSConfig):
        raise TypeError(f"a QCoDeS source needs a QCoDeSConfig, not {type(config).__name__}")
    return config
