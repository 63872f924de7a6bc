"""Very many changes at once, seen through the whole engine: asked about once, and the answer is kept (F111)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.domain.commands import EditSource, RetryTransfers, ScanNow
from etiket_gui.engine.mass_change import MORE_THAN_DATASETS, is_edit_of_rules
from etiket_gui.engine.steering import Steering
from etiket_gui.store.health import open_store
from etiket_gui.store.reader import StoreReader
from tests.support.engine_driver import EngineDriver, write_dataset
from tests.support.manifest import take_manifest

NAMES = tuple(f"run-{number:02}" for number in range(55))
PATIENCE_S = 30.0


def _rewrite(root: Path) -> None:
    for name in NAMES:
        (root / name / "trace.dat").write_bytes(b"other " + name.encode())


def _remove(root: Path) -> None:
    for name in NAMES:
        shutil.rmtree(root / name)


def _archived_then(driver: EngineDriver, change: Callable[[Path], None], *, is_running: bool) -> Path:
    """An engine that asks about a change that was made while it ran, or while it did not."""
    driver.add_archive()
    root = driver.add_folder(driver.folder / "measurements")
    for name in (*NAMES, "stays"):
        write_dataset(root, name, trace=name.encode())
    driver.start()
    driver.until_archived(*NAMES, "stays", timeout_s=PATIENCE_S)
    if not is_running:
        driver.stop()
    change(root)
    if not is_running:
        driver.start()
    driver.until(lambda: driver.source()["state"] == "asking", "the engine asks", PATIENCE_S)
    return root


def _sent_anew(driver: EngineDriver) -> set[str]:
    """The datasets that have another version: a slow machine may have sent some before the limit was reached."""
    return {record.identifier for record in driver.archive().records if record.version != "1.0.0"}


def _answer(driver: EngineDriver, *, is_running: bool) -> None:
    """As ``etiket-sync retry`` does, with an engine that hears it and without one."""
    if is_running:
        driver.ask(RetryTransfers())
        return
    driver.stop()
    with closing(open_store(driver.home).writer) as writer, closing(StoreReader(driver.home.store)) as reader:
        assert Steering(writer, reader, driver.home).apply(RetryTransfers()).is_ok
    driver.start()


@pytest.mark.fault("F111", guard="answer-is-kept")
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "not running"])
def test_many_rewritten_datasets_are_sent_after_one_answer(tmp_path: Path, is_running: bool) -> None:
    driver = EngineDriver(tmp_path)
    try:
        root = _archived_then(driver, _rewrite, is_running=is_running)
        driver.until_scanned(PATIENCE_S)
        assert len(_sent_anew(driver)) <= MORE_THAN_DATASETS
        _answer(driver, is_running=is_running)
        driver.until_archived(*NAMES, timeout_s=PATIENCE_S)
        driver.until_scanned(PATIENCE_S)
        assert driver.source()["state"] == "ok"
        assert not driver.problems()
        assert {name: record.version for name in NAMES for record in driver.versions(name)[-1:]} == dict.fromkeys(
            NAMES, "1.1.0"
        )
        driver.check(take_manifest(root))
    finally:
        driver.stop()


@pytest.mark.fault("F111", guard="answer-is-kept")
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "not running"])
def test_many_vanished_datasets_are_gone_after_one_answer(tmp_path: Path, is_running: bool) -> None:
    driver = EngineDriver(tmp_path)
    try:
        _archived_then(driver, _remove, is_running=is_running)
        driver.until_scanned(PATIENCE_S)
        assert list(driver.states().values()).count("gone") <= MORE_THAN_DATASETS
        _answer(driver, is_running=is_running)
        driver.until(
            lambda: all(driver.states()[name] == "gone" for name in NAMES), "they are gone", timeout_s=PATIENCE_S
        )
        driver.until_scanned(PATIENCE_S)
        assert driver.source()["state"] == "ok"
        assert driver.states()["stays"] == "archived"
    finally:
        driver.stop()


def test_an_answer_covers_what_was_asked_and_a_later_mass_change_is_asked_about_again(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    try:
        root = _archived_then(driver, _rewrite, is_running=True)
        driver.ask(RetryTransfers())
        driver.until_archived(*NAMES, timeout_s=PATIENCE_S)
        driver.until_scanned(PATIENCE_S)
        _remove(root)
        driver.until(lambda: driver.source()["state"] == "asking", "the engine asks again", PATIENCE_S)
    finally:
        driver.stop()


def test_retrying_one_dataset_is_no_answer_to_the_question(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    try:
        _archived_then(driver, _rewrite, is_running=True)
        (row,) = driver.rows("SELECT id FROM datasets WHERE identifier = 'stays'")
        driver.ask(RetryTransfers(dataset_ids=(row["id"],)))
        driver.for_a_while(0.5)
        assert driver.source()["state"] == "asking"
    finally:
        driver.stop()


def test_syncing_now_is_no_answer_to_the_question(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    try:
        _archived_then(driver, _rewrite, is_running=True)
        before = driver.archive().records
        driver.ask(RetryTransfers(is_answer=False))
        driver.ask(ScanNow())
        driver.until_scanned(PATIENCE_S)
        driver.for_a_while(0.5)
        assert driver.source()["state"] == "asking"
        assert driver.archive().records == before
        driver.restart()
        driver.until_scanned(PATIENCE_S)
        assert driver.source()["state"] == "asking"
    finally:
        driver.stop()


def _edit(driver: EngineDriver, **options: object) -> None:
    source = driver.source()
    driver.ask(EditSource(source["name"], config={**json.loads(source["config"]), **options}))


def test_edited_rules_that_change_every_dataset_are_meant_and_the_next_mass_change_is_asked_about(
    tmp_path: Path,
) -> None:
    driver = EngineDriver(tmp_path)
    try:
        driver.add_archive()
        root = driver.add_folder(driver.folder / "measurements")
        for name in NAMES:
            write_dataset(root, name, trace=name.encode())
            (root / name / "notes.log").write_text("left out soon", encoding="utf-8")
        driver.start()
        driver.until_archived(*NAMES, timeout_s=PATIENCE_S)
        _edit(driver, ignore=["*.log"])
        driver.until(
            lambda: all(driver.versions(name)[-1].version != "1.0.0" for name in NAMES), "all are sent anew", PATIENCE_S
        )
        driver.until_scanned(PATIENCE_S)
        assert driver.source()["state"] == "ok"
        _rewrite(root)
        driver.until(lambda: driver.source()["state"] == "asking", "the engine asks", PATIENCE_S)
    finally:
        driver.stop()


def test_edited_rules_are_no_answer_to_a_question_that_is_open(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path)
    try:
        _archived_then(driver, _rewrite, is_running=True)
        driver.until(lambda: driver.coordinator.is_drained, "what was on its way has arrived", PATIENCE_S)
        before = _sent_anew(driver)
        assert len(before) <= MORE_THAN_DATASETS
        _edit(driver, ignore=["*.log"])
        driver.until_scanned(PATIENCE_S)
        driver.for_a_while(0.5)
        assert driver.source()["state"] == "asking"
        assert _sent_anew(driver) == before
    finally:
        driver.stop()


def test_only_the_rules_alone_are_an_edit_of_rules() -> None:
    before = {"root_directory": "/a", "level": 1, "ignore": ["*.tmp"]}
    assert is_edit_of_rules(before, {**before, "ignore": []})
    assert is_edit_of_rules({"root_directory": "/a"}, {"root_directory": "/a", "ignore": []})
    assert not is_edit_of_rules(before, before)
    assert not is_edit_of_rules(before, {**before, "ignore": [], "level": 2})
    assert not is_edit_of_rules(before, {**before, "root_directory": "/b"})
