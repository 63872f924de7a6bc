"""Serves the window: each job runs in a thread of its own, so that a long look never makes a short one wait."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from etiket_gui.domain.errors import EtiketError, ProgramError, UsageError
from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message
from etiket_gui.osys.plugin_folder import use as use_plugin_folder
from etiket_gui.settings.home import Home
from etiket_gui.worker.desk.job import DeskJob
from etiket_gui.worker.desk.kinds import handler_of

log = logging.getLogger(__name__)

#: How long jobs get to stop when the window closed the pipe.
_LAST_STEP_S = 1.5


class Desk:
    """The jobs under way. ``send`` is called from any thread."""

    def __init__(self, home: Home, writer: MessageWriter) -> None:
        self._home = home
        self._writer = writer
        self._lock = threading.Lock()
        self._jobs: dict[int, tuple[DeskJob, threading.Thread]] = {}

    def obey(self, message: Mapping[str, Any]) -> None:
        """Start or cancel a job."""
        if "cancel" in message:
            with self._lock:
                known = self._jobs.get(message["cancel"])
            if known is not None:
                known[0].stop.stop()
        if "job" in message:
            self._start(message)

    def close(self) -> None:
        """Stop everything and give it a moment to end tidily."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job, _ in jobs:
            job.stop.stop()
        for _, thread in jobs:
            thread.join(_LAST_STEP_S / len(jobs))

    def _start(self, message: Mapping[str, Any]) -> None:
        number = int(message["job"])
        job = DeskJob(
            number,
            str(message["kind"]),
            message.get("parameters") or {},
            self._home,
            lambda body: self._send({"id": number, "event": "progress", "body": dict(body)}),
        )
        thread = threading.Thread(target=self._run, args=(job,), name=f"job {number} {job.kind}", daemon=True)
        with self._lock:
            self._jobs[number] = (job, thread)
        thread.start()

    def _run(self, job: DeskJob) -> None:
        try:
            self._answer(job)
        except (OSError, ValueError):
            log.info("The window is gone; its job ends.")
        finally:
            with self._lock:
                self._jobs.pop(job.id, None)

    def _answer(self, job: DeskJob) -> None:
        try:
            handler = handler_of(job.kind)
            if handler is None:
                raise UsageError(f"{job.kind!r} is not a job of this version.")
            result = handler(job)
        except EtiketError as error:
            self._send({"id": job.id, "event": "error", "error": error.to_json()})
        except Exception as error:  # noqa: BLE001 - a bug, a plug-in's too, becomes the job's failure and is logged
            # The parameters may hold a secret: the log gets the place, never the values.
            place = "".join(traceback.format_tb(error.__traceback__))
            log.error("A job of kind %s failed by a bug:\n%s", job.kind, place)
            detail = type(error).__name__ if job.kind.startswith("keyring") else f"{type(error).__name__}: {error}"
            bug = ProgramError(f"The job {job.kind!r} failed: {detail}.")
            self._send({"id": job.id, "event": "error", "error": bug.to_json()})
        else:
            self._send({"id": job.id, "event": "done", "result": result})

    def _send(self, message: Mapping[str, Any]) -> None:
        self._writer.send(message)


def serve_desk(commands: BinaryIO, writer: MessageWriter) -> int:
    """Work for the window until it closes the pipe; returns the exit code."""
    first = read_message(commands)
    if first is None:
        return 0
    home = Home(Path(first["home"]))
    use_plugin_folder(home.plugins)
    desk = Desk(home, writer)
    try:
        while (message := read_message(commands)) is not None:
            desk.obey(message)
    except BrokenFraming as error:
        log.warning("The window sent no message: %s.", error)
        return 1
    finally:
        desk.close()
    return 0
