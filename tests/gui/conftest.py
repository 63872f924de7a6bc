"""What every test of the window stands on: a filled home, readers, an engine's host, and nothing of Qt left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support import qt_homes, qt_leaks
from tests.support.qt_stalls import StallProbe


@pytest.fixture(autouse=True)
def _nothing_of_qt_left(qapp: object) -> Iterator[None]:
    """Fails the test when a QThread it started still runs or a QTimer still ticks, or a window is still open."""
    before = qt_leaks.begin()
    yield
    qt_leaks.settle()
    left = qt_leaks.left(before)
    if left:
        pytest.fail("left of Qt:\n" + "\n".join(left), False)


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qt_homes.filled_home(tmp_path_factory.mktemp("filled") / "home").root


@pytest.fixture
def home(_filled: Path, tmp_path: Path) -> Home:
    """A home with 300 datasets in every state, of four sources that are switched off."""
    shutil.copytree(_filled, tmp_path / "home")
    return Home.locate(tmp_path / "home")


@pytest.fixture
def reads(home: Home, qtbot: QtBot) -> Iterator[StoreReads]:
    """The readers of that home's store."""
    made = StoreReads(home)
    yield made
    assert made.stop(), "the readers do not end"


@pytest.fixture
def host(home: Home, qtbot: QtBot) -> Iterator[EngineHost]:
    """The host of an engine on that home; not started."""
    made = EngineHost(home, Settings(worker_count=1))
    yield made
    assert made.stop_and_wait(10), "the engine does not end"


@pytest.fixture
def stalls(qtbot: QtBot) -> Iterator[StallProbe]:
    """A probe of how long the window's thread does not answer: ``begin()``, act, ``take()``."""
    probe = StallProbe()
    yield probe
    probe.stop()
