"""The child process itself: takes messages from the engine on standard input, answers on standard output.

Standard output belongs to the messages alone: whatever a plug-in prints goes to standard error.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from etiket_gui.domain import guards
from etiket_gui.domain.tasks import LANES, TaskKind
from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message

log = logging.getLogger(__name__)

_BEAT_EVERY_S = 5.0
#: So many beats late, the whole process stood still.
_FROZEN_BEATS = 3
#: How long a step may take to end after the engine closed the pipe or died; less than the engine waits for us.
_LAST_STEP_S = 2.5


def main(role: str = "work") -> int:
    """Serve the engine until it closes the pipe; returns the exit code."""
    # The measurement's writer must never meet our lock, and the variable wins over every argument (h5py).
    os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
    commands, answers = _own_pipes()
    _log_to_standard_error()
    writer = MessageWriter(answers)
    if role == "watch":
        from etiket_gui.osys.priority import lower_priority

        lower_priority()
        from etiket_gui.worker.watch_process import serve_watch

        return serve_watch(commands, writer)
    if role == "desk":
        from etiket_gui.worker.desk.serving import serve_desk

        return serve_desk(commands, writer)
    return _serve(commands, writer)


def _log_to_standard_error() -> None:
    """The engine keeps what comes there in a file; no secret may reach it."""
    from etiket_gui.credentials.redaction import RedactingFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of the two pipes; descriptors 0 and 1 then lead to nothing and to standard error."""
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return commands, answers


def _serve(commands: BinaryIO, writer: MessageWriter) -> int:
    from etiket_gui.osys.priority import lower_priority

    first = read_message(commands)
    if first is None:
        return 0
    # Before the modules below are read: that alone takes a core for a second.
    if first.get("has_low_priority", True):
        lower_priority()
    from etiket_gui.converters.dangerous_files import forget_own_notes, keep_notes_in
    from etiket_gui.osys.plugin_folder import use as use_plugin_folder
    from etiket_gui.osys.processes import resident_bytes
    from etiket_gui.worker.handlers import WorkerHome, Workshop
    from etiket_gui.worker.lanes import Lane, Task
    from etiket_gui.worker.pace import Pace
    from etiket_gui.worker.scratch import leave_scratch, sweep_scratch
    from etiket_gui.worker.secrets import SecretDesk

    home = WorkerHome.from_json(first)
    home.work_folder.mkdir(parents=True, exist_ok=True)
    use_plugin_folder(home.plugin_folder)
    keep_notes_in(home.work_folder / "opened")
    sweep_scratch(home.work_folder)
    pace = Pace()
    options: dict[str, Any] = {}
    secrets = SecretDesk(writer.send)
    lanes = {name: Lane(name, Workshop(home, pace, options, name, secrets).handlers(), writer.send) for name in LANES}
    writer.send({"event": "ready", "pid": os.getpid()})
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(lanes, writer, ended, resident_bytes), name="beat", daemon=True)
    beat.start()
    try:
        while (message := read_message(commands)) is not None:
            if "secret" in message:
                secrets.take(message["secret"])
            if "forget_secret" in message:
                secrets.refuse(message["forget_secret"])
            _obey(message, lanes, pace, options, writer, Task)
    except BrokenFraming as error:
        log.warning("The engine sent no message: %s.", error)
        return 1
    finally:
        ended.set()
        for lane in lanes.values():
            lane.stop()
        if guards.is_on("stop-keeps-what-was-copied"):
            end_s = time.monotonic() + _LAST_STEP_S
            for lane in lanes.values():
                lane.join(max(0.0, end_s - time.monotonic()))
            leave_scratch(home.work_folder, lanes)
        forget_own_notes()
    return 0


def _obey(
    message: Mapping[str, Any],
    lanes: Mapping[str, Any],
    pace: Any,
    options: dict[str, Any],
    writer: MessageWriter,
    task_class: Any,
) -> None:
    if "rate_bytes_per_s" in message:
        pace.set_rate(message["rate_bytes_per_s"])
    if "options" in message:
        options.update(message["options"])
    if "cancel" in message:
        any(lane.cancel(message["cancel"]) for lane in lanes.values())
    if "hurry" in message:
        for lane in lanes.values():
            lane.hurry(message["hurry"])
    if "task" in message:
        kind = TaskKind(message["kind"])
        lane = lanes[kind.lane]
        lane.add(task_class(message["task"], kind, message["body"], writer.send))


def _beat(lanes: Mapping[str, Any], writer: MessageWriter, ended: threading.Event, resident_bytes: Any) -> None:
    """Tell, while there is work, how long ago each lane gave a sign of life, so that a hang is seen."""
    beaten_s = time.monotonic()
    while not ended.wait(_BEAT_EVERY_S):
        before_s, beaten_s = beaten_s, time.monotonic()
        was_frozen = beaten_s - before_s > _FROZEN_BEATS * _BEAT_EVERY_S
        silent_s = {}
        for name, lane in lanes.items():
            task = lane.current
            if task is not None and was_frozen:
                # The machine slept, or this whole process stood still: the silence was not the task's.
                task.stop.asked_at_s = beaten_s
            if task is not None:
                silent_s[name] = [task.id, round(time.monotonic() - task.stop.asked_at_s, 1)]
        if not silent_s:
            continue
        try:
            writer.send({"event": "beat", "silent_s": silent_s, "resident_bytes": resident_bytes()})
        except (OSError, ValueError):
            return
