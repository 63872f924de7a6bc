"""How long work is told to stop and how it tells how far it is; standard library only, no threads of its own."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from etiket_gui.domain.errors import Stopped


class StopToken:
    """Set once from any thread; long work asks it between steps of at most a few hundred milliseconds."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        """Ask the work to end as soon as it can."""
        self._event.set()

    @property
    def is_stopped(self) -> bool:
        """Whether the work was asked to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Stopped when the work was asked to end."""
        if self._event.is_set():
            raise Stopped("The work was cancelled.")

    def wait(self, delay_s: float) -> bool:
        """Sleep, but end the sleep at once on a stop; returns whether it was stopped."""
        return self._event.wait(delay_s)


class Deadline(StopToken):
    """Stops by itself when the time is up, or with another token."""

    def __init__(self, other: StopToken, limit_s: float) -> None:
        super().__init__()
        self._other = other
        self._end_s = time.monotonic() + limit_s

    @property
    def is_stopped(self) -> bool:
        """Whether the time is up, or the other one was asked to end."""
        return super().is_stopped or self._other.is_stopped or time.monotonic() > self._end_s

    def check(self) -> None:
        """Raise Stopped when it is."""
        if self.is_stopped:
            raise Stopped("The time that this may take is up.")


class Progress(Protocol):
    """Where long work reports bytes. Implementations may sleep (rate limit) and may raise Stopped."""

    def begin(self, uuid: str, files: int, size_bytes: int) -> None:
        """A dataset of that many files and bytes starts."""

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """``bytes_done`` more bytes of the file ``name`` (``size_bytes`` in all) were moved; fewer where negative."""

    def finish(self, uuid: str) -> None:
        """The dataset's last byte was moved."""


class NoProgress:
    """Progress that nobody looks at."""

    def begin(self, uuid: str, files: int, size_bytes: int) -> None:
        """Do nothing."""

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """Do nothing."""

    def finish(self, uuid: str) -> None:
        """Do nothing."""
