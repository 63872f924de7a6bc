"""The window's figures: pauses in a live table, a table of a million rows, start to window, memory in the tray."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from etiket_gui.destinations.api import DestinationContext
from etiket_gui.destinations.registry import load_destination
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from tests.bench import measuring, trees
from tests.bench.gui_store import make_large_home

_IMPORT_S = 20
#: More than are imported in that time: 400 a second and more are.
_NEW_DATASETS = 24_000
_TRAY_AFTER_S = 15


def measure(work: Path, rounds: int) -> measuring.Series:
    """Milliseconds of pauses, seconds of questions and of the start, MB of memory: each named with its unit.

    Shown on the display of the environment; without one, offscreen.
    """
    series = measuring.Series("window", "ms, s, MB: see each")
    if not os.environ.get("DISPLAY"):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        series.notes.append("no display: painted offscreen")
    million = make_large_home(work / "million", 1_000_000)
    filled = make_large_home(work / "filled", 200_000)
    tray = make_large_home(work / "tray", 100_000)
    for number in range(rounds):
        os.sync()
        _add(series, "200 000 rows while importing", _table(_importing(work / f"importing {number}", filled), "import"))
        told = _table(million, "large")
        _add(series, "1 000 000 rows, scrolled", told["scroll"])
        _add(series, "1 000 000 rows, jumped in", told["jump"])
        for name, pauses in told["questions"].items():
            _keep(series, f"1 000 000 rows, {name} (s)", pauses["seconds"])
        _keep(series, "longest pause in sort and filter (ms)", max(p["longest_ms"] for p in told["questions"].values()))
        _keep(series, "start to window, 100 000 datasets (s)", _start(tray))
        resident, with_children = _in_the_tray(tray)
        _keep(series, "in the tray, 100 000 datasets (MB)", resident)
        _keep(series, "in the tray with its workers (MB)", with_children)
    return series


def _keep(series: measuring.Series, name: str, value: float) -> None:
    series.values.setdefault(name, []).append(value)


def _add(series: measuring.Series, name: str, told: dict[str, Any]) -> None:
    for key, unit in (("p99_ms", "p99 pause (ms)"), ("longest_ms", "longest pause (ms)"), ("over_16_ms", "over 16 ms")):
        _keep(series, f"{name}: {unit}", told[key])
    if "imported" in told:
        _keep(series, f"{name}: datasets imported per s", told["imported"] / _IMPORT_S)


def _table(home: Home, scenario: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.gui_table", str(home.root), scenario, str(_IMPORT_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the table ended with {done.returncode}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _importing(folder: Path, filled: Home) -> Home:
    """A home that tracks 200 000 datasets already, with a source of many new ones."""
    shutil.copytree(filled.root, folder / "home")
    home = Home.locate(folder / "home")
    archive = folder / "archive"
    kind = load_destination("archive")
    context = DestinationContext(home.agent_uuid(), "host", folder / "unused")
    kind(kind.config_class.model_validate({"path": str(archive)}), context).create()
    trees.make_datasets(folder / "data", _NEW_DATASETS, 2, 2000)
    writer = open_store(home, is_thorough=False).writer
    destination = writer.add_destination(str(uuid.uuid4()), "new archive", "archive", {"path": str(archive)})
    config = {"root_directory": str(folder / "data"), "level": 2, "settle_time": 0.3}
    writer.add_source(str(uuid.uuid4()), "new data", "folder", config, [(destination.id, "")])
    writer.close()
    return home


def _start(home: Home) -> float:
    command = [sys.executable, "-m", "tests.bench.gui_start", str(home.root), str(time.monotonic_ns())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.split()
    if not lines:
        raise RuntimeError(f"no window came: {done.stderr[-2000:]}")
    return float(lines[-1])


def _in_the_tray(home: Home) -> tuple[float, float]:
    """MB of resident memory some seconds after a hidden start: of the program alone, and with its children."""
    program = subprocess.Popen(
        measuring.program(home.root, "--hidden"),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(_TRAY_AFTER_S)
        if program.poll() is not None:
            raise RuntimeError("the program ended by itself")
        alone = measuring.resident_bytes(program.pid)
        whole = alone + sum(measuring.resident_bytes(pid) for pid in measuring.children(program.pid))
    finally:
        program.terminate()
        program.communicate(timeout=20)
    return alone / 1e6, whole / 1e6
