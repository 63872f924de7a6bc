"""Disks that are full, stores that are locked or damaged, other devices: the engine pauses and goes on by itself."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.domain.errors import StoreTooNew
from etiket_gui.domain.events import DatasetArchived, TransferFailed
from etiket_gui.store import failures
from etiket_gui.store.quick import status
from etiket_gui.store.reader import StoreReader
from etiket_gui.store.schema import HEAD, revision_of
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.engine_runs import blob_identities
from tests.support.manifest import sha256_of, take_manifest
from tests.support.small_disk import fill, free_bytes, small_disk

MIB = 1024 * 1024


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path)
    yield made
    with contextlib.suppress(AssertionError):
        made.stop()


@pytest.mark.allows_log("The engine pauses|can be written again|The store could not be copied")
@pytest.mark.fault("F78", guard="store-failures-are-known")
def test_engine_pauses_while_the_disk_of_its_store_is_full_and_goes_on_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 12 * MIB) as disk:
        driver = EngineDriver(disk)
        driver.add_archive(tmp_path / "lab-archive")
        root = driver.add_folder(tmp_path / "measurements")
        write_dataset(root, "before")
        with driver:
            driver.until_archived("before")
            engine = driver.engine
            ballast = fill(disk)
            # More rows than fit into the space that the store has already.
            for number in range(60):
                write_dataset(root, f"meanwhile {number:02}", **{f"file{part}": b"x" for part in range(40)})
            driver.run_on_a_thread()
            driver.until(lambda: engine._coordinator is None, "the engine pauses", timeout_s=20)
            assert driver.states()["before"] == "archived"
            ballast.unlink()
            driver.until(lambda: engine._coordinator is not None, "the engine goes on", timeout_s=20)
            driver.until(
                lambda: list(driver.states().values()) == ["archived"] * 61, "everything is archived", timeout_s=30
            )
            driver.until(lambda: driver.coordinator.is_drained, "nothing more to do")
        assert len(driver.archive().records) == 61
        driver.check(take_manifest(root))


@pytest.mark.fault("F79", guard="free-floor")
def test_full_archive_disk_pauses_the_destination_and_keeps_its_floor(driver: EngineDriver, tmp_path: Path) -> None:
    floor = 2 * MIB
    with small_disk(tmp_path / "small", 16 * MIB) as disk:
        archive = driver.add_archive(disk / "lab-archive", free_floor_percent=50, free_floor_bytes=floor)
        root = driver.add_folder(tmp_path / "measurements")
        write_dataset(root, "before")
        with driver:
            driver.until_archived("before")
            ballast = fill(disk, leaving_bytes=floor + MIB)
            write_dataset(root, "too large", trace=os.urandom(2 * MIB))
            driver.until(lambda: driver.destination()["state"] == "full", "the destination is full")
            driver.until(driver.problems, "it is a problem")
            driver.for_a_while(0.5)
            assert free_bytes(disk) >= floor
            assert list((archive / ".etiket" / "tmp").iterdir()) == []
            [problem] = driver.problems()
            assert problem["problem_kind"] == "DestinationFull"
            assert driver.states() == {"before": "archived", "too large": "waiting"}
            ballast.unlink()
            driver.until_archived("before", "too large", timeout_s=20)
            driver.until(lambda: driver.destination()["state"] == "ok", "the destination is in order")
            assert driver.problems() == []
        assert not driver.told(TransferFailed)
        driver.check(take_manifest(root))


@pytest.mark.fault("F78", guard="store-is-read-on-a-full-disk")
def test_the_state_is_read_and_data_found_while_the_disk_of_the_store_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 12 * MIB) as disk:
        driver = EngineDriver(disk)
        driver.add_archive(tmp_path / "lab-archive")
        root = driver.add_folder(tmp_path / "measurements")
        write_dataset(root, "before")
        with driver:
            driver.until_archived("before")
        fill(disk)
        assert not Path(f"{driver.home.store}-shm").exists()
        # What a reader that ended leaves there.
        Path(f"{driver.home.store}-wal").touch()
        assert revision_of(driver.home.store) == HEAD
        assert status(driver.home.store)["total"] == 1
        with closing(StoreReader(driver.home.store)) as reader:
            assert reader.resolve_dataset("before").name == "before"


@pytest.mark.fault("F79", guard="too-large-holds-up-nothing")
def test_a_dataset_that_does_not_fit_holds_up_no_smaller_one(driver: EngineDriver, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 160 * MIB) as disk:
        driver.add_archive(disk / "lab-archive", free_floor_percent=1)
        root = driver.add_folder(tmp_path / "measurements")
        write_dataset(root, "small")
        large = write_dataset(root, "too large")
        os.truncate(large / "trace.dat", 300 * MIB)
        with driver:
            driver.until_archived("small")
            driver.until(lambda: driver.states()["too large"] == "failed", "it is told")
            [problem] = driver.problems()
            assert "314.6 MB are to be added" in problem["reason"]
            assert "Smaller datasets go on" in problem["advice"]
            assert problem["due_ns"] is not None
            assert driver.destination()["state"] == "ok"
            os.truncate(large / "trace.dat", 5)
            driver.until_archived("small", "too large", timeout_s=20)
            assert driver.problems() == []


@pytest.mark.allows_log("The engine pauses|can be written again")
@pytest.mark.fault("F80", guard="store-failures-are-known")
def test_store_held_by_another_program_for_long_is_waited_for(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "BUSY_TIMEOUT_MS", 200)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    write_dataset(root, "before")
    with driver:
        driver.until_archived("before")
        engine = driver.engine
        with closing(sqlite3.connect(driver.home.store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            driver.run_on_a_thread()
            write_dataset(root, "meanwhile")
            driver.until(lambda: engine._coordinator is None, "the engine waits")
            other.execute("ROLLBACK")
        driver.until(lambda: driver.states().get("meanwhile") == "archived", "it goes on", timeout_s=20)
        driver.until(lambda: driver.coordinator.is_drained, "nothing more to do")
    assert len(driver.archive().records) == 2
    driver.check(take_manifest(root))


def _page_flipped(store: Path) -> None:
    data = bytearray(store.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 512] = b"\xa5" * 512
    store.write_bytes(data)


_DAMAGES = {
    "flipped pages": _page_flipped,
    "no bytes": lambda store: store.write_bytes(b""),
    "not a database": lambda store: store.write_bytes(b"certainly not a database" * 1000),
}


@pytest.mark.allows_log("damaged|moved aside|store")
@pytest.mark.fault("F81", guard="damaged-store-is-moved-aside")
@pytest.mark.parametrize("damage", _DAMAGES)
def test_damaged_store_is_rebuilt_without_doubles_and_told_once(
    driver: EngineDriver, tmp_path: Path, damage: str
) -> None:
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements", level=2)
    for number in range(12):
        write_dataset(root, f"day {number % 3}/run {number}")
    with driver:
        driver.until_archived()
        (root / "day 1" / "run 1").rename(root / "day 1" / "run one")
        driver.until(lambda: "day 1/run one" in driver.states(), "renamed")
        driver.until_archived()
    uuids = {name: row["uuid"] for name, row in driver.datasets().items()}
    stored = blob_identities(driver.archives[0])
    for backup in driver.home.backups.iterdir():
        backup.unlink()
    for ending in ("-wal", "-shm"):
        Path(f"{driver.home.store}{ending}").unlink(missing_ok=True)
    _DAMAGES[damage](driver.home.store)
    with driver:
        driver.until(lambda: len(driver.states()) == 12, "every dataset is known again")
        driver.until_archived()
        sentences = [row["sentence"] for row in driver.rows("SELECT sentence FROM activity")]
    assert {name: row["uuid"] for name, row in driver.datasets().items()} == uuids
    assert blob_identities(driver.archives[0]) == stored
    assert sum("store-corrupt" in sentence or "damaged" in sentence for sentence in sentences) == 1
    assert len(list(driver.home.root.glob("store-corrupt-*.sqlite"))) == 1
    driver.check(take_manifest(root))


@pytest.mark.fault("F82", guard="newer-store-is-refused")
def test_store_of_a_newer_version_is_left_alone_and_the_home_free(driver: EngineDriver, tmp_path: Path) -> None:
    driver.add_archive()
    driver.add_folder(tmp_path / "measurements")
    with closing(sqlite3.connect(driver.home.store)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with closing(sqlite3.connect(driver.home.store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = sha256_of(driver.home.store)
    for _ in range(2):
        with pytest.raises(StoreTooNew):
            driver.start()
        driver.stop()
    assert sha256_of(driver.home.store) == before


@pytest.mark.fault("F101", guard="found-by-key")
def test_what_the_archive_has_already_is_found_and_other_content_gets_a_version_of_its_own(
    driver: EngineDriver, tmp_path: Path
) -> None:
    archive = driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    write_dataset(root, "run", trace=b"first")
    with driver:
        # What the destination answered is lost, as by a kill between publishing and writing it down.
        driver.coordinator.desk.writer.record_sent = lambda sent: None  # type: ignore[method-assign]
        driver.until(lambda: driver.told(DatasetArchived), "published")
        assert driver.states() == {"run": "sending"}
    stored = blob_identities(archive)
    with driver:
        driver.until(lambda: len(driver.told(DatasetArchived)) == 2, "found again")
        assert driver.told(DatasetArchived)[-1].is_new is False
        assert blob_identities(archive) == stored
        (root / "run" / "trace.dat").write_bytes(b"second")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 3, "sent again")
    assert [record.version for record in driver.versions("run")] == ["1.0.0", "1.1.0"]
    kept = blob_identities(archive)
    assert all(kept[name] == seen for name, seen in stored.items())


@pytest.mark.fault("F102", guard="copy-across-devices")
def test_large_file_from_another_device_is_archived(driver: EngineDriver, tmp_path: Path) -> None:
    driver.add_archive()
    with small_disk(tmp_path / "usb", 16 * MIB) as disk:
        root = driver.add_folder(disk / "measurements")
        write_dataset(root, "run", large=os.urandom(3 * MIB), small=b"small")
        assert root.stat().st_dev != driver.archives[0].stat().st_dev
        with driver:
            driver.until_archived("run", timeout_s=6)
        driver.check(take_manifest(root))


@pytest.mark.fault("F102", guard="one-disk-per-archive")
def test_archive_with_a_second_disk_inside_says_what_is_wrong_and_holds_nothing_half(
    driver: EngineDriver, tmp_path: Path
) -> None:
    archive = driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    write_dataset(root, "run", large=os.urandom(3 * MIB), small=b"small")
    with small_disk(archive / "Global Public Workspace", 16 * MIB) as disk:
        with driver:
            driver.until(lambda: driver.destination()["state"] == "problem", "it is told")
            [problem] = driver.problems()
            assert problem["retry_class"] == "on_user"
            assert "another disk" in problem["reason"]
            assert driver.states() == {"run": "waiting"}
        assert list(disk.rglob("*.yml")) == []
    with driver:
        driver.until_archived("run")
        assert driver.problems() == []
    driver.check(take_manifest(root))


_NOT_ALLOWED = """
import errno, os
for name in {names!r}:
    def refuse(*arguments, **options):
        os.lstat(*arguments, **options)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), arguments[0])
    os.supports_dir_fd.add(refuse)
    setattr(os, name, refuse)
"""


@pytest.mark.fault("F112", guard="may-not-delete")
def test_account_that_may_not_delete_at_the_archive_archives_all_the_same(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.add_archive()
    patch_workers(tmp_path / "patch", _NOT_ALLOWED.format(names=("unlink", "remove", "rmdir")), monkeypatch)
    root = driver.add_folder(tmp_path / "measurements")
    write_dataset(root, "run", large=os.urandom(3 * MIB), small=b"small")
    with driver:
        driver.until_archived("run")
        (root / "run" / "small.dat").write_bytes(b"changed")
        driver.until(lambda: len(driver.told(DatasetArchived)) == 2, "sent again")
        assert driver.problems() == []
    assert [record.version for record in driver.versions("run")] == ["1.0.0", "1.1.0"]
    driver.check(take_manifest(root))
