"""What a watch server told, gathered for tests, and an observer whose troubles a test decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from etiket_gui.osys.watching import WatchServer
from tests.support.patience import patient_s


class Told:
    """Everything a watch server reported, in order."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.paths: list[str] = []
        self.batches: list[list[str]] = []
        self.limited: list[tuple[str, int]] = []
        self.lost: list[tuple[str, str]] = []

    def server(self, **options: Any) -> WatchServer:
        """A server that reports here."""
        return WatchServer(
            changed=self._changed,
            limited=lambda sentence, needed: self._add(self.limited, (sentence, needed)),
            lost=lambda folder, reason: self._add(self.lost, (folder, reason)),
            **options,
        )

    def wait(self, is_enough: Callable[[], bool], timeout_s: float = 15.0) -> bool:
        """Wait until the reports are enough; whether they were."""
        end_s = time.monotonic() + patient_s(timeout_s)
        with self._condition:
            while not is_enough():
                rest_s = end_s - time.monotonic()
                if rest_s <= 0:
                    return False
                self._condition.wait(rest_s)
        return True

    def _changed(self, paths: list[str]) -> None:
        with self._condition:
            self.batches.append(paths)
            self.paths.extend(paths)
            self._condition.notify_all()

    def _add(self, reports: list[Any], report: Any) -> None:
        with self._condition:
            reports.append(report)
            self._condition.notify_all()


class FakeObserver:
    """An observer that watches nothing; ``fail`` is raised by ``schedule``, ``is_dead`` ends its thread."""

    def __init__(self, fail: Callable[[str], OSError | None] = lambda _: None) -> None:
        self._fail = fail
        self.is_dead = False
        self.is_stopped = False
        self.handler: Any = None
        self.emitters: set[Any] = set()

    def start(self) -> None:
        """Nothing starts."""

    def stop(self) -> None:
        """Remember that it was asked to end."""
        self.is_stopped = True

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    def is_alive(self) -> bool:
        """What the test decided."""
        return not (self.is_dead or self.is_stopped)

    def schedule(self, event_handler: Any, path: str, *, recursive: bool, event_filter: list[Any]) -> Any:
        """Pretend to watch, or fail as the test decided."""
        error = self._fail(path)
        if error is not None:
            raise error
        self.handler = event_handler
        watch = SimpleNamespace(path=path)
        self.emitters.add(_Emitter(watch))
        return watch

    def unschedule(self, watch: Any) -> None:
        """Pretend no longer."""
        self.emitters = {emitter for emitter in self.emitters if emitter.watch is not watch}


class _Emitter:
    def __init__(self, watch: Any) -> None:
        self.watch = watch

    def is_alive(self) -> bool:
        return True

    def should_keep_running(self) -> bool:
        return True
