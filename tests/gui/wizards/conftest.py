"""A whole desk on an empty home, with a real engine and a real child process, for wizards, sheets and dialogs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.jobs import JobClient
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.settings_access import SettingsAccess
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings

#: A person may set this to look at the pictures that the tests take.
PICTURES = os.environ.get("ETIKET_GUI_TEST_PICTURES", "")


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    return Home(tmp_path / "empty home")


@pytest.fixture
def desk(empty_home: Home, qtbot: QtBot) -> Iterator[Desk]:
    """A running engine without anything set up."""
    empty_home.prepare()
    settings = Settings(worker_count=1)
    theme = Theme(os.environ.get("ETIKET_GUI_TEST_APPEARANCE", "light"))
    if PICTURES:
        theme.apply()
    host = EngineHost(empty_home, settings)
    reads = StoreReads(empty_home)
    jobs = JobClient(empty_home.root, grace_s=0.5)
    access = SettingsAccess(empty_home, settings)
    with qtbot.waitSignal(host.started, timeout=20_000):
        host.start()
    yield Desk(host, reads, jobs, theme, empty_home, access)
    access.stop()
    with qtbot.waitSignal(jobs.stopped, timeout=8000):
        jobs.stop()
    jobs.wait()
    assert reads.stop(), "the readers do not end"
    assert host.stop_and_wait(10), "the engine does not end"
    host.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    if PICTURES:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.setStyleSheet("")


class Hand:
    """Clicks and types by object names, as the click script does, and counts the clicks."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot = qtbot
        self.clicks = 0

    def find(self, window: QWidget, name: str) -> QWidget:
        """The visible widget of that name, as soon as it is there."""
        found: list[QWidget] = []

        def is_there() -> bool:
            found[:] = [widget for widget in window.findChildren(QWidget, name) if widget.isVisible()]
            assert len(found) <= 1, f"{len(found)} visible widgets are called {name}"
            return bool(found)

        self._qtbot.waitUntil(is_there, timeout=20_000)
        return found[0]

    def click(self, window: QWidget, name: str, *, timeout: int = 20_000) -> None:
        """Click a button as soon as it can be clicked."""

        def can_be_clicked() -> bool:
            found = [widget for widget in window.findChildren(QAbstractButton, name) if widget.isVisible()]
            return len(found) == 1 and found[0].isEnabled()

        self._qtbot.waitUntil(can_be_clicked, timeout=timeout)
        button = self.find(window, name)
        assert isinstance(button, QAbstractButton)
        self.clicks += 1
        if button.isCheckable():
            button.click()
        else:
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def type(self, window: QWidget, name: str, text: str) -> None:
        """Type into a line in place of what is there."""
        line = self.find(window, name)
        assert isinstance(line, QLineEdit)
        line.setFocus()
        line.selectAll()
        QTest.keyClicks(line, text)

    def wait(self, until: Callable[[], bool], timeout: int = 20_000) -> None:
        """Wait for something."""
        self._qtbot.waitUntil(until, timeout=timeout)

    def picture(self, window: QWidget, name: str) -> None:
        """Keep a picture where a person asked for pictures."""
        if PICTURES:
            self._qtbot.wait(60)
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            window.grab().save(str(Path(PICTURES) / f"{name}.png"))


@pytest.fixture
def hand(qtbot: QtBot) -> Hand:
    return Hand(qtbot)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder source with datasets of several days, and files that patterns leave out."""
    root = tmp_path / "fridge data"
    for day in (3, 4, 5):
        for number in range(4):
            dataset = root / f"2026030{day}" / f"run {number} resonator"
            dataset.mkdir(parents=True)
            (dataset / "data.csv").write_bytes(b"x,y\n1,2\n" * 2000 * (number + 1))
            (dataset / "Thumbs.db").write_bytes(b"thumb")
    return root
