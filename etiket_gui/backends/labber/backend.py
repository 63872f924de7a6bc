"""Labber log directories as a source: each log is a dataset, its file unchanged beside ``measurement.h5``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from etiket_gui.backends.api import (
    Backend,
    BackendContext,
    DiscoveryRequest,
    KnownDatasets,
    Recognition,
    SourceConfig,
    WatchPlan,
)
from etiket_gui.backends.directories import conversion, derived_file, free_name, root_status
from etiket_gui.backends.folder.dataset import failure_of
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.folder.survey import FileSystemTraits, Surveyed, Surveyor
from etiket_gui.backends.labber import converting
from etiket_gui.backends.labber.config import LabberConfig
from etiket_gui.backends.labber.describing import collected_at, describe, name_of
from etiket_gui.backends.labber.index import LogFile, LogIndex
from etiket_gui.backends.labber.logfile import BROKEN, LogHead, NotALog, log_heads, open_log_file
from etiket_gui.backends.labber.newest import newest_points
from etiket_gui.backends.labber.recognising import recognise_logs
from etiket_gui.backends.labber.scanning import LabberScan, QuietTimes
from etiket_gui.converters.netcdf import CannotConvert
from etiket_gui.domain.content import Content, Description, DiscoverySummary, Found, SourceFile
from etiket_gui.domain.errors import ConversionFailed, EtiketError, SourceChanged, SourceGone
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.states import EntryKind, Realm
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path
from etiket_gui.osys.remote import volume_of

MEASUREMENT = "measurement.h5"
_Result = TypeVar("_Result")


class LabberBackend(Backend):
    """Each log in a ``.hdf5`` file of the folder is a dataset; one that was copied elsewhere is known again.

    Files are opened without a lock and never for writing; nothing below the root is changed.
    """

    identifier: ClassVar[str] = "labber"
    title: ClassVar[str] = "Labber logs"
    config_class: ClassVar[type[SourceConfig]] = LabberConfig
    live_sync: ClassVar[bool] = True
    realm: ClassVar[Realm] = Realm.WORLD

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._options = _as_labber(config)
        self._root = extended_path(self._options.root_path)
        self._rules = IgnoreRules(DEFAULT_IGNORE)
        volume = volume_of(self._root)
        traits = FileSystemTraits(volume.has_stable_inodes, volume.renames_move_ctime, volume.share or "")
        self._surveyor = Surveyor(traits, self._rules)
        self._index = LogIndex(self._root, self._rules, context.source_uuid, is_inode_stable=volume.has_stable_inodes)
        self._quiet = QuietTimes(self._options.interrupted_after_s)

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A log or a folder of logs; a server configuration is named as such, with confidence 0 and no options."""
        return recognise_logs(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The log directory."""
        return _as_labber(config).root_path

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """10 s, 60 s on a network share, or what the configuration says."""
        return _as_labber(config).settle_time_s()

    def watch_plan(self) -> WatchPlan:
        """Watch a local folder with everything below it, poll a network folder."""
        return self._options.watch_plan()

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare directory entries with what is known; see :class:`~etiket_gui.backends.api.Backend`."""
        stop.check()
        return LabberScan(self._index, self._rules, self._surveyor, self._quiet, known, report, stop).run(request)

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The log's file as it lies there, and the log converted.

        A log that cannot be converted is a problem beside the content, not instead of it.
        """
        return self._read(identifier, stop)

    def read_growing(self, identifier: str, stop: StopToken) -> Content:
        """One moment of a running log: what it converts to. The file itself goes when it is finished."""
        content = self._read(identifier, stop)
        files = tuple(file for file in content.files if file.is_derived)
        return Content(content.description, files, content.fingerprint, content.problems)

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What :meth:`read` says of it, without converting anything."""
        file, head = self._found(identifier, stop)
        with open_log_file(file.path, stop) as (opened, _):
            return _guarded(file, lambda: describe(opened, head, identifier, file.name, self._options.set_up))

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points; None while the file is half written. Raises SourceGone."""
        try:
            file, head = self._found(identifier, stop)
            with open_log_file(file.path, stop) as (opened, _):
                heads = _guarded(file, lambda: log_heads(opened, file.path))
                now = next((item for item in heads if item.number == head.number), head)
                return _guarded(file, lambda: newest_points(opened, now, since))
        except (SourceChanged, NotALog, ConversionFailed):
            return None

    def fingerprint(self, identifier: str) -> int:
        """The log's fingerprint now. Raises SourceGone, SourceOffline and PermissionRefused."""
        file, head = self._found(identifier, StopToken())
        return self._fingerprint(file, head)

    def _fingerprint(self, file: LogFile, head: LogHead) -> int:
        return self._index.fingerprint(file, head.position, has_own_name=head.identifier is not None)

    def _found(self, identifier: str, stop: StopToken) -> tuple[LogFile, LogHead]:
        stop.check()
        root_status(self._root)
        try:
            return self._index.find(identifier, stop)
        except OSError as error:
            raise failure_of(error, self._root, self._root) from error
        except NotALog as error:
            raise SourceGone(f"{error.path} holds no log any more.", path=error.path) from error

    def _read(self, identifier: str, stop: StopToken) -> Content:
        file, head = self._found(identifier, stop)
        item = Surveyed(file.name.rpartition("/")[2], file.path, EntryKind.FILE, file.status)
        files = [SourceFile(self._surveyor.file_entry(item), file.path)]
        problems: list[EtiketError] = []
        conversions = []
        with open_log_file(file.path, stop, file.key) as (opened, _):
            target = self._work_file(identifier)
            attributes = self._attributes(identifier, file, head)
            try:
                _guarded(file, lambda: converting.write_measurement(opened, head, target, attributes, stop))
            except SourceChanged as error:
                # Quiet, and yet it makes no sense: the file goes as it is.
                problems.append(ConversionFailed(error.reason, path=file.path))
            except CannotConvert as error:
                problems.append(error)
            else:
                name = free_name(MEASUREMENT, {item.name})
                files.append(derived_file(target, name, file.status.st_mtime_ns))
                conversions.append(conversion(name, item.name, converting.CONVERTER, converting.VERSION))
            description = _guarded(
                file, lambda: describe(opened, head, identifier, file.name, self._options.set_up, conversions)
            )
        return Content(
            description=description,
            files=tuple(sorted(files, key=lambda made: made.entry.name)),
            fingerprint=self._fingerprint(file, head),
            problems=tuple(problems),
        )

    def _attributes(self, identifier: str, file: LogFile, head: LogHead) -> dict[str, Any]:
        return {
            "name": name_of(head, file.name),
            "identifier": identifier,
            "created": collected_at(head),
            "labber_version": head.version,
            "log_number": head.number,
        }

    def _work_file(self, identifier: str) -> Path:
        folder = self.context.work_folder / hashlib.sha256(os.fsencode(identifier)).hexdigest()[:20]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / MEASUREMENT


def _guarded(file: LogFile, work: Callable[[], _Result]) -> _Result:
    """Run work on an open file; what h5py raises for a torn file is SourceChanged."""
    try:
        return work()
    except EtiketError:
        raise
    except (*BROKEN, IndexError) as error:
        raise SourceChanged(f"{file.path} is being written: {error}.", path=file.path) from error


def _as_labber(config: SourceConfig) -> LabberConfig:
    if not isinstance(config, LabberConfig):
        raise TypeError(f"a Labber source needs a LabberConfig, not {type(config).__name__}")
    return config
