"""Whose turn it is with Python's interpreter: the window's thread is not interrupted in the middle of a paint."""

from __future__ import annotations

import sys
from types import TracebackType

#: A thread that wants the interpreter asks for it after so long; Python's own is 5 ms.
SHARED_S = 0.001
#: The same while the window's thread paints: longer than a paint may take.
HELD_S = 0.01


def share_finely() -> None:
    """From now on the window's thread waits at most a millisecond for Python code of another thread."""
    sys.setswitchinterval(min(sys.getswitchinterval(), SHARED_S))


class _SwitchInterval:
    """Inside, threads that begin to wait for the interpreter do so for another time; for one thread, not nested."""

    __slots__ = ("_before_s", "_within_s")

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._before_s = within_s

    def __enter__(self) -> None:
        self._before_s = sys.getswitchinterval()
        sys.setswitchinterval(self._within_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setswitchinterval(self._before_s)


def held() -> _SwitchInterval:
    """Inside, others wait until this thread is done, for a paint: at most :data:`HELD_S`.

    With the short time of always, a paint of five milliseconds takes ten and more while the engine is busy, for each
    time the interpreter is lost, the other thread keeps it as long.
    """
    return _SwitchInterval(HELD_S)


def shared() -> _SwitchInterval:
    """Inside, others get on as ever: for a moment within :func:`held` in which this thread waits for one of them."""
    return _SwitchInterval(SHARED_S)
