"""The built-in backends keep the contract of backends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.folder.backend import FolderBackend
from tests.contract.backend_contract import BackendContract, SourceBench


class _FolderBench(SourceBench):
    backend_class = FolderBackend
    level = 1
    parent = ""

    def options(self) -> dict[str, Any]:
        return {"root_directory": str(self.root), "level": self.level, "is_network_folder": False}

    def _folder(self, name: str) -> Path:
        return self.root / self.parent / name

    def make(self, name: str) -> None:
        folder = self._folder(name)
        (folder / "raw" / "µ").mkdir(parents=True)
        (folder / "empty").mkdir()
        (folder / "_QH_dataset_info.yaml").write_text(f"dataset_name: {name}\nskip: ['*.tmp']\n")
        (folder / "scratch.tmp").write_text("x")
        (folder / "trace.csv").write_text("1,2\n")
        (folder / "raw" / "µ" / "a b%.dat").write_bytes(b"")
        (folder / "run.sh").write_text("#!/bin/sh\n")
        (folder / "run.sh").chmod(0o755)
        if hasattr(os, "symlink"):
            (folder / "link").symlink_to("trace.csv")

    def change(self, name: str) -> None:
        with open(self._folder(name) / "trace.csv", "a") as file:
            file.write("3,4\n")

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder(name))

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return f"{self.parent}/{name}" if self.parent else name


class _DayFolderBench(_FolderBench):
    level = 2
    parent = "2026-01-02"


class _MarkedFolderBench(_FolderBench):
    level = -1
    parent = "somewhere/deep"


class TestFolderBackendByDepth(BackendContract):
    """Each sub-folder is a dataset."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A source with level 1."""
        return _FolderBench(tmp_path)


class TestFolderBackendByDay(BackendContract):
    """Each folder in a day folder is a dataset."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A source with level 2."""
        return _DayFolderBench(tmp_path)


class TestFolderBackendByMark(BackendContract):
    """Each outermost folder with a description file is a dataset."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A source with level -1."""
        return _MarkedFolderBench(tmp_path)
