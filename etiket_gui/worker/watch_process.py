"""The watching child process: turns file events into batches of changed paths for the engine.

It is a process of its own so that installing ten thousand watches, or a hung share, never slows the engine.
"""

from __future__ import annotations

import logging
from typing import Any, BinaryIO

from etiket_gui.osys.framing import BrokenFraming, MessageWriter, read_message

log = logging.getLogger(__name__)


def serve_watch(commands: BinaryIO, writer: MessageWriter) -> int:
    """Watch what the engine asks for until it closes the pipe; returns the exit code.

    A message {"watch": [[folder, recursive], …], "files": [file, …], "exclude": [folder, …]} replaces what is watched.
    """
    from etiket_gui.osys.watching import WatchServer

    def tell(event: str, **body: Any) -> None:
        try:
            writer.send({"event": event, **body})
        except (OSError, ValueError):
            log.info("The engine is gone; watching ends.")

    server = WatchServer(
        changed=lambda paths: tell("changed", paths=sorted(paths)),
        limited=lambda sentence, needed: tell("limited", sentence=sentence, needed=needed),
        lost=lambda folder, reason: tell("lost", folder=folder, reason=reason),
    )
    tell("ready")
    try:
        while (message := read_message(commands)) is not None:
            if "watch" in message:
                server.watch(
                    [(folder, recursive) for folder, recursive in message["watch"]],
                    tuple(message.get("exclude", ())),
                    tuple(message.get("files", ())),
                )
                tell("watching", folders=len(message["watch"]))
    except BrokenFraming as error:
        log.warning("The engine sent no message: %s.", error)
        return 1
    finally:
        server.stop()
    return 0
