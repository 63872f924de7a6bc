"""A real file system of a few megabytes, for disks that are full."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that size at ``folder``; skips the test where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    is_mounted = sys.platform == "linux" and os.geteuid() == 0
    if is_mounted:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not is_mounted:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, *, leaving_bytes: int = 0) -> Path:
    """Take what is free of a file system, but for so many bytes; returns the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (1 << 20, 1 << 16, 1 << 12, 512):
            with contextlib.suppress(OSError):
                while free_bytes(folder) >= leaving_bytes + block:
                    file.write(bytes(block))
    return ballast


def free_bytes(folder: Path) -> int:
    """What is free for this account."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
