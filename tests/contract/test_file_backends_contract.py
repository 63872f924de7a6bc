"""Quantify and Labber sources keep the contract of backends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.labber.backend import LabberBackend
from etiket_gui.backends.quantify.backend import QuantifyBackend
from tests.contract.backend_contract import BackendContract, SourceBench
from tests.support.labber_files import CREATED_S, write_simple
from tests.support.quantify_files import write_measurement

_TUIDS = {"one": "20260102-030405-006-0a1b2c", "two": "20260102-040506-007-0a1b2d"}
_TIMES = {"one": CREATED_S, "two": CREATED_S + 60}


class _QuantifyBench(SourceBench):
    backend_class = QuantifyBackend

    def options(self) -> dict[str, Any]:
        return {"data_directory": str(self.root), "is_network_folder": False, "set_up": "fridge 1"}

    def make(self, name: str) -> None:
        folder = write_measurement(self.root, _TUIDS[name], f"{name} µ (a/b)".replace("/", "_"))
        (folder / "analysis_Fit" / "figs_mpl").mkdir(parents=True)
        (folder / "analysis_Fit" / "figs_mpl" / "fit.png").write_bytes(b"png")
        (folder / "metadata.json").write_text('{"operator": "A. Person", "tags": ["cold"]}')

    def _folder(self, name: str) -> Path:
        return next(self.root.glob(f"*/{_TUIDS[name]}*"))

    def change(self, name: str) -> None:
        (self._folder(name) / "metadata.json").write_text('{"operator": "Somebody Else", "tags": ["warm"]}')

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder(name))

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return _TUIDS[name]


class _LabberBench(SourceBench):
    backend_class = LabberBackend

    def options(self) -> dict[str, Any]:
        return {"log_directory": str(self.root), "is_network_folder": False, "set_up": "fridge 1"}

    def _path(self, name: str) -> Path:
        folder = self.root / "2026" / "01" / "Data_0102"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name} µ.hdf5"

    def make(self, name: str) -> None:
        write_simple(self._path(name), name=f"{name} µ", created_s=_TIMES[name])

    def change(self, name: str) -> None:
        write_simple(self._path(name), name=f"{name} µ", created_s=_TIMES[name], offset=1.5)

    def remove(self, name: str) -> None:
        self._path(name).unlink()

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return f"{_TIMES[name]:.6f}/{name} µ/1"


class _NamelessLabberBench(_LabberBench):
    """Files of other programs, which do not say who they are."""

    def make(self, name: str) -> None:
        write_simple(self._path(name), created_s=None)

    def change(self, name: str) -> None:
        write_simple(self._path(name), created_s=None, offset=1.5)

    def identifier_of(self, name: str) -> str:
        from etiket_gui.testing.known_datasets import SOURCE_UUID

        return f"{SOURCE_UUID}:2026/01/Data_0102/{name} µ.hdf5:1"


class TestQuantifyBackend(BackendContract):
    """Folders with a TUID."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A data directory."""
        return _QuantifyBench(tmp_path)


class TestLabberBackend(BackendContract):
    """Logs that say when they were made."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A log directory."""
        return _LabberBench(tmp_path)


class TestLabberBackendWithFilesOfOtherPrograms(BackendContract):
    """Logs that only their place tells apart."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A log directory."""
        return _NamelessLabberBench(tmp_path)
