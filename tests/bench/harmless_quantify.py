"""A real Quantify measurement that rewrites its file every 0.1 s while a backlog of gigabytes is being archived.

Run it as ``python -m tests.bench.harmless_quantify``; ETIKET_GUI_QUANTIFY_PYTHON names a Python with quantify-core.
Prints how the writer and the engine did as JSON, and ends with 1 where the writer noticed anything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench import measuring

WRITER = Path(__file__).with_name("quantify_writer.py")
UPDATE_S = 0.1
BACKLOG_FILES, BACKLOG_FILE_BYTES = 256, 8 << 20
_TUID_OF_BACKLOG = "20200101-{hour:02}{minute:02}{second:02}-{number:03}-{number:06x}"


def make_backlog(data: Path, files: int, file_bytes: int) -> None:
    """Measurements of another day, each of one incompressible file beside its dataset."""
    block = os.urandom(file_bytes)
    for number in range(files):
        hour, rest = divmod(number, 3600)
        tuid = _TUID_OF_BACKLOG.format(hour=hour, minute=rest // 60, second=rest % 60, number=number)
        folder = data / tuid[:8] / f"{tuid}-backlog"
        folder.mkdir(parents=True)
        (folder / "trace.bin").write_bytes(number.to_bytes(8, "big") + block[8:])


def write_for(python: str, data: Path, seconds: float) -> dict[str, Any]:
    """One measurement of the real producer; what it says of its own writing at the end."""
    done = subprocess.run(
        [python, str(WRITER), str(data), str(seconds), str(UPDATE_S)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"failed": done.stderr[-2000:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def problems(home: Path) -> list[str]:
    """Every problem that was told, also those that are over."""
    with closing(sqlite3.connect(f"file:{home / 'store.sqlite'}?mode=ro", uri=True)) as store:
        return [f"{kind}: {reason}" for kind, reason in store.execute("SELECT kind, reason FROM problems")]


def main() -> int:
    """The writer alone, then the writer while everything is archived, and the writer alone again."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.harmless_quantify", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each measurement takes")
    parser.add_argument("--backlog", type=int, default=BACKLOG_FILES, help="files of 8 MiB")
    asked = parser.parse_args()
    if not 0 < asked.backlog <= 1000:
        parser.error("the backlog is 1 to 1000 files")
    python = os.environ.get("ETIKET_GUI_QUANTIFY_PYTHON")
    if not python:
        parser.error("ETIKET_GUI_QUANTIFY_PYTHON names no Python with quantify-core")
    work = Path(tempfile.mkdtemp(prefix="etiket-bench-"))
    try:
        figures = measure(python, work, asked.seconds, asked.backlog)
    finally:
        shutil.rmtree(work)
    print(json.dumps(figures, indent=1))
    return 0 if figures["is harmless"] else 1


def measure(python: str, work: Path, seconds: float, backlog_files: int) -> dict[str, Any]:
    """Writer alone, beside the engine, alone again (ABA); and what the engine told."""
    data, home, archive = work / "data", work / "home", work / "archive"
    data.mkdir()
    before = write_for(python, work / "alone 1", seconds)
    make_backlog(data, backlog_files, BACKLOG_FILE_BYTES)
    measuring.timed(measuring.program(home, "add-destination", "archive", "bench", f"path={archive}"))
    measuring.timed(measuring.program(home, "add-source", "quantify", "lab", f"data_directory={data}", "--to", "bench"))
    engine = subprocess.Popen(
        measuring.program(home, "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    seen: list[str] = []
    try:
        time.sleep(3)
        beside = write_for(python, data, seconds)
        sent_bytes = _stored_bytes(archive)
        seen = problems(home)
        begun_s = time.monotonic()
        while (states := _states(home)).get("archived", 0) < sum(states.values()) and time.monotonic() < begun_s + 600:
            time.sleep(1)
        seen += problems(home)
    finally:
        engine.terminate()
        engine.wait(30)
    after = write_for(python, work / "alone 2", seconds)
    told = sorted(set(seen))
    return {
        "update interval (s)": UPDATE_S,
        "alone": before,
        "beside the engine": beside,
        "alone again": after,
        "archived meanwhile (MB)": round(sent_bytes / 1e6),
        "states at the end": states,
        "problems told": told,
        "is harmless": not told
        and not any("failed" in block for block in (before, beside, after))
        and beside["points"] == beside["expected"]
        and states.get("archived") == backlog_files + 1,
    }


def _stored_bytes(archive: Path) -> int:
    """What an archive holds, each file once however many names it has."""
    found = {status.st_ino: status.st_size for path in archive.rglob("*") if (status := path.lstat()).st_nlink}
    return sum(found.values())


def _states(home: Path) -> dict[str, int]:
    done = subprocess.run(
        measuring.program(home, "--json", "datasets"), capture_output=True, text=True, check=True, timeout=120
    )
    states: dict[str, int] = {}
    for dataset in json.loads(done.stdout):
        states[dataset["state"]] = states.get(dataset["state"], 0) + 1
    return states


if __name__ == "__main__":
    sys.exit(main())
