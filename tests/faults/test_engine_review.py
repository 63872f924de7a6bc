"""Moments at which an engine could stand still, turn in a circle or end with a bug, seen through the whole engine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.domain.commands import (
    AddSource,
    AskStatus,
    EditSource,
    HoldSync,
    PauseSync,
    RemoveDestination,
    RemoveSource,
    ResumeSync,
)
from etiket_gui.domain.errors import EtiketError, SourceChanged, StoreProblem
from etiket_gui.domain.events import FileProgressed
from etiket_gui.domain.states import TransferState
from etiket_gui.engine import service
from etiket_gui.engine.coordinator import Coordinator
from etiket_gui.store.rows import NotSent
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    return driver.add_folder(tmp_path / "measurements")


def _ask_status(driver: EngineDriver, answers: list[object]) -> None:
    try:
        answers.append(driver.engine.ask(AskStatus(), timeout_s=1.0))
    except EtiketError as error:
        answers.append(error)


def _turns_within(driver: EngineDriver, seconds: float) -> int:
    """How often an engine with nothing to do turns; each turn may wait for that long."""
    turns, end_s = 0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        driver.turn(seconds)
        turns += 1
    return turns


@pytest.mark.allows_log("The watching process ended")
def test_while_held_a_watcher_that_died_is_not_waited_for_in_a_circle(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "run")
    driver.start()
    driver.until_archived("run")
    driver.ask(HoldSync(-1))
    watching = driver.coordinator.watching
    driver.until(lambda: watching.process_id is not None, "the watcher runs")
    assert watching.process_id is not None
    os.kill(watching.process_id, 9)
    driver.until(lambda: watching.restart_at_s is not None, "the watcher is to be started again")
    watching._restart_at_s = time.monotonic()
    assert _turns_within(driver, 0.5) < 5


def test_what_is_due_does_not_spin_while_no_worker_is_free(
    driver: EngineDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(root, "run")
    driver.start()
    driver.until_archived("run")
    monkeypatch.setattr(driver.coordinator.desk.pool, "can_take", lambda kind: False)
    (source,) = driver.coordinator.sources.values()
    assert source.discovery is not None
    source.discovery.look_again["run"] = time.monotonic()
    assert _turns_within(driver, 0.5) < 5


@pytest.mark.allows_log("The disk is full")
def test_ending_while_the_store_cannot_be_written_is_no_bug(
    driver: EngineDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[object] = []

    def full(*arguments: Any) -> NoReturn:
        raise StoreProblem("The disk is full.")

    write_dataset(root, "run")
    driver.start()
    driver.until_archived("run")
    monkeypatch.setattr(driver.coordinator, "turn", full)
    monkeypatch.setattr(driver.engine, "_open", full)
    ends = threading.Timer(0.5, driver.engine.request_stop, kwargs={"is_interrupt": True})
    ends.start()
    threading.Timer(0.2, lambda: _ask_status(driver, answers)).start()
    report = driver.engine.run()
    ends.join()
    assert [type(answer) for answer in answers] == [StoreProblem]
    assert report.was_interrupted
    assert report.archived == 1


@pytest.mark.allows_log("The disk is full")
@pytest.mark.fault("F78", guard="answers-after-the-commit")
def test_no_command_is_said_to_be_done_that_the_store_does_not_keep(
    driver: EngineDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.start()
    driver.until(lambda: driver.coordinator.is_drained, "nothing to do")
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(driver.engine.ask(PauseSync(-1), timeout_s=5.0))
        except EtiketError as error:
            answers.append(error)

    def full() -> None:
        if asking.is_alive() and driver.coordinator.desk.writer.steering().paused_until_ns:
            raise StoreProblem("The disk is full.")

    def turn_until_answered() -> None:
        while not answers:
            driver.coordinator.turn(0.5)

    asking = threading.Thread(target=ask)
    monkeypatch.setattr(driver.coordinator.transfers, "flush", full)
    asking.start()
    with pytest.raises(StoreProblem):
        turn_until_answered()
    asking.join(10)
    assert [type(answer) for answer in answers] == [StoreProblem]
    monkeypatch.undo()
    assert driver.coordinator.desk.writer.steering().paused_until_ns == 0
    driver.run_on_a_thread()
    assert driver.engine.ask(PauseSync(-1)).is_ok
    assert driver.rows("SELECT value FROM meta WHERE key = 'paused_until_ns'") == [{"value": "-1"}]


@pytest.mark.allows_log("The disk is full")
@pytest.mark.allows_log("The store can be written again")
@pytest.mark.fault("F78", guard="a-run-once-ends")
def test_a_run_once_ends_with_a_sentence_when_the_store_cannot_be_written_for_long(
    driver: EngineDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> NoReturn:
        raise StoreProblem("The disk is full.", advice="Make room.")

    monkeypatch.setattr(service, "STORE_PATIENCE_S", 1.5)
    driver.start()
    # Every time the store can be opened, and cannot be written again a moment later.
    monkeypatch.setattr(Coordinator, "turn", full)
    ends = threading.Timer(8.0, driver.engine.request_stop)
    ends.start()
    with pytest.raises(StoreProblem, match=r"The disk is full\. It stayed so for 2 s, so this run ends") as caught:
        driver.engine.run_once()
    ends.cancel()
    assert caught.value.advice == "Make room."
    assert exit_code_of(caught.value) == ExitCode.NOT_ALL_ARCHIVED


def test_a_source_is_removed_while_it_is_looked_through(driver: EngineDriver, root: Path) -> None:
    for number in range(250):
        write_dataset(root, f"run-{number}")
    driver.start()
    (source,) = driver.coordinator.sources.values()
    driver.until(lambda: source.is_looking and source.traits is not None, "the source is looked through")
    time.sleep(0.5)
    driver.ask(RemoveSource("fridge"))
    driver.until(lambda: driver.coordinator.desk.pool.is_idle, "nothing is under way")
    assert not driver.datasets()
    assert not driver.problems()


def test_a_destination_is_removed_while_it_is_looked_at(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "run")
    driver.add_archive(name="second")
    driver.start()
    second = next(item for item in driver.coordinator.destinations.values() if item.row.name == "second")
    driver.until(lambda: second._look_task is not None, "the destination is looked at")
    driver.ask(RemoveDestination("second"))
    driver.until_archived("run")
    assert not driver.problems()


def test_a_source_moved_to_another_folder_while_it_is_looked_through_takes_nothing_of_the_old_one(
    driver: EngineDriver, root: Path, tmp_path: Path
) -> None:
    for number in range(250):
        write_dataset(root, f"old-{number}")
    other = tmp_path / "elsewhere"
    write_dataset(other, "new")
    driver.start()
    (source,) = driver.coordinator.sources.values()
    driver.until(lambda: source.is_looking and source.traits is not None, "the source is looked through")
    time.sleep(0.5)
    driver.ask(EditSource("fridge", config={**source.row.config, "root_directory": str(other)}))
    driver.until_archived("new")
    assert set(driver.datasets()) == {"new"}


def test_a_source_that_is_removed_and_added_as_a_continuation_keeps_the_identity_of_a_renamed_dataset(
    driver: EngineDriver, root: Path
) -> None:
    write_dataset(root, "before")
    driver.start()
    driver.until_archived("before")
    uuid = driver.datasets()["before"]["uuid"]
    (root / "before").rename(root / "after")
    driver.until_archived("after")
    (source,) = driver.coordinator.sources.values()
    driver.ask(RemoveSource("fridge"))
    driver.for_a_while(0.2)
    driver.ask(AddSource("fridge", "folder", source.row.config, (("lab-archive", ""),), source.row.uuid))
    driver.until_archived("after")
    assert driver.datasets()["after"]["uuid"] == uuid
    assert len({record.uuid for record in driver.archive().records}) == 1


def test_a_dataset_renamed_while_it_is_being_sent_arrives_under_its_new_name(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path, rate_limit_bytes_per_s=2e6)
    try:
        driver.add_archive()
        root = driver.add_folder(tmp_path / "measurements")
        write_dataset(root, "before", trace=os.urandom(12_000_000))
        driver.start()
        driver.until(lambda: driver.told(FileProgressed), "it is being sent")
        (root / "before").rename(root / "after")
        driver.until_archived("after", timeout_s=30.0)
        assert [record.identifier for record in driver.archive().records] == ["after"]
    finally:
        driver.stop()


def test_what_was_to_be_looked_at_once_more_when_the_program_ended_is_sent_after_the_next_start(
    driver: EngineDriver, root: Path
) -> None:
    write_dataset(root, "run")
    driver.start()
    driver.ask(PauseSync(-1))
    driver.until(lambda: driver.states().get("run") == "waiting", "it waits")
    (row,) = driver.rows("SELECT id, dataset_id FROM transfers")
    changed = SourceChanged("run changed while it was being read.")
    driver.coordinator.desk.writer.record_not_sent(
        [NotSent(row["id"], row["dataset_id"], changed, TransferState.HELD, None, False)]
    )
    driver.ask(ResumeSync())
    driver.restart()
    driver.until_archived("run")


_OPENED_FILES_LOOK_OTHERWISE = """
import os
_real = os.fstat

def _fstat(fd):
    found = _real(fd)
    return os.stat_result((found[0], found[1] + 1, *found[2:])) if found.st_size == 4242 else found

os.fstat = _fstat
"""


@pytest.mark.fault("F04", guard="changed-for-ever-is-a-problem")
def test_a_file_that_looks_quiet_and_is_always_found_changed_becomes_a_problem_and_no_circle(
    driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that gives an open file another inode than its folder does."""
    patch_workers(tmp_path / "patch", _OPENED_FILES_LOOK_OTHERWISE, monkeypatch)
    write_dataset(root, "odd", trace=os.urandom(4242))
    write_dataset(root, "good")
    driver.start()
    driver.until_archived("good")
    driver.until(lambda: driver.states()["odd"] == "failed", "it is a problem")
    odd = driver.datasets()["odd"]
    assert odd["due_ns"] is not None
    assert [problem["problem_kind"] for problem in driver.problems()] == ["SourceChanged"]
    assert driver.states()["good"] == "archived"


def test_a_blob_whose_bytes_rotted_unseen_is_repaired_when_a_re_read_found_it(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "run", trace=os.urandom(5000))
    driver.start()
    driver.until_archived("run")
    (blob,) = (path for path in driver.archives[0].glob("*/*/blobs/*/*") if path.is_file())
    good, status = blob.read_bytes(), blob.stat()
    blob.chmod(0o644)
    blob.write_bytes(good[:7] + bytes([good[7] ^ 1]) + good[8:])
    blob.chmod(0o444)
    os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
    (row,) = driver.rows("SELECT id FROM transfers")
    driver.coordinator.desk.writer.record_verification(row["id"], time.time_ns(), False, ["trace.dat: other bytes"])
    driver.coordinator.transfers.note_waiting()
    driver.until_archived("run")
    assert blob.read_bytes() == good
    assert not driver.problems()
