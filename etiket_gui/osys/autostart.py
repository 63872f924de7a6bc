"""Start at login, behind one seam: an XDG entry, a Run key of Windows, or a LaunchAgent of macOS."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from etiket_gui.domain.errors import UsageError
from etiket_gui.osys.autostart_mac import LaunchAgent
from etiket_gui.osys.autostart_windows import RunKey, system_registry
from etiket_gui.osys.autostart_xdg import XdgEntry

#: Panels and keyrings are there some seconds after the login.
DELAY_S = 15
HIDDEN = "--hidden"


class Autostart(Protocol):
    """Whether this program starts when its account logs in. Every method may touch the disk or the registry.

    ``command`` is the program and its arguments. ``enable`` replaces an entry that is there; ``disable`` is harmless
    when there is none. Both raise OSError where the system does not let us.
    """

    def command(self) -> tuple[str, ...] | None:
        """What is started at login; None when nothing is, or when a person switched the entry off."""
        ...

    def enable(self, command: Sequence[str]) -> None:
        """Start that at login from now on."""
        ...

    def disable(self) -> None:
        """Start nothing at login any more."""
        ...


def for_this_system(platform: str = sys.platform) -> Autostart:
    """The seam's side of this operating system and this account."""
    if platform == "win32":
        return RunKey(system_registry())
    if platform == "darwin":
        return LaunchAgent(Path.home())
    return XdgEntry(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"), delay_s=DELAY_S)


def own_command(home: Path | None = None) -> tuple[str, ...]:
    """What starts this very program, hidden in the tray; with ``--home`` where a home was named."""
    if getattr(sys, "frozen", False):
        start: tuple[str, ...] = (sys.executable,)
    else:
        start = (_windowless(sys.executable), "-m", "etiket_gui")
    named = () if home is None else ("--home", str(home))
    return (*start, *named, HIDDEN)


def _windowless(python: str) -> str:
    """On Windows the Python that opens no console, where there is one."""
    beside = Path(python).with_name("pythonw.exe")
    return str(beside) if sys.platform == "win32" and beside.exists() else python


def keep_up_to_date(autostart: Autostart, command: Sequence[str]) -> bool:
    """Rewrite an entry that names another place of this program; whether it did. Raises OSError.

    An entry that starts the program for another home is left alone.
    """
    present = autostart.command()
    if present is None or present == tuple(command) or _home_in(present) != _home_in(command):
        return False
    autostart.enable(command)
    return True


def _home_in(command: Sequence[str]) -> str:
    words = list(command)
    return words[words.index("--home") + 1] if "--home" in words[:-1] else ""


def set_enabled(autostart: Autostart, command: Sequence[str], *, is_enabled: bool) -> None:
    """Switch the start at login on or off. Raises UsageError with what the system said."""
    try:
        if is_enabled:
            autostart.enable(command)
        else:
            autostart.disable()
    except OSError as error:
        raise UsageError(
            f"The start at login cannot be changed: {error.strerror or error}.",
            advice="Start the program by hand, or ask who looks after this computer.",
        ) from error
