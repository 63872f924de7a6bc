"""Finds what a test left of Qt: threads that run, timers that tick, windows that are still there."""

from __future__ import annotations

import functools
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


def begin() -> set[int]:
    """Call before a test: identities of the QThread objects that run and of the timers that tick now.

    What is alive now is not looked through again: that would take longer than most tests.
    """
    settle()
    before = {id(item) for item in _running()}
    gc.freeze()
    return before


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


@functools.cache
def _is_of_interest(kind: type) -> bool:
    return issubclass(kind, QThread | QTimer)


def _running() -> list[QThread | QTimer]:
    # One pass, for it is all that there is; asked by class, for asking each object takes three times as long.
    found = [item for item in gc.get_objects() if _is_of_interest(type(item)) and shiboken6.isValid(item)]
    return [item for item in found if (item.isRunning() if isinstance(item, QThread) else item.isActive())]
