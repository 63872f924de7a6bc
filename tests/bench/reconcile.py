"""A look through 100 000 unchanged files beside a bare walk, as one of the measurements of the whole."""

from __future__ import annotations

from pathlib import Path

from tests.bench import measuring
from tests.bench.reconcile_scan import run


def measure(work: Path, rounds: int) -> measuring.Series:
    """The ratio of the look to the bare walk, and how much more memory it takes."""
    result = run(level=2, pairs=max(rounds, 7), parent=work)
    series = measuring.Series("reconcile 100 000 unchanged files in 10 000 folders", "see names")
    series.values["bare walk, s"] = [result["bare_walk_s"]]
    series.values["reconcile, s"] = [result["reconcile_s"]]
    series.values["ratio"] = [result["ratio"], *result["ratio_range"]]
    series.values["more memory, MB"] = [result["more_memory_bytes"] / 1e6]
    return series
