"""Files and folders that cannot be read, or should not be: one bad thing never holds up the rest."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.commands import RetryTransfers
from etiket_gui.domain.events import ScanFinished
from etiket_gui.domain.tasks import TaskKind
from tests.support.engine_driver import EngineDriver, FailingFiles, permissions_count_for_workers, write_dataset
from tests.support.manifest import take_manifest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions and special files of POSIX")


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


def _transfers(driver: EngineDriver) -> list[str]:
    """The identifiers that were given to a worker to send, from now on."""
    asked: list[str] = []
    driver.before_task(
        TaskKind.TRANSFER,
        lambda body: asked.extend(item["reference"]["identifier"] for item in body["items"]),
        times=10_000,
    )
    return asked


@pytest.mark.fault("F10", guard="busy-is-known")
def test_file_held_by_another_program_is_tried_again_and_holds_up_nobody(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingFiles(tmp_path / "patch", monkeypatch)
    root = driver.add_folder(tmp_path / "measurements")
    held = write_dataset(root, "held") / "trace.dat"
    for number in range(5):
        write_dataset(root, f"free {number}")
    failing.fail({held: errno.EBUSY})
    with driver:
        driver.until_archived(*(f"free {number}" for number in range(5)))
        driver.until(lambda: driver.states()["held"] == "failed", "the held one failed")
        [problem] = driver.problems()
        assert problem["problem_kind"] == "FileBusy"
        assert problem["retry_class"] == "soon"
        assert str(held) in problem["reason"]
        failing.fail({})
        driver.until_archived("held", timeout_s=20)
        assert driver.problems() == []
    driver.check(take_manifest(root))


@pytest.mark.fault("F11", guard="on-user-waits-for-the-user")
def test_permission_taken_away_is_told_with_the_exact_path_and_not_tried_in_a_loop(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permissions_count_for_workers(tmp_path / "patch", monkeypatch)
    root = driver.add_folder(tmp_path / "measurements")
    refused = write_dataset(root, "private", a=b"1", b=b"2") / "b.dat"
    write_dataset(root, "free")
    refused.chmod(0)
    before = take_manifest(root)
    with driver:
        sent = _transfers(driver)
        driver.until_archived("free")
        driver.until(lambda: driver.states()["private"] == "failed", "the private one failed")
        driver.for_a_while(1.5)
        assert sent.count("private") == 1
        [problem] = driver.problems()
        assert problem["problem_kind"] == "PermissionRefused"
        assert problem["retry_class"] == "on_user"
        assert problem["due_ns"] is None
        assert str(refused) in problem["reason"]
        driver.check(before)
        refused.chmod(0o644)
        driver.ask(RetryTransfers())
        driver.until_archived("private", "free")
        assert driver.problems() == []
    driver.check(take_manifest(root))


@pytest.mark.fault("F12", guard="unreadable-is-not-missing")
def test_unreadable_folder_in_the_middle_is_a_row_and_nothing_in_it_is_gone(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permissions_count_for_workers(tmp_path / "patch", monkeypatch)
    root = driver.add_folder(tmp_path / "measurements", level=2)
    for day in ("monday", "tuesday", "wednesday"):
        for number in range(3):
            write_dataset(root, f"{day}/run {number}")
    with driver:
        driver.until_archived()
        (root / "tuesday").chmod(0)
        write_dataset(root, "wednesday/run 9")
        driver.until_scanned()
        driver.until_archived("wednesday/run 9")
        assert set(driver.states().values()) == {"archived"}
        assert len(driver.states()) == 10
        [problem] = driver.problems()
        assert "tuesday" in problem["reason"]
        assert problem["retry_class"] == "on_user"
        assert all(event.gone_count == 0 for event in driver.told(ScanFinished))
        (root / "tuesday").chmod(0o755)
        driver.until_scanned()
        assert driver.problems() == []
    driver.check(take_manifest(root))


@pytest.mark.fault("F16", guard="special-files")
def test_pipes_sockets_and_devices_are_left_out_and_never_opened(driver: EngineDriver, tmp_path: Path) -> None:
    root = driver.add_folder(tmp_path / "measurements")
    folder = write_dataset(root, "run")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)
        listener.bind("socket")
        os.chdir(here)
    before = take_manifest(root)
    with driver:
        driver.until_archived("run")
    [record] = driver.versions("run")
    assert set(record.files) == {"trace.dat"}
    driver.check(before)


@pytest.mark.fault("F36", guard="one-file-is-not-the-source")
def test_file_on_a_bad_spot_of_the_disk_is_a_row_and_holds_up_nobody(
    driver: EngineDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingFiles(tmp_path / "patch", monkeypatch)
    root = driver.add_folder(tmp_path / "measurements")
    for number in range(6):
        write_dataset(root, f"run {number}")
    bad = root / "run 3" / "trace.dat"
    failing.fail({bad: errno.EIO})
    good = [f"run {number}" for number in (0, 1, 2, 4, 5)]
    with driver:
        driver.until_archived(*good)
        driver.until(lambda: driver.states()["run 3"] == "failed", "the bad one failed")
        driver.for_a_while(1.0)
        assert failing.tries < 8
        assert any(str(bad) in problem["reason"] for problem in driver.problems())
        assert driver.source()["state"] == "ok"
        failing.fail({})
        driver.ask(RetryTransfers())
        driver.until_archived("run 3", *good)
        assert driver.problems() == []
    driver.check(take_manifest(root))
