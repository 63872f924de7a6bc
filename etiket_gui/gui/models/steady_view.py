"""A table view that paints itself in one go, however busy other threads of the program are."""

from __future__ import annotations

from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QTableView


class SteadyTableView(QTableView):
    """For models written in Python: one paint asks them a thousand times.

    Painting from C++ gives the interpreter away after each answer, and a busy thread keeps it for milliseconds each
    time: a paint of 10 ms then takes 100. Called from Python, it keeps the interpreter until it is done.
    """

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is seen."""
        super().paintEvent(event)
