"""When Python looks for circles of garbage while a window is open: on the window's own thread, between its events."""

from __future__ import annotations

import gc
import time

from PySide6.QtCore import QObject, QTimer

_EVERY_MS = 250
#: Python's own: a round through the young ones after so many, through the older ones after ten of those.
_YOUNG = 700
_ROUNDS_OF_OLDER = 10
#: A round through everything takes tens of milliseconds.
FULL_EVERY_S = 120.0


class GarbageRounds(QObject):
    """Belongs to the GUI thread. From :meth:`start` to :meth:`stop` Python does not look for garbage by itself.

    By itself it does so in whichever thread makes the most, in the middle of a paint or while holding the interpreter
    in the engine's thread, and goes through all modules each time: a tenth of a second in which the window stands
    still. A widget that is part of a circle would also be destroyed on a thread that it does not belong to.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._full_s = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.look)

    def start(self) -> None:
        """Take over; what is there by now lasts as long as the program and is never gone through again.

        Nothing happens when it runs already.
        """
        if self._timer.isActive():
            return
        gc.freeze()
        gc.disable()
        self._full_s = time.monotonic()
        self._timer.start()

    def stop(self) -> None:
        """Leave it to Python again; nothing happens when it does not run."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        gc.unfreeze()
        gc.enable()

    def look(self) -> None:
        """A round through the young, now and then through the older ones, rarely through everything."""
        young, older, _ = gc.get_count()
        if time.monotonic() >= self._full_s + FULL_EVERY_S:
            gc.collect()
            self._full_s = time.monotonic()
        elif older >= _ROUNDS_OF_OLDER:
            gc.collect(1)
        elif young >= _YOUNG:
            gc.collect(0)
