"""Where the main window was and how large, kept from one start to the next."""

from __future__ import annotations

import json
import logging

from etiket_gui.bridge.background import Background
from etiket_gui.gui.main_window import MainWindow
from etiket_gui.osys.atomic import write_atomically
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

_FILE = "window.json"


def restore_place(window: MainWindow, home: Home) -> None:
    """Put the window where it was; it stays where it is when nothing sensible was kept."""
    try:
        value = json.loads((home.root / _FILE).read_text("utf-8"))
        window.restore_place(str(value["geometry"]))
    except (OSError, ValueError, KeyError, TypeError):
        return


def remember_place(window: MainWindow, home: Home, background: Background) -> None:
    """A few hundred bytes, written beside the window."""
    content = json.dumps({"geometry": window.remembered_place()}).encode() + b"\n"
    path = home.root / _FILE

    def write() -> None:
        try:
            write_atomically(path, content)
        except OSError as error:
            log.info("Size and place of the window are not kept: %s", error)

    background.run(write, None, lambda _: None)
