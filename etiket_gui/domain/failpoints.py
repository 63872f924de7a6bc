"""Named points at which the crash tests kill the process or make it fail; free of cost when not asked for.

``ETIKET_GUI_TEST_FAIL_AT=name[:count[:action]]``: at the count-th pass (default the first) of the point the process
kills itself (action ``kill``, the default), raises OSError ENOSPC (``full``) or EIO (``broken``), or sleeps (``hang``).
``ETIKET_GUI_TEST_FAIL_ONCE=file``: only the one process that creates the file fails, its successors do not.
"""

from __future__ import annotations

import errno
import os
import signal
import time

VARIABLE = "ETIKET_GUI_TEST_FAIL_AT"
ONCE_VARIABLE = "ETIKET_GUI_TEST_FAIL_ONCE"

#: Every point of the write order, in its order; the crash runner walks this list.
POINTS: tuple[str, ...] = (
    "after_claim",
    "after_read",
    "after_stage",
    "after_first_sync",
    "after_verify",
    "before_publish",
    "after_blobs",
    "after_publish",
    "after_second_sync",
    "before_receipt",
    "after_receipt",
    "after_derive",
)

_asked = os.environ.get(VARIABLE)
_passes = 0


def fail_here(name: str) -> None:
    """A named point. Does nothing unless the environment asks for a failure at this very name."""
    if _asked is None:
        return
    _fail(name, _asked)


def _fail(name: str, asked: str) -> None:
    global _passes
    wanted, _, rest = asked.partition(":")
    count, _, action = rest.partition(":")
    if wanted != name:
        return
    _passes += 1
    if _passes != int(count or 1):
        return
    once = os.environ.get(ONCE_VARIABLE)
    if once is not None:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
    match action or "kill":
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        case "broken":
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        case "hang":
            time.sleep(3600)
        case other:
            raise ValueError(f"{VARIABLE}: unknown action {other!r}")
