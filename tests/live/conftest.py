"""An engine with real workers, and the programs that measure beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.events import LivePointsArrived
from etiket_gui.engine import live
from tests.live.producers import Folders, Labber, Native, QCoDeS, Quantify, Run, source_of
from tests.support.engine_driver import EngineDriver

Make = Callable[[Path], Any]
PRODUCERS: dict[str, Make] = {
    "qcodes-wal": lambda folder: QCoDeS(folder, wal=True),
    "qcodes-rollback": lambda folder: QCoDeS(folder, wal=False),
    "quantify": Quantify,
    "labber": Labber,
    "native": Native,
    "folder": Folders,
}
TELLING = tuple(name for name in PRODUCERS if name != "folder")


class LiveLab:
    """A home with an archive, the sources of producers, and the engine that watches them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = EngineDriver(folder)
        self.driver.add_archive()
        self.producers: list[Any] = []

    def add(self, producer: Any, name: str = "fridge", **options: Any) -> Any:
        """Make a producer's place a source; without an engine."""
        backend, config = source_of(producer, **options)
        self.driver.add_source(backend, name, config)
        self.producers.append(producer)
        return producer

    def row(self, name: str) -> dict[str, Any]:
        """What the store says of a run."""
        statement = (
            "SELECT d.*, t.state AS transfer_state, t.version AS version FROM datasets d JOIN transfers t "
            "ON t.dataset_id = d.id WHERE d.name LIKE ?"
        )
        rows = self.driver.rows(statement, f"%{name}%")
        return dict(rows[0]) if rows else {}

    def points(self, run: Run) -> int:
        """How many points were told last of a run."""
        uuid = self.row(run.name).get("uuid")
        return max(
            (event.point_count for event in self.driver.told(LivePointsArrived) if event.uuid == uuid), default=0
        )

    def until_told(self, run: Run, timeout_s: float = 12.0) -> float:
        """Turn until all points written so far are told; returns how many seconds that took."""
        begun_s = time.monotonic()
        self.driver.until(lambda: self.points(run) >= run.count, f"{run.count} points of {run.name}", timeout_s)
        return time.monotonic() - begun_s

    def stored(self, run: Run) -> list[str]:
        """The versions of a run at the archive, oldest first."""
        identifier = self.row(run.name).get("identifier", "")
        return [record.version for record in self.driver.versions(str(identifier))]

    def until_state(self, run: Run, state: str, timeout_s: float = 15.0) -> None:
        """Turn until the run is in that state."""
        self.driver.until(lambda: self.row(run.name).get("run_state") == state, f"{run.name} is {state}", timeout_s)

    def until_archived(self, run: Run, timeout_s: float = 20.0) -> None:
        """Turn until a run is archived and nothing more is to be done."""
        self.driver.until(
            lambda: self.row(run.name).get("transfer_state") == "archived", f"{run.name} is archived", timeout_s
        )
        self.driver.until(lambda: self.driver.coordinator.is_drained, "nothing more to do", timeout_s)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveLab]:
    """A lab whose provisional versions come every second at most."""
    monkeypatch.setattr(live, "SHORTEST_INTERVAL_S", 1.0)
    monkeypatch.setattr(live, "SEND_TIMES", 2.0)
    made = LiveLab(tmp_path)
    yield made
    made.driver.stop()
    for producer in made.producers:
        producer.close()
