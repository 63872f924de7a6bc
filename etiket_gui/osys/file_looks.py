"""Looks at a few files several times a second: for files that are written so often that listening slows their writer.

Every write to a file in a folder somebody listens to wakes the listener, and the writer pays for that: about a third
more for each point that a measurement stores in an SQLite database with a rollback journal.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from etiket_gui.osys.file_times import is_young

LOOK_EVERY_S = 0.25

#: Size in bytes, time of the last change in ns and identity of a file; None while there is none.
_Seen = tuple[int, int, int, int] | None


class FileLooks:
    """Calls ``changed(path, is_final=False)`` for every file that is not what it was, until :meth:`stop`.

    Of a file that was written just before it was looked at this is told once more when its time is past: a change at
    the same tick of the clock cannot be seen.
    """

    def __init__(self, changed: Callable[..., None], *, every_s: float = LOOK_EVERY_S) -> None:
        self._changed = changed
        self._every_s = every_s
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._doubted: set[str] = set()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def look_at(self, paths: Iterable[str]) -> None:
        """Look at exactly these files from now on; what they are now is told as no change."""
        with self._lock:
            before = self._seen
            self._seen = {path: before[path] if path in before else self._first_look(path) for path in paths}
            self._doubted.intersection_update(self._seen)
            if self._seen and self._thread is None and not self._is_over.is_set():
                self._thread = threading.Thread(target=self._run, name="file looks", daemon=True)
                self._thread.start()

    def _first_look(self, path: str) -> _Seen:
        seen, is_doubted = _look(path)
        if is_doubted:
            self._doubted.add(path)
        return seen

    def stop(self) -> None:
        """Look no more; waits for the thread, a few seconds at most."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            with self._lock:
                changed = []
                for path, before in self._seen.items():
                    now, is_doubted = _look(path)
                    if now != before or (path in self._doubted and not is_doubted):
                        changed.append((path, (now is None) != (before is None)))
                        self._seen[path] = now
                    (self._doubted.add if is_doubted else self._doubted.discard)(path)
            for path, is_final in changed:
                self._changed(path, is_final=is_final)


def _look(path: str) -> tuple[_Seen, bool]:
    """What a file is, and whether a change right after this could look the same."""
    began_ns = time.time_ns()
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None, False
    is_doubted = is_young(status.st_mtime_ns, began_ns, time.time_ns())
    return (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino), is_doubted
