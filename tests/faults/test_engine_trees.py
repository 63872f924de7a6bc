"""Trees that are very large, very deep or very sparse, and rules that change: bounded memory, quick to stop."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from etiket_gui.domain.commands import EditSource, HoldSync, PauseSync, ResumeSync, RetryTransfers
from etiket_gui.domain.events import DatasetArchived, FileProgressed
from etiket_gui.domain.tasks import TaskKind
from tests.support.engine_driver import EngineDriver, write_dataset
from tests.support.manifest import sha256_of, take_manifest
from tests.support.patience import patient_s

MIB = 1024 * 1024
MOST_MEMORY_BYTES = 200 * MIB


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()
    # Many thousand files are not kept for a look at them.
    shutil.rmtree(tmp_path / "measurements", ignore_errors=True)
    shutil.rmtree(tmp_path / "lab-archive", ignore_errors=True)


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    return driver.add_folder(tmp_path / "measurements")


def _memory_of_workers(driver: EngineDriver) -> int:
    return max((psutil.Process(pid).memory_info().rss for pid in driver.worker_ids()), default=0)


def _hold_and_measure_s(driver: EngineDriver) -> float:
    """Hold, and how long it takes until nothing is under way."""
    begun_s = time.monotonic()
    driver.ask(HoldSync(-1))
    driver.until(lambda: driver.coordinator.desk.pool.is_idle, "nothing is under way", timeout_s=10)
    return time.monotonic() - begun_s


@pytest.mark.fault("F14", guard="cancel-ends-work")
def test_sparse_file_of_fifty_gigabytes_takes_little_memory_and_stops_at_once(driver: EngineDriver, root: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("needs a file system with sparse files")
    # The archive refuses what would not fit if it were full.
    size_bytes = min(50 * 1024 * MIB, shutil.disk_usage(root).free // 2)
    if size_bytes < 4 * 1024 * MIB:
        pytest.skip("this disk has less than 8 GiB of room")
    folder = write_dataset(root, "run", small=b"small")
    with open(folder / "huge.dat", "wb") as huge:
        huge.truncate(size_bytes)
    write_dataset(root, "other")
    driver.settings = type(driver.settings)(worker_count=1, rate_limit_bytes_per_s=300e6)
    before = driver.home.root
    with driver:
        driver.until(lambda: driver.told(FileProgressed), "it is on its way")
        driver.until(lambda: driver.states().get("other") == "archived", "the small one goes first or meanwhile")
        driver.for_a_while(1.5)
        assert _memory_of_workers(driver) < MOST_MEMORY_BYTES
        assert _hold_and_measure_s(driver) < 2.0
        assert driver.states()["run"] == "waiting"
        # It can go on from where it was.
        assert list((before / "work" / "checkpoints").rglob("*.json"))
    assert driver.versions("run") == []
    driver.check()


@pytest.mark.fault("F15", guard="paced-scan")
@pytest.mark.alone
def test_hundred_thousand_files_and_deep_folders_are_scanned_in_measure(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path, scan_interval_min_s=1.0)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    many = root / "many"
    many.mkdir(parents=True)
    for number in range(100_000):
        os.close(os.open(many / f"{number}", os.O_CREAT | os.O_WRONLY))
    deep = root / "deep"
    for _ in range(500):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"deep down")
    longest_turn_s = 0.0
    try:
        with driver:
            driver.ask(PauseSync())
            while len(driver.states()) < 2 or not driver.coordinator.is_drained:
                driver.turn()
            desk = next(iter(driver.coordinator.sources.values()))
            driver.until(lambda: desk.finished_scans >= 2, "the look when watching began", timeout_s=60)
            scans = desk.finished_scans
            # Many times as long as a scan takes, and far less than the interval that follows one of that length.
            end_s = time.monotonic() + 1.5 + 10 * desk.row.last_scan_duration_s
            while time.monotonic() < end_s:
                begun_s = time.monotonic()
                driver.turn(0.01)
                longest_turn_s = max(longest_turn_s, time.monotonic() - begun_s)
            assert desk.finished_scans == scans, "it is scanned again and again"
            assert _memory_of_workers(driver) < MOST_MEMORY_BYTES
            sizes = driver.rows("SELECT identifier, file_count FROM datasets ORDER BY identifier")
            assert [tuple(row.values()) for row in sizes] == [("deep", 1), ("many", 100_000)]
        assert longest_turn_s < patient_s(0.1)
    finally:
        driver.stop()
        shutil.rmtree(root)


@pytest.mark.fault("F23", guard="deep-names-are-refused")
def test_name_that_the_archive_cannot_hold_is_a_row_that_names_the_limit(driver: EngineDriver, root: Path) -> None:
    deep = root / "deep"
    for _ in range(450):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"deep down")
    write_dataset(root, "other")
    with driver:
        driver.until(lambda: driver.states() == {"deep": "failed", "other": "archived"}, "one fails, one goes on")
        [problem] = driver.problems()
        assert problem["problem_kind"] == "NameTooLong"
        assert problem["retry_class"] == "on_change"
        assert any(character.isdigit() for character in problem["reason"])
    assert driver.versions("deep") == []
    driver.check(take_manifest(root))


@pytest.mark.fault("F28", guard="rules-in-fingerprint")
def test_new_rule_counts_for_what_waits_and_what_was_sent_stays(driver: EngineDriver, root: Path) -> None:
    sent = write_dataset(root, "sent", trace=b"1", scratch=b"2")
    with driver:
        driver.until_archived("sent")
        driver.ask(PauseSync())
        write_dataset(root, "queued", trace=b"3", scratch=b"4")
        write_dataset(root, "left out", scratch=b"5")
        driver.until(lambda: driver.states().get("left out") == "waiting", "they wait")
        driver.until(lambda: driver.states().get("queued") == "waiting", "they wait")
        config = dict(driver.coordinator.desk.reader.sources()[0].config)
        driver.ask(EditSource("fridge", config={**config, "ignore": ["scratch.dat"]}))
        driver.until_scanned()
        driver.ask(ResumeSync())
        driver.until_archived("queued")
        driver.until(lambda: driver.states()["left out"] in {"gone", "ignored"}, "left out")
        driver.until_archived("sent", "queued")
        assert driver.problems() == []
    assert set(driver.versions("queued")[-1].files) == {"trace.dat"}
    assert set(driver.versions("sent")[0].files) == {"trace.dat", "scratch.dat"}
    assert set(driver.versions("sent")[-1].files) == {"trace.dat"}
    assert driver.versions("left out") == []
    assert (sent / "scratch.dat").exists()
    driver.check(take_manifest(root))


@pytest.mark.fault("F29", guard="fingerprint")
def test_rename_into_a_rule_and_out_of_it_is_looked_at_anew(driver: EngineDriver, root: Path) -> None:
    folder = write_dataset(root, "run", trace=b"1", notes=b"2")
    with driver:
        driver.until_archived("run")
        (folder / "notes.dat").rename(folder / "notes.part")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 2, "sent without it")
        driver.until_archived("run")
        (folder / "notes.part").rename(folder / "notes.txt")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 3, "sent with it")
        driver.until_archived("run")
        (folder / "notes.txt").rename(folder / "notes.md")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 4, "sent under its new name")
        driver.until_archived("run")
    names = [set(record.files) for record in driver.versions("run")]
    assert names == [
        {"trace.dat", "notes.dat"}, {"trace.dat"}, {"trace.dat", "notes.txt"}, {"trace.dat", "notes.md"},
    ]  # fmt: skip
    driver.check(take_manifest(root))


_ODD_TIMES_S = {"epoch": 0, "before": -86_400, "century": 4_323_456_789, "coarse": 1_700_000_002, "far": 9_223_372_036}


@pytest.mark.fault("F88", guard="change-time")
def test_odd_times_of_files_are_no_obstacle(driver: EngineDriver, root: Path) -> None:
    folder = write_dataset(root, "run", **{name: name.encode() for name in _ODD_TIMES_S})
    for name, time_s in _ODD_TIMES_S.items():
        os.utime(folder / f"{name}.dat", (time_s, time_s))
    with driver:
        driver.until_archived("run")
        # The same size and the same odd time: only the content tells.
        for name, time_s in _ODD_TIMES_S.items():
            (folder / f"{name}.dat").write_bytes(name.upper().encode())
            os.utime(folder / f"{name}.dat", (time_s, time_s))
        driver.until(lambda: len(driver.told(DatasetArchived)) == 2, "sent again")
        driver.until_archived("run")
    stored = {name: sha256 for name, (sha256, _) in driver.versions("run")[-1].files.items()}
    assert stored == {path.name: sha256_of(path) for path in folder.iterdir()}
    driver.check(take_manifest(root))


@pytest.mark.fault("F111", guard="mass-change")
def test_mass_change_asks_once_and_sends_nothing_over_good_versions(driver: EngineDriver, root: Path) -> None:
    for number in range(70):
        write_dataset(root, f"run {number:02}")
    with driver:
        driver.until_archived(timeout_s=20)
        assert len(driver.states()) == 70
        for number in range(60):
            (root / f"run {number:02}" / "trace.dat").write_bytes(b"encrypted by somebody")
        for number in range(60, 64):
            shutil.rmtree(root / f"run {number:02}")
        driver.until(lambda: driver.source()["state"] == "asking", "it asks")
        # A slow machine may have seen some of them go before the limit was reached.
        gone_before = [name for name, state in driver.states().items() if state == "gone"]
        write_dataset(root, "new")
        driver.until(lambda: driver.states().get("new") == "archived", "what is new goes on")
        driver.until_scanned()
        driver.for_a_while(1.0)
        overwritten = [name for name in driver.states() if len(driver.versions(name)) > 1]
        # What was sent before the limit was reached is at most the limit itself.
        assert len(overwritten) <= 50
        assert [name for name, state in driver.states().items() if state == "gone"] == gone_before
        [problem] = driver.problems()
        assert problem["problem_kind"] == "ManyChanged"
        driver.ask(RetryTransfers())
        driver.until(lambda: list(driver.states().values()).count("gone") == 4, "the answer releases it", timeout_s=20)
        driver.until_archived(timeout_s=20)
        assert driver.problems() == []
    for number in range(60):
        versions = driver.versions(f"run {number:02}")
        assert len(versions) == 2
        assert versions[-1].files["trace.dat"][0] == sha256_of(root / f"run {number:02}" / "trace.dat")
    driver.check(take_manifest(root))


@pytest.mark.fault("F117", guard="cancel-ends-work")
def test_twenty_thousand_files_of_one_dataset_take_little_memory_and_stop_at_once(
    driver: EngineDriver, root: Path
) -> None:
    count = 20_000
    folder = root.with_name("draft")
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.csv").write_bytes(b"%d" % number)
    folder.rename(root / "run")
    memory_before = psutil.Process().memory_info().rss
    with driver:
        driver.until(lambda: driver.coordinator.desk.pool.running(TaskKind.TRANSFER), "it is on its way", timeout_s=30)
        driver.until(lambda: driver.told(FileProgressed), "the first files are read", timeout_s=30)
        assert _hold_and_measure_s(driver) < 2.0
        assert driver.states() == {"run": "waiting"}
        driver.ask(ResumeSync())
        most = 0
        end_s = time.monotonic() + 60
        while driver.states() != {"run": "archived"} and time.monotonic() < end_s:
            driver.turn()
            most = max(most, _memory_of_workers(driver))
        assert driver.states() == {"run": "archived"}
        assert most < MOST_MEMORY_BYTES
        assert psutil.Process().memory_info().rss - memory_before < 100 * MIB
    [record] = driver.versions("run")
    assert len(record.files) == count


def test_a_dataset_found_by_an_event_ends_that_nothing_was_found(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    with driver:
        driver.until_scanned()
        assert driver.source()["state"] == "empty"
        assert [problem["problem_kind"] for problem in driver.problems()] == ["SourceEmpty"]
        (source,) = driver.coordinator.sources.values()
        scans = source.finished_scans
        source.mark_dirty([str(write_dataset(root, "run 1", trace=b"1"))])
        driver.until(lambda: driver.source()["state"] == "ok", "the source is in order")
        assert driver.problems() == []
        assert source.finished_scans == scans
