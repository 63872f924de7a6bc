"""Folders of files as datasets: the backend that reads any program's folder-per-measurement output."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.backends.folder.conversions import Conversions
from etiket_gui.backends.folder.dataset import failure_of, look_at
from etiket_gui.backends.folder.description import FolderDescription
from etiket_gui.backends.folder.growing import growing_files
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.backends.folder.levels import Levels
from etiket_gui.backends.folder.recognising import recognise_folder
from etiket_gui.backends.folder.scanning import FolderScan, dataset_name
from etiket_gui.backends.folder.survey import FileSystemTraits, Survey, Surveyor, is_same_file, is_same_manifest
from etiket_gui.domain import guards
from etiket_gui.domain.content import Content, Description, DiscoverySummary, FileEntry, Found, SourceFile
from etiket_gui.domain.errors import SourceChanged, SourceGone
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path
from etiket_gui.osys.remote import volume_of

#: Entries of the last readings that are remembered until they are confirmed; about 10 MB.
_REMEMBERED_ENTRIES = 30_000


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a dataset was when it was read: what is on its way to a destination."""

    fingerprint: int
    entries: list[FileEntry]
    described_by: os.stat_result | None


class FolderBackend(FileBackend):
    """Each folder at one depth is a dataset; what is in it is sent as it is, beside a description where there is one.

    Nothing below the root is ever written, and no data file is opened.
    """

    identifier: ClassVar[str] = "folder"
    title: ClassVar[str] = "Folders of files"
    config_class: ClassVar[type[SourceConfig]] = FolderConfig
    #: No folder is open between two of them.
    may_rest: ClassVar[bool] = True
    config: FolderConfig

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        folder = _as_folder_config(config)
        root = extended_path(folder.root_path)
        self._rules = IgnoreRules(folder.ignore)
        self._levels = Levels(root, folder.level, self._rules)
        self._conversions = Conversions(folder.converters, context.work_folder)
        self._last_read: OrderedDict[str, _Reading] = OrderedDict()
        self._remembered = 0
        self._traits: tuple[tuple[int, int] | None, FileSystemTraits] | None = None

    def _surveyor(self) -> Surveyor:
        """Made for each piece of work: what the root is mounted from can change while the program runs."""
        try:
            status = os.stat(self._levels.root)
            mounted = (status.st_dev, status.st_ino)
        except OSError:
            mounted = None
        if mounted is None or self._traits is None or self._traits[0] != mounted:
            volume = volume_of(self._levels.root)
            traits = FileSystemTraits(volume.has_stable_inodes, volume.renames_move_ctime, volume.share or "")
            self._traits = mounted, traits
        return Surveyor(self._traits[1], self._rules)

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A folder with dataset folders in it, at which depth, and how many; None for anything but a folder."""
        return recognise_folder(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The source's folder."""
        return _as_folder_config(config).root_path

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """10 s, 60 s on a network share, or what the configuration says."""
        return _as_folder_config(config).settle_time_s()

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare directory entries with what is known; see :class:`~etiket_gui.backends.api.Backend`."""
        return FolderScan(self._levels, self._surveyor(), known, report, stop).run(request)

    def read(self, identifier: str, stop: StopToken) -> Content:
        """The dataset's files as they lie there, and its description.

        Raises SourceGone, SourceChanged, SourceOffline, PermissionRefused (with the exact path), DescriptionBroken
        and Stopped.
        """
        path = self._dataset_path(identifier)
        surveyor = self._surveyor()
        try:
            look = look_at(surveyor, path, stop)
        except OSError as error:
            raise self._failure(error, path) from error
        if look.survey.unreadable and guards.is_on("partial-is-not-complete"):
            part, why = look.survey.unreadable[0]
            raise self._failure(why, part) from why
        if look.problem is not None:
            raise look.problem
        if look.survey.is_empty:
            raise SourceGone(f"{path} holds no file any more.", path=path)
        entries = [surveyor.file_entry(item) for item in look.survey.entries]
        self._remember(identifier, _Reading(look.survey.fingerprint, entries, look.survey.described_by))
        converted = self._conversions.run(identifier, look.survey.entries, look.description.converters, stop)
        files = [SourceFile(entry, item.path) for entry, item in zip(entries, look.survey.entries, strict=True)]
        if converted.files:
            files = sorted([*files, *converted.files], key=lambda file: file.entry.name)
        return Content(
            description=_description(identifier, path, look.description, look.survey, converted.notes),
            files=tuple(files),
            fingerprint=look.survey.fingerprint,
            problems=converted.problems,
        )

    def read_growing(self, identifier: str, stop: StopToken) -> Content:
        """What of a folder that is still written into is whole now; nothing of it is converted yet.

        Raises as :meth:`read`; SourceChanged where a file went meanwhile.
        """
        path = self._dataset_path(identifier)
        surveyor = self._surveyor()
        made = DerivedFiles(self.context.work_folder, identifier)
        try:
            look = look_at(surveyor, path, stop)
            if look.problem is not None:
                raise look.problem
            files = growing_files(look.survey.entries, surveyor, self.settle_time_s(self.config), made, stop)
        except FileNotFoundError as error:
            made.discard()
            raise SourceChanged(f"{path} changed while it was being read.", path=path) from error
        except OSError as error:
            made.discard()
            raise self._failure(error, path) from error
        description = _description(identifier, path, look.description, look.survey, ())
        return Content(description, files, look.survey.fingerprint)

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What :meth:`read` says of a dataset, without converting anything."""
        path = self._dataset_path(identifier)
        try:
            look = look_at(self._surveyor(), path, stop)
        except OSError as error:
            raise self._failure(error, path) from error
        if look.problem is not None:
            raise look.problem
        return _description(identifier, path, look.description, look.survey, ())

    def fingerprint(self, identifier: str) -> int:
        """The dataset's fingerprint now, or that of its last reading where only what is left out changed since.

        Raises SourceGone, SourceOffline and PermissionRefused.
        """
        path = self._dataset_path(identifier)
        surveyor, stop = self._surveyor(), StopToken()
        reading = self._last_read.get(identifier)
        quick = surveyor.fingerprint(path, stop)
        if quick is not None and (reading is None or quick == reading.fingerprint):
            return quick
        try:
            look = look_at(surveyor, path, stop)
        except OSError as error:
            raise self._failure(error, path) from error
        survey = look.survey
        if reading is not None and look.problem is None and not survey.unreadable:
            entries = [surveyor.file_entry(item) for item in survey.entries]
            if is_same_manifest(reading.entries, entries) and is_same_file(reading.described_by, survey.described_by):
                return reading.fingerprint
        return survey.fingerprint

    def _remember(self, identifier: str, reading: _Reading) -> None:
        before = self._last_read.pop(identifier, None)
        self._last_read[identifier] = reading
        self._remembered += len(reading.entries) - (0 if before is None else len(before.entries))
        while self._remembered > _REMEMBERED_ENTRIES and len(self._last_read) > 1:
            self._remembered -= len(self._last_read.popitem(last=False)[1].entries)

    def watch_plan(self) -> WatchPlan:
        """Watch a local folder with everything below it, poll a network folder."""
        return _as_folder_config(self.config).watch_plan()

    def _dataset_path(self, identifier: str) -> str:
        path = self._levels.path_of(identifier)
        try:
            if self._levels.is_level_folder(identifier):
                return path
            os.stat(self._levels.root)
        except OSError as error:
            raise self._failure(error, path) from error
        raise SourceGone(f"{path} is not a dataset folder any more.", path=path)

    def _failure(self, error: OSError, path: str) -> Exception:
        if not guards.is_on("known-failures"):
            return error
        return failure_of(error, path, self._levels.root)


def _description(
    identifier: str,
    path: str,
    written: FolderDescription,
    survey: Survey,
    conversions: Sequence[Mapping[str, str]],
) -> Description:
    details: dict[str, Any] = {}
    if conversions:
        details["conversions"] = [dict(item) for item in conversions]
    if written.version is not None:
        details["description_version"] = written.version
    names = {item.name for item in survey.entries}
    thumbnails = [name for name in written.thumbnails if name in names]
    if thumbnails:
        details["thumbnails"] = thumbnails
    return Description(
        name=written.name or dataset_name(identifier, path),
        identifier=identifier,
        collected=written.collected,
        text=written.text,
        attributes=_in_order(written.attributes),
        keywords=written.keywords,
        details=details,
    )


def _in_order(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in sorted(attributes)}


def _as_folder_config(config: SourceConfig) -> FolderConfig:
    if not isinstance(config, FolderConfig):
        raise TypeError(f"a folder source needs a FolderConfig, not {type(config).__name__}")
    return config
