"""Native data as a source: folders of the program's own recorder, and the local database of an eTiKeT client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
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
from etiket_gui.backends.directories import parts_below, root_error, root_status
from etiket_gui.backends.native.client import DATABASE, ClientDatabase
from etiket_gui.backends.native.config import NativeConfig
from etiket_gui.backends.native.recognising import recognise_native
from etiket_gui.backends.native.recordings import Recordings
from etiket_gui.domain.content import Content, Description, DiscoverySummary, Found
from etiket_gui.domain.errors import SourceGone
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.states import Realm
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.long_paths import extended_path

_CLIENT_FOLDERS = frozenset({os.path.dirname(DATABASE), "data"})


class NativeBackend(FileBackend):
    """Each recording, and each dataset of a client that has files here, is a dataset known by its uuid.

    Nothing below the root is written; the client's database is looked into for moments only.
    """

    identifier: ClassVar[str] = "native"
    title: ClassVar[str] = "Recordings and eTiKeT clients"
    config_class: ClassVar[type[SourceConfig]] = NativeConfig
    live_sync: ClassVar[bool] = True
    realm: ClassVar[Realm] = Realm.WORLD
    level: ClassVar[int] = 2

    def __init__(self, config: SourceConfig, context: BackendContext) -> None:
        super().__init__(config, context)
        self._options = _as_native(config)
        self._root = extended_path(self._options.root_path)
        limit_s = self._options.interrupted_after_s()
        self._recordings = Recordings(self._root, limit_s, self._options.set_up)
        self._client = ClientDatabase(
            self._root, context.work_folder / "client", limit_s, copies_only=self._options.is_on_network()
        )

    @classmethod
    def recognise(cls, path: Path, stop: StopToken) -> Recognition | None:
        """A folder of recordings, or the shared folder of an eTiKeT client."""
        return recognise_native(path, stop)

    @classmethod
    def root(cls, config: SourceConfig) -> str:
        """The data directory."""
        return _as_native(config).root_path

    @classmethod
    def settle_time_s(cls, config: SourceConfig) -> float:
        """10 s, 60 s on a network share, or what the configuration says."""
        return _as_native(config).settle_time_s()

    def watch_plan(self) -> WatchPlan:
        """Watch a local folder with everything below it, poll a network folder."""
        return self._options.watch_plan()

    def discover(
        self, request: DiscoveryRequest, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> DiscoverySummary:
        """Compare folders and rows with what is known; see :class:`~etiket_gui.backends.api.Backend`."""
        begun_s = time.perf_counter()
        stop.check()
        status = root_status(self._root)
        skipped: dict[str, int] = {}
        try:
            if request.is_everything:
                seen, missing = self._everything(known, report, stop, skipped)
            elif request.identifiers is not None:
                seen, missing = self._identifiers(request.identifiers, report, stop)
            else:
                seen, missing = self._paths(request.paths or (), known, report, stop)
        except OSError as error:
            raise root_error(error, self._root) from error
        surveyor = self._recordings.surveyor()
        unreadable = (*self._recordings.unreadable, *self._client.unreadable)
        return DiscoverySummary(
            seen_count=seen,
            missing=tuple(sorted(missing)),
            unreadable=unreadable,
            root_place=surveyor.place(status, surveyor.traits.device),
            duration_s=time.perf_counter() - begun_s,
            is_complete_scan=request.is_everything,
            skipped=skipped,
        )

    def _everything(
        self, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken, skipped: dict[str, int]
    ) -> tuple[int, set[str]]:
        fingerprints = known.fingerprints()
        there: set[str] = set()
        surveyor = self._recordings.surveyor()
        for identifier, path in self._recordings.find(stop).items():
            stop.check()
            if self._recordings.look(identifier, path, surveyor, report, fingerprints.get(identifier), stop):
                there.add(identifier)
        if self._client.is_there:
            there |= self._client.look(None, fingerprints, report, stop)
            skipped.update(self._client.skipped)
        missing = set() if self._recordings.unreadable else fingerprints.keys() - there
        return len(there), missing

    def _identifiers(
        self, identifiers: tuple[str, ...], report: Callable[[Found], None], stop: StopToken
    ) -> tuple[int, set[str]]:
        surveyor = self._recordings.surveyor()
        left = []
        for identifier in dict.fromkeys(identifiers):
            stop.check()
            path = self._recordings.path_of(identifier, stop)
            if path is None or not self._recordings.look(identifier, path, surveyor, report, None, stop):
                left.append(identifier)
        there = self._client.look(left, {}, report, stop) if left and self._client.is_there else set()
        return len(identifiers) - len(left) + len(there), set(left) - there

    def _paths(
        self, paths: tuple[str, ...], known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> tuple[int, set[str]]:
        fingerprints = known.fingerprints()
        changed = self._recordings.of_paths([path for path in paths if not self._is_of_client(path)], stop)
        surveyor = self._recordings.surveyor()
        there = set()
        for identifier, path in changed.items():
            if self._recordings.look(identifier, path, surveyor, report, fingerprints.get(identifier), stop):
                there.add(identifier)
        missing = (changed.keys() - there) & fingerprints.keys()
        missing = {name for name in missing if self._recordings.path_of(name, stop) is None}
        if self._client.is_there and any(self._is_of_client(path) for path in paths):
            there |= self._client.look(None, fingerprints, report, stop)
        return len(there), missing

    def _is_of_client(self, path: str) -> bool:
        parts = parts_below(self._root, path)
        return parts is not None and (not parts or parts[0] in _CLIENT_FOLDERS)

    def read(self, identifier: str, stop: StopToken) -> Content:
        """A recording's files with its converted data, or the files of a client's dataset."""
        return self._read(identifier, stop, is_growing=False)

    def read_growing(self, identifier: str, stop: StopToken) -> Content:
        """The same of a running measurement, without the file that is being written: it is sent when it is whole."""
        return self._read(identifier, stop, is_growing=True)

    def _read(self, identifier: str, stop: StopToken, *, is_growing: bool) -> Content:
        stop.check()
        path = self._recording(identifier, stop)
        if path is not None:
            return self._recordings.read(identifier, path, self.context.work_folder, stop, is_growing=is_growing)
        return self._client.read(identifier, self.context.work_folder, stop, is_growing=is_growing)

    def describe(self, identifier: str, stop: StopToken) -> Description:
        """What :meth:`read` says of it, without converting anything."""
        path = self._recording(identifier, stop)
        if path is not None:
            return self._recordings.describe(identifier, path, stop)
        return self._client.describe(self._client.dataset(identifier, stop))

    def fingerprint(self, identifier: str) -> int:
        """The fingerprint now. Raises SourceGone, SourceOffline and PermissionRefused."""
        stop = StopToken()
        path = self._recording(identifier, stop)
        if path is None:
            return self._client.dataset(identifier, stop).fingerprint
        surveyor = self._recordings.surveyor()
        quick = self._recordings.quick_fingerprint(path, surveyor, stop)
        return self._recordings.survey(path, surveyor, stop).fingerprint if quick is None else quick

    def live(self, identifier: str, since: Mapping[str, Any], stop: StopToken) -> LiveSlice | None:
        """The newest points. Raises SourceGone."""
        path = self._recording(identifier, stop)
        if path is not None:
            return self._recordings.live(path, since)
        return self._client.live(identifier, since, stop)

    def _recording(self, identifier: str, stop: StopToken) -> str | None:
        """The path of a recording; None where the identifier is one of the client's. Raises SourceGone."""
        root_status(self._root)
        try:
            path = self._recordings.path_of(identifier, stop)
        except OSError as error:
            raise root_error(error, self._root) from error
        if path is None and not self._client.is_there:
            raise SourceGone(f"The recording {identifier} is not in {self._root} any more.", path=self._root)
        return path


def _as_native(config: SourceConfig) -> NativeConfig:
    if not isinstance(config, NativeConfig):
        raise TypeError(f"a native source needs a NativeConfig, not {type(config).__name__}")
    return config
