"""The start at login on macOS: a LaunchAgent of the account."""

from __future__ import annotations

import contextlib
import plistlib
from collections.abc import Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

from etiket_gui.osys.atomic import write_atomically

LABEL = "org.etiket.gui"


class LaunchAgent:
    """One agent for one account. ``home`` is the account's folder."""

    def __init__(self, home: Path) -> None:
        self.path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def command(self) -> tuple[str, ...] | None:
        """What the agent starts; None when there is none or it is disabled or makes no sense."""
        try:
            value = plistlib.loads(self.path.read_bytes())
            if value.get("Disabled") is True or value.get("RunAtLoad") is not True:
                return None
            return tuple(str(word) for word in value["ProgramArguments"])
        except (OSError, plistlib.InvalidFileException, ExpatError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def enable(self, command: Sequence[str]) -> None:
        """Write the agent; it counts from the next login on. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        value = {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
        }
        write_atomically(self.path, plistlib.dumps(value))

    def disable(self) -> None:
        """Remove the agent. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
