"""Finds what a test left running: threads and child processes, each with the place it was born at."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

GRACE_S = 3.0
_births: dict[int, str] = {}
_child_births: dict[int, str] = {}


def _birthplace() -> str:
    """The innermost lines outside threading, subprocess and this module."""
    frames = [
        frame
        for frame in traceback.extract_stack()
        if not frame.filename.endswith(("/threading.py", "/subprocess.py", "/leaks.py", "\\threading.py"))
        and "/_pytest/" not in frame.filename
        and "/pluggy/" not in frame.filename
    ]
    return " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames[-3:]))


def remember_births() -> None:
    """From now on every thread and child process remembers where it was started; called once."""
    start: Callable[[threading.Thread], None] = threading.Thread.start
    init: Callable[..., None] = subprocess.Popen.__init__

    def started(self: threading.Thread) -> None:
        _births[id(self)] = _birthplace()
        start(self)

    def created(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        _child_births[self.pid] = _birthplace()

    threading.Thread.start = started  # type: ignore[method-assign]
    subprocess.Popen.__init__ = created  # type: ignore[method-assign]


def adopt_orphans() -> None:
    """On Linux, children whose parent died become ours, so that an abandoned grandchild is seen too."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def running_threads() -> set[threading.Thread]:
    """The threads alive now. Those that Python only stands in for (Qt's own) are never known to have ended."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


def _state_of(pid: int) -> tuple[str, str]:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        text = stat.read()
    name = text[text.index("(") + 1 : text.rindex(")")]
    return text[text.rindex(")") + 2], name


def _children_linux() -> set[int]:
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", encoding="ascii") as children:
            found.update(int(pid) for pid in children.read().split())
    return found


def running_children() -> set[int]:
    """Process ids of our direct children, orphans we inherited included; none that is dead and known to its owner."""
    if sys.platform != "linux" or not os.path.exists("/proc/self/task"):
        import psutil

        return {child.pid for child in psutil.Process().children(recursive=True) if child.status() != "zombie"}
    alive = set()
    for pid in _children_linux():
        try:
            state, _ = _state_of(pid)
        except OSError:
            continue
        if state != "Z":
            alive.add(pid)
        elif pid not in _child_births:
            # An orphan nobody waits for: its last words belong to us.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    return alive


def _command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()[:300]
    except OSError:
        return f"process {pid}"


def leaked_threads(before: set[threading.Thread]) -> list[str]:
    """Sentences about threads that were started since and do not end within the grace time."""
    deadline = time.monotonic() + GRACE_S
    left = []
    for thread in running_threads() - before:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            kind = "daemon thread" if thread.daemon else "thread"
            left.append(f"{kind} {thread.name!r}, started at {_births.get(id(thread), 'an unknown place')}")
    _births.clear()
    return left


def leaked_children(before: set[int]) -> list[str]:
    """Sentences about child processes that do not end within the grace time; these are killed."""
    deadline = time.monotonic() + GRACE_S
    left = running_children() - before
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = running_children() - before
    sentences = []
    for pid in left:
        place = _child_births.get(pid, "an unknown place (an orphan of another process)")
        sentences.append(f"process {pid} ({_command_of(pid)}), started at {place}")
        _end(pid)
    return sentences


def _end(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.kill()
        process.wait(60)
