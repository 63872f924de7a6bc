"""Every destination of the program keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from etiket_gui.destinations.api import Destination, DestinationContext
from etiket_gui.destinations.archive.destination import ArchiveConfig
from etiket_gui.destinations.registry import load_destination
from tests.contract.destination_contract import DestinationBench, DestinationContract
from tests.support.outgoing import AGENT


class ArchiveBench(DestinationBench):
    """A folder archive on the disk of the tests; taking it away leaves an empty mount point."""

    options: ClassVar[dict[str, object]] = {}

    def connect(self, agent: str = AGENT) -> Destination:
        config = ArchiveConfig(path=self.folder / "archive")
        return load_destination("archive")(config, DestinationContext(agent, "host", self.folder, options=self.options))

    def take_away(self) -> None:
        (self.folder / "archive").rename(self.folder / "unplugged")
        (self.folder / "archive").mkdir()

    def bring_back(self) -> None:
        (self.folder / "archive").rmdir()
        (self.folder / "unplugged").rename(self.folder / "archive")


class ArchiveWhileMeasuringBench(ArchiveBench):
    """The same while a measurement runs, where everything goes in small steps."""

    options: ClassVar[dict[str, object]] = {"measuring": True}


class TestArchive(DestinationContract):
    """The folder archive."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> DestinationBench:
        return ArchiveBench(tmp_path)


class TestArchiveWhileMeasuring(DestinationContract):
    """The folder archive, made durable file by file."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> DestinationBench:
        return ArchiveWhileMeasuringBench(tmp_path)
