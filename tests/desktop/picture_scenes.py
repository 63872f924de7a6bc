"""Scripts for the robot that bring the window into the states that the documents show, and take the pictures."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication, QWidget

from etiket_gui.gui.application import Program
from tests.desktop.first_archived import is_archived
from tests.support.lab_folders import write_lab
from tests.support.robot import Robot

SMALL, USUAL, WIDE, LARGE = (1000, 700), (1180, 780), (1500, 1000), (2560, 1440)

_LIVE = "run_state = 'live'"


def first_run(robot: Robot) -> None:
    """The three pages of the first start, and the overview afterwards."""
    robot.until(lambda: not robot.is_shown("stop-looking") and robot.is_usable("wizard-next"), "the wizard has looked")
    for number in (1, 2, 3):
        robot.until(lambda: robot.is_usable("wizard-next"), f"page {number}")
        robot.rest(1.2)
        robot.picture(f"first-run-{number}", of="wizard-next")
        robot.click("wizard-next")
    robot.until(lambda: is_archived(robot), "everything is archived")


def everyday(robot: Robot) -> None:
    """An evening in the laboratory: what is archived, what arrives, what runs, what is wrong."""
    data = Path(os.environ["LAB_DATA"])
    robot.until(lambda: is_archived(robot), "the lab is archived", 120)
    program: Program = robot.on_gui(robot.program)
    robot.resize(*USUAL)
    robot.rest(1.0)
    robot.picture("overview", of="main-window")
    _wizard(robot, program)
    _drop_sheet(robot, program, data.parent)
    _pane(robot, program)
    _live(robot, program)
    _arriving(robot, program, data)
    _problem(robot, program, data)


def _wizard(robot: Robot, program: Program) -> None:
    from etiket_gui.gui.wizards.add_source import AddSourceWizard

    robot.on_gui(program.opening.add_source)
    robot.until(lambda: robot.is_shown("source-path"), "the wizard")
    robot.on_gui(lambda: _top(AddSourceWizard).place.set_path(os.environ["LAB_OTHER"]))
    for _ in range(2):
        robot.until(lambda: robot.is_usable("wizard-next"), "the way on")
        robot.rest(0.8)
        robot.click("wizard-next")
    robot.until(lambda: robot.is_shown("ignore-patterns"), "what is left out")
    robot.until(lambda: robot.is_usable("wizard-next"), "all is counted")

    def show_patterns() -> None:
        wizard = _top(AddSourceWizard)
        wizard.resize(980, 860)
        table = wizard.findChild(QWidget, "ignore-patterns")
        table.setFocus()  # type: ignore[union-attr]

    robot.on_gui(show_patterns)
    robot.rest(1.2)
    robot.picture("wizard-ignore", of="wizard-next")
    robot.on_gui(lambda: _top(AddSourceWizard).reject())
    robot.rest(0.6)


def _drop_sheet(robot: Robot, program: Program, folder: Path) -> None:
    paths = [os.environ["LAB_OTHER"], str(folder / "qcodes" / "experiments.db"), str(folder / "archive"), "/tmp/a.zip"]
    Path("/tmp/a.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    robot.on_gui(lambda: program.opening.drop(paths))
    robot.until(lambda: robot.is_usable("drop-add"), "the sheet")
    robot.rest(2.5)
    robot.picture("drop-sheet", of="drop-close")
    robot.click("drop-close")
    Path("/tmp/a.zip").unlink()


def _pane(robot: Robot, program: Program) -> None:
    robot.resize(*WIDE)
    (number,) = _ids(program, "name = 'Rabi chevron Q3'")

    def show() -> None:
        page: Any = program.window.show_page("datasets")
        page.show_dataset(number)

    robot.on_gui(show)
    robot.rest(3.0)
    robot.picture("dataset", of="main-window")
    robot.on_gui(lambda: program.theme.set_mode("dark"))
    robot.rest(1.5)
    robot.picture("dataset-dark", of="main-window")
    robot.on_gui(lambda: program.theme.set_mode("light"))
    robot.rest(0.5)


def _live(robot: Robot, program: Program) -> None:
    ends = threading.Event()
    thread = threading.Thread(target=_measure, args=(Path(os.environ["LAB_RECORDS"]), ends), name="measures")
    thread.start()
    try:
        time.sleep(9.0)
        robot.on_gui(program.steering.sync_now)
        robot.until(lambda: _ids(program, _LIVE), "the running measurement is found", 60)
        number = _ids(program, _LIVE)[0]

        def show() -> None:
            page: Any = program.window.show_page("datasets")
            page.show_dataset(number)

        robot.on_gui(show)
        robot.until(lambda: robot.is_shown("live-progress"), "the plot of it")
        robot.rest(9.0)
        robot.picture("live-plot", of="main-window")
    finally:
        ends.set()
        thread.join()
    robot.until(lambda: is_archived(robot), "the measurement that ended is archived", 90)


def _measure(folder: Path, ends: threading.Event) -> None:
    from etiket_gui.record import Recorder

    with Recorder("Rabi of Q3", folder=folder, attributes={"sample": "SQ22", "fridge": "Triton 7"}) as run:
        run.quantity("pulse_length", unit="ns")
        run.quantity("population", axes=("pulse_length",))
        number = 0
        while not ends.wait(0.06):
            x = number / 4
            run.add(pulse_length=x, population=0.5 - 0.5 * math.cos(x / 4) * math.exp(-x / 60) + 0.02 * math.sin(7 * x))
            number += 1


def _ids(program: Program, condition: str) -> list[int]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{program.desk.home.store}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM datasets WHERE {condition}")]


def _arriving(robot: Robot, program: Program, data: Path) -> None:
    robot.resize(*USUAL)

    def close_pane() -> None:
        page: Any = program.window.show_page("datasets")
        page._close_pane()

    robot.on_gui(close_pane)
    code = "import sys; from pathlib import Path; from tests.support.lab_folders import write_lab; "
    code += "write_lab(Path(sys.argv[1]), range(-2000, 0))"
    writer = subprocess.Popen([sys.executable, "-c", code, str(data)])
    robot.until(lambda: robot.on_gui(lambda: program.watch.moving.dataset_count) > 0, "datasets are sent")
    robot.until(lambda: robot.on_gui(lambda: _archived(program)) > 700, "some have arrived", 120)
    robot.picture("arriving", of="main-window")
    robot.on_gui(lambda: program.window.resize(*LARGE))
    robot.rest(1.5)
    robot.picture("arriving-large", of="main-window")
    robot.on_gui(lambda: program.theme.set_mode("dark"))
    robot.resize(*SMALL)
    robot.click("nav-overview")
    robot.rest(1.5)
    robot.picture("overview-dark-small", of="main-window")
    robot.on_gui(lambda: program.theme.set_mode("light"))
    robot.resize(*USUAL)
    writer.wait(120)
    robot.until(lambda: is_archived(robot), "all of them have arrived", 400)


def _archived(program: Program) -> int:
    return sum(source.archived for source in program.watch.facts.overview.enabled)


def _problem(robot: Robot, program: Program, data: Path) -> None:
    """A table that is none, and a file that nobody may read, each with what to do."""
    write_lab(data, range(-2003, -2000))
    broken = max(data.glob("*/*"), key=lambda path: path.stat().st_ctime_ns)
    (broken / "trace.csv").write_bytes(bytes(range(256)) * 4)
    time.sleep(1.0)
    robot.on_gui(program.steering.sync_now)
    robot.until(lambda: robot.on_gui(lambda: program.watch.facts.problem_count) > 0, "a problem", 60)
    robot.click("nav-problems")
    robot.rest(1.5)
    robot.picture("problem", of="main-window")


def _top(kind: type[Any]) -> Any:
    return next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, kind) and widget.isVisible())
