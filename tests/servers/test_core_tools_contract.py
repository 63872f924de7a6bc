"""The core-tools backend keeps the contract of every backend, over a real PostgreSQL and both layouts of its tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from etiket_gui.backends.api import Backend
from etiket_gui.backends.core_tools.backend import CoreToolsBackend
from tests.contract.backend_contract import BackendContract, SourceBench
from tests.support.core_tools_database import CoreToolsDatabase, measured, sweep
from tests.support.postgresql import USER, Server, running_server

pytestmark = pytest.mark.servers
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests here that asks nobody for a password; each test has a database of its own."""
    with running_server() as server:
        server.trust()
        yield server


class _CoreToolsBench(SourceBench):
    """A database and, in the root folder, the settings file of core-tools that names it."""

    backend_class: ClassVar[type[Backend]] = CoreToolsBackend

    def __init__(self, folder: Path, server: Server, *, is_old: bool) -> None:
        super().__init__(folder)
        self.database = CoreToolsDatabase(server, f"contract_{next(_names)}", is_old=is_old)
        self._uuids: dict[str, int] = {}
        self._is_away = False
        (self.root / "settings.yaml").write_text(
            "setup: F006\nproject: SpinProject\nsample: SQ22\n"
            f"local_database:\n  user: {USER}\n  password: not this one\n  database: {self.database.name}\n"
            f"  address: localhost:{server.port}\n"
        )

    def options(self) -> dict[str, Any]:
        # Nobody listens at port 1: the computer that runs the database was switched off.
        return self.database.options() | ({"port": 1} if self._is_away else {})

    def make(self, name: str) -> None:
        voltage = sweep("P1", np.linspace(-1, 1, 5))
        self._uuids[name] = self.database.measure(name, [measured("current", np.arange(5.0), voltage), voltage])

    def change(self, name: str) -> None:
        self.database.update(self._uuids[name], starred=True)

    def remove(self, name: str) -> None:
        self.database.delete(self._uuids[name])

    def take_away(self) -> None:
        self._is_away = True

    def identifier_of(self, name: str) -> str:
        return str(self._uuids[name])


@pytest.mark.parametrize("bench", ["new", "old"], indirect=True)
class TestCoreToolsBackend(BackendContract):
    """Runs in one common table of parameters, and in one table for each run."""

    @pytest.fixture
    def bench(self, tmp_path: Path, server: Server, request: pytest.FixtureRequest) -> Iterator[SourceBench]:
        """An empty database."""
        bench = _CoreToolsBench(tmp_path, server, is_old=request.param == "old")
        yield bench
        bench.database.drop()
