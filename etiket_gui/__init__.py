"""etiket-gui brings every measurement of a laboratory workstation, verified, to one or more archives."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from os import PathLike


def hold(home: str | PathLike[str] | None = None, *, at_most_s: float = 86400.0) -> AbstractContextManager[None]:
    """For measurement scripts: ``with etiket_gui.hold():`` – inside, the program touches nothing of what is measured.

    ``home`` is the program's home where it is not the usual one. It ends by itself after ``at_most_s`` seconds, or ten
    minutes after the script died. It never raises: without the program it logs a warning and does nothing.
    """
    from etiket_gui.holding import Hold

    return Hold(home, at_most_s)
