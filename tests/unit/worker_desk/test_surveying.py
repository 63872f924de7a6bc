"""A dry run says what would be archived, what is left out, and how long it may take; it changes nothing."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import SourceOffline, Stopped, UsageError
from etiket_gui.settings.home import Home
from etiket_gui.worker.desk import surveying
from etiket_gui.worker.desk.job import DeskJob
from etiket_gui.worker.desk.kinds import handler_of
from tests.support.command_line import CommandLineRunner
from tests.support.qcodes_database import QCoDeSFile


def _config(run_job: Any, root: Path, **more: Any) -> dict[str, Any]:
    found = run_job("validate", group="backend", identifier="folder", values={"root_directory": str(root), **more})
    return dict(found["config"])


def _listing(root: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*"))


def test_a_survey_counts_what_would_be_archived_and_changes_nothing(run_job: Any, data: Path, home: Home) -> None:
    day_ns = 86_400 * 10**9
    now_ns = time.time_ns()
    for number in range(3):
        for path in [*(data / f"run {number}").rglob("*"), data / f"run {number}"]:
            os.utime(path, ns=(now_ns, now_ns - number * day_ns))
    before = _listing(data)
    found = run_job("survey", backend="folder", config=_config(run_job, data))
    assert (found["count"], found["size_bytes"]) == (3, 3 * 80)
    assert sorted(item["name"] for item in found["examples"]) == ["run 0", "run 1", "run 2"]
    assert found["newest_ns"] >= found["oldest_ns"] > 0
    assert found["stray_files"] == 1
    assert found["estimated_s"] == pytest.approx(3 * 0.02, abs=0.01)
    assert "assumed" in found["estimate_basis"]
    assert _listing(data) == before
    assert not home.store.exists()


def test_what_is_older_than_the_date_is_counted_apart(run_job: Any, data: Path) -> None:
    found = run_job("survey", backend="folder", config=_config(run_job, data), since_ns=time.time_ns() + 10**12)
    assert (found["count"], found["older_count"]) == (3, 3)
    assert found["estimated_s"] == 0


def test_the_time_is_estimated_with_what_the_archive_took_before(run_job: Any, data: Path, home: Home) -> None:
    home.root.mkdir(parents=True)
    with sqlite3.connect(home.store) as store:
        store.execute("CREATE TABLE destinations (id INTEGER, name TEXT)")
        store.execute("CREATE TABLE receipts (id INTEGER PRIMARY KEY, destination_id, received_ns, new_bytes)")
        store.execute("INSERT INTO destinations VALUES (1, 'arch')")
        store.executemany(
            "INSERT INTO receipts (destination_id, received_ns, new_bytes) VALUES (1, ?, ?)",
            [(number * 10**9, 10_000_000) for number in range(100)],
        )
    store.close()
    speed = surveying.measured_speed(home, "arch")
    assert speed.is_measured
    assert speed.bytes_per_s == pytest.approx(10e6, rel=0.05)
    assert not surveying.measured_speed(home, "another").is_measured


def test_a_source_that_is_away_is_told(run_job: Any, data: Path) -> None:
    config = _config(run_job, data)
    data.rename(data.with_name("elsewhere"))
    with pytest.raises(SourceOffline):
        run_job("survey", backend="folder", config=config)


def test_a_survey_can_be_stopped(run_job: Any, data: Path, home: Home) -> None:
    job = DeskJob(1, "survey", {"backend": "folder", "config": _config(run_job, data)}, home, lambda body: None)
    job.stop.stop()
    handler = handler_of("survey")
    assert handler is not None
    with pytest.raises(Stopped):
        handler(job)


def test_each_pattern_tells_the_files_that_it_hits(run_job: Any, data: Path) -> None:
    config = _config(run_job, data)
    config["ignore"] = ["Thumbs.db", "__pycache__/", "*.none", "  "]
    found = run_job("ignore_preview", backend="folder", config=config)
    by_pattern = {item["pattern"]: item for item in found["patterns"]}
    assert by_pattern["Thumbs.db"]["count"] == 3
    assert min(by_pattern["Thumbs.db"]["examples"]) == "run 0/Thumbs.db"
    assert (by_pattern["__pycache__/"]["count"], by_pattern["__pycache__/"]["size_bytes"]) == (2, 3)
    assert by_pattern["*.none"]["count"] == 0
    assert "says nothing" in by_pattern["  "]["error"]
    assert (found["left_out"], found["kept"], found["is_whole"]) == (5, 3, True)


def test_the_preview_counts_what_the_engine_leaves_out(
    run_job: Any, data: Path, cli: CommandLineRunner, tmp_path: Path
) -> None:
    config = _config(run_job, data)
    config["ignore"] = ["*.csv", "!run.csv", "__pycache__/"]
    found = run_job("ignore_preview", backend="folder", config=config)
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    ignored = [f"ignore={item}" for item in config["ignore"]]
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0s", *ignored)
    cli.ok("run", "--once")
    archived = sum(len(row["files"]) for row in cli.ok("datasets", "--files", "--json").json)
    assert archived == found["kept"]


def test_a_backend_without_patterns_gives_none(run_job: Any, data: Path) -> None:
    config = _config(run_job, data)
    del config["ignore"]
    assert run_job("ignore_preview", backend="folder", config=config)["patterns"] == []


def test_options_that_make_no_sense_are_refused(run_job: Any) -> None:
    with pytest.raises(UsageError):
        run_job("survey", backend="folder", config={"root_directory": "nowhere"})


def test_the_size_of_a_database_stands_for_that_of_its_runs(run_job: Any, tmp_path: Path) -> None:
    path = tmp_path / "experiments.db"
    database = QCoDeSFile(path)
    database.many(3)
    database.close()
    values = {"database_path": str(path)}
    config = run_job("validate", group="backend", identifier="qcodes", values=values)["config"]
    found = run_job("survey", backend="qcodes", config=config)
    assert found["count"] == 3
    assert found["is_size_estimated"]
    assert 0 < found["size_bytes"] <= path.stat().st_size
    assert sum(day[2] for day in found["days"]) == found["size_bytes"]


def test_the_rest_of_a_database_is_kept_whatever_the_patterns_say(
    run_job: Any, data: Path, cli: CommandLineRunner, tmp_path: Path
) -> None:
    for name, content in (
        ("a.db", b"1"), ("a.db-wal", b"2"), ("a.db-journal", b""), ("b.sqlite-wal", b"3"), ("c.db", b"4"),
    ):  # fmt: skip
        (data / "run 0" / name).write_bytes(content)
    config = _config(run_job, data)
    config["ignore"] = ["*-wal", "*-journal", "c.db", "Thumbs.db", "__pycache__/"]
    found = run_job("ignore_preview", backend="folder", config=config)
    by_pattern = {item["pattern"]: item["examples"] for item in found["patterns"]}
    assert by_pattern["*-wal"] == ["run 0/b.sqlite-wal"]
    assert by_pattern["*-journal"] == ["run 0/a.db-journal"]
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    ignored = [f"ignore={item}" for item in config["ignore"]]
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0s", *ignored)
    cli.ok("run", "--once")
    names = [file["name"] for row in cli.ok("datasets", "--files", "--json").json for file in row["files"]]
    assert "a.db-wal" in names
    assert not set(names) & {"b.sqlite-wal", "a.db-journal", "c.db"}
    assert len([name for name in names if not name.endswith(".hdf5")]) == found["kept"], (
        "what is converted comes on top"
    )
