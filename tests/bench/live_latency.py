"""From a written point to its being told, for each kind of source; and what engine and workers hold afterwards."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from etiket_gui.domain.events import LivePointsArrived
from tests.bench import measuring
from tests.live.producers import PLANNED, CoreTools, Labber, Native, QCoDeS, Quantify, source_of
from tests.support.core_tools_database import CoreToolsDatabase
from tests.support.engine_driver import EngineDriver
from tests.support.postgresql import running_server

POINTS_PER_RUN = PLANNED // 2 - 1
PAUSE_S = 0.37
_BEFORE_A_RUN_S = 3.3


def measure(work: Path, rounds: int) -> measuring.Series:
    """Seconds from a point that is on the disk to the event about it; each round is one run of 19 writings."""
    series = measuring.Series("a written point to LivePointsArrived", "s")
    makers: dict[str, Any] = {
        "qcodes (WAL)": lambda folder: QCoDeS(folder, wal=True),
        "qcodes (rollback journal)": lambda folder: QCoDeS(folder, wal=False),
        "quantify": Quantify,
        "labber": Labber,
        "native": Native,
    }
    for name, make in makers.items():
        folder = work / name
        folder.mkdir()
        _measure_one(series, name, folder, make(folder / "source"), rounds)
    with running_server() as server:
        server.trust()
        folder = work / "core_tools"
        folder.mkdir()
        _measure_one(series, "core_tools", folder, CoreTools(CoreToolsDatabase(server, "live")), rounds)
    for name, waits_s in series.values.items():
        series.notes.append(f"{name}: median {statistics.median(waits_s):.2f} s, worst {max(waits_s):.2f} s")
    return series


def _measure_one(series: measuring.Series, name: str, folder: Path, producer: Any, rounds: int) -> None:
    driver = EngineDriver(folder)
    driver.add_archive()
    backend, config = source_of(producer)
    driver.add_source(backend, "bench", config)
    waits_s: list[float] = []
    first_s: list[float] = []
    try:
        with driver:
            driver.until(lambda: driver.coordinator.is_drained, "the first look")
            for _ in range(rounds):
                driver.for_a_while(_BEFORE_A_RUN_S)
                earlier = {event.uuid for event in driver.told(LivePointsArrived)}
                run = producer.begin(f"run {len(first_s)}")
                run.measure(2)
                first_s.append(_until_told(driver, earlier, run.count))
                for _ in range(POINTS_PER_RUN - 1):
                    driver.for_a_while(PAUSE_S)
                    run.measure(2)
                    waits_s.append(_until_told(driver, earlier, run.count))
                run.finish()
                driver.for_a_while(1.0)
    finally:
        producer.close()
    series.values[name] = waits_s
    # The first point waits for the source to see that there is a run at all.
    series.values[f"{name}, first point"] = first_s


def _until_told(driver: EngineDriver, earlier: set[str], count: int) -> float:
    """Seconds until so many points of a run that is none of the earlier ones are told of."""
    written_s = time.monotonic()
    driver.until(
        lambda: any(
            event.uuid not in earlier and event.point_count >= count for event in driver.told(LivePointsArrived)
        ),
        f"{count} points",
        30,
    )
    return time.monotonic() - written_s


def measure_memory(work: Path, rounds: int, *, idle_s: float = 120.0) -> measuring.Series:
    """Resident megabytes of the engine with all its children: after drawing previews, and idle two minutes later."""
    source, home = work / "recordings", work / "home memory"
    producer = Native(source)
    measuring.timed(measuring.program(home, "add-destination", "archive", "bench", f"path={work / 'archive memory'}"))
    measuring.timed(
        measuring.program(
            home, "add-source", "native", "data", f"data_directory={source}", "settle_time=0.3s", "--to", "bench",
        )
    )  # fmt: skip
    series = measuring.Series("resident memory of engine and workers", "MB")
    engine = subprocess.Popen(
        measuring.program(home, "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        time.sleep(3.0)
        for number in range(max(rounds, 2)):
            run = producer.begin(f"run {number}")
            run.finish()
        archive = work / "archive memory"
        end_s = time.monotonic() + 60
        while len(list(archive.glob("browse/**/preview.png"))) < max(rounds, 2):
            if time.monotonic() > end_s:
                raise RuntimeError("no preview was drawn within a minute")
            time.sleep(0.2)
        series.values["just after drawing"] = [_resident_mb(engine.pid)]
        time.sleep(idle_s)
        series.values[f"idle for {idle_s:.0f} s"] = [_resident_mb(engine.pid)]
    finally:
        producer.close()
        engine.terminate()
        engine.wait(30)
    return series


def _resident_mb(pid: int) -> float:
    alive = [pid, *measuring.children(pid)]
    parts = {
        process: measuring.resident_bytes(process) / 1e6 for process in alive if os.path.exists(f"/proc/{process}")
    }
    print("   " + ", ".join(f"{size:.0f} MB" for size in parts.values()), flush=True)
    return sum(parts.values())
