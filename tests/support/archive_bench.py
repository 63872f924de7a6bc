"""An archive in a temporary folder, and the words that the tests of writing use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etiket_gui.destinations.api import DestinationContext, NoCheckpoint, Receipt
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.destinations.archive.layout import BLOBS, STAGING
from etiket_gui.destinations.archive.record import parse_record
from etiket_gui.domain.content import Outgoing
from etiket_gui.domain.stopping import NoProgress, StopToken
from etiket_gui.osys.files import FileLayer
from tests.support.manifest import sha256_of
from tests.support.outgoing import AGENT, write_files

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="the file system of Windows has no such thing")
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="only here any byte may stand in a name")
MIB = 1024 * 1024


class Archive:
    """An archive in a temporary folder, and the words to use it with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "archive"
        self.source = folder / "measurements"
        self.source.mkdir()
        self.connect().create()

    def connect(
        self,
        files: FileLayer | None = None,
        *,
        agent: str = AGENT,
        options: dict[str, object] | None = None,
        **config: object,
    ) -> ArchiveDestination:
        return ArchiveDestination(
            ArchiveConfig.model_validate({"path": self.root, **config}),
            DestinationContext(agent, "host", self.folder, options=options or {}),
            files=files,
        )

    def push(self, item: Outgoing, files: FileLayer | None = None, progress: NoProgress | None = None) -> Receipt:
        return self.connect(files).push(item, NoCheckpoint(), progress or NoProgress(), StopToken())

    def measured(self, name: str, files: dict[str, bytes]) -> Path:
        return write_files(self.source / name, files)

    def temporaries(self) -> list[str]:
        return sorted(os.listdir(self.root / STAGING))

    def records(self) -> dict[str, dict[str, object]]:
        found = {}
        for path in self.root.glob("*/*/*.yml"):
            found[path.name] = json.loads(path.read_bytes())
        return found

    def blobs(self) -> list[Path]:
        return sorted(self.root.glob(f"*/*/{BLOBS}/*/*"))

    def check_whole(self) -> None:
        """Every record names blobs that are there with the right bytes, and nothing temporary is left."""
        for path in self.root.glob("*/*/*.yml"):
            for sha256, size_bytes in parse_record(path.read_bytes(), path.name).blobs().items():
                blob = path.parent / BLOBS / sha256[:2] / sha256
                assert blob.stat().st_size == size_bytes
                assert sha256_of(blob) == sha256
        assert self.temporaries() == []


class DuringCopy(NoProgress):
    """Does something once, as soon as the first part of a file was copied."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action: Callable[[], object] | None = action
        self.moved_bytes = 0

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        self.moved_bytes += bytes_done
        action, self._action = self._action, None
        if action is not None:
            action()
