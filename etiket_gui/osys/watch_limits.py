"""How many folders the system lets a program watch, whether that is used up, and the words to say so."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_INOTIFY = Path("/proc/sys/fs/inotify")
_IN_DELETE_SELF = 0x400
_IN_CLOEXEC = 0x80000
_LEAST_WATCHES = 524_288
_LEAST_INSTANCES = 1024


def is_watch_limit_reached(folder: str) -> bool:
    """Whether not one more folder can be watched: tried with a watch of ``folder`` that is given back at once.

    The limit is the account's, not the program's, so trying is the only way to know; False where there is no limit.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(_IN_CLOEXEC)
    if fd < 0:
        return ctypes.get_errno() == errno.ENOSPC
    try:
        if libc.inotify_add_watch(fd, os.fsencode(folder), _IN_DELETE_SELF) >= 0:
            return False
        return ctypes.get_errno() == errno.ENOSPC
    finally:
        os.close(fd)


def queue_limit() -> int:
    """How many events the system keeps for a program that is late; 0 where that is not known."""
    return _read("max_queued_events")


def count_folders(folder: str) -> int:
    """How many folders there are at and below ``folder``, links not followed; unreadable ones count as one."""
    count = 0
    stack = [folder]
    while stack:
        count += 1
        try:
            with os.scandir(stack.pop()) as entries:
                stack.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
    return count


def limit_sentence(folder: str, error_number: int, folder_count: int) -> tuple[str, int]:
    """What happened, what that means and what to do, and the number that the setting needs."""
    if error_number == errno.EMFILE:
        limit, setting = _read("max_user_instances"), "fs.inotify.max_user_instances"
        needed = max(_LEAST_INSTANCES, 2 * limit)
        what = f"this account already has {limit} watchers, as many as the system allows"
    else:
        limit, setting = _read("max_user_watches"), "fs.inotify.max_user_watches"
        needed = max(_LEAST_WATCHES, 1 << (limit + folder_count - 1).bit_length())
        what = f"it has {folder_count} folders, and the system allows {limit} watched folders for this account in all"
    sentence = (
        f"{folder} cannot be watched: {what}. Nothing is lost: changes are found by looking through it every few "
        f"minutes. To have them noticed at once: sudo sysctl {setting}={needed}, and write the line "
        f"{setting}={needed} into /etc/sysctl.d/60-etiket-gui.conf to keep it."
    )
    return sentence, needed


def _read(name: str) -> int:
    try:
        return int((_INOTIFY / name).read_text("ascii"))
    except (OSError, ValueError):
        return 0
