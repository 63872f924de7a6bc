"""The wizard adds a source of any kind: recognised, checked while typed, looked through, and only then added."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from etiket_gui.destinations.api import DestinationContext, StoredSource
from etiket_gui.destinations.registry import load_destination
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.wizards.add_source import AddSourceWizard
from etiket_gui.gui.wizards.form import SECRET
from etiket_gui.record import Recorder
from tests.gui.wizards.conftest import Hand


def _sources(desk: Desk) -> list[dict[str, Any]]:
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = store.execute(
            "SELECT s.name, s.backend, s.config, coalesce(b.since_ns, 0), d.name, r.scope FROM sources s"
            " LEFT JOIN beginnings b ON b.source_id = s.id JOIN routes r ON r.source_id = s.id"
            " JOIN destinations d ON d.id = r.destination_id ORDER BY s.id"
        ).fetchall()
    finally:
        store.close()
    keys = ("name", "backend", "config", "since_ns", "destination", "scope")
    found = [dict(zip(keys, row, strict=True)) for row in rows]
    for item in found:
        item["config"] = json.loads(item["config"])
    return found


@pytest.fixture
def wizard(desk: Desk, qtbot: QtBot) -> AddSourceWizard:
    made = AddSourceWizard(desk)
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_folder_is_recognised_looked_through_and_added_with_a_new_archive(
    wizard: AddSourceWizard, desk: Desk, hand: Hand, data: Path, tmp_path: Path
) -> None:
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.picture(wizard, "add-1-empty")
    hand.type(wizard, "source-path", str(data))
    hand.wait(lambda: wizard.place.is_ready)
    assert wizard.place.chosen == "folder"
    hand.picture(wizard, "add-1-recognised")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.settings.form is not None and wizard.draft.root != "")
    hand.picture(wizard, "add-2-settings")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.draft.survey is not None)
    hand.wait(lambda: "left out" in wizard.found._ignore._sum.text())
    assert wizard.found._tiles.text_of("count") == "12"
    hand.picture(wizard, "add-3-found")
    hand.type(wizard, "ignore-new", "*.none")
    QTest.keyClick(hand.find(wizard, "ignore-new"), Qt.Key.Key_Return)
    assert wizard.current_step is wizard.found
    assert wizard.draft.config["ignore"][-1] == "*.none"
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(tmp_path / "archive"))
    hand.click(wizard, "destination-test")
    hand.wait(lambda: "Works." in wizard.destination.choice.test_line.said)
    hand.picture(wizard, "add-4-destination")
    assert not (tmp_path / "archive").exists()
    hand.click(wizard, "wizard-next")
    assert not (tmp_path / "archive").exists()
    hand.picture(wizard, "add-5-summary")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    (source,) = _sources(desk)
    assert (source["name"], source["backend"], source["destination"]) == ("fridge data", "folder", "archive")
    assert source["config"]["level"] == 2
    assert (tmp_path / "archive" / ".rmearchive").exists()


def test_the_keyboard_alone_leads_through_and_back(wizard: AddSourceWizard, hand: Hand, data: Path) -> None:
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.type(wizard, "source-path", str(data))
    hand.wait(lambda: wizard.place.is_ready)
    QTest.keyClick(hand.find(wizard, "source-path"), Qt.Key.Key_Return)
    hand.wait(lambda: wizard.settings.form is not None and wizard.draft.root != "")
    assert wizard.current_step is wizard.settings
    QTest.keyClick(hand.find(wizard, "field-root_directory"), Qt.Key.Key_Return)
    hand.wait(lambda: wizard.current_step is wizard.found)
    wizard.go_back()
    assert wizard.current_step is wizard.settings
    QTest.keyClick(wizard, Qt.Key.Key_Escape)
    hand.wait(lambda: not wizard.isVisible())


def test_a_refused_place_keeps_from_going_on(wizard: AddSourceWizard, hand: Hand, tmp_path: Path) -> None:
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.type(wizard, "source-path", str(tmp_path / "nothing"))
    hand.wait(lambda: "There is nothing at" in wizard.place._said.text())
    assert not wizard.place.is_ready


def test_from_a_date_and_from_now_on_leave_out_what_is_older(
    wizard: AddSourceWizard, desk: Desk, hand: Hand, data: Path, tmp_path: Path
) -> None:
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.type(wizard, "source-path", str(data))
    for _ in range(2):
        hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.draft.survey is not None)
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(tmp_path / "archive"))
    hand.click(wizard, "wizard-next")
    hand.click(wizard, "since-now")
    assert wizard.summary._tiles.text_of("count") == "0"
    assert "12 datasets from before are ignored" in wizard.summary._said.text()
    hand.click(wizard, "since-date")
    assert wizard.summary._tiles.text_of("count") == "12"
    hand.click(wizard, "since-now")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    (source,) = _sources(desk)
    assert source["since_ns"] > 0


def _to_the_settings_of(wizard: AddSourceWizard, hand: Hand, kind: str) -> None:
    hand.wait(lambda: kind in wizard.place._kinds)
    wizard.place._kinds[kind].button.click()
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.current_step is wizard.settings and wizard.settings.form is not None)


def test_a_core_tools_database_that_does_not_answer_is_refused_and_its_password_goes_to_the_password_store(
    wizard: AddSourceWizard, desk: Desk, hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[dict[str, Any]] = []
    start = desk.jobs.start

    def without_keyring(kind: str, parameters: Any, owner: Any, then: Any, *rest: Any) -> int:
        # No test may write into the password store of this computer.
        if kind != "keyring_store":
            return start(kind, parameters, owner, then, *rest)
        stored.append(dict(parameters))
        then({"is_kept": True})
        return 0

    monkeypatch.setattr(desk.jobs, "start", without_keyring)
    _to_the_settings_of(wizard, hand, "core_tools")
    hand.click(wizard, "more-options")
    for name, text in (
        ("host", "127.0.0.1"),
        ("dbname", "lab"),
        ("user", "measurer"),
        (SECRET, "s3cret"),
        ("port", "9"),
    ):
        hand.type(wizard, f"field-{name}", text)
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.current_step is wizard.found and wizard.found._job is None)
    said = wizard.found._said.text()
    assert "127.0.0.1" in said
    assert "cannot be reached" in said or "does not answer" in said
    assert "s3cret" not in said
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(tmp_path / "archive"))
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.summary._job is None)
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    (source,) = _sources(desk)
    assert source["backend"] == "core_tools"
    assert "s3cret" not in json.dumps(source)
    assert [item["secret"] for item in stored] == ["s3cret"]
    assert stored[0]["account"] == wizard.draft.uuid


def test_recordings_are_recognised_and_added(wizard: AddSourceWizard, desk: Desk, hand: Hand, tmp_path: Path) -> None:
    with Recorder("T1", folder=tmp_path / "recordings") as recorder:
        recorder.add(t=1.0)
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.type(wizard, "source-path", str(tmp_path / "recordings"))
    hand.wait(lambda: wizard.place.is_ready)
    assert wizard.place.chosen == "native"
    for _ in range(2):
        hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.draft.survey is not None)
    assert wizard.found._tiles.text_of("count") == "1"
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(tmp_path / "archive"))
    hand.click(wizard, "wizard-next")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    assert [source["backend"] for source in _sources(desk)] == ["native"]


@pytest.mark.parametrize("is_same", [True, False])
def test_a_folder_that_another_computer_sent_already_is_asked_about(
    wizard: AddSourceWizard, desk: Desk, hand: Hand, data: Path, tmp_path: Path, is_same: bool
) -> None:
    archive = tmp_path / "archive"
    hand.wait(lambda: bool(wizard.place._kinds))
    hand.type(wizard, "source-path", str(data))
    for _ in range(2):
        hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.draft.survey is not None)
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(archive))
    hand.click(wizard, "wizard-next")
    known = "11111111-2222-4333-8444-555555555555"
    status = data.stat()
    _remember(
        archive,
        StoredSource(
            known, "F", "folder", "PC-12", "/mnt/lab/fridge data",
            root_place=f"{status.st_dev}:{status.st_ino}", written_at_ns=1,
        ),
    )  # fmt: skip
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: bool(_boxes()))
    (box,) = _boxes()
    assert "Is this the same folder as F on PC-12?" in box.text()
    assert "/mnt/lab/fridge data" in box.informativeText()
    words = "Yes, go on with it" if is_same else "No, a new source"
    next(button for button in box.buttons() if button.text() == words).click()
    hand.wait(lambda: not wizard.isVisible())
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    ((uuid,),) = store.execute("SELECT uuid FROM sources").fetchall()
    store.close()
    assert (uuid == known) is is_same


def _remember(archive: Path, source: StoredSource) -> None:
    """As another computer writes down at an archive what it sends."""
    made = load_destination("archive")
    destination = made(
        made.config_class.model_validate({"path": str(archive)}),
        DestinationContext("agent", "PC-12", archive.parent / "work of PC-12"),
    )
    destination.create()
    destination.remember_source(source)


def _boxes() -> list[QMessageBox]:
    return [box for box in QApplication.topLevelWidgets() if isinstance(box, QMessageBox) and box.isVisible()]
