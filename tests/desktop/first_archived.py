"""Scripts for the robot: from nothing to the first archived dataset, by the first-run wizard and by a drop."""

from __future__ import annotations

import os
import subprocess
import time

from PySide6.QtGui import QImage

from tests.support.robot import Robot

#: Where the file manager and our window are put, side by side.
_FILES = (20, 40, 640, 480)
_OURS = (690, 40)
_WHITE = 0xFFFFFF


def is_archived(robot: Robot) -> bool:
    """Whether the program's own sentence says so."""
    return "archived and verified" in robot.text("headline") + robot.text("state-sentence")


def first_run(robot: Robot) -> None:
    """Accept what the wizard found and proposes; wait until something is archived."""
    _wait_for_wizard(robot)
    _three_pages(robot)
    _until_archived(robot)
    robot.picture("first-run-done")


def drop_on_wizard(robot: Robot) -> None:
    """Drop a folder on the wizard of the first start, and go on."""
    _wait_for_wizard(robot)
    robot.until(lambda: not robot.is_shown("stop-looking"), "the wizard has looked")
    _drop(robot, "first-run-wizard")
    robot.until(lambda: robot.is_usable("wizard-next"), "what was dropped is a source")
    robot.picture("dropped-on-wizard")
    _three_pages(robot)
    _until_archived(robot)


def drop_on_window(robot: Robot) -> None:
    """Leave the wizard, then drop a folder on the window; the clicks after the drop are told."""
    _wait_for_wizard(robot)
    robot.click("wizard-cancel")
    robot.until(lambda: not robot.is_shown("wizard-next"), "the wizard is gone")
    _drop(robot, "main-window")
    robot.begun_s, before = time.monotonic(), robot.clicks
    robot.until(lambda: robot.is_usable("drop-add"), "the sheet says what it is")
    robot.picture("dropped-on-window")
    robot.click("drop-add")
    _until_archived(robot)
    robot.told["clicks_after_drop"] = robot.clicks - before
    robot.picture("drop-done")


def _wait_for_wizard(robot: Robot) -> None:
    robot.until(lambda: robot.is_shown("wizard-next"), "the first-run wizard is there")
    robot.told["wizard_after_s"] = time.monotonic() - robot.begun_s


def _three_pages(robot: Robot) -> None:
    for name in ("first-run-places", "first-run-archive", "first-run-start"):
        robot.until(lambda: robot.is_usable("wizard-next"), f"the way on from {name}")
        robot.picture(name)
        robot.click("wizard-next")
        time.sleep(0.3)


def _until_archived(robot: Robot) -> None:
    robot.until(lambda: is_archived(robot), "everything is archived")
    robot.told["archived_after_s"] = time.monotonic() - robot.begun_s


def _drop(robot: Robot, target: str) -> None:
    """Drag the one thing in the folder DROP_FROM onto a window of ours."""
    _show_files(robot, os.environ["DROP_FROM"])

    def beside() -> None:
        widget = robot.find(target)
        assert widget is not None
        widget.window().move(*_OURS)

    robot.on_gui(beside)
    robot.rest(1.0)
    robot.drag(_first_thing(QImage(str(robot.picture("before-the-drop")))), (_OURS[0] + 300, _OURS[1] + 300))


def _first_thing(screen: QImage) -> tuple[int, int]:
    """Where the icon of the first thing is in the file manager: right of its side pane, below its bars."""
    left, top, width, height = _FILES
    middle, right = top + height // 2, left + width - 30

    def is_white(x: int, y: int) -> bool:
        return screen.pixel(x, y) & _WHITE == _WHITE

    pane = next(x for x in range(right, left, -1) if not is_white(x, middle)) + 4
    bars = next(y for y in range(middle, top, -1) if not is_white(right, y)) + 2
    drawn = [(x, y) for y in range(bars, middle) for x in range(pane, right) if not is_white(x, y)]
    icon = [(x, y) for x, y in drawn if y < drawn[0][1] + 40]
    xs, ys = [x for x, _ in icon], [y for _, y in icon]
    return (min(xs) + max(xs)) // 2, (min(ys) + max(ys)) // 2


def _show_files(robot: Robot, folder: str) -> None:
    """The file manager, in the upper left corner; it ends with the X server."""
    subprocess.Popen(
        ["pcmanfm", folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def windows() -> list[str]:
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--class", "pcmanfm"], capture_output=True, text=True, check=False
        )
        return found.stdout.split()

    robot.until(windows, "the file manager is there")
    robot.rest(1.0)
    window = windows()[-1]
    left, top, width, height = (str(number) for number in _FILES)
    subprocess.run(["xdotool", "windowsize", window, width, height], check=True)
    subprocess.run(["xdotool", "windowmove", window, left, top], check=True)
    robot.rest(1.0)
