"""One file of 2 GiB, verified by re-reading, beside rsync and cp with fsync."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench import measuring, trees
from tests.bench.archive_small import engine_seconds, set_up

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
        "engine, verified by re-reading": lambda number: engine_seconds(set_up(work, source, f"large {number}"), 1),
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
