"""From the moment a dataset may be called quiet to the moment it is archived and verified."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from etiket_gui.domain.events import DatasetArchived, Event
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import load_settings
from tests.bench import measuring

SETTLE_S = 2.0
DATASETS = 12


def measure(work: Path, rounds: int) -> measuring.Series:
    """Seconds beyond the settle time, one value for each dataset that is written while the engine runs."""
    source = work / "latency source"
    (source / "day" / "000 first").mkdir(parents=True)
    (source / "day" / "000 first" / "a.dat").write_bytes(b"0")
    home = work / "home latency"
    measuring.timed(measuring.program(home, "add-destination", "archive", "bench", f"path={work / 'archive latency'}"))
    measuring.timed(
        measuring.program(
            home, "add-source", "folder", "data", f"root_directory={source}", "level=2", f"settle_time={SETTLE_S}s",
            "--to", "bench",
        )
    )  # fmt: skip
    place = Home.locate(home)
    archived_ns: dict[str, int] = {}
    written_ns: dict[str, int] = {}

    def listen(event: Event) -> None:
        if isinstance(event, DatasetArchived):
            archived_ns[event.name] = time.time_ns()

    with Engine(place, load_settings(place), listeners=[listen]) as engine:
        writer = threading.Thread(target=_write, args=(engine, source, written_ns, archived_ns))
        writer.start()
        engine.run()
        writer.join()
    series = measuring.Series("complete to archived and verified, beyond the settle time", "s")
    series.values["dataset of 3 files"] = [
        (archived_ns[name] - done_ns) / 1e9 - SETTLE_S for name, done_ns in written_ns.items()
    ]
    return series


def _write(engine: Engine, source: Path, written_ns: dict[str, int], archived_ns: dict[str, int]) -> None:
    while "000 first" not in archived_ns:
        time.sleep(0.1)
    time.sleep(1.0)
    for number in range(1, DATASETS + 1):
        folder = source / "day" / f"{number:03d} run"
        folder.mkdir()
        for index in range(3):
            (folder / f"trace_{index}.dat").write_bytes(bytes(5000))
        written_ns[folder.name] = time.time_ns()
        deadline_s = time.monotonic() + 60
        while folder.name not in archived_ns and time.monotonic() < deadline_s:
            time.sleep(0.02)
    engine.request_stop()
