"""An X server of a test's own with a window manager on it, and what is started there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtGui import QImage

from tests.support.patience import patient_s

#: What every desktop needs to be installed.
NEEDED = ("Xvfb", "openbox", "xdotool", "scrot")


class Desktop:
    """One X server with a window manager, and what is started on it."""

    def __init__(self, folder: Path, *, size: str = "1280x800") -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        reading, writing = os.pipe()
        self.environment = {**os.environ, "NO_AT_BRIDGE": "1"}
        for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
            self.environment.pop(name, None)
        self.start(
            "Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp", pass_fds=(writing,)
        )
        os.close(writing)
        with os.fdopen(reading) as file:
            self.environment["DISPLAY"] = f":{file.readline().strip()}"
        self.start("openbox")

    def start(self, *command: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a program on this desktop; it ends with it."""
        process = subprocess.Popen(
            command, env=self.environment, pass_fds=pass_fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def run(self, *command: str) -> str:
        """What a program prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout

    def picture(self) -> QImage:
        """The screen now."""
        path = self.folder / "screen.png"
        self.run("scrot", "-o", str(path))
        return QImage(str(path))

    def click(self, x: int, y: int, button: int) -> None:
        """Click there."""
        self.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", str(button))

    def windows(self, name: str) -> list[str]:
        """The windows of that title which are shown."""
        return self.run("xdotool", "search", "--onlyvisible", "--name", name).split()

    def geometry(self, window: str) -> tuple[int, int, int, int]:
        """Left, top, width and height of a window."""
        said = dict(
            line.split("=", 1) for line in self.run("xdotool", "getwindowgeometry", "--shell", window).splitlines()
        )
        return int(said["X"]), int(said["Y"]), int(said["WIDTH"]), int(said["HEIGHT"])

    def robot(self, script: str, home: Path, account: Path, *, timeout_s: float = 120.0) -> RobotReport:
        """Have the robot play a script on the program, with that home and the account's folder; returns its report."""
        report = self.folder / "report.json"
        process = subprocess.run(
            [sys.executable, "-m", "tests.support.robot", script, str(home), str(report)],
            env={**self.environment, "HOME": str(account), "QT_QPA_PLATFORM": "xcb"},
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        told = read_report(report, process.stderr)
        assert process.returncode == 0, f"the program ended with {process.returncode}: {told.said[-3000:]}"
        return told

    def end(self) -> None:
        """End everything, the server last."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(what: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until that is so."""
    end_s = time.monotonic() + patient_s(timeout_s)
    while not what():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class RobotReport:
    """How a script of the robot went. ``said`` is what the program wrote to its standard error."""

    clicks: int
    told: dict[str, Any]
    said: str


def read_report(path: Path, said: str) -> RobotReport:
    """The robot's report; AssertionError with its own words when the script failed."""
    assert path.exists(), f"the robot left no report: {said[-3000:]}"
    content = json.loads(path.read_text("utf-8"))
    assert not content["error"], f"{content['error']}\n{said[-3000:]}"
    return RobotReport(int(content["clicks"]), dict(content["told"]), said)
