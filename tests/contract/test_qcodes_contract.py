"""The QCoDeS backend keeps the contract of backends, in both journal modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.qcodes.backend import QCoDeSBackend
from tests.contract.backend_contract import BackendContract, SourceBench
from tests.support.qcodes_database import QCoDeSFile, guid_of


class _QCoDeSBench(SourceBench):
    backend_class = QCoDeSBackend
    keeps_access_times = False
    is_wal = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = self.root / "experiments.db"
        self._numbers: dict[str, int] = {}

    def _file(self) -> QCoDeSFile:
        if self.path.exists():
            return QCoDeSFile.again(self.path)
        return QCoDeSFile(self.path, wal=self.is_wal)

    def options(self) -> dict[str, Any]:
        return {"database_path": str(self.path), "is_network_folder": False}

    def make(self, name: str) -> None:
        file = self._file()
        self._numbers[name] = file.run(name)
        file.close()

    def change(self, name: str) -> None:
        file = self._file()
        file.annotate(self._numbers[name], "operator", "A. Person")
        file.close()

    def remove(self, name: str) -> None:
        file = self._file()
        file.connection.execute("DELETE FROM runs WHERE run_id = ?", (self._numbers[name],))
        file.close()

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return guid_of(self._numbers[name])


class _WalBench(_QCoDeSBench):
    is_wal = True


class TestQCoDeSBackend(BackendContract):
    """A database with a rollback journal."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A source that is written with sqlite3."""
        return _QCoDeSBench(tmp_path)


class TestQCoDeSBackendWithWal(BackendContract):
    """A database in WAL mode."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A source that is written with sqlite3."""
        return _WalBench(tmp_path)
