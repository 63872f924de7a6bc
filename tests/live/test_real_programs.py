"""The real QCoDeS and the real quantify-core measure, each in a process of its own; the engine watches."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from etiket_gui.domain.events import LivePointsArrived, ProvisionalStored
from tests.live.conftest import LiveLab

pytestmark = [pytest.mark.oracles, pytest.mark.slow, pytest.mark.timeout(240)]
_ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def _python(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"the real program is not here: set {variable} (packaging/test.sh --oracles does)")
    return found


@contextmanager
def _measuring(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The program while it measures; it is gone at the end."""
    environment = {**os.environ, "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen", "PYTHONWARNINGS": "ignore"}
    with open(folder / "program.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()
        process.wait(60)


def _result(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    assert process.wait(60) == 0
    found = json.loads(next(line for line in reversed(lines) if line.strip()).removeprefix("RESULT "))
    assert isinstance(found, dict)
    return found


def _lags_s(lab: LiveLab, seconds: float, count_now: Callable[[], int]) -> list[float]:
    """For so many seconds: how long each point that was there waited to be told of."""
    waiting: list[tuple[float, int]] = []
    lags: list[float] = []
    told = len(lab.driver.told(LivePointsArrived))
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        count = count_now()
        if not waiting or count > waiting[-1][1]:
            waiting.append((time.monotonic(), count))
        lab.driver.turn()
        events = lab.driver.told(LivePointsArrived)
        for event in events[told:]:
            lags += [time.monotonic() - when for when, count in waiting if count <= event.point_count]
            waiting = [item for item in waiting if item[1] > event.point_count]
        told = len(events)
    return lags


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_run_of_the_real_qcodes_is_followed_and_archived(
    journal: str, lab: LiveLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python, database = _python("ETIKET_GUI_QCODES_PYTHON"), tmp_path / "data" / "experiments.db"
    database.parent.mkdir()
    # The database is there before it is a source, as in a lab.
    with _measuring([python, str(_ORACLES / "qcodes" / "writer.py"), str(database), "--seconds", "0.5",
                     "--journal", journal], tmp_path) as first:  # fmt: skip
        _result(first)
    lab.driver.add_source("qcodes", "fridge", {"database_path": str(database)})
    command = [python, str(_ORACLES / "qcodes" / "writer.py"), str(database), "--rate", "50", "--seconds", "10",
               "--journal", journal]  # fmt: skip

    def count_now() -> int:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute('SELECT coalesce(max(id), 0) FROM "results-1-2"').fetchone()[0])

    with lab.driver, _measuring(command, tmp_path) as process:
        lab.driver.until(lambda: lab.driver.told(LivePointsArrived), "the first points", 60)
        lags = _lags_s(lab, 6, count_now)
        lab.driver.until(lambda: process.poll() is not None, "the run is over", 30)
        rows = _result(process)["rows"]
        lab.driver.until_archived(timeout_s=30)
        with capsys.disabled():
            print(
                f" QCoDeS {journal}: points are told after {statistics.median(lags):.2f} s, worst {max(lags):.2f} s ",
                end="",
            )
        assert len(lags) >= 4
        assert statistics.median(lags) < 2.0
        assert lab.driver.told(ProvisionalStored), "a provisional version while it ran"
        assert {record.version for record in lab.driver.archive().records} == {"1.0.0"}
        assert len(lab.driver.archive().records) == 2
        assert rows == count_now()


def test_a_killed_run_of_the_real_qcodes_is_interrupted(lab: LiveLab, tmp_path: Path) -> None:
    python, database = _python("ETIKET_GUI_QCODES_PYTHON"), tmp_path / "data" / "experiments.db"
    database.parent.mkdir()
    writer = [python, str(_ORACLES / "qcodes" / "writer.py"), str(database)]
    with _measuring([*writer, "--seconds", "0.5"], tmp_path) as first:
        _result(first)
    lab.driver.add_source("qcodes", "fridge", {"database_path": str(database), "interrupted_after": 3.0})
    with lab.driver:
        with _measuring([*writer, "--rate", "20", "--seconds", "60"], tmp_path):
            lab.driver.until(lambda: lab.driver.told(LivePointsArrived), "the first points", 60)
            lab.driver.for_a_while(1.0)
        lab.driver.until(
            lambda: (
                [row["run_state"] for row in lab.driver.rows("SELECT run_state FROM datasets ORDER BY id")]
                == ["complete", "interrupted"]
            ),
            "it is interrupted",
            30,
        )
        lab.driver.until_archived(timeout_s=30)
        assert {record.version for record in lab.driver.archive().records} == {"1.0.0"}


def test_a_run_of_the_real_quantify_is_followed_and_archived(
    lab: LiveLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python, data = _python("ETIKET_GUI_QUANTIFY_PYTHON"), tmp_path / "data"
    data.mkdir()
    config = {"data_directory": str(data), "settle_time": 1.0}
    lab.driver.add_source("quantify", "fridge", config)
    command = [python, str(_ORACLES / "quantify" / "with_quantify.py"), "live", str(data), "10", "0.1"]
    with lab.driver, _measuring(command, tmp_path) as process:
        lab.driver.until(lambda: lab.driver.told(LivePointsArrived), "the first points", 60)
        begun = len(lab.driver.told(LivePointsArrived))
        lab.driver.for_a_while(5)
        news = len(lab.driver.told(LivePointsArrived)) - begun
        lab.driver.until(lambda: process.poll() is not None, "the run is over", 60)
        result = _result(process)
        lab.driver.until_archived(timeout_s=30)
        with capsys.disabled():
            print(f" Quantify: new points {5 / max(news, 1):.2f} s apart ", end="")
        assert news >= 3
        assert result["points"] == result["expected"]
        assert lab.driver.told(ProvisionalStored), "a provisional version while it ran"
        assert [record.version for record in lab.driver.archive().records] == ["1.0.0"]
        assert lab.driver.problems() == []
