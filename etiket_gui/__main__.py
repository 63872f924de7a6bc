"""Starts what the arguments name: the window, a worker process, the engine without a window, or the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = """usage: etiket-gui [--home DIR] [--hidden | --headless]

Without anything: the window, with an icon in the system tray.

  --hidden      start in the system tray, without the window (for the start at login)
  --headless    the engine alone, without a window
  --home DIR    where store, settings and logs live (or ETIKET_GUI_HOME)
  --version     say the version and end

The command line, with all of this and more: etiket-sync --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for and return its exit code; nothing heavy is imported before that is known."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--worker" in arguments[:1]:
        return _run_worker(arguments[1:])
    if "--headless" in arguments:
        arguments.remove("--headless")
        return _run_command_line([*arguments, "run"])
    wanted = window_arguments(arguments)
    if wanted is None:
        return _run_command_line(arguments)
    if wanted.pop("help", None):
        sys.stdout.write(USAGE)
        return 0
    if not has_display():
        if arguments:
            sys.stderr.write("There is no display for a window here. Without one: etiket-gui --headless\n")
            return 2
        return _run_command_line([])
    from etiket_gui.bootstrap import start_window

    return start_window(wanted.get("home"), is_hidden="hidden" in wanted)


def window_arguments(arguments: Sequence[str]) -> dict[str, str] | None:
    """What the window is started with; None when the arguments are a command of the command line."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--home" and rest:
            found["home"] = rest.pop(0)
        elif word.startswith("--home="):
            found["home"] = word.removeprefix("--home=")
        elif word == "--hidden":
            found["hidden"] = "yes"
        elif word in {"-h", "--help"}:
            found["help"] = "yes"
        else:
            return None
    return found


def has_display() -> bool:
    """Whether a window can be shown: always on Windows and macOS, elsewhere where a display is named and there."""
    if sys.platform in {"win32", "darwin"} or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    display = os.environ.get("DISPLAY", "")
    number = display.removeprefix("unix:").removeprefix(":").partition(".")[0]
    if not number.isdecimal():
        # Forwarded from another machine, or none.
        return bool(display)
    import socket

    # Qt ends the process where nobody listens; the abstract address is for servers with a file system of their own.
    for address in (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}"):  # noqa: S108 - X11 says so
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(address) == 0:
                return True
    return False


def _run_command_line(arguments: list[str]) -> int:
    from etiket_gui.cli.main import main as run_command_line

    return run_command_line(arguments)


def _run_worker(arguments: list[str]) -> int:
    """One child process of the engine; its messages come and go on standard input and output.

    The role "diagnostics" is followed by a home and a file: the command line writes the file, so that the window's is
    the same.
    """
    role = "work"
    if arguments[:1] == ["--role"] and len(arguments) > 1:
        role = arguments[1]
    if role == "diagnostics":
        home, path = arguments[2:4]
        return _run_command_line(["--home", home, "--json", "export-diagnostics", path])
    from etiket_gui.worker.process import main as run_worker

    return run_worker(role)


if __name__ == "__main__":
    sys.exit(main())
