"""Where windows are and how large: within the screen, and the main one where it was at the end of the last start."""

from __future__ import annotations

import json
import logging

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QWidget

from etiket_gui.bridge.background import Background
from etiket_gui.gui.main_window import MainWindow
from etiket_gui.osys.atomic import write_atomically
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

_FILE = "window.json"
#: What a window manager puts around a window, at most, in logical pixels.
_FRAME = QSize(8, 40)


def keep_within_screen(window: QWidget) -> None:
    """Make a window no larger than the screen it is on: its buttons must be reachable, however large letters are."""
    screen = window.screen()
    if screen is None:
        return
    room = screen.availableGeometry()
    most = room.size() - _FRAME
    size = window.size().boundedTo(most)
    if size != window.size():
        window.resize(size)
    # A window that was never put anywhere is put somewhere by the window manager.
    if window.testAttribute(Qt.WidgetAttribute.WA_Moved):
        place = window.pos()
        left = max(room.left(), min(place.x(), room.right() + 1 - size.width() - _FRAME.width()))
        top = max(room.top(), min(place.y(), room.bottom() + 1 - size.height() - _FRAME.height()))
        if (left, top) != (place.x(), place.y()):
            window.move(left, top)


def restore_place(window: MainWindow, home: Home) -> None:
    """Put the window where it was, as far as that is on a screen of today."""
    try:
        value = json.loads((home.root / _FILE).read_text("utf-8"))
        window.restore_place(str(value["geometry"]))
    except (OSError, ValueError, KeyError, TypeError):
        log.debug("No size and place of the window is known.")
    if not window.isMaximized() and not window.isFullScreen():
        keep_within_screen(window)


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
