"""The window under load, in a process of its own: ``python -m tests.bench.gui_table HOME import|large [SECONDS]``.

Prints one JSON object: pauses of the window's thread in milliseconds, and what was done meanwhile.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.garbage import GarbageRounds
from etiket_gui.bridge.queries_datasets import Column, TableQuestion
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.gui.models.dataset_table import DatasetTableModel
from etiket_gui.gui.pages.dataset_table import DatasetTable
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support.qt_stalls import StallProbe

_UPDATES_PER_S = 50
_WRITER = """
import random, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
count, rng, begun, done = int(sys.argv[2]), random.Random(1), time.monotonic(), 0
while True:
    number = rng.randrange(1, count + 1)
    connection.execute("UPDATE datasets SET size_bytes = size_bytes + 1 WHERE id = ?", (number,))
    done += 1
    time.sleep(max(0.0, begun + done / {rate} - time.monotonic()))
"""


def spin(seconds: float | None = None, until: Callable[[], object] | None = None, limit_s: float = 60) -> float:
    """Let the event loop run; returns the seconds it took."""
    begun_s = time.perf_counter()
    while True:
        QCoreApplication.processEvents()
        passed_s = time.perf_counter() - begun_s
        if (until is not None and until()) or passed_s > (limit_s if seconds is None else seconds):
            return passed_s
        time.sleep(0.0002)


class Table:
    """A shown table on a home's store."""

    def __init__(self, home: Home) -> None:
        self.reads = StoreReads(home)
        self.model = DatasetTableModel(self.reads)
        Theme("light").apply()
        self.view = DatasetTable(self.model)
        self.view.resize(1200, 760)
        self.listed: list[int] = []
        self.model.listed.connect(self.listed.append)
        self.view.show()
        spin(until=lambda: self.listed and self.view.isVisible())
        if not self.model.rowCount():
            raise RuntimeError(f"no dataset is listed: {self.model.away}")
        self.probe = StallProbe()
        self.empty_cells = 0

    def phase(self, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Act, and say how long the window's thread did not answer meanwhile."""
        spin(0.3)
        self.probe.begin()
        told = act()
        return {**told, **asdict(self.probe.take())}

    def scroll(self, seconds: float) -> dict[str, Any]:
        """Scroll up and down in steps, fast and slow, by the wheel's and the page's length."""
        bar, rng, steps = self.view.verticalScrollBar(), random.Random(3), 0
        end_s = time.perf_counter() + seconds
        value, step = 0, 3
        while time.perf_counter() < end_s:
            if steps % 100 == 0:
                step = rng.choice((1, 3, 3, 9, 28, -3, -9))
            value = (value + step) % max(1, bar.maximum())
            bar.setValue(value)
            steps += 1
            spin(0.016)
        return {"steps": steps}

    def jump(self, count: int) -> dict[str, Any]:
        """Jump to random places."""
        bar, rng = self.view.verticalScrollBar(), random.Random(2)
        empty = 0
        for _ in range(count):
            bar.setValue(rng.randrange(bar.maximum()))
            QCoreApplication.processEvents()
            row = self.view.rowAt(300)
            empty += self.model.line_at(row) is None
            spin(0.03)
        return {"jumps": count, "painted_empty_first": empty}

    def ask(self, question: TableQuestion) -> float:
        """Seconds until another order or filter is shown."""
        self.listed.clear()
        begun_s = time.perf_counter()
        self.model.ask(question)
        spin(until=lambda: self.listed)
        return time.perf_counter() - begun_s

    def close(self) -> None:
        """End everything."""
        self.probe.stop()
        self.view.close()
        self.reads.stop()


def while_importing(home: Home, seconds: float) -> dict[str, Any]:
    """Scroll while an engine in this process imports and another program changes 50 rows a second."""
    table = Table(home)
    rows = table.model.rowCount()
    host = EngineHost(home, Settings(worker_count=2))
    host.progressed.connect(table.model.note_progress)
    archived: list[object] = []
    host.datasetsChanged.connect(archived.append)
    host.start()
    spin(until=lambda: host.is_running)
    # As the program does when its engine runs.
    garbage = GarbageRounds()
    garbage.start()
    command = [sys.executable, "-c", _WRITER.format(rate=_UPDATES_PER_S), str(home.store), str(rows)]
    writer = subprocess.Popen(command)
    try:
        spin(1.0)
        before = _archived(table)
        told = table.phase(lambda: table.scroll(seconds))
        told["imported"] = _archived(table) - before
        told["rows"] = rows
    finally:
        writer.kill()
        writer.wait()
        host.stop()
        spin(until=lambda: not host.is_alive, limit_s=10)
        table.close()
        garbage.stop()
    return told


def _archived(table: Table) -> int:
    counts: list[int] = []
    table.reads.ask(
        lambda asked: int(asked.connection.execute("SELECT count(*) FROM receipts").fetchone()[0]), None, counts.append
    )
    spin(until=lambda: counts)
    return counts[0]


def large(home: Home, seconds: float) -> dict[str, Any]:
    """Scroll, jump, sort and filter in a large table."""
    table = Table(home)
    told: dict[str, Any] = {"rows": table.model.rowCount()}
    told["scroll"] = table.phase(lambda: table.scroll(seconds))
    told["jump"] = table.phase(lambda: table.jump(200))
    questions = {f"sort by {column.value}": TableQuestion(sort=column) for column in Column}
    questions |= {
        "search two words": TableQuestion(search="hall bar t1"),
        "search one dataset": TableQuestion(search="#77777"),
        "filter by state": TableQuestion(states=frozenset({"failed"})),
        "filter by source": TableQuestion(source_ids=frozenset({2})),
        "filter by destination": TableQuestion(destination_ids=frozenset({2})),
        "filter by date": TableQuestion(since_ns=1_640_000_000_000_000_000),
    }
    told["questions"] = {
        name: table.phase(lambda question=question: {"seconds": table.ask(question)})  # type: ignore[misc]
        for name, question in questions.items()
    }
    table.close()
    return told


def main() -> int:
    """Run one scenario and print what came of it."""
    home = Home.locate(Path(sys.argv[1]))
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 20.0
    application = QApplication(["bench"])
    told = {"import": while_importing, "large": large}[sys.argv[2]](home, seconds)
    print(json.dumps({"platform": application.platformName(), **told}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
