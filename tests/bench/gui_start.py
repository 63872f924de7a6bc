"""The whole program in a process of its own: ``python -m tests.bench.gui_start HOME BEGUN_NS``.

Prints the seconds from BEGUN_NS (time.monotonic_ns of whoever started it) to the first painted window, and ends.
"""

from __future__ import annotations

import os
import sys
import time

begun_ns = int(sys.argv[2])


def main() -> int:
    """Start the program as its own command does; the first paint of its window ends it."""
    from etiket_gui.bootstrap import start_window
    from etiket_gui.gui import main_window

    real = main_window.MainWindow.showEvent

    def shown(self: main_window.MainWindow, event: object) -> None:
        from PySide6.QtCore import QTimer

        real(self, event)  # type: ignore[arg-type]

        def painted() -> None:
            self.repaint()
            print((time.monotonic_ns() - begun_ns) / 1e9, flush=True)
            os._exit(0)

        # Comes when the window's first paint is done.
        QTimer.singleShot(0, painted)

    main_window.MainWindow.showEvent = shown  # type: ignore[method-assign]
    return start_window(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
