"""Finds what a test left of Qt: threads that run, timers that tick, windows that are still there."""

from __future__ import annotations

import gc
import threading
from typing import TypeVar

import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from PySide6.QtWidgets import QApplication

_T = TypeVar("_T")


def settle() -> None:
    """Have everything deleted that was to be deleted."""
    if QCoreApplication.instance() is None:
        return
    gc.collect()
    QCoreApplication.sendPostedEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def running_qthreads() -> set[int]:
    """Identities of the QThread objects that run now."""
    return {id(thread) for thread in _all(QThread) if thread.isRunning()}


def ticking_timers() -> set[int]:
    """Identities of the timers that are active now."""
    return {id(timer) for timer in _all(QTimer) if timer.isActive()}


def left_threads(before: set[int]) -> list[str]:
    """The threads that were not there before, by name."""
    return [
        f"QThread {thread.objectName() or thread!r}"
        for thread in _all(QThread)
        if id(thread) not in before and thread.isRunning() and threading.main_thread() is threading.current_thread()
    ]


def left_timers(before: set[int]) -> list[str]:
    """The timers that tick and did not before, with whom they belong to."""
    return [
        f"QTimer of {timer.parent()!r} every {timer.interval()} ms"
        for timer in _all(QTimer)
        if id(timer) not in before and timer.isActive()
    ]


def left_windows() -> list[str]:
    """The windows that are open."""
    if not isinstance(QCoreApplication.instance(), QApplication):
        return []
    return [repr(widget) for widget in QApplication.topLevelWidgets() if widget.isVisible()]


def _all(kind: type[_T]) -> list[_T]:
    return [item for item in gc.get_objects() if isinstance(item, kind) and shiboken6.isValid(item)]
