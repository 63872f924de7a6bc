"""What happens before the engine: checks of the machine and the home, and the log; the place where parts are joined."""

from __future__ import annotations

import logging

from etiket_gui.credentials.logs import ProgramLog
from etiket_gui.osys.early_checks import check_machine, check_writable
from etiket_gui.settings.home import Home


def prepare(home: Home, *, level: int = logging.INFO, is_on_screen: bool = False) -> ProgramLog:
    """Check the machine, make the home and prove that it can be written, and open the log, which the caller closes.

    Raises UsageError, PermissionRefused or StoreProblem with what to do. A log that cannot be written is no obstacle:
    it goes to standard error and its ``complaint`` says so.
    """
    check_machine()
    check_writable(home.root)
    check_writable(home.run)
    home.prepare()
    return ProgramLog(home.logs).open(level=level, is_on_screen=is_on_screen)
