"""Finds what a test left of Qt: threads that run, timers that tick, windows that are still there."""

from __future__ import annotations

import gc

import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from PySide6.QtWidgets import QApplication


def settle() -> None:
    """Have everything deleted that was to be deleted."""
    if QCoreApplication.instance() is None:
        return
    gc.collect()
    QCoreApplication.sendPostedEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def running() -> set[int]:
    """Identities of the QThread objects that run and of the timers that tick now."""
    return {id(item) for item in _running()}


def left(before: set[int]) -> list[str]:
    """What runs and did not before: threads by name, timers with whom they belong to."""
    return [
        f"QThread {item.objectName() or item!r}"
        if isinstance(item, QThread)
        else f"QTimer of {item.parent()!r} every {item.interval()} ms"
        for item in _running()
        if id(item) not in before
    ]


def left_windows() -> list[str]:
    """The windows that are open."""
    if not isinstance(QCoreApplication.instance(), QApplication):
        return []
    return [repr(widget) for widget in QApplication.topLevelWidgets() if widget.isVisible()]


def _running() -> list[QThread | QTimer]:
    # One pass, for it is all that there is.
    found = [item for item in gc.get_objects() if isinstance(item, QThread | QTimer) and shiboken6.isValid(item)]
    return [item for item in found if (item.isRunning() if isinstance(item, QThread) else item.isActive())]
