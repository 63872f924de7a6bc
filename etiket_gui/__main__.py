"""Starts what the arguments name: a worker process, the engine without a window, or the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for and return its exit code; nothing heavy is imported before that is known."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--worker" in arguments[:1]:
        return _run_worker(arguments[1:])
    from etiket_gui.cli.main import main as run_command_line

    if "--headless" in arguments:
        arguments.remove("--headless")
        return run_command_line([*arguments, "run"])
    return run_command_line(arguments)


def _run_worker(arguments: list[str]) -> int:
    """One child process of the engine; its messages come and go on standard input and output."""
    from etiket_gui.worker.process import main as run_worker

    role = "work"
    if arguments[:1] == ["--role"] and len(arguments) > 1:
        role = arguments[1]
    return run_worker(role)


if __name__ == "__main__":
    sys.exit(main())
