"""Files that change while the engine looks, queues and sends: F01 to F09 and F114, seen at the end of the whole way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.commands import PauseSync, ResumeSync
from etiket_gui.domain.events import DatasetArchived, FileProgressed, ScanFinished, TransferFailed
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.discovery import STILL_WRITTEN
from tests.support.engine_driver import EngineDriver, steps, write_dataset
from tests.support.manifest import sha256_of, take_manifest
from tests.support.patience import patient_s


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path, rate_limit_bytes_per_s=4e6)
    made.add_archive()
    yield made
    made.stop()


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    return driver.add_folder(tmp_path / "measurements")


def _digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def _stored(driver: EngineDriver, identifier: str, version: int = -1) -> dict[str, str]:
    return {name: sha256 for name, (sha256, _) in driver.versions(identifier)[version].files.items()}


@pytest.mark.fault("F01", guard="settle")
def test_growing_file_is_held_and_sent_once_and_complete(driver: EngineDriver, root: Path) -> None:
    growing = write_dataset(root, "run", trace=b"begin")
    held: set[str] = set()
    with driver, steps(0.05, lambda number: _append(growing / "trace.dat", bytes([number % 256]) * 1024)) as is_over:
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + 1.5 or (not held and time.monotonic() < begun_s + patient_s(5)):
            driver.turn()
            held |= {row["reason"] for row in driver.datasets().values() if row["state"] == "held"}
            assert not driver.told(DatasetArchived)
        is_over.set()
        driver.until_archived("run")
    assert held == {STILL_WRITTEN}
    assert [record.version for record in driver.versions("run")] == ["1.0.0"]
    assert _stored(driver, "run") == _digests(growing)
    driver.check(take_manifest(root))


def _append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def _rewrite_unseen(path: Path) -> None:
    before = path.stat()
    with open(path, "r+b") as file:
        file.write(b"CHANGED!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


_CHANGES: dict[str, Callable[[Path], None]] = {
    "grows": lambda path: _append(path, b"more" * 1000),
    "is rewritten with its old size and time": _rewrite_unseen,
    "is emptied": lambda path: os.truncate(path, 0),
}


@pytest.mark.fault("F02", guard="confirm-before-publish")
@pytest.mark.fault("F03", guard="confirm-before-publish")
@pytest.mark.fault("F05", guard="confirm-before-publish")
@pytest.mark.parametrize("file", ["a read before", "b being read"])
@pytest.mark.parametrize("change", _CHANGES)
def test_dataset_that_changes_during_sending_is_not_sent_so(
    driver: EngineDriver, root: Path, change: str, file: str
) -> None:
    folder = write_dataset(root, "run", a=b"small " * 100, b=os.urandom(3_000_000))
    with driver:
        driver.until(lambda: driver.told(FileProgressed), "the large file is on its way")
        _CHANGES[change](folder / f"{file[0]}.dat")
        driver.until_archived("run")
    assert [record.version for record in driver.versions("run")] == ["1.0.0"]
    assert _stored(driver, "run") == _digests(folder)
    assert not driver.told(TransferFailed)
    assert driver.archive().orphans == []
    driver.check(take_manifest(root))


@pytest.mark.fault("F04", guard="claim-matches-content")
def test_dataset_that_changed_between_claim_and_reading_waits_for_its_settle_time(
    driver: EngineDriver, root: Path
) -> None:
    folder = write_dataset(root, "run")
    changed_at_ns: list[int] = []

    def change(_: object) -> None:
        _append(folder / "trace.dat", b"one more point")
        changed_at_ns.append(time.time_ns())

    with driver:
        driver.before_task(TaskKind.TRANSFER, change)
        driver.until_archived("run")
        assert changed_at_ns
        published = [row["received_ns"] for row in driver.rows("SELECT received_ns FROM receipts")]
    assert [record.version for record in driver.versions("run")] == ["1.0.0"]
    assert _stored(driver, "run") == _digests(folder)
    assert published[0] - changed_at_ns[0] >= 0.25e9
    driver.check(take_manifest(root))


@pytest.mark.fault("F02", guard="sent-is-compared-with-settled")
def test_change_seen_between_publishing_and_writing_down_is_sent_as_well(driver: EngineDriver, root: Path) -> None:
    folder = write_dataset(root, "run")
    with driver:
        transfers = driver.coordinator.transfers
        write_down, transfers.flush = transfers.flush, lambda: None  # type: ignore[method-assign]
        driver.until(lambda: transfers._sent, "it is published")
        _append(folder / "trace.dat", b"one more point")
        (before,) = driver.rows("SELECT settled_fingerprint FROM datasets")
        driver.until(
            lambda: driver.rows("SELECT settled_fingerprint FROM datasets") != [before], "the change is seen, and quiet"
        )
        transfers.flush = write_down  # type: ignore[method-assign]
        # As the end of the task, which came meanwhile, would have done.
        driver.coordinator.post(transfers.note_waiting)
        driver.until(lambda: transfers.is_idle, "the first is written down")
        driver.until_archived("run")
    assert [record.version for record in driver.versions("run")] == ["1.0.0", "1.1.0"]
    assert _stored(driver, "run") == _digests(folder)
    driver.check(take_manifest(root))


@pytest.mark.fault("F06", guard="changed-is-no-failure")
@pytest.mark.parametrize("moment", ["before it is claimed", "between claim and reading", "while it is read"])
def test_dataset_deleted_on_its_way_is_gone_without_a_failure(driver: EngineDriver, root: Path, moment: str) -> None:
    folder = write_dataset(root, "run", a=b"small", b=os.urandom(3_000_000))
    other = write_dataset(root, "other")
    with driver:
        if moment == "before it is claimed":
            driver.ask(PauseSync())
            driver.until(lambda: driver.states().get("run") == "waiting", "it waits")
            shutil.rmtree(folder)
            driver.ask(ResumeSync())
        elif moment == "between claim and reading":
            driver.before_task(TaskKind.TRANSFER, lambda _: shutil.rmtree(folder, ignore_errors=True), times=9)
        else:
            driver.until(lambda: driver.told(FileProgressed), "it is on its way")
            shutil.rmtree(folder)
        driver.until(lambda: driver.states() == {"run": "gone", "other": "archived"}, "gone")
        driver.until(lambda: driver.coordinator.is_drained, "nothing more to do")
        assert driver.problems() == []
    assert not driver.told(TransferFailed)
    assert driver.versions("run") == []
    assert driver.archive().temporaries == []
    assert _stored(driver, "other") == _digests(other)
    driver.check(take_manifest(root))


@pytest.mark.fault("F07", guard="fingerprint")
def test_file_replaced_by_an_editor_makes_one_new_version_and_nothing_is_gone(driver: EngineDriver, root: Path) -> None:
    folder = write_dataset(root, "run", notes=b"old text")
    with driver:
        driver.until_archived("run")
        (root / "run" / "notes.dat.tmp~").write_bytes(b"new text")
        os.replace(folder / "notes.dat.tmp~", folder / "notes.dat")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 2, "sent again")
        driver.until_archived("run")
        driver.until_scanned()
        assert all(event.gone_count == 0 for event in driver.told(ScanFinished))
    assert [record.version for record in driver.versions("run")] == ["1.0.0", "1.1.0"]
    assert _stored(driver, "run") == _digests(folder)
    driver.check(take_manifest(root))


@pytest.mark.fault("F08", guard="recognise-renames")
def test_dataset_renamed_in_the_queue_and_after_archiving_stays_the_same_one(driver: EngineDriver, root: Path) -> None:
    folder = write_dataset(root, "run", trace=b"data" * 1000)
    with driver:
        driver.ask(PauseSync())
        driver.until(lambda: driver.states().get("run") == "waiting", "it waits")
        uuid = driver.datasets()["run"]["uuid"]
        folder.rename(root / "run good")
        driver.until(lambda: "run good" in driver.datasets(), "the new name is known")
        driver.ask(ResumeSync())
        driver.until_archived("run good")
        (root / "run good").rename(root / "run best")
        driver.until(lambda: "run best" in driver.datasets(), "the newest name is known")
        driver.until_archived("run best")
        assert {name: row["uuid"] for name, row in driver.datasets().items()} == {"run best": uuid}
    content = driver.archive()
    assert {record.uuid for record in content.records} == {uuid}
    assert len(content.blobs) == 1
    newest = content.newest()[uuid]
    assert newest.identifier == "run best"
    driver.check(take_manifest(root))


@pytest.mark.fault("F09", guard="changed-is-no-failure")
def test_folder_and_file_that_swap_names_crash_nothing(driver: EngineDriver, root: Path) -> None:
    swapped = write_dataset(root, "run", trace=b"1")
    (swapped / "part").write_bytes(b"a file")
    write_dataset(root, "other")
    with driver:
        driver.until_archived("run", "other")
        (swapped / "part").unlink()
        (swapped / "part").mkdir()
        (swapped / "part" / "inner").write_bytes(b"in a folder now")
        driver.until(lambda: len(driver.versions("run")) == 2, "the folder is sent")
        driver.until_archived("run", "other")
        uuid = driver.datasets()["run"]["uuid"]

        def swap(_: object) -> None:
            shutil.rmtree(swapped)
            swapped.write_bytes(b"the dataset is a file")

        (swapped / "another.dat").write_bytes(b"3")
        driver.before_task(TaskKind.TRANSFER, swap)
        driver.until(lambda: driver.states().get("run") == "gone", "the dataset is gone")
        assert driver.problems() == []
        swapped.unlink()
        write_dataset(root, "run", trace=b"back again")
        driver.until(lambda: driver.states().get("run") == "archived", "the dataset is back")
        assert driver.datasets()["run"]["uuid"] == uuid
    assert not driver.told(TransferFailed)
    assert set(_stored(driver, "run", 1)) == {"trace.dat", "part/inner"}
    assert _stored(driver, "run") == _digests(root / "run")
    driver.check(take_manifest(root))


@pytest.mark.fault("F30", guard="look-when-watching-began")
def test_dataset_written_before_the_watcher_was_ready_is_found_soon(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "first")
    with driver:
        driver.until(lambda: driver.told(ScanFinished), "the first scan")
        watching = driver.coordinator.watching
        driver.until(lambda: watching.process_id is not None, "the watcher")
        # As if no event of that time had been told.
        tell, watching._changed = watching._changed, lambda source_id, paths: None
        write_dataset(root, "second")
        driver.for_a_while(0.3)
        watching._changed = tell
        driver.until_archived("first", "second", timeout_s=8.0)


@pytest.mark.fault("F114", guard="database-pair")
def test_database_with_rows_in_its_journal_only_travels_as_one_pair(driver: EngineDriver, tmp_path: Path) -> None:
    root = driver.add_folder(tmp_path / "measurements", ignore=["*-wal", "*-shm"])
    writer = sqlite3.connect(tmp_path / "live.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("CREATE TABLE points (x)")
    writer.executemany("INSERT INTO points VALUES (?)", [(x,) for x in range(100)])
    writer.commit()
    folder = write_dataset(root, "run", notes=b"aborted")
    for ending in ("", "-wal", "-shm"):
        shutil.copyfile(tmp_path / f"live.db{ending}", folder / f"aborted.db{ending}")
    writer.close()
    before = take_manifest(root)
    with driver:
        driver.until_archived("run")
    blobs = {key[2]: path for key, path in driver.archive().blobs.items()}
    for name, sha256 in _stored(driver, "run").items():
        shutil.copyfile(blobs[sha256], tmp_path / name)
    with sqlite3.connect(tmp_path / "aborted.db") as restored:
        assert restored.execute("SELECT count(*) FROM points").fetchone() == (100,)
    restored.close()
    driver.check(before)
