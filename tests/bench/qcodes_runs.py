"""QCoDeS databases: warm looks at 100 and 10 000 runs, and conversion beside QCoDeS' own export to netCDF.

    python -m tests.bench qcodes-looks qcodes-large qcodes-small qcodes-writers

``ETIKET_GUI_QCODES_PYTHON`` names the interpreter with real QCoDeS; what is compared with it needs it.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.measuring import Series, run_rounds
from tests.oracles.qcodes.test_do_no_harm import first_point_of, result_of, start_writer
from tests.support.qcodes_database import P, QCoDeSFile, QCoDeSSource

PROJECT = Path(__file__).resolve().parents[2]
LARGE_ROWS = (2000, 2500)
LONG_ROWS = (6000, 2500)
_BLOCKS = "ABBABAABAB"
_BLOCK_S = 30.0

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


def measure_writers(folder: Path, rounds: int) -> Series:
    """Milliseconds of a real measurement's writes in alternating blocks without (A) and with us (B): F39's protocol.

    Each round takes ten blocks of half a minute for both journal modes at 50 and at 1 000 rows a second.
    """
    series = Series("QCoDeS: what a point takes the one who measures", "ms")
    for number in range(max(1, min(rounds, 2))):
        for journal in ("WAL", "DELETE"):
            for rate in (50, 1000):
                _one_measurement(series, folder / f"{journal}-{rate}-{number}", journal, rate)
    return series


def _one_measurement(series: Series, folder: Path, journal: str, rate: int) -> None:
    folder.mkdir()
    database = folder / "experiments.db"
    seconds = _BLOCK_S * len(_BLOCKS) + 2
    writer = start_writer(database, rate=rate, seconds=seconds, journal=journal, before=100)
    first_point_of(writer)
    source = QCoDeSSource(database, folder / "work")
    known = list(source.look())
    is_on, is_over = threading.Event(), threading.Event()

    def look() -> None:
        count = 0
        while not is_over.is_set():
            if not is_on.wait(0.1):
                continue
            source.hint()
            source.read(known[count % len(known)])
            count += 1

    thread = threading.Thread(target=look)
    thread.start()
    times = []
    try:
        for block in _BLOCKS:
            begun = time.time()
            (is_on.set if block == "B" else is_on.clear)()
            time.sleep(_BLOCK_S)
            times.append((block, begun, time.time()))
    finally:
        is_over.set()
        thread.join()
    told = result_of(writer)
    written = list(zip(told["times"], told["took"], strict=True))
    title = f"{journal} {rate}/s"
    for block, begun, ended in times:
        took = sorted(1000 * each for at, each in written if begun <= at <= ended)
        for label, value in (("p50", took[len(took) // 2]), ("p99", took[int(len(took) * 0.99)]), ("max", took[-1])):
            who = "with us" if block == "B" else "without"
            series.values.setdefault(f"{title} {label} {who}", []).append(value)
    for label in ("p50", "p99"):
        with_us, without = (
            statistics.median(series.values[f"{title} {label} {who}"]) for who in ("with us", "without")
        )
        series.notes.append(f"{title} {label}: with us {with_us / without:.3f} of without")
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith("experiments.db-"))
    series.notes.append(f"{title}: left beside the database: {', '.join(left) or 'nothing'}")
