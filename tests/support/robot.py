"""Plays a person: real mouse clicks and keys on the real program on an X server, counted and timed.

The program runs in the robot's own process, so that the robot knows where each named control is; what it does goes
through the X server all the same. A script is a function that is given a :class:`Robot`, named on the command line:
``python -m tests.support.robot MODULE:FUNCTION HOME REPORT``.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QPoint, QRect, Qt, Signal
from PySide6.QtWidgets import QApplication, QCheckBox, QRadioButton, QWidget

from tests.support.patience import patient_s

T = TypeVar("T")
PATIENCE_S = 60.0


class _Bridge(QObject):
    """Runs what the robot's thread asks for on the GUI thread."""

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked.connect(lambda work: work(), Qt.ConnectionType.QueuedConnection)


class Gone(AssertionError):
    """Something is not on the screen in time."""


class Robot:
    """One person before one screen. ``clicks`` counts every click, ``begun_s`` is when the program was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clicks = 0
        self.begun_s = time.monotonic()
        self.told: dict[str, Any] = {}
        self._bridge: _Bridge | None = None

    # --- looking --------------------------------------------------------------------------------------------

    def on_gui(self, work: Callable[[], T]) -> T:
        """Run a look at the widgets on the GUI thread."""
        answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((work(), None))
            except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
                answers.put((None, error))

        if self._bridge is None:
            self.until(lambda: QApplication.instance() is not None, "the program begins")
            application = QApplication.instance()
            assert application is not None
            self._bridge = _Bridge()
            self._bridge.moveToThread(application.thread())
        self._bridge.asked.emit(run)
        value, error = answers.get(timeout=PATIENCE_S)
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    @staticmethod
    def until(is_so: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so."""
        end_s = time.monotonic() + patient_s(timeout_s)
        while not is_so():
            if time.monotonic() > end_s:
                raise Gone(f"not within {timeout_s:g} s: {what}")
            time.sleep(0.05)

    def find(self, name: str, number: int = 0) -> QWidget | None:
        """The control of that name that can be seen; call on the GUI thread."""
        found = [
            widget
            for widget in QApplication.allWidgets()
            if widget.objectName() == name and widget.isVisible() and not widget.visibleRegion().isEmpty()
        ]
        found.sort(key=lambda widget: (widget.mapToGlobal(QPoint()).y(), widget.mapToGlobal(QPoint()).x()))
        return found[number] if len(found) > number else None

    def is_shown(self, name: str) -> bool:
        """Whether a control of that name can be seen."""
        return self.on_gui(lambda: self.find(name) is not None)

    def is_usable(self, name: str, number: int = 0) -> bool:
        """Whether it can be seen and operated."""

        def look() -> bool:
            widget = self.find(name, number)
            return widget is not None and widget.isEnabled()

        return self.on_gui(look)

    def text(self, name: str) -> str:
        """What it says; empty when it cannot be seen."""

        def look() -> str:
            widget = self.find(name)
            value = widget.property("text") if widget is not None else ""
            return str(value or "")

        return self.on_gui(look)

    def place(self, name: str, number: int = 0) -> QRect:
        """Where it is on the screen."""

        def look() -> QRect:
            widget = self.find(name, number)
            if widget is None:
                raise Gone(f"there is no {name}")
            size = widget.size()
            if isinstance(widget, QCheckBox | QRadioButton):
                size = widget.sizeHint().boundedTo(size)
            return QRect(widget.mapToGlobal(QPoint()), size)

        return self.on_gui(look)

    # --- doing ----------------------------------------------------------------------------------------------

    def click(self, name: str, number: int = 0, button: int = 1) -> None:
        """Move there and click, when it can be operated and holds still."""
        self.until(lambda: self.is_usable(name, number), f"{name} can be clicked")
        before = self.place(name, number)
        time.sleep(0.15)
        while (now := self.place(name, number)) != before:
            before = now
            time.sleep(0.1)
        self.click_at(before.center().x(), before.center().y(), button)

    def click_at(self, x: int, y: int, button: int = 1) -> None:
        """Click on a point of the screen."""
        _xdotool("mousemove", str(x), str(y), "sleep", "0.05", "click", str(button))
        self.clicks += 1
        time.sleep(0.1)

    def drag(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag something from a point of the screen to another, as slowly as a hand; no click."""
        steps = 20
        words = ["mousemove", str(begin[0]), str(begin[1]), "sleep", "0.3", "mousedown", "1", "sleep", "0.3"]
        for step in range(1, steps + 1):
            x, y = (round(a + (b - a) * step / steps) for a, b in zip(begin, end, strict=True))
            words += ["mousemove", str(x), str(y), "sleep", "0.05"]
        _xdotool(*words, "sleep", "0.5", "mouseup", "1")
        time.sleep(0.3)

    def type(self, text: str) -> None:
        """Type."""
        _xdotool("type", "--delay", "8", text)

    def key(self, *names: str) -> None:
        """Press keys, as xdotool names them."""
        _xdotool("key", *names)

    def resize(self, width: int, height: int) -> None:
        """Give the main window that size and the upper left corner."""

        def set_size() -> None:
            window = self.find("main-window")
            assert window is not None
            window.window().move(0, 0)
            window.window().resize(width, height)

        self.on_gui(set_size)
        time.sleep(0.5)

    def picture(self, name: str, *, of: str | None = None) -> Path:
        """Take a picture of the screen, or of the window that holds a control."""
        self.rest()
        path = self.folder / f"{name}.png"
        if of is None:
            subprocess.run(["scrot", "-o", str(path)], check=True)
        else:

            def grab() -> None:
                widget = self.find(of)
                if widget is None:
                    raise Gone(f"there is no {of} to take a picture of")
                assert widget.window().grab().save(str(path))

            self.on_gui(grab)
        return path

    def rest(self, seconds: float = 0.4) -> None:
        """Let the program paint."""
        time.sleep(seconds)
        self.on_gui(lambda: None)

    def quit(self) -> None:
        """End the program as its menu does."""

        self.on_gui(lambda: self.program().quit())

    @staticmethod
    def program() -> Any:
        """The program, with all its parts; call on the GUI thread."""
        window: Any = next(item for item in QApplication.topLevelWidgets() if item.objectName() == "main-window")
        return window._watch.parent()


def _xdotool(*arguments: str) -> None:
    subprocess.run(["xdotool", *arguments], check=True, timeout=60)


def play(script: Callable[[Robot], None], home: str, report: Path) -> int:
    """Run the program with a robot before it; the report says how it went. Returns the program's exit code."""
    from etiket_gui.bootstrap import start_window

    _sit_down(lambda: script, report)
    return start_window(home)


def join(script: str, report: str) -> None:
    """Sit down before a program that begins just now in this process; ``script`` is MODULE:FUNCTION."""
    _sit_down(lambda: _named(script), Path(report))


def _named(script: str) -> Callable[[Robot], None]:
    module, _, function = script.partition(":")
    found: Callable[[Robot], None] = getattr(importlib.import_module(module), function)
    return found


def _sit_down(script: Callable[[], Callable[[Robot], None]], report: Path) -> None:
    robot = Robot(report.parent)
    outcome: dict[str, Any] = {"error": "the script did not end"}

    def perform() -> None:
        try:
            script()(robot)
            outcome["error"] = ""
        except BaseException:  # noqa: BLE001  it is told in the report
            outcome["error"] = traceback.format_exc()
            subprocess.run(["scrot", "-o", str(report.with_suffix(".png"))], check=False)
        finally:
            outcome.update(clicks=robot.clicks, told=robot.told)
            report.write_text(json.dumps(outcome), encoding="utf-8")
            try:
                robot.quit()
            except BaseException:  # noqa: BLE001  whoever started it reads why
                traceback.print_exc()
                os._exit(3)

    threading.Thread(target=perform, name="robot", daemon=True).start()


if __name__ == "__main__":
    # Scripts import this module under its own name, so what they are given must be of that one.
    itself = importlib.import_module("tests.support.robot")

    sys.exit(itself.play(itself._named(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
