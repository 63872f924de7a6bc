"""The name of this machine, in one place so that tests and two homes on one machine can play two machines."""

from __future__ import annotations

import os
import socket

VARIABLE = "ETIKET_GUI_HOST"


def host_name() -> str:
    """The name of this machine; ``ETIKET_GUI_HOST`` stands for it where it is set."""
    return os.environ.get(VARIABLE) or socket.gethostname() or "unknown"
