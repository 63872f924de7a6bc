"""One file of 2 GiB, verified by re-reading, beside rsync and cp with fsync."""

from __future__ import annotations

import time
from pathlib import Path

from etiket_gui.domain.events import DatasetArchived, Event
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import load_settings
from tests.bench import measuring, trees
from tests.bench.archive_small import set_up, warm_up

SIZE_BYTES = 2 << 30


def measure(work: Path, rounds: int) -> measuring.Series:
    """Seconds of everybody; ratios are speeds, so that more is better for us."""
    source = work / "large source"
    big = source / "2026-01-01" / "000001 long run" / "big.dat"
    trees.make_large(big, SIZE_BYTES)
    trees.read_everything(source)
    time.sleep(11)
    series = measuring.Series("1 x 2 GiB", "s")
    contenders = {
        "engine, verified by re-reading": lambda number: engine_seconds(work, source, number),
        "rsync -a": lambda number: measuring.timed(["rsync", "-a", str(big), str(work / f"big rsync {number}")]),
        "cp + fsync": lambda number: measuring.timed(
            ["sh", "-c", 'cp "$1" "$2" && sync "$2"', "sh", str(big), str(work / f"big cp {number}")]
        ),
        "rclone copyto": lambda number: measuring.timed(
            ["rclone", "copyto", "-q", "--config", "/dev/null", str(big), str(work / f"big rclone {number}")]
        ),
    }
    measuring.run_rounds(series, contenders, rounds)
    series.ratio("speed against rsync -a", "rsync -a", "engine, verified by re-reading")
    series.ratio("speed against cp + fsync", "cp + fsync", "engine, verified by re-reading")
    return series


def engine_seconds(work: Path, source: Path, number: int) -> float:
    """From the scan to the receipt, on an engine whose processes are up."""
    home = set_up(work, source, f"large {number}")
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
        engine.coordinator.post(lambda: None)
        while not times:
            engine.coordinator.turn(1.0)
        return times[-1] - started_s
