"""Watches folders for changes and reports them in batches; notices by itself when watching stopped working.

What it reports are hints: the system drops events without a word, so a scan stays the truth.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from etiket_gui.domain import guards
from etiket_gui.osys import watch_limits
from etiket_gui.osys.coalescing import PathCoalescer
from etiket_gui.osys.file_looks import FileLooks

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
_LONGEST_RETRY_S = 60.0
_LIMITED_RETRY_S = 600.0
#: A watcher that lived this long died of something new.
_STABLE_S = 600.0
_WATCHER_THREADS = ("_inotify", "_inotify_fd")

Changed = Callable[[list[str]], None]
Limited = Callable[[str, int], None]
Lost = Callable[[str, str], None]


class Observer(Protocol):
    """What is used of a watchdog observer."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...
    def schedule(self, event_handler: Any, path: str, *, recursive: bool, event_filter: list[Any]) -> Any: ...
    def unschedule(self, watch: Any) -> None: ...
    @property
    def emitters(self) -> set[Any]: ...


@dataclass(slots=True)
class _Root:
    """One folder that is to be watched. ``retry_s`` is None while it is watched."""

    path: str
    real: str
    is_recursive: bool
    watch: Any = None
    identity: tuple[int, int] | None = None
    retry_s: float | None = 0.0
    delay_s: float = _LOOK_S
    told: str = ""


class _RootHandler:
    """Takes the events of one root from the observer, on the observer's thread."""

    def __init__(self, root: _Root, note: Callable[..., None]) -> None:
        self._root = root
        self._note = note

    def dispatch(self, event: Any) -> None:
        is_final = event.event_type != "modified"
        for path in (event.src_path, event.dest_path):
            if path:
                self._note(self._root, os.fsdecode(path), is_final=is_final)


class WatchServer:
    """Watches folders until :meth:`stop`; all calls come back on one thread of its own.

    ``changed`` gets the sorted absolute paths (as the operating system gives them) of a batch; a folder in it means:
    look at all of it. ``limited`` gets a sentence and the number a system setting needs: that folder is not watched,
    only scanned. ``lost`` gets a folder and a reason: events of it may be missing, look through it now; the server
    itself goes on trying.
    """

    def __init__(
        self,
        *,
        changed: Changed,
        limited: Limited,
        lost: Lost,
        new_observer: Callable[[], Observer] | None = None,
        is_limit_reached: Callable[[str], bool] = watch_limits.is_watch_limit_reached,
        now_s: Callable[[], float] = time.monotonic,
        look_s: float = _LOOK_S,
    ) -> None:
        self._changed = changed
        self._limited = limited
        self._lost = lost
        self._new_observer = new_observer or new_watchdog_observer
        self._is_limit_reached = is_limit_reached
        self._now_s = now_s
        self._look_s = look_s
        self._anew_s = 6 * look_s
        self._paths = PathCoalescer(now_s)
        self._condition = threading.Condition()
        self._setup = threading.RLock()
        self._roots: list[_Root] = []
        self._excluded: tuple[str, ...] = ()
        self._observer: Observer | None = None
        self._observer_retry_s = 0.0
        self._observer_delay_s = 0.0
        self._observer_since_s = 0.0
        self._burst = 0
        self._burst_limit = max(watch_limits.queue_limit() // 2, 4096)
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._looks = FileLooks(self._note_path)

    def watch(
        self, folders: Sequence[tuple[str, bool]], exclude: Iterable[str] = (), files: Iterable[str] = ()
    ) -> None:
        """Watch exactly these (folder, recursive?) from now on; events at and below ``exclude`` are dropped.

        ``files`` are looked at instead; nothing listens to their folders for them. Returns when the folders are
        watched, or reported as limited or lost.
        """
        self._looks.look_at(files)
        excluded = {form for path in exclude for form in (os.path.abspath(path), os.path.realpath(path))}
        with self._setup:
            self._excluded = tuple(sorted(os.path.normcase(path) for path in excluded))
            wanted = {(os.path.abspath(path), is_recursive) for path, is_recursive in folders}
            for root in [root for root in self._roots if (root.path, root.is_recursive) not in wanted]:
                self._unschedule(root)
                self._roots.remove(root)
            known = {(root.path, root.is_recursive) for root in self._roots}
            self._roots.extend(_Root(path, os.path.realpath(path), deep) for path, deep in sorted(wanted - known))
            self._look_after()
        if self._thread is None and not self._is_stopping:
            self._thread = threading.Thread(target=self._run, name="watch batches", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Watch nothing any more; waits at most a few seconds for the threads."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        self._looks.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5.0)
        with self._setup:
            self._roots.clear()
            self._drop_observer()

    def _note(self, root: _Root, path: str, *, is_final: bool) -> None:
        """One path of an event, in the form of ``root.real``; on the observer's thread."""
        if self._excluded and guards.is_on("own-writes-excluded") and self._is_excluded(path):
            return
        if root.real != root.path and _is_below(path, root.real):
            path = root.path + path[len(root.real) :]
        self._note_path(path, is_final=is_final)

    def _note_path(self, path: str, *, is_final: bool) -> None:
        with self._condition:
            before = self._paths.due_s
            self._paths.add(path, is_final=is_final)
            self._burst += 1
            due = self._paths.due_s
            if before is None or (due is not None and due < before):
                self._condition.notify()

    def _is_excluded(self, path: str) -> bool:
        normal = os.path.normcase(path)
        return any(_is_below(normal, prefix) for prefix in self._excluded)

    def _run(self) -> None:
        next_look_s = self._now_s() + self._look_s
        while True:
            with self._condition:
                if self._is_stopping:
                    return
                due_s, now_s = self._paths.due_s, self._now_s()
                wait_s = min(next_look_s if due_s is None else min(due_s, next_look_s), next_look_s) - now_s
                if wait_s > 0:
                    self._condition.wait(wait_s)
                    continue
                batch, burst = self._take(now_s)
            try:
                self._report(batch, burst)
                if self._now_s() >= next_look_s:
                    with self._setup:
                        if not self._is_stopping:
                            self._look_after()
                    next_look_s = self._now_s() + self._look_s
            except Exception:
                # Whatever failed, the next batch must still come; the scan covers what this one held.
                logger.exception("A batch of changes could not be reported")
                next_look_s = max(next_look_s, self._now_s() + self._look_s)

    def _take(self, now_s: float) -> tuple[list[str], int]:
        due_s = self._paths.due_s
        if due_s is None or due_s > now_s:
            return [], 0
        burst, self._burst = self._burst, 0
        return self._paths.take(), burst

    def _report(self, batch: list[str], burst: int) -> None:
        if batch:
            self._changed(batch)
        if burst >= self._burst_limit:
            # No watcher tells that the system's queue overflowed; so many events at once are the only sign.
            for root in self._roots_of(batch):
                self._lost(root.path, f"{burst} changes came at once; some may have been dropped by the system")

    def _roots_of(self, batch: list[str]) -> list[_Root]:
        return [root for root in list(self._roots) if any(path.startswith(root.path) for path in batch)]

    # What follows runs with the set-up lock held.

    def _look_after(self) -> None:
        """Bring what is watched to what is wanted: dead threads, folders that went away or came back."""
        now_s = self._now_s()
        if self._observer is not None and guards.is_on("watcher-restart"):
            dead = _dead_thread(self._observer)
            if dead:
                self._restart(dead)
            elif getattr(self._observer, "has_missed", False) and now_s - self._observer_since_s >= self._anew_s:
                self._begin_anew("some new folders may have been missed", delay_s=0.0)
        if self._observer is None:
            self._start_observer(now_s)
        if self._observer is None:
            return
        for root in self._roots:
            if root.retry_s is None:
                self._check_presence(root, now_s)
            elif root.retry_s <= now_s:
                self._schedule(root, now_s)

    def _start_observer(self, now_s: float) -> None:
        if not self._roots or now_s < self._observer_retry_s:
            return
        try:
            observer = self._new_observer()
            observer.start()
        except OSError as error:
            self._observer_retry_s = now_s + _LIMITED_RETRY_S
            for root in self._roots:
                self._refused(root, error, now_s)
            return
        self._observer = observer
        self._observer_since_s = now_s

    def _restart(self, dead: str) -> None:
        now_s = self._now_s()
        if now_s - self._observer_since_s >= _STABLE_S:
            self._observer_delay_s = 0.0
        # At once the first time, later with growing pauses; the log hears of it once.
        logger.log(
            logging.DEBUG if self._observer_delay_s else logging.WARNING,
            "Watching stopped (%s) and is started again.",
            dead,
        )
        delay_s = self._observer_delay_s
        self._observer_delay_s = min(max(2 * delay_s, self._look_s), _LONGEST_RETRY_S / 2)
        self._begin_anew("watching it stopped for a moment", delay_s=delay_s)

    def _begin_anew(self, reason: str, *, delay_s: float) -> None:
        """All folders are watched anew by a new observer after ``delay_s``."""
        self._drop_observer()
        self._observer_retry_s = self._now_s() + delay_s
        for root in self._roots:
            if root.retry_s is None:
                self._lost(root.path, reason)
                root.retry_s = 0.0
            root.watch = None

    def _drop_observer(self) -> None:
        observer, self._observer = self._observer, None
        if observer is None:
            return
        try:
            observer.stop()
            observer.join(2.0)
        except (OSError, KeyError, RuntimeError) as error:
            logger.debug("The old watcher did not stop cleanly: %s", error)

    def _schedule(self, root: _Root, now_s: float) -> None:
        assert self._observer is not None
        try:
            status = os.stat(root.path)
            if self._is_limit_reached(root.path):
                raise OSError(errno.ENOSPC, "inotify watch limit reached")
            # The system does not watch through a link, so the folder it leads to is watched, now and after a change.
            root.real = os.path.realpath(root.path)
            root.watch = self._observer.schedule(
                _RootHandler(root, self._note), root.real, recursive=root.is_recursive, event_filter=_event_filter()
            )
            if self._is_limit_reached(root.path):
                # Some of its folders got no watch, and no watcher says which: scanning alone is better than half.
                self._unschedule(root)
                raise OSError(errno.ENOSPC, "inotify watch limit reached")
        except OSError as error:
            self._refused(root, error, now_s)
            return
        was_lost = bool(root.told)
        root.identity = (status.st_dev, status.st_ino)
        root.retry_s, root.delay_s, root.told = None, self._look_s, ""
        if was_lost:
            self._lost(root.path, "it is watched again")

    def _refused(self, root: _Root, error: OSError, now_s: float) -> None:
        """A folder cannot be watched: say so once, and try again later."""
        root.watch = None
        if error.errno in {errno.ENOSPC, errno.EMFILE} and guards.is_on("watch-limit"):
            root.retry_s = now_s + _LIMITED_RETRY_S
            count = watch_limits.count_folders(root.path) if root.is_recursive else 1
            sentence, needed = watch_limits.limit_sentence(root.path, error.errno, count)
            if root.told != "limited":
                logger.warning("%s", sentence)
                self._limited(sentence, needed)
            root.told = "limited"
            return
        root.retry_s = now_s + root.delay_s
        root.delay_s = min(2 * root.delay_s, _LONGEST_RETRY_S)
        if root.told != "lost":
            self._lost(root.path, f"it cannot be watched: {error.strerror or error}")
        root.told = "lost"

    def _check_presence(self, root: _Root, now_s: float) -> None:
        """A watch follows the folder it was made for; a moved, deleted or remounted root needs a new one."""
        try:
            status = os.stat(root.path)
        except OSError as error:
            self._unschedule(root)
            self._refused(root, error, now_s)
            return
        if (status.st_dev, status.st_ino) != root.identity or not self._is_served(root):
            self._unschedule(root)
            root.told = "lost"
            self._schedule(root, now_s)

    def _is_served(self, root: _Root) -> bool:
        """Whether a thread still watches that folder; it ends by itself when the folder is deleted."""
        emitters = () if self._observer is None else list(self._observer.emitters)
        return any(emitter.watch == root.watch and emitter.is_alive() for emitter in emitters)

    def _unschedule(self, root: _Root) -> None:
        watch, root.watch = root.watch, None
        if watch is None or self._observer is None:
            return
        try:
            self._observer.unschedule(watch)
        except (OSError, KeyError, RuntimeError) as error:
            logger.debug("The watch of %s was gone already: %s", root.path, error)


def _is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is that folder or below it."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def _event_filter() -> list[Any]:
    """Changes of content and names only: an opened file is no change, and reporting it would feed itself."""
    from watchdog import events

    return [
        events.FileCreatedEvent,
        events.FileModifiedEvent,
        events.FileClosedEvent,
        events.FileDeletedEvent,
        events.FileMovedEvent,
        events.DirCreatedEvent,
        events.DirDeletedEvent,
        events.DirMovedEvent,
    ]


def _dead_thread(observer: Observer) -> str:
    """The name of a thread of the observer that no longer runs, or nothing."""
    if not observer.is_alive():
        return "the observer ended"
    for emitter in list(observer.emitters):
        if not emitter.is_alive() and emitter.should_keep_running():
            return f"the watcher of {emitter.watch.path} ended"
        for name in _WATCHER_THREADS:
            reader = getattr(emitter, name, None)
            if not isinstance(reader, threading.Thread):
                continue
            if not reader.is_alive() and emitter.should_keep_running():
                return "the reader of events ended"
    return ""


def new_watchdog_observer() -> Observer:
    """The observer for this system. Raises OSError when the system allows no more watchers."""
    if sys.platform == "linux":
        from watchdog.observers import inotify, inotify_c
        from watchdog.observers.api import BaseObserver

        reader_class = getattr(inotify_c, "InotifyFD", None)
        # Folders made within folders just made are met twice, which watchdog says with all its tables in the text.
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        logging.getLogger(inotify.__name__).addFilter(_is_worth_a_line)
        if reader_class is not None:
            # The reader that watchdog 7 shares in the whole process cannot be replaced when it died; ours can.
            reader = _sturdy(reader_class)()
            reader.start()
            return _ObserverWithReader(BaseObserver(inotify.InotifyEmitter, inotify_fd=reader), reader)
    from watchdog.observers import Observer as PlatformObserver

    return PlatformObserver()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """An emitter that is stopped while it waits for an event calls that an error; it is none."""
    return "when the thread is inactive" not in str(record.msg)


def _sturdy(reader_class: Any) -> Any:
    """A reader that survives meeting a folder that is made or removed while it looks into it."""

    class SturdyReader(reader_class):  # type: ignore[misc]
        has_missed = False

        def handle_event(self, event: Any) -> None:
            try:
                super().handle_event(event)
            except (KeyError, OSError) as error:
                logger.debug("The watcher lost its way in new folders: %r", error)
                self.has_missed = True

    return SturdyReader


class _ObserverWithReader:
    """An observer together with the thread that reads the events for it, ended together."""

    def __init__(self, observer: Any, reader: Any) -> None:
        self._observer = observer
        self._reader = reader

    def start(self) -> None:
        self._observer.start()

    def stop(self) -> None:
        self._observer.stop()
        self._reader.stop()

    def join(self, timeout: float | None = None) -> None:
        self._observer.join(timeout)
        self._reader.join(timeout)

    def is_alive(self) -> bool:
        return bool(self._observer.is_alive())

    def schedule(self, event_handler: Any, path: str, *, recursive: bool, event_filter: list[Any]) -> Any:
        return self._observer.schedule(event_handler, path, recursive=recursive, event_filter=event_filter)

    def unschedule(self, watch: Any) -> None:
        self._observer.unschedule(watch)

    @property
    def has_missed(self) -> bool:
        return bool(self._reader.has_missed)

    @property
    def emitters(self) -> set[Any]:
        return set(self._observer.emitters)
