"""How long a test waits for what should happen at once, before it says that it does not happen.

The numbers in the tests are what a quiet machine needs with room to spare. A tested machine does other work too, and a
test is not a measurement: those are in tests/bench. So every wait goes on a few times longer before it gives up.
``ETIKET_GUI_TEST_PATIENCE`` says how many times; tests that are meant to fail are told 1.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Also used where only the program is installed.
    from pytestqt.qtbot import QtBot

PATIENCE_VARIABLE = "ETIKET_GUI_TEST_PATIENCE"
TIMES_LONGER = int(os.environ.get(PATIENCE_VARIABLE, "5"))
_QT_DEFAULT_MS = 5000


def patient_s(timeout_s: float) -> float:
    """How long to wait, in seconds, for what ``timeout_s`` is ample for on a quiet machine."""
    return timeout_s * TIMES_LONGER


def make_patient(qtbot: QtBot) -> None:
    """Have a bot's waits for signals and conditions go on as much longer."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitCallback", "waitExposed", "waitActive"):
        setattr(qtbot, name, _longer(getattr(qtbot, name)))


def _longer(wait: Any) -> Any:
    def waits(*arguments: Any, timeout: int = _QT_DEFAULT_MS, **options: Any) -> Any:
        return wait(*arguments, timeout=timeout * TIMES_LONGER, **options)

    return waits
