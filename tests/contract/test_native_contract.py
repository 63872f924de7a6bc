"""The native backend keeps the contract of every backend: recordings, and an eTiKeT client's local database."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from etiket_gui.backends.api import Backend
from etiket_gui.backends.native.backend import NativeBackend
from etiket_gui.record import Recorder
from tests.contract.backend_contract import BackendContract, SourceBench
from tests.support.client_database import ClientFolder


class _RecordingsBench(SourceBench):
    backend_class: ClassVar[type[Backend]] = NativeBackend

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made: dict[str, Recorder] = {}

    def options(self) -> dict[str, Any]:
        return {"data_directory": str(self.root), "is_network_folder": False}

    def make(self, name: str) -> None:
        with Recorder(name, folder=self.root, attributes={"sample": "SQ22"}) as run:
            run.quantity("x", unit="V")
            run.quantity("y", unit="mV", axes=("x",))
            for number in range(3):
                run.add(x=number, y=number**2)
        self._made[name] = run

    def change(self, name: str) -> None:
        (self._made[name].folder / "notes.txt").write_text("looks good")

    def remove(self, name: str) -> None:
        shutil.rmtree(self._made[name].folder)

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return self._made[name].uuid


class _ClientBench(SourceBench):
    backend_class: ClassVar[type[Backend]] = NativeBackend
    keeps_access_times = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.client = ClientFolder(self.root)
        self._made: dict[str, str] = {}

    def options(self) -> dict[str, Any]:
        return {"data_directory": str(self.root), "is_network_folder": False}

    def make(self, name: str) -> None:
        made = self.client.dataset(name, attributes={"sample": "SQ22"})
        self.client.file(made, "measurement.hdf5", b"bytes")
        self.client.file(made, "notes.txt", b"a note", type="TEXT")
        self._made[name] = str(made)

    def change(self, name: str) -> None:
        self.client.execute("UPDATE datasets SET name = 'renamed' WHERE name = ?", name)

    def remove(self, name: str) -> None:
        with closing(sqlite3.connect(self.client.database)) as connection:
            connection.execute("DELETE FROM datasets WHERE name = ?", (name,))
            connection.commit()

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name: str) -> str:
        return self._made[name]


class TestRecordings(BackendContract):
    """Folders of the program's own recorder."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """An empty folder."""
        return _RecordingsBench(tmp_path)


class TestClientDatabase(BackendContract):
    """The shared folder of an eTiKeT client."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        """A client without datasets."""
        return _ClientBench(tmp_path)
