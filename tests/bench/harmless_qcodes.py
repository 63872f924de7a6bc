"""F39's protocol: a real QCoDeS measurement in alternating half minutes without (A) and with (B) the whole engine.

In each B the engine runs as a program of its own, watches the database and archives a backlog of five gigabytes; in
each A it does not run. ``ETIKET_GUI_QCODES_PYTHON`` names the interpreter with real QCoDeS.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.harmless_quantify import problems
from tests.bench.measuring import Series, program, table, timed
from tests.oracles.qcodes.test_do_no_harm import first_point_of, result_of, start_writer

BLOCKS = "ABBABAABAB"
BLOCK_S = 30.0
CASES = ("WAL-50", "WAL-1000", "DELETE-50", "DELETE-1000")
BACKLOG_FILES, BACKLOG_FILE_BYTES = 320, 16 << 20
_START_AND_STOP_S = 3.0
_SENT_AT_LAST_S = 120.0


@dataclass(frozen=True)
class Block:
    """One half minute; times in seconds since 1970."""

    with_us: bool
    begun_s: float
    ended_s: float


def measure(folder: Path, _rounds: int, cases: Sequence[str] = CASES, block_s: float = BLOCK_S) -> Series:
    """Milliseconds of a measurement's writes, block by block, and what became of the engine's work meanwhile.

    A case is a journal mode and the rows a second.
    """
    series = Series("QCoDeS: what a point takes the one who measures", "ms")
    backlog = folder / "backlog"
    _make_backlog(backlog)
    for case in cases:
        (folder / case).mkdir()
        _one_measurement(series, folder / case, backlog, block_s)
        shutil.rmtree(folder / case)
    return series


def _make_backlog(folder: Path) -> None:
    block = os.urandom(BACKLOG_FILE_BYTES)
    for number in range(BACKLOG_FILES):
        dataset = folder / "day" / f"{number:03}"
        dataset.mkdir(parents=True)
        (dataset / "trace.bin").write_bytes(number.to_bytes(8, "big") + block[8:])


def _one_measurement(series: Series, folder: Path, backlog: Path, block_s: float) -> None:
    journal, rate = folder.name.split("-")
    lab, home, archive = folder / "lab", folder / "home", folder / "archive"
    lab.mkdir()
    database = lab / "experiments.db"
    seconds = len(BLOCKS) * (block_s + _START_AND_STOP_S)
    writer = start_writer(database, rate=rate, seconds=seconds, journal=journal, before=100)
    told: dict[str, Any] = {}
    guid = first_point_of(writer)
    # Its lines are read all the while: a pipe that is full would stop the measurement.
    reading = threading.Thread(target=lambda: told.update(result_of(writer, timeout_s=2 * seconds)))
    reading.start()
    timed(program(home, "add-destination", "archive", "bench", f"path={archive}"))
    timed(program(home, "add-source", "folder", "backlog", f"root_directory={backlog}", "level=2", "--to", "bench"))
    timed(program(home, "add-source", "qcodes", "fridge", f"database_path={database}", "set_up=T1", "--to", "bench"))
    blocks = []
    engine: subprocess.Popen[bytes] | None = None
    try:
        for place, kind in enumerate(BLOCKS):
            begun_s = time.time()
            if kind == "B" and engine is None:
                engine = _engine(home)
            time.sleep(block_s)
            blocks.append(Block(kind == "B", begun_s, time.time()))
            if engine is not None and BLOCKS[place + 1 : place + 2] == "A":
                _end(engine)
                engine = None
        reading.join()
        left = sorted(path.name for path in lab.iterdir() if path != database)
        sent_bytes = _stored_bytes(archive)
        seen = problems(home)
        end_s = time.monotonic() + _SENT_AT_LAST_S
        while (state := _state_of(home, guid)) != "archived" and time.monotonic() < end_s:
            time.sleep(0.5)
    finally:
        if engine is not None:
            _end(engine)
    _tell(series, f"{journal} {rate}/s", blocks, told)
    series.notes += [
        (
            f"{journal} {rate}/s: {sent_bytes / 1e6:.0f} MB archived meanwhile, the run is {state}; "
            f"left beside the database: {', '.join(left) or 'nothing'}; problems: {'; '.join(seen) or 'none'}"
        ),
        (
            f"{journal} {rate}/s: {_kept(database, guid)} of {told['rows']} points are in the database, "
            f"version and journal {'as before' if _header(database) == told['before'] else 'CHANGED'}"
        ),
    ]


def _engine(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program(home, "run"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _end(engine: subprocess.Popen[bytes]) -> None:
    engine.terminate()
    engine.wait(30)


def _tell(series: Series, title: str, blocks: list[Block], told: dict[str, Any]) -> None:
    written = list(zip(told["times"], told["took"], strict=True))
    found: dict[tuple[str, bool], list[float]] = {}
    for block in blocks:
        took = sorted(1000 * each for at, each in written if block.begun_s <= at <= block.ended_s)
        for label, value in (("p50", took[len(took) // 2]), ("p99", took[int(len(took) * 0.99)]), ("max", took[-1])):
            found.setdefault((label, block.with_us), []).append(value)
            who = "with us" if block.with_us else "without"
            series.values.setdefault(f"{title} {label} {who}", []).append(value)
    median = statistics.median(found["p50", True]) / statistics.median(found["p50", False])
    worst, least = max(found["p99", False]), min(found["p99", False])
    longest = max(*found["max", True], *found["max", False])
    series.notes += [
        f"{title} p50: with us {median:.3f} of without",
        (
            f"{title} p99: with us {statistics.median(found['p99', True]):.2f} ms, "
            f"without {least:.2f} to {worst:.2f} ms; longest write {longest:.0f} ms"
        ),
    ]


def _state_of(home: Path, guid: str) -> str:
    with closing(sqlite3.connect(f"file:{home / 'store.sqlite'}?mode=ro", uri=True)) as store:
        row = store.execute(
            "SELECT d.run_state, t.state FROM datasets d JOIN transfers t ON t.dataset_id = d.id "
            "WHERE d.identifier LIKE ?", (f"%{guid}%",),
        ).fetchone()  # fmt: skip
    if row is None:
        return "unknown"
    return str(row[1]) if row[0] == "complete" else str(row[0])


def _stored_bytes(archive: Path) -> int:
    found = {status.st_ino: status.st_size for path in archive.rglob("*") if (status := path.lstat()).st_nlink}
    return sum(found.values())


def _kept(database: Path, guid: str) -> int:
    with closing(sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True)) as connection:
        (table,) = connection.execute("SELECT result_table_name FROM runs WHERE guid = ?", (guid,)).fetchone()
        return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])


def _header(database: Path) -> list[object]:
    with open(database, "rb") as file:
        head = file.read(100)
    return [int.from_bytes(head[60:64], "big"), {b"\x02\x02": "wal", b"\x01\x01": "delete"}[head[18:20]]]


def main() -> int:
    """Measure some of the cases, with blocks of any length."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.harmless_qcodes", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--block", type=float, default=BLOCK_S, help="seconds of each block")
    parser.add_argument("--work", type=Path, help="a folder with 12 GB of free disk")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etiket-bench-", dir=asked.work) as work:
        print(table([measure(Path(work), 1, asked.cases or CASES, asked.block).to_json()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
