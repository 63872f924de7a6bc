"""The settings for the window: what holds now, and a way to change it that never waits for the disk."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from etiket_gui.domain.errors import EtiketError
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, changed, save_settings

log = logging.getLogger(__name__)


class SettingsAccess(QObject):
    """One per program. ``changed`` comes when :attr:`current` is another, ``saved`` when it is on the disk.

    ``notSaved`` has the reason why it is not.

    A change holds at once, also when it could not be written.
    """

    changed = Signal(object)
    saved = Signal()
    notSaved = Signal(object)

    _told = Signal()

    def __init__(self, home: Home, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self._current = settings
        self._wanted: queue.SimpleQueue[Settings | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[EtiketError | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._told.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    @property
    def current(self) -> Settings:
        """What holds now."""
        return self._current

    def change(self, **fields: Any) -> None:
        """Have other values hold from now on, and be written. Raises UsageError for a value that makes no sense."""
        settings = changed(self._current, **fields)
        if settings == self._current:
            return
        self._current = settings
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="settings-writer", daemon=True)
            self._thread.start()
        self._wanted.put(settings)
        self.changed.emit(settings)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is not written yet."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wanted.put(None)
            thread.join(timeout_s)

    def _write(self) -> None:
        while (settings := self._wanted.get()) is not None:
            outcome: EtiketError | None = None
            try:
                save_settings(self._home, settings)
            except EtiketError as error:
                log.warning("%s", error.reason)
                outcome = error
            self._outcomes.put(outcome)
            self._told.emit()

    @Slot()
    def _tell(self) -> None:
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            if outcome is None:
                self.saved.emit()
            else:
                self.notSaved.emit(outcome)
