"""QCoDeS databases: warm looks at 100 and 10 000 runs, and conversion beside QCoDeS' own export to netCDF.

    python -m tests.bench qcodes-looks qcodes-large qcodes-small qcodes-long

``ETIKET_GUI_QCODES_PYTHON`` names the interpreter with real QCoDeS; what is compared with it needs it.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.measuring import Series, run_rounds
from tests.support.qcodes_database import P, QCoDeSFile, QCoDeSSource

PROJECT = Path(__file__).resolve().parents[2]
LARGE_ROWS = (2000, 2500)
LONG_ROWS = (6000, 2500)

_PEAK = """
def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
"""
_OURS = (
    _PEAK
    + """
import pathlib, sys, time
begun = time.perf_counter()
from tests.support.qcodes_database import QCoDeSSource, guid_of
source = QCoDeSSource(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
source.read(guid_of(1))
whole = time.perf_counter() - begun
begun = time.perf_counter()
for number in range(int(sys.argv[3])):
    source.read(guid_of(1))
print((time.perf_counter() - begun) / int(sys.argv[3]) if int(sys.argv[3]) else whole, peak())
"""
)
_THEIRS = (
    _PEAK
    + """
import os, sys, time, warnings
os.environ["QCODES_TELEMETRY"] = "0"
warnings.simplefilter("ignore")
begun = time.perf_counter()
from qcodes.dataset import initialise_or_create_database_at, load_by_id
initialise_or_create_database_at(sys.argv[1])
load_by_id(1).export("netcdf", path=sys.argv[2])
whole = time.perf_counter() - begun
begun = time.perf_counter()
for number in range(int(sys.argv[3])):
    load_by_id(1).export("netcdf", path=f"{sys.argv[2]}-{number}")
print((time.perf_counter() - begun) / int(sys.argv[3]) if int(sys.argv[3]) else whole, peak())
"""
)


def measure_looks(folder: Path, rounds: int) -> Series:
    """Milliseconds of one look after rows were added to the open run, by number of runs and journal mode."""
    series = Series("QCoDeS: a look after rows were added to the open run", "ms")
    contenders: dict[str, Callable[[int], float]] = {}
    files = []
    for wal in (False, True):
        for count in (100, 10_000):
            name = f"{count} runs, {'WAL' if wal else 'rollback'}"
            path = folder / f"{count}-{wal}.db"
            file = QCoDeSFile(path, wal=wal)
            file.many(count)
            run_id = file.start("open")
            files.append(file)
            source = QCoDeSSource(path, folder / f"work-{count}-{wal}")
            source.look()
            for place in range(3):
                file.add(run_id, [{"x": place, "y": 0}])
                source.hint()

            def look(
                number: int, file: QCoDeSFile = file, source: QCoDeSSource = source, run_id: int = run_id
            ) -> float:
                took = []
                for place in range(20):
                    file.add(run_id, [{"x": place, "y": number}] * 3)
                    begun = time.perf_counter()
                    found = source.hint()
                    took.append(1000 * (time.perf_counter() - begun))
                    assert len(found) == 1
                return statistics.median(took)

            contenders[name] = look
    run_rounds(series, contenders, rounds)
    for mode in ("rollback", "WAL"):
        series.ratio(f"10 000 to 100 runs, {mode}", f"10000 runs, {mode}", f"100 runs, {mode}")
    for file in files:
        file.close()
    return series


def _make_grid(path: Path, shape: tuple[int, int]) -> None:
    file = QCoDeSFile(path)
    run_id = file.start("grid", (P("x"), P("y"), P("z", ("x", "y"))))
    generator = random.Random(1)
    connection = file.connection
    connection.execute("BEGIN")
    for x in range(shape[0]):
        connection.executemany(
            f'INSERT INTO "results-1-{run_id}" (x, y, z) VALUES (?, ?, ?)',
            [(x * 0.01, y * 0.013, generator.random()) for y in range(shape[1])],
        )
    connection.execute("COMMIT")
    file.finish(run_id)
    file.close()


def _run(python: str, script: str, *arguments: object) -> tuple[float, float]:
    ran = subprocess.run(
        [python, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    seconds, megabytes = ran.stdout.split()[-2:]
    return float(seconds), float(megabytes)


def _conversion(folder: Path, rounds: int, shape: tuple[int, int], title: str, *, repeated: int = 0) -> Series:
    """Seconds of a conversion by a fresh process, or of each of ``repeated`` ones after a first."""
    path = folder / "grid.db"
    _make_grid(path, shape)
    series = Series(title, "s")
    memory: dict[str, list[float]] = {"ours": [], "QCoDeS": []}
    theirs = os.environ["ETIKET_GUI_QCODES_PYTHON"]

    def ours(number: int) -> float:
        seconds, megabytes = _run(sys.executable, _OURS, path, folder / f"ours-{number}", repeated)
        memory["ours"].append(megabytes)
        return seconds

    def qcodes(number: int) -> float:
        seconds, megabytes = _run(theirs, _THEIRS, path, folder / f"theirs-{number}", repeated)
        memory["QCoDeS"].append(megabytes)
        return seconds

    run_rounds(series, {"ours": ours, "QCoDeS": qcodes}, rounds)
    series.ratio("QCoDeS to ours", "QCoDeS", "ours")
    for name, values in memory.items():
        series.notes.append(f"peak memory, {name}: {statistics.median(values):.0f} MB")
    series.notes.append(f"database {path.stat().st_size / 1e6:.0f} MB, {shape[0] * shape[1]} rows")
    return series


def measure_large(folder: Path, rounds: int) -> Series:
    """A run of 5 000 000 rows: whole processes, imports included."""
    return _conversion(folder, rounds, LARGE_ROWS, "QCoDeS: a run of 5 000 000 rows to netCDF")


def measure_small(folder: Path, rounds: int) -> Series:
    """A run of 630 rows: one of fifty in a process that is warm, as workers are."""
    return _conversion(folder, rounds, (30, 21), "QCoDeS: a run of 630 rows to netCDF", repeated=50)


def measure_long(folder: Path, rounds: int) -> Series:
    """Megabytes of memory for runs whose databases are 180 MB and 540 MB."""
    series = Series("QCoDeS: peak memory of conversion", "MB")
    contenders: dict[str, Callable[[int], float]] = {}
    for shape in (LARGE_ROWS, LONG_ROWS):
        path = folder / f"{shape[0]}.db"
        _make_grid(path, shape)
        name = f"{path.stat().st_size / 1e6:.0f} MB"

        def peak(number: int, path: Path = path) -> float:
            return _run(sys.executable, _OURS, path, folder / f"work-{path.stem}-{number}", 0)[1]

        contenders[name] = peak
    run_rounds(series, contenders, rounds)
    return series
