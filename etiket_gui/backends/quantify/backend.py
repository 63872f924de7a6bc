"""Quantify data directories as a source: the files unchanged, and each dataset file converted to ``measurement.h5``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from etiket_gui.backends.api import (
    BackendContext,
    DiscoveryRequest,
    FileBackend,
    KnownDatasets,
    Recognition,
    SourceConfig,
    WatchPlan,
)
from etiket_gui.backends.directories import conversion, derived_file, free_name, root_status
from etiket_gui.backends.folder.dataset import failure_of
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.folder.survey import FileSystemTraits, Survey, Surveyor
from etiket_gui.backends.quantify import converting
from etiket_gui.backends.quantify.config import QuantifyConfig
from etiket_gui.backends.quantify.datafile import DataFile, open_data
from etiket_gui.backends.quantify.describing import describe
from etiket_gui.backends.quantify.newest import newest_points
from etiket_gui.backends.quantify.recognising import recognise_data_directory
from etiket_gui.backends.quantify.scanning import PRIMARY, QuantifyScan, fingerprint_with_name, primary_of
from etiket_gui.backends.quantify.state import RunStates
from etiket_gui.backends.quantify.tuids import folder_of, name_in, tuid_of
from etiket_gui.converters.netcdf import CannotConvert
from etiket_gui.domain.content import Content, Description, DiscoverySummary, Found, SourceFile
from etiket_gui.domain.errors import ConversionFailed, SourceChanged, SourceGone
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import Realm
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path
from etiket_gui.osys.remote import volume_of

MEASUREMENT = "measurement.h5"


class QuantifyBackend(FileBackend):
    """Each folder with a TUID is a dataset; one that was copied elsewhere is known again. Nothing there is written."""

    identifier: ClassVar[str] = "quantify"
    title: ClassVar[str] = "Quantify data directory"
    config_class: ClassVar[type[SourceConfig]] = QuantifyConfig
    live_sync: ClassVar[bool] = True
    realm: ClassVar[Realm] = Realm.WORLD
    level: ClassVar[int] = 2

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._options = _as_quantify(config)
        self._root = extended_path(self._options.root_path)
        self._rules = IgnoreRules(DEFAULT_IGNORE)
        self._states = RunStates(self._options.interrupted_after)

    def _surveyor(self) -> Surveyor:
        volume = volume_of(self._root)
        traits = FileSystemTraits(volume.has_stable_inodes, volume.renames_move_ctime, volume.share or "")
        return Surveyor(traits, self._rules)

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A data directory, a day in it or one measurement: how many there are, and of which time."""
        return recognise_data_directory(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The data directory."""
        return _as_quantify(config).root_path

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """10 s, 60 s on a network share, or what the configuration says."""
        return _as_quantify(config).settle_time_s()

    def watch_plan(self) -> WatchPlan:
        """Watch a local folder with everything below it, poll a network folder."""
        return self._options.watch_plan()

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare directory entries with what is known; see :class:`~etiket_gui.backends.api.Backend`."""
        stop.check()
        return QuantifyScan(self._root, self._rules, self._surveyor(), self._states, known, report, stop).run(request)

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The measurement's files as they lie there, and its converted data.

        A dataset file that cannot be converted is a problem beside the content, not instead of it.
        """
        path, survey, surveyor = self._surveyed(identifier, stop)
        files = [SourceFile(surveyor.file_entry(item), item.path) for item in survey.entries]
        primary = primary_of(survey)
        if primary is None:
            return self._content(path, survey, files, None)
        data_path = os.path.join(path, PRIMARY)
        try:
            with open_data(data_path, stop) as data:
                if data.key != (primary.st_size, primary.st_mtime_ns):
                    raise SourceChanged(f"{data_path} changed while it was being read.", path=data_path)
                made = self._converted(data, identifier, path, stop)
        except (ConversionFailed, CannotConvert) as error:
            return replace(self._content(path, survey, files, None), problems=(error,))
        return self._content(path, survey, files, derived_file(made, MEASUREMENT, primary.st_mtime_ns))

    def read_growing(self, identifier: str, stop: StopToken) -> Content:
        """One moment of a running measurement: the dataset file, copied whole, and what it converts to."""
        path, survey, surveyor = self._surveyed(identifier, stop)
        files = [SourceFile(surveyor.file_entry(item), item.path) for item in survey.entries if item.name != PRIMARY]
        if primary_of(survey) is None:
            return self._content(path, survey, files, None)
        with open_data(os.path.join(path, PRIMARY), stop) as data:
            if not data.raw:
                # Too large to be copied at every update: it is sent when it is finished.
                return self._content(path, survey, files, None)
            copy = self._work_folder(identifier) / PRIMARY
            copy.write_bytes(data.raw)
            files.append(derived_file(copy, PRIMARY, data.key[1]))
            made = self._converted(data, identifier, path, stop)
            return self._content(path, survey, files, derived_file(made, MEASUREMENT, data.key[1]))

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What :meth:`read` says of it, without converting anything."""
        path, survey, _ = self._surveyed(identifier, stop)
        return describe(to_portable(os.path.basename(path)), survey.entries, self._options.set_up, ())

    def _content(self, path: str, survey: Survey, files: list[SourceFile], measurement: SourceFile | None) -> Content:
        conversions = []
        if measurement is not None:
            name = free_name(MEASUREMENT, {item.name for item in survey.entries})
            entry = replace(measurement.entry, name=name)
            files = [*files, replace(measurement, entry=entry)]
            conversions.append(conversion(name, PRIMARY, converting.CONVERTER, converting.VERSION))
        folder_name = to_portable(os.path.basename(path))
        return Content(
            description=describe(folder_name, survey.entries, self._options.set_up, conversions),
            files=tuple(sorted(files, key=lambda file: file.entry.name)),
            fingerprint=fingerprint_with_name(survey.fingerprint, path),
        )

    def _work_folder(self, identifier: str) -> Path:
        folder = self.context.work_folder / identifier
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _converted(self, data: DataFile, identifier: str, folder: str, stop: StopToken) -> Path:
        target = self._work_folder(identifier) / MEASUREMENT
        added: dict[str, Any] = {} if "tuid" in data.attributes else {"tuid": identifier}
        if not data.attributes.get("name"):
            added["name"] = name_in(to_portable(os.path.basename(folder)))
        converting.write_measurement(data, target, added, stop)
        return target

    def fingerprint(self, identifier: str) -> int:
        """The measurement's fingerprint now. Raises SourceGone, SourceOffline and PermissionRefused."""
        stop = StopToken()
        path = self._folder(identifier, stop)
        surveyor = self._surveyor()
        quick = surveyor.fingerprint(path, stop)
        if quick is None:
            quick = self._surveyed(identifier, stop)[1].fingerprint
        return fingerprint_with_name(quick, path)

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points, outermost axis first. Raises SourceGone."""
        return newest_points(os.path.join(self._folder(identifier, stop), PRIMARY), since, stop)

    def _folder(self, identifier: str, stop: StopToken) -> str:
        stop.check()
        root_status(self._root)
        try:
            path = folder_of(self._root, identifier, stop) if tuid_of(identifier) == identifier else None
        except OSError as error:
            raise failure_of(error, self._root, self._root) from error
        if path is None:
            raise SourceGone(f"The measurement {identifier} is not in {self._root} any more.", path=self._root)
        return path

    def _surveyed(self, identifier: str, stop: StopToken) -> tuple[str, Survey, Surveyor]:
        path = self._folder(identifier, stop)
        surveyor = self._surveyor()
        try:
            survey = surveyor.survey(path, self._rules, stop)
        except OSError as error:
            raise failure_of(error, path, self._root) from error
        if survey.unreadable:
            part, why = survey.unreadable[0]
            raise failure_of(why, part, self._root) from why
        if survey.is_empty:
            raise SourceGone(f"{path} holds no file any more.", path=path)
        return path, survey, surveyor


def _as_quantify(config: SourceConfig) -> QuantifyConfig:
    if not isinstance(config, QuantifyConfig):
        raise TypeError(f"a Quantify source needs a QuantifyConfig, not {type(config).__name__}")
    return config
