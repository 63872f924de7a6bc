"""What the engine costs while nothing happens, with 100 000 tracked datasets on disk."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.bench import measuring, trees
from tests.bench.archive_small import set_up

FOLDERS, FILES = 100_000, 1
IDLE_S = 600.0


def measure(work: Path, rounds: int, *, idle_s: float = IDLE_S) -> measuring.Series:
    """Percent of a core, disk writes a minute, and megabytes, over ten minutes after everything was archived."""
    source = work / "idle source"
    trees.make_many_small(source, FOLDERS, FILES)
    time.sleep(11)
    home = set_up(work, source, "idle")
    measuring.timed(measuring.program(home, "run", "--once"))
    series = measuring.Series(f"idle for {idle_s:.0f} s with {FOLDERS} tracked datasets", "see names")
    engine = subprocess.Popen(
        measuring.program(home, "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        time.sleep(60)
        started_s = time.monotonic()
        processes = [engine.pid, *measuring.children(engine.pid)]
        cpu_before = {pid: measuring.cpu_seconds(pid) for pid in processes}
        writes_before = _written_calls(processes)
        peak_bytes = 0
        while time.monotonic() - started_s < idle_s:
            time.sleep(5)
            alive = [engine.pid, *measuring.children(engine.pid)]
            peak_bytes = max(peak_bytes, sum(measuring.resident_bytes(pid) for pid in alive))
        passed_s = time.monotonic() - started_s
        alive = [engine.pid, *measuring.children(engine.pid)]
        cpu_s = sum(measuring.cpu_seconds(pid) - cpu_before.get(pid, 0.0) for pid in alive)
        series.values["percent of a core"] = [100 * cpu_s / passed_s]
        series.values["writes to disk a minute"] = [(_written_calls(alive) - writes_before) / passed_s * 60]
        series.values["resident megabytes, all processes"] = [peak_bytes / 1e6]
    finally:
        engine.terminate()
        engine.wait(30)
    return series


def _written_calls(processes: list[int]) -> float:
    """Blocks of 4 KiB that these processes caused to be written to storage so far."""
    total = 0
    for pid in processes:
        try:
            lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
    return total / 4096
