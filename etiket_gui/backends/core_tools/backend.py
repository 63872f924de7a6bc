"""core-tools databases as a source: each measurement becomes one netCDF4 file, its snapshot and its metadata."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from etiket_gui.backends.core_tools.arrays import LargeObjects, LayoutMaker, Short, as_held
from etiket_gui.backends.core_tools.config import CoreToolsConfig
from etiket_gui.backends.core_tools.connection import connected
from etiket_gui.backends.core_tools.describing import describe, iso, json_in, metadata_of
from etiket_gui.backends.core_tools.newest import newest_points
from etiket_gui.backends.core_tools.recognising import recognise_settings
from etiket_gui.backends.core_tools.rows import Parameter, Run, Tables
from etiket_gui.backends.core_tools.scanning import OpenRuns, Passes, Scan, fingerprint_of, is_uuid
from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.directories import conversion
from etiket_gui.converters.netcdf import write_netcdf
from etiket_gui.domain.content import Content, Description, DiscoverySummary, Found
from etiket_gui.domain.errors import EtiketError, SourceGone, in_one
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.states import Realm, RetryClass, ScopePolicy
from etiket_gui.domain.stopping import StopToken

MEASUREMENT = "measurement.h5"
CONVERTER, VERSION = "core_tools_to_netcdf4", "1"
#: A run that begins is seen within this; looking takes a thirtieth of the time at most, however long the overview is.
_POLL_INTERVAL_S = 1.5
_SETTLE_TIME_S = 1.0
_NS = 1_000_000_000
#: So long after its end a run that lacks points may still be on its way from another database.
COPYING_LIMIT_S = 3600.0


class PointsMissing(EtiketError):
    """Arrays of a run hold fewer values than the database says were measured."""

    title = "Points are missing"
    default_advice = (
        "What is there is archived, the rest is marked as missing (NaN). Look whether another copy of the database has "
        "all of it, such as the one of the measuring machine; when the rest is there, retry this dataset."
    )


@dataclass(frozen=True, slots=True)
class _Open:
    """One run in an open session."""

    tables: Tables
    objects: LargeObjects
    run: Run
    parameters: tuple[Parameter, ...]
    fingerprint: int


class CoreToolsBackend(DatabaseBackend):
    """Each row of the overview is a dataset, known by its uuid in every database it is copied to.

    Sessions can only read, have no transaction, and end with each piece of work.
    """

    identifier: ClassVar[str] = "core_tools"
    title: ClassVar[str] = "core-tools database"
    config_class: ClassVar[type[SourceConfig]] = CoreToolsConfig
    sign_in_title: ClassVar[str] = "Password of the database user"
    scope_policy: ClassVar[ScopePolicy] = ScopePolicy.DISABLED
    live_sync: ClassVar[bool] = True
    realm: ClassVar[Realm] = Realm.WORLD

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._options = _as_core_tools(config)
        self._open_runs = OpenRuns(self._options.interrupted_after)
        self._passes = Passes()

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A settings file of core-tools, or a folder with one: which database, and how many measurements."""
        return recognise_settings(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The database's address."""
        return _as_core_tools(config).address()

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """1 s: a run says itself when it is complete."""
        return _SETTLE_TIME_S

    def watch_plan(self) -> WatchPlan:
        """Poll: a database sends no events."""
        return WatchPlan(poll_interval_s=_POLL_INTERVAL_S)

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare the rows of the overview with what is known; see :class:`~etiket_gui.backends.api.Backend`."""
        stop.check()
        with connected(self._options, self._password()) as connection:
            tables = Tables(connection, self._options)
            return Scan(tables, self._open_runs, self._passes, known, report, stop).run(request)

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The run's arrays as ``measurement.h5``, with ``snapshot.json`` and ``metadata.json``."""
        with self._opened(identifier, stop) as opened:
            run, row = opened.run, opened.tables.whole_row(opened.run)
            files = DerivedFiles(self.context.work_folder, identifier)
            try:
                parameters, short = as_held(opened.parameters, opened.objects)
                flaws = _flaws(run, short)
                layout = LayoutMaker(opened.objects).make(parameters)
                if layout.variables:
                    attributes = _file_attributes(run, row)
                    write_netcdf(files.path(MEASUREMENT), layout.dims, layout.variables, attributes, stop)
                snapshot = json_in(row.get("snapshot"))
                if snapshot is not None:
                    files.write_json("snapshot.json", snapshot)
                files.write_json("metadata.json", metadata_of(row, parameters))
            except BaseException:
                files.discard()
                raise
            changed_s = run.stopped_s or run.started_s or 0.0
            return Content(
                description=describe(run, row, opened.parameters, _conversions(opened)),
                files=files.files(int(changed_s * 1_000_000) * 1000),
                fingerprint=opened.fingerprint,
                problems=flaws,
            )

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What :meth:`read` says of the run, without reading an array."""
        with self._opened(identifier, stop) as opened:
            row = opened.tables.whole_row(opened.run)
            return describe(opened.run, row, opened.parameters, _conversions(opened))

    def fingerprint(self, identifier: str) -> int:
        """The run's fingerprint now. Raises SourceGone and SourceOffline."""
        with connected(self._options, self._password()) as connection:
            tables = Tables(connection, self._options)
            run = self._run(tables, identifier)
            return self._fingerprint(tables, run)

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points. Raises SourceGone."""
        with self._opened(identifier, stop) as opened:
            return newest_points(opened.parameters, opened.objects, since)

    @contextmanager
    def _opened(self, identifier: str, stop: StopToken) -> Iterator[_Open]:
        stop.check()
        with connected(self._options, self._password()) as connection:
            tables = Tables(connection, self._options)
            run = self._run(tables, identifier)
            if run.is_cleared:
                raise SourceGone(
                    f"The data of {run.name or identifier} was removed from {self._options.address()}.",
                    advice="core-tools does so once its server has the data; add the server as a source to get it.",
                    path=self._options.address(),
                )
            fingerprint = self._fingerprint(tables, run)
            yield _Open(tables, LargeObjects(connection, stop), run, tables.parameters(run), fingerprint)

    @staticmethod
    def _fingerprint(tables: Tables, run: Run) -> int:
        written = 0 if run.is_completed else tables.point_counts([run])[run.uuid][0]
        return fingerprint_of(run, written)

    def _run(self, tables: Tables, identifier: str) -> Run:
        runs = tables.runs([int(identifier)]) if is_uuid(identifier) else []
        if not runs:
            where = self._options.address()
            raise SourceGone(f"The measurement {identifier} is not in {where} any more.", path=where)
        return runs[0]

    def _password(self) -> str | None:
        return None if self.context.secret is None else self.context.secret()


def _flaws(run: Run, short: Sequence[Short]) -> tuple[EtiketError, ...]:
    """What is to be told of arrays that lack values. Raises PointsMissing while they may still be on their way."""
    problems = tuple(
        PointsMissing(
            f"{run.name or run.identifier}: the array {item.name} holds {item.held} of its {item.told} values.",
            path=run.identifier,
            retry_class=RetryClass.ON_CHANGE,
        )
        for item in short
    )
    is_fresh = run.is_completed and time.time() - (run.stopped_s or 0.0) < COPYING_LIMIT_S
    if problems and is_fresh:
        raise PointsMissing(
            in_one(problems).reason,
            advice="It may still be copied to this database: it is tried again by itself, and archived as it is when "
            "nothing more comes.",
            path=run.identifier,
            retry_class=RetryClass.SOON,
        )
    return problems


def _conversions(opened: _Open) -> list[dict[str, str]]:
    if not opened.parameters:
        return []
    return [conversion(MEASUREMENT, "large objects", CONVERTER, VERSION)]


def _file_attributes(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {"title": run.name, "uuid": run.identifier}
    for name, column in (("set_up", "set_up"), ("project", "project"), ("sample", "sample"),
                         ("created_by", "creasted_by")):  # fmt: skip
        if row.get(column):
            attributes[name] = str(row[column])
    if run.started_s is not None:
        attributes["start_time"] = iso(run.started_s)
    if run.stopped_s is not None:
        attributes["stop_time"] = iso(run.stopped_s)
    attributes["completed"] = run.is_completed
    return attributes


def _as_core_tools(config: SourceConfig) -> CoreToolsConfig:
    if not isinstance(config, CoreToolsConfig):
        raise TypeError(f"a core-tools source needs a CoreToolsConfig, not {type(config).__name__}")
    return config
