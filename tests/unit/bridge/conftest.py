"""The same fixtures as the window's own tests."""

from __future__ import annotations

from tests.gui.conftest import _filled, _nothing_of_qt_left, home, host, reads, stalls

__all__ = ["_filled", "_nothing_of_qt_left", "home", "host", "reads", "stalls"]
