"""Looks at a few files several times a second: for files that are written so often that listening slows their writer.

Every write to a file in a folder somebody listens to wakes the listener, and the writer pays for that: about a third
more for each point that a measurement stores in an SQLite database with a rollback journal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

LOOK_EVERY_S = 0.25

#: Size in bytes, time of the last change in ns and identity of a file; None while there is none.
_Seen = tuple[int, int, int, int] | None


class FileLooks:
    """Calls ``changed(path, is_final=False)`` for every file that is not what it was, until :meth:`stop`."""

    def __init__(self, changed: Callable[..., None], *, every_s: float = LOOK_EVERY_S) -> None:
        self._changed = changed
        self._every_s = every_s
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def look_at(self, paths: Iterable[str]) -> None:
        """Look at exactly these files from now on; what they are now is told as no change."""
        with self._lock:
            self._seen = {path: self._seen[path] if path in self._seen else _look(path) for path in paths}
            if self._seen and self._thread is None and not self._is_over.is_set():
                self._thread = threading.Thread(target=self._run, name="file looks", daemon=True)
                self._thread.start()

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
                    now = _look(path)
                    if now != before:
                        changed.append((path, now is None or before is None))
                        self._seen[path] = now
            for path, is_final in changed:
                self._changed(path, is_final=is_final)


def _look(path: str) -> _Seen:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
