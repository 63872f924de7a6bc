"""Many small files: the whole program, and the running engine, beside rsync and rclone.

Every contender writes into a new folder; nothing is deleted before the end, because just-deleted files slow down
whoever creates files next on ext4.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from etiket_gui.domain.events import DatasetArchived, Event
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import load_settings
from tests.bench import measuring, trees

DATASETS, FILES, SIZE_BYTES = 1000, 10, 10_000


def measure(work: Path, rounds: int) -> measuring.Series:
    """Files per second of everybody, and our ratios to the others."""
    source = work / "small source"
    trees.make_datasets(source, DATASETS, FILES, SIZE_BYTES)
    trees.read_everything(source)
    time.sleep(11)  # the settle time: change times cannot be set back
    series = measuring.Series("1 000 datasets x 10 files x 10 kB", "files/s")
    contenders = {
        "engine, already running": lambda number: engine_rate(work, source, number),
        "whole command": lambda number: command_rate(work, source, number),
        "rsync -a": lambda number: copy_rate(["rsync", "-a", f"{source}/", str(work / f"rsync {number}")]),
        "rsync -a --fsync": lambda number: copy_rate(
            ["rsync", "-a", "--fsync", f"{source}/", str(work / f"rsync fsync {number}")]
        ),
    }
    if shutil.which("rclone"):
        contenders["rclone copy"] = lambda number: copy_rate(
            ["rclone", "copy", "-q", "--config", "/dev/null", str(source), str(work / f"rclone {number}")]
        )
    measuring.run_rounds(series, contenders, rounds)
    series.ratio("engine / rsync -a", "engine, already running", "rsync -a")
    series.ratio("engine / rsync -a --fsync", "engine, already running", "rsync -a --fsync")
    series.ratio("whole command / rsync -a", "whole command", "rsync -a")
    return series


def copy_rate(command: list[str]) -> float:
    """Files per second of another program."""
    return DATASETS * FILES / measuring.timed(command)


def set_up(work: Path, source: Path, label: str) -> Path:
    """A home with one archive and one source, configured over the command line."""
    home = work / f"home {label}"
    archive = work / f"archive {label}"
    measuring.timed(measuring.program(home, "add-destination", "archive", "bench", f"path={archive}"))
    measuring.timed(
        measuring.program(home, "add-source", "folder", "data", f"root_directory={source}", "level=2", "--to", "bench")
    )
    return home


def command_rate(work: Path, source: Path, number: int) -> float:
    """The whole process: start, scan, hash, send, verify, derived views, end."""
    home = set_up(work, source, f"command {number}")
    return DATASETS * FILES / measuring.timed(measuring.program(home, "run", "--once"))


def engine_rate(work: Path, source: Path, number: int) -> float:
    """Files per second of an engine whose processes are up."""
    return DATASETS * FILES / engine_seconds(set_up(work, source, f"engine {number}"), DATASETS)


def engine_seconds(home: Path, datasets: int) -> float:
    """From the beginning of the scan to the last receipt, on an engine whose processes are up."""
    place = Home.locate(home)
    times: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, DatasetArchived):
            times.append(time.perf_counter())

    with Engine(place, load_settings(place), listeners=[listen]) as engine:
        warm_up(engine)
        started_s = time.perf_counter()
        for desk in engine.coordinator.sources.values():
            desk.is_scan_due = True
        engine.coordinator.post(_nothing)
        while len(times) < datasets:
            engine.coordinator.turn(1.0)
        return times[-1] - started_s


def warm_up(engine: Engine) -> None:
    """Have the worker processes started, the source described and the destination probed, but nothing scanned."""
    coordinator = engine.coordinator
    for source in coordinator.sources.values():
        source.is_scan_due = False
    while any(source.traits is None for source in coordinator.sources.values()) or any(
        not destination.may_send or destination.sources_to_remember for destination in coordinator.destinations.values()
    ):
        coordinator.turn(0.5)
    coordinator.desk.pool.warm_up()
    ended_s = time.monotonic() + 1.0
    while time.monotonic() < ended_s:
        coordinator.turn(0.2)


def _nothing() -> None:
    """Wakes the coordinator."""
