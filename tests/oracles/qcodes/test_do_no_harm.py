"""A real QCoDeS measurement while its database is looked into all the time: shorter than the bench, but each time."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Self

import pytest

from etiket_gui.domain.errors import EtiketError, FileBusy, SourceChanged
from tests.oracles.qcodes.conftest import Oracle
from tests.support.qcodes_database import QCoDeSSource

pytestmark = [pytest.mark.oracles, pytest.mark.slow]

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
BLOCK_S = 2.0


def start_writer(database: Path, **options: object) -> subprocess.Popen[str]:
    """The measurement as a process; its first line comes when the first point is stored."""
    python = os.environ["ETIKET_GUI_QCODES_PYTHON"]
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return subprocess.Popen(
        [python, str(HERE / "writer.py"), str(database), *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def first_point_of(writer: subprocess.Popen[str]) -> str:
    """Wait until the first point is stored; returns the guid of the run."""
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.startswith("RUN "):
            return line.split()[1]
    raise AssertionError("the measurement did not start")


def result_of(writer: subprocess.Popen[str], timeout_s: float = 60.0) -> dict[str, Any]:
    """What the writer told at its end; it must have ended well."""
    out, err = writer.communicate(timeout=timeout_s)
    assert writer.returncode == 0, err[-3000:]
    assert "locked" not in err
    line = next(line for line in out.splitlines() if line.startswith("RESULT "))
    return dict(json.loads(line.removeprefix("RESULT ")))


class Looking:
    """Looks and readings without a pause, in blocks."""

    def __init__(self, source: QCoDeSSource) -> None:
        self.source = source
        self.count = 0
        self.failures: list[str] = []
        #: Looks and readings that were put off, for the writer left no moment for them.
        self.put_off = 0
        self._is_on = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._is_over.set()
        self._is_on.set()
        self._thread.join(30)

    def block(self, seconds: float) -> None:
        """Look for so long."""
        self._is_on.set()
        time.sleep(seconds)
        self._is_on.clear()

    def _first_look(self) -> list[str]:
        while True:
            try:
                return list(self.source.look())
            except (FileBusy, SourceChanged):
                self.put_off += 1

    def _run(self) -> None:
        try:
            known = self._first_look()
            while not self._is_over.is_set():
                self._is_on.wait()
                if self._is_over.is_set():
                    return
                try:
                    self.source.hint()
                    self.source.read(known[self.count % len(known)])
                except (FileBusy, SourceChanged):
                    self.put_off += 1
                else:
                    self.count += 1
        except (EtiketError, AssertionError, OSError, ValueError):
            self.failures.append(traceback.format_exc())


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("rate", [50, 1000])
def test_measurement_does_not_notice_that_it_is_read(journal: str, rate: int, oracle: Oracle, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    database = folder / "experiments.db"
    writer = start_writer(database, rate=rate, seconds=6 * BLOCK_S, journal=journal, before=30)
    guid = first_point_of(writer)
    with Looking(QCoDeSSource(database, tmp_path / "work")) as looking:
        for is_looking in (False, True, True, False):
            looking.block(BLOCK_S) if is_looking else time.sleep(BLOCK_S)
        result = result_of(writer)
    assert looking.failures == []
    # How long the writes took beside it is measured in tests/bench; here: none failed while it was looked and read.
    assert looking.count > 0, f"put off {looking.put_off} times"
    # Nothing was lost, nothing was switched, and nothing is left beside the database.
    with sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True) as connection:
        table, complete = connection.execute(
            "SELECT result_table_name, is_completed FROM runs WHERE guid = ?", (guid,)
        ).fetchone()
        assert complete == 1
        assert connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] == result["rows"]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    # Of an immutable connection SQLite says "delete"; the header says what it is.
    mode = {b"\x02\x02": "wal", b"\x01\x01": "delete"}[database.read_bytes()[18:20]]
    assert [version, mode] == result["before"]
    assert [path.name for path in folder.iterdir()] == ["experiments.db"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_not_a_byte_is_written_beside_a_live_database(journal: str, oracle: Oracle, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    database = folder / "experiments.db"
    writer = start_writer(database, rate=50, seconds=8, journal=journal, before=5)
    first_point_of(writer)
    script = (
        "import sys, time, pathlib\n"
        "from tests.support.qcodes_database import QCoDeSSource\n"
        "source = QCoDeSSource(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "known = list(source.look())\n"
        "for number in range(40):\n"
        "    source.hint(); source.read(known[number % len(known)]); time.sleep(0.02)\n"
    )
    ran = subprocess.run(
        ["strace", "-f", "-y", "-o", str(tmp_path / "trace"), "-e", "trace=desc,file",
         sys.executable, "-c", script, str(database), str(tmp_path / "work")],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    result_of(writer)
    lines = [line for line in (tmp_path / "trace").read_text(errors="replace").splitlines() if str(folder) in line]
    assert lines
    changes = re.compile(r"^\d+ +(p?writev?2?|pwrite64|f?truncate|unlink|unlinkat|rename\w*|fchmod|mkdir)\(")
    assert [line for line in lines if changes.search(line) and "-shm>" not in line] == []
    created = [line for line in lines if "O_CREAT" in line and "= -1" not in line and "-shm" not in line]
    # SQLite asks for a -wal with O_CREAT even to read; it was there each time.
    assert [line for line in created if "-wal" not in line] == []
