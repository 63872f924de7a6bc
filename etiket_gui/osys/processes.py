"""Facts about processes, this one and others: what identifies one, whether it lives, its memory, and ending a tree."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be taken for a later one with the same number: ``start`` tells them apart."""

    pid: int
    start: str


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of a living process, None when there is none of that number."""
    start = _start_of(pid)
    return None if start is None else ProcessIdentity(pid, start)


def own_identity() -> ProcessIdentity:
    """The identity of this process."""
    identity = identity_of(os.getpid())
    return ProcessIdentity(os.getpid(), "") if identity is None else identity


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that very process still runs; a later process with the same number does not count."""
    start = _start_of(identity.pid)
    return start is not None and start == identity.start


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of a process (this one by default) in bytes; 0 when it no longer lives."""
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def kill_tree(pid: int, *, grace_s: float = 0.0) -> None:
    """End a process and everything it started: asked first when ``grace_s`` > 0, by force afterwards.

    Returns when all of them are gone or 5 s after the force, whichever comes first. A process that is already gone
    is no error; one that this account may not end is left.
    """
    import psutil

    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.Error:
        return
    if grace_s > 0:
        _each(family, "terminate")
        _, family = psutil.wait_procs(family, timeout=grace_s)
    _each(family, "kill")
    psutil.wait_procs(family, timeout=5.0)


def wait_gone(identity: ProcessIdentity, timeout_s: float) -> bool:
    """Wait until that process has ended; returns whether it has."""
    end_s = time.monotonic() + timeout_s
    while is_alive(identity):
        if time.monotonic() >= end_s:
            return False
        time.sleep(0.02)
    return True


def _each(processes: Sequence[psutil.Process], what: str) -> None:
    import psutil

    for process in processes:
        try:
            getattr(process, what)()
        except psutil.Error:
            continue


def _start_of(pid: int) -> str | None:
    if pid <= 0:
        return None
    if sys.platform == "linux":
        return _start_on_linux(pid)
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.1f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return "?"


def _start_on_linux(pid: int) -> str | None:
    """Boot identity and start tick: exact where a wall-clock start time moves with every correction of the clock."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        boot = _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return f"{boot}:{fields[19].decode('ascii')}"
