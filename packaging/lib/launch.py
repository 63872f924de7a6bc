"""Starts the window or the command line of this checkout in its own environment: what run.sh and run.ps1 call."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import environments


def how_to_start() -> str:
    """What a person types here to start the program, for the commands that it prints."""
    script = Path(__file__).resolve().parents[1] / ("run.ps1" if os.name == "nt" else "run.sh")
    place = str(script)
    # The folder one is in may have been removed.
    with contextlib.suppress(OSError):
        here = Path.cwd()
        place = str(script.relative_to(here) if script.is_relative_to(here) else script)
    if os.name == "nt":
        return f'powershell -ExecutionPolicy Bypass -File "{place}"'
    return f"sh {shlex.quote(place)}"


def prepare_system() -> None:
    """Install what the window needs of the system, and Python's part for environments; the window alone is no must.

    Raises CannotPrepare when the program cannot start at all. Commands need no window: without one the line that
    installs it is only printed, and only where a window could be shown.
    """
    venv, libraries = environments.missing_venv(), environments.missing_libraries(environments.QT_WINDOWS)
    could_show = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if venv or (libraries and (could_show or environments.is_root())):
        try:
            environments.install_system_packages(
                [*venv, *libraries], "Parts of the system that the program needs are missing"
            )
        except environments.CannotPrepare as problem:
            if venv:
                raise
            environments.say(f"{problem}\nThe commands work without them; the window does not.")


def wants_window(arguments: list[str]) -> bool:
    """Whether the window is meant: nothing was asked for, or only to start it hidden, and it can be shown."""
    if any(word != "--hidden" for word in arguments):
        return False
    if sys.platform in {"win32", "darwin"}:
        return True
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_display and not environments.missing_libraries(environments.QT_WINDOWS)


def main(arguments: list[str]) -> int:
    """Prepare what is missing, then become the program; the exit code is the program's, or 2 when it cannot start."""
    try:
        prepare_system()
        tools = environments.environment("run", environments.requirements())
        program = environments.program(tools)
    except environments.CannotPrepare as problem:
        environments.say(str(problem))
        return 2
    except KeyboardInterrupt:
        environments.say("Interrupted; nothing half was left behind.")
        return 130
    paths = [str(program), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    # Children of the program must find it where it was installed, whatever folder they are started in.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["ETIKET_GUI_COMMAND"] = how_to_start()
    start = ["-m", "etiket_gui"] if wants_window(arguments) else [str(environments.start_of(program))]
    command = [str(environments.python_of(tools)), *start, *arguments]
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
