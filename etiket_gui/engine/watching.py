"""The engine's side of the watching child: which folders, and which source a changed path belongs to."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.tasks import SourceTraits
from etiket_gui.engine.workers import start_child
from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message

log = logging.getLogger(__name__)

_RESTART_DELAY_S = 10.0
_LONGEST_RESTART_DELAY_S = 60.0


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """One folder that is watched for one source, or one file that is looked at again and again."""

    source_id: int
    path: str
    is_recursive: bool = True
    is_file: bool = False


def watched_folders(source_id: int, traits: SourceTraits) -> list[WatchedFolder]:
    """What is to be watched for a source: its files where it names some, otherwise its folders."""
    if traits.files and guards.is_on("nobody-listens-to-a-database"):
        return [WatchedFolder(source_id, path, is_recursive=False, is_file=True) for path in traits.files]
    return [WatchedFolder(source_id, path, traits.is_recursive) for path in traits.folders]


class Watching:
    """Starts, feeds and restarts the watching child. Owned by the coordinator's thread.

    ``changed`` gets a source and its changed paths, ``limited`` a sentence and the number a system setting needs,
    ``lost`` a source and a reason: look through it; ``began`` a source that is watched only from now on.
    """

    def __init__(
        self,
        post: Callable[[Callable[[], None]], None],
        *,
        changed: Callable[[int, list[str]], None],
        limited: Callable[[str, int], None],
        lost: Callable[[int, str], None],
        began: Callable[[int], None] = lambda source_id: None,
        stderr_path: str | None,
    ) -> None:
        self._post = post
        self._changed = changed
        self._limited = limited
        self._lost = lost
        self._began = began
        self._stderr_path = stderr_path
        self._folders: tuple[WatchedFolder, ...] = ()
        self._excluded: tuple[str, ...] = ()
        self._prefixes: list[tuple[str, int]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: MessageWriter | None = None
        self._restart_at_s: float | None = None
        self._restart_delay_s = _RESTART_DELAY_S
        self._is_stopping = False
        self._is_telling = False
        self._is_limited = False
        #: Sources whose events were lost once since the child started; it may not say when that is over.
        self._troubled: set[int] = set()

    @property
    def process_id(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._process is None else int(self._process.pid)

    @property
    def restart_at_s(self) -> float | None:
        """When the child is to be started again (monotonic), or None."""
        return self._restart_at_s

    def is_sound(self, source_id: int) -> bool:
        """Whether every change of this source has been told since the child said that it watches."""
        return self._is_telling and not self._is_limited and source_id not in self._troubled

    def watch(self, folders: Sequence[WatchedFolder], excluded: Sequence[str]) -> None:
        """Watch exactly these folders from now on, but nothing at or below the excluded ones."""
        if (tuple(folders), tuple(excluded)) == (self._folders, self._excluded):
            return
        self._folders, self._excluded = tuple(folders), tuple(excluded)
        self._prefixes = sorted(
            ((_with_separator(folder.path), folder.source_id) for folder in folders), key=lambda item: -len(item[0])
        )
        if self._folders and self._process is None:
            self._start()
        self._send_folders()

    def _start(self) -> None:
        self._restart_at_s = None
        self._is_limited = False
        self._troubled.clear()
        process = start_child("--role", "watch", stderr_path=self._stderr_path)
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the child was started with pipes")
        self._process = process
        self._writer = MessageWriter(process.stdin)
        threading.Thread(target=self._read, args=(process,), name="watch-reader", daemon=True).start()

    def _send_folders(self) -> None:
        self._is_telling = False
        if self._writer is None:
            return
        message = {
            "watch": [[folder.path, folder.is_recursive] for folder in self._folders if not folder.is_file],
            "files": [folder.path for folder in self._folders if folder.is_file],
            "exclude": list(self._excluded),
        }
        try:
            self._writer.send(message)
        except (OSError, ValueError):
            log.info("The watching process is gone; it is started again.")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        stream = process.stdout
        if stream is None:
            raise AssertionError("the child was started with pipes")
        try:
            while (message := read_message(stream)) is not None:
                self._post(lambda message=message: self._take(message))  # type: ignore[misc]
        except (OSError, ValueError, BrokenFraming) as error:
            log.warning("The watching process sent nonsense: %s.", error)
            process.kill()
        stream.close()
        process.wait()
        self._post(lambda: self._bury(process))

    def _take(self, message: Mapping[str, Any]) -> None:
        match message.get("event"):
            case "changed":
                self._restart_delay_s = _RESTART_DELAY_S
                for source_id, paths in self._by_source(message["paths"]).items():
                    self._changed(source_id, paths)
            case "limited":
                self._is_limited = True
                self._limited(str(message["sentence"]), int(message["needed"]))
            case "watching":
                self._is_telling = True
                for source_id in sorted({folder.source_id for folder in self._folders}):
                    self._began(source_id)
            case "lost":
                for source_id in self._by_source([message["folder"]]):
                    self._troubled.add(source_id)
                    self._lost(source_id, str(message["reason"]))

    def _by_source(self, paths: Sequence[str]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for path in paths:
            whole = _with_separator(path)
            for prefix, source_id in self._prefixes:
                if whole.startswith(prefix):
                    found.setdefault(source_id, []).append(path)
                    break
        return found

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        if process is not self._process:
            return
        self._process = None
        self._is_telling = False
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        if self._is_stopping or not self._folders:
            return
        log.warning("The watching process ended with code %s; it is started again.", process.returncode)
        self._restart_at_s = time.monotonic() + self._restart_delay_s
        self._restart_delay_s = min(self._restart_delay_s * 2, _LONGEST_RESTART_DELAY_S)
        for source_id in {folder.source_id for folder in self._folders}:
            self._lost(source_id, "the watching process ended")

    def restart_if_due(self) -> None:
        """Start the child again when its time has come."""
        is_due = self._restart_at_s is not None and time.monotonic() >= self._restart_at_s
        if is_due and guards.is_on("watching-is-restarted"):
            self._start()
            self._send_folders()

    def stop(self, timeout_s: float) -> None:
        """End the child; kill it when it does not end in time."""
        self._is_stopping = True
        process, self._process = self._process, None
        if process is None:
            return
        if self._writer is not None:
            self._writer.close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _with_separator(path: str) -> str:
    return path if path.endswith(os.sep) else path + os.sep
