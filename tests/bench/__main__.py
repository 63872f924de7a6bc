"""All measurements by one command: ``python -m tests.bench [NAME…] [--rounds N] [--work DIR] [--json FILE]``.

Prints a table for people and writes every value as JSON. Names: reconcile, small, large, latency, live, live-memory,
commands, scale, idle (ten minutes), gui (on the display, else offscreen),
qcodes-looks, -large, -small, -long and -writers (half an hour; these need ETIKET_GUI_QCODES_PYTHON). Run it on a
quiet machine with 12 GB of free disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench import (
    archive_large,
    archive_small,
    commands,
    gui_window,
    harmless_qcodes,
    idle,
    latency,
    live_latency,
    measuring,
    qcodes_runs,
    reconcile,
    scale,
)

MEASUREMENTS = {
    "reconcile": reconcile.measure,
    "small": archive_small.measure,
    "large": archive_large.measure,
    "latency": latency.measure,
    "live": live_latency.measure,
    "live-memory": live_latency.measure_memory,
    "commands": commands.measure,
    "scale": scale.measure,
    "idle": idle.measure,
    "gui": gui_window.measure,
    "qcodes-looks": qcodes_runs.measure_looks,
    "qcodes-large": qcodes_runs.measure_large,
    "qcodes-small": qcodes_runs.measure_small,
    "qcodes-long": qcodes_runs.measure_long,
    "qcodes-writers": harmless_qcodes.measure,
}


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    asked = parser.parse_args()
    # Installed programs have their bytecode; without it every process started here would compile its modules first.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    unknown = set(asked.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    work = Path(tempfile.mkdtemp(prefix="etiket-bench-", dir=asked.work))
    results = []
    try:
        for name in asked.names or MEASUREMENTS:
            print(f"{name} …", file=sys.stderr, flush=True)
            folder = work / name
            folder.mkdir()
            result = MEASUREMENTS[name](folder, asked.rounds).to_json()
            results.append(result)
            print(measuring.table([result]), flush=True)
        measuring.write_json(asked.json, results)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
