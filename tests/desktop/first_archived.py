"""Scripts for the robot: from nothing to the first archived dataset, by the first-run wizard and by a drop."""

from __future__ import annotations

import time

from tests.support.robot import Robot


def _archived(robot: Robot) -> bool:
    """Whether the program's own sentence says so."""
    return "archived and verified" in robot.text("headline") + robot.text("state-sentence")


def first_run(robot: Robot) -> None:
    """Accept what the wizard found and proposes; wait until something is archived."""
    robot.until(lambda: robot.is_usable("wizard-next"), "the first-run wizard is there")
    robot.told["wizard_after_s"] = time.monotonic() - robot.begun_s
    for name in ("first-run-places", "first-run-archive", "first-run-start"):
        robot.until(lambda: robot.is_usable("wizard-next"), f"the way on from {name}")
        robot.picture(name)
        robot.click("wizard-next")
        time.sleep(0.3)
    robot.until(lambda: _archived(robot), "everything is archived")
    robot.told["archived_after_s"] = time.monotonic() - robot.begun_s
    robot.picture("first-run-done")
