"""The folder archive as a destination: its options, and every obligation handed to the module that owns it."""

from __future__ import annotations

import os
import re
import uuid as uuids
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator

from etiket_gui.destinations.api import (
    Capabilities,
    Checkpoint,
    Destination,
    DestinationConfig,
    DestinationContext,
    FetchReport,
    Probe,
    Receipt,
    RestoreMethod,
    StoredDataset,
    StoredSource,
    StoredVersion,
    Verification,
)
from etiket_gui.destinations.archive.browsing import BrowseTree
from etiket_gui.destinations.archive.founding import Founder
from etiket_gui.destinations.archive.layout import DEFAULT_WORKSPACE, ArchiveLayout, check_workspace, split_remote
from etiket_gui.destinations.archive.provisional import withdraw_versions
from etiket_gui.destinations.archive.reading import ArchiveReader
from etiket_gui.destinations.archive.record import is_live_version
from etiket_gui.destinations.archive.restoring import fetch
from etiket_gui.destinations.archive.session import WriteSession, archive_errors
from etiket_gui.destinations.archive.space import FreeFloor, kept_free_bytes
from etiket_gui.destinations.archive.viewing import view_folder
from etiket_gui.destinations.archive.writing import BatchWriter
from etiket_gui.domain.content import Outgoing, RemoteVersion
from etiket_gui.domain.errors import EtiketError, Stopped
from etiket_gui.domain.identity import NAMESPACE
from etiket_gui.domain.states import Provisional, VerificationLevel
from etiket_gui.domain.stopping import Progress, StopToken
from etiket_gui.osys.files import FileLayer

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ArchiveConfig(DestinationConfig):
    """Options of a folder archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(
        title="Folder", description="The folder of the archive: on this computer, another disk or a mounted share."
    )
    default_workspace: str = Field(
        default=DEFAULT_WORKSPACE,
        title="Workspace",
        description="The folder inside the archive for datasets whose source names none.",
    )
    free_floor_percent: float = Field(
        default=1.0,
        ge=0,
        le=90,
        title="Keep free (percent)",
        description="So much of the disk is always kept free; the smaller of percent and bytes counts.",
    )
    free_floor_bytes: int = Field(
        default=1_000_000_000,
        ge=0,
        title="Keep free (bytes)",
        description="So many bytes of the disk are always kept free; the smaller of percent and bytes counts.",
    )
    browse: Literal["auto", "links", "copies", "none"] = Field(
        default="auto",
        title="Browsable folders",
        description="auto and links: read-only links to what is stored, where the disk can do that, which take no "
        "space; copies: a second copy of everything; none.",
    )

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("give the whole path of the folder, from the root or the drive on")
        return Path(os.path.normpath(path))

    @field_validator("default_workspace")
    @classmethod
    def _is_workspace(cls, name: str) -> str:
        try:
            return check_workspace(name)
        except EtiketError as error:
            raise ValueError(error.reason) from error


class ArchiveDestination(Destination):
    """Keeps datasets in a folder, in a layout that people and rmellipse can read without this program.

    ``context.options["measuring"]`` asks for small steps while a measurement runs; it may change in the middle of a
    batch.
    """

    identifier: ClassVar[str] = "archive"
    title: ClassVar[str] = "Folder archive"
    config_class: ClassVar[type[DestinationConfig]] = ArchiveConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        is_resumable=True,
        provisional=Provisional.REPLACEABLE,
        has_versions=True,
        verification=VerificationLevel.RE_READ,
        restores_by_link=True,
        is_local=True,
        has_scopes=True,
        batch_size=100,
    )

    def __init__(
        self, config: DestinationConfig, context: DestinationContext, *, files: FileLayer | None = None
    ) -> None:
        super().__init__(config, context)
        options = _archive_config(config)
        self._options = options
        self._files = FileLayer() if files is None else files
        self._layout = ArchiveLayout(os.fspath(options.path), options.default_workspace)
        self._agent = agent_uuid(context.agent)
        self._founder = Founder(self._layout, self._files, self._agent)
        self._reader = ArchiveReader(self._layout, self._files)
        self._tree: BrowseTree | None = None

    @classmethod
    def address(cls, config: DestinationConfig) -> str:
        """The absolute path of the archive's folder."""
        return os.fspath(_archive_config(config).path)

    # ------------------------------------------------------------------ the archive itself

    def probe(self) -> Probe:
        """Is it there, is it the archive, and does everything a transfer needs work in it?"""
        options = self._options
        return self._founder.probe(
            lambda total_bytes: kept_free_bytes(total_bytes, options.free_floor_percent, options.free_floor_bytes)
        )

    def create(self) -> None:
        """Make the folder an archive; harmless where it is one. Raises DestinationRefused for a folder in use."""
        self._founder.create()

    def remember_source(self, source: StoredSource) -> None:
        """Write the source down in the archive."""
        self._founder.remember_source(source)

    def sources(self) -> tuple[StoredSource, ...]:
        """Every source that was written down in the archive."""
        return self._founder.sources()

    def sweep(self, stop: StopToken, *, minimum_age_s: float = 24 * 3600) -> int:
        """Remove our own temporaries of that age, and anybody's after a week; returns how many."""
        return self._founder.sweep(stop, minimum_age_s)

    # ------------------------------------------------------------------ writing

    def push(self, outgoing: Outgoing, checkpoint: Checkpoint, progress: Progress, stop: StopToken) -> Receipt:
        """Bring one dataset here, durable and verified. Raises the known failures."""
        for _, result in self.push_many([outgoing], checkpoint, progress, stop):
            if isinstance(result, EtiketError):
                raise result
            return result
        raise AssertionError("every dataset of a batch has a result")

    def push_many(
        self, batch: Sequence[Outgoing], checkpoint: Checkpoint, progress: Progress, stop: StopToken
    ) -> Iterator[tuple[int, Receipt | EtiketError]]:
        """Bring several datasets here; one wait for the disk serves up to 250 of them."""
        if not batch:
            return
        options = self._options
        session = WriteSession(self._layout, self._files, self._agent)
        in_hurry = False
        try:
            floor = FreeFloor(session, options.free_floor_percent, options.free_floor_bytes)
            writer = BatchWriter(
                session,
                floor,
                checkpoint,
                progress,
                stop,
                self.context.host,
                is_gentle=lambda: bool(self.context.options.get("measuring")),
            )
            yield from writer.write(batch)
        except Stopped:
            in_hurry = True
            raise
        finally:
            session.close(in_hurry=in_hurry)

    def withdraw(self, remote: str, version: str, scope: str) -> None:
        """Remove a provisional version of ours; harmless where it is gone. Raises DestinationRefused for others."""
        workspace, title = split_remote(remote)
        session = WriteSession(self._layout, self._files, self._agent)
        try:
            with archive_errors(self._layout.root):
                try:
                    folder = self._files.open_below(session.root, f"{workspace}/{title}")
                except FileNotFoundError:
                    return
                try:
                    withdraw_versions(self._files, folder, title, [version], self._agent)
                finally:
                    self._files.close_folder(folder)
        finally:
            session.close()

    # ------------------------------------------------------------------ reading

    def find(self, uuid: str, scope: str) -> RemoteVersion | None:
        """The newest final version of a dataset, or None."""
        return self._reader.find(uuid, scope)

    def verify(self, remote: str, version: str, scope: str, stop: StopToken) -> Verification:
        """Read every byte of a version again and compare it with its record."""
        return self._reader.verify(remote, version, scope, stop)

    def version_names(self, remote: str, scope: str) -> tuple[str, ...]:
        """Every version that is not provisional, by the names of the files alone."""
        return tuple(name for name in self._reader.version_names(remote) if not is_live_version(name))

    def versions(self, remote: str, scope: str) -> tuple[StoredVersion, ...]:
        """Every version of a dataset, oldest first."""
        return self._reader.versions(remote, scope)

    def datasets(self, stop: StopToken, *, source_uuid: str | None = None) -> Iterator[StoredDataset]:
        """The newest version of every dataset in the archive, of one source or of all."""
        return self._reader.datasets(stop, source_uuid=source_uuid)

    def resolve(self, query: str, stop: StopToken) -> tuple[StoredDataset, ...]:
        """The datasets that ``query`` names."""
        return self._reader.resolve(query, stop)

    def search(self, text: str, stop: StopToken) -> Iterator[StoredDataset]:
        """The datasets in whose description every word of ``text`` occurs."""
        return self._reader.search(text, stop)

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
        """Bring a version back as the new folder ``target``, whole or not at all."""
        return fetch(
            self._reader, remote, version, target, method, progress, stop, leaves_out_damaged=leaves_out_damaged
        )

    def view_address(self, remote: str, scope: str) -> str:
        """The dataset's browsable folder, else the folder that holds its records and blobs."""
        return view_folder(self._reader, remote)

    def derive(self, remote: str, scope: str, stop: StopToken) -> None:
        """Make or update the dataset's browsable folder."""
        if self._tree is None:
            self._tree = BrowseTree(self._reader, self._options.browse, self._agent)
        self._tree.derive(remote, scope, stop)


def _archive_config(config: DestinationConfig) -> ArchiveConfig:
    return config if isinstance(config, ArchiveConfig) else ArchiveConfig.model_validate(config.model_dump())


def agent_uuid(agent: str) -> str:
    """The agent's own uuid; of any other name a uuid that is always the same."""
    return agent if _UUID.fullmatch(agent) else str(uuids.uuid5(NAMESPACE, f"agent\x1f{agent}"))
