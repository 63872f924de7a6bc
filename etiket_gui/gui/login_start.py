"""The start at login as the window uses it: which command, and an entry that follows a moved program. No Qt."""

from __future__ import annotations

import logging

from platformdirs import user_data_path

from etiket_gui.osys.autostart import Autostart, for_this_system, keep_up_to_date, own_command
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)


def command_for(home: Home) -> tuple[str, ...]:
    """What starts this program hidden, for this home; the usual home is not named."""
    usual = user_data_path("etiket-gui", appauthor=False)
    return own_command(None if home.root == usual else home.root)


def follow_program(home: Home, autostart: Autostart | None = None) -> None:
    """Rewrite the entry if the program lies elsewhere now. An entry that cannot be written is logged, no more."""
    try:
        if keep_up_to_date(autostart or for_this_system(), command_for(home)):
            log.info("The start at login follows the program to its new place.")
    except OSError as error:
        log.info("The start at login names an old place of the program and cannot be changed: %s", error)
