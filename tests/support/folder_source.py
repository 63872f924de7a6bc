"""A folder source for tests: the backend on a real folder, and what a store would know of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory

__all__ = ["SOURCE_UUID", "FolderSource", "KnownInMemory", "failing_listings"]


class FolderSource:
    """A backend, its root and its store. ``look`` remembers what it found, as the engine does."""

    def __init__(self, root: Path, work_folder: Path, **options: Any) -> None:
        self.root = root
        self.config = FolderConfig(
            root_directory=str(root), **{"is_network_folder": False, "converters": {"all": "off"}, **options}
        )
        self.backend = FolderBackend(self.config, BackendContext(SOURCE_UUID, work_folder))
        self.known = KnownInMemory()
        self.summary = DiscoverySummary(0)

    def write(self, name: str, content: bytes | str = b"x") -> Path:
        """Write a file below the root, with its folders."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def look(
        self, *, identifiers: tuple[str, ...] | None = None, paths: tuple[Path | str, ...] | None = None
    ) -> dict[str, Found]:
        """One look; returns what was reported, by identifier, and forgets what is missing."""
        found: dict[str, Found] = {}

        def report(item: Found) -> None:
            assert item.identifier not in found, f"{item.identifier} was reported twice"
            found[item.identifier] = item

        request = DiscoveryRequest(
            identifiers=identifiers, paths=None if paths is None else tuple(os.fspath(path) for path in paths)
        )
        self.summary = self.backend.discover(request, self.known, report, StopToken())
        for identifier, item in found.items():
            self.known.known[identifier] = item.fingerprint
        for identifier in self.summary.missing:
            self.known.known.pop(identifier, None)
        return found

    def read(self, identifier: str) -> Content:
        """Read a dataset and remember its manifest, as after sending it."""
        content = self.backend.read(identifier, StopToken())
        self.known.manifests[identifier] = tuple(file.entry for file in content.files)
        return content

    def names(self, identifier: str) -> list[str]:
        """The names of a dataset's entries."""
        return [file.entry.name for file in self.backend.read(identifier, StopToken()).files]


def failing_listings(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """An empty mapping of folder path to errno: listing a folder that is put into it fails with that error."""
    failing: dict[str, int] = {}
    real_scandir = os.scandir

    def scandir(path: Any = ".") -> Any:
        number = failing.get(path) if isinstance(path, str) else None
        if number is not None:
            raise OSError(number, os.strerror(number), path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return failing
