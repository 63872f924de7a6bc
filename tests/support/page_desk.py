"""A desk for pages of the window: the real engine host, store readers, jobs and look, on a home of the test."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.jobs import JobClient
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.settings_access import SettingsAccess
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support.patience import patient_s


@contextlib.contextmanager
def page_desk(home: Home, *, mode: str = "light", settings: Settings | None = None) -> Iterator[Desk]:
    """A desk on that home; no engine runs until ``desk.host.start()``. Afterwards nothing is left running."""
    wanted = settings or Settings(worker_count=1)
    theme = Theme(mode)
    theme.apply()
    desk = Desk(
        host=EngineHost(home, wanted),
        reads=StoreReads(home),
        jobs=JobClient(home.root),
        theme=theme,
        home=home,
        settings=SettingsAccess(home, wanted),
    )
    try:
        yield desk
    finally:
        desk.jobs.stop()
        desk.host.stop_and_wait(10)
        desk.jobs.wait()
        desk.reads.stop()
        desk.settings.stop()
        QApplication.sendPostedEvents()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.setStyleSheet("")


def for_a_moment(milliseconds: int = 50) -> None:
    """Let the window work for so long."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def shown(page: QWidget, width: int = 1200, height: int = 800) -> QWidget:
    """The page on the screen in that size."""
    page.resize(width, height)
    page.show()
    return page


def picture(page: QWidget, path: Path) -> None:
    """Keep what the page looks like now as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert page.grab().save(str(path))


def eventually(is_so: object, what: str, timeout_s: float = 10.0) -> None:
    """Let the window work until something is so; AssertionError that names it when it does not become so."""
    assert callable(is_so)
    end_s = time.monotonic() + patient_s(timeout_s)
    while not is_so():
        assert time.monotonic() < end_s, f"not within {timeout_s} s: {what}"
        for_a_moment(10)
