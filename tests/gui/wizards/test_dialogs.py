"""Sources and destinations are changed and removed, and passwords go to the password store alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QLineEdit, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.commands import AddDestination, AddSource, Command, Reply, SignInChanged
from etiket_gui.gui.credential_dialog import CredentialDialog
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.wizards.destination import DestinationDialog
from etiket_gui.gui.wizards.edit_source import EditSourceDialog
from etiket_gui.gui.wizards.removing import remove_destination, remove_source
from tests.gui.wizards.conftest import Hand


def _rows(desk: Desk, query: str) -> list[Any]:
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return store.execute(query).fetchall()
    finally:
        store.close()


@pytest.fixture
def configured(desk: Desk, hand: Hand, data: Path, tmp_path: Path) -> Desk:
    """An archive and a source that goes there."""
    replies: list[Reply] = []

    def do(command: Command) -> None:
        before = len(replies)
        desk.host.ask(command, None, replies.append)
        hand.wait(lambda: len(replies) > before)
        assert replies[-1].is_ok, replies[-1].sentence

    do(AddDestination("lab archive", "archive", {"path": str(tmp_path / "archive")}))
    done: list[object] = []
    config = {"root_directory": str(data)}
    desk.jobs.start("validate", {"group": "backend", "identifier": "folder", "values": config}, desk.host, done.append)
    hand.wait(lambda: bool(done))
    whole: Any = done[0]
    do(AddSource("fridge", "folder", whole["config"], (("lab archive", ""),)))
    return desk


def test_a_destination_is_tested_and_added(desk: Desk, qtbot: QtBot, hand: Hand, tmp_path: Path) -> None:
    dialog = DestinationDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(lambda: dialog._form is not None)
    assert not dialog.save_button.isEnabled()
    hand.type(dialog, "field-path", str(tmp_path / "archive"))
    hand.click(dialog, "destination-test")
    hand.wait(lambda: "Works." in dialog._tester.said)
    hand.picture(dialog, "destination-new")
    hand.click(dialog, "dialog-save")
    hand.wait(lambda: not dialog.isVisible())
    assert (tmp_path / "archive" / ".rmearchive").exists()
    assert _rows(desk, "SELECT name, kind FROM destinations") == [("archive", "archive")]


def test_a_folder_inside_a_source_is_refused_while_it_is_typed(
    configured: Desk, qtbot: QtBot, hand: Hand, data: Path
) -> None:
    dialog = DestinationDialog(configured)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(lambda: dialog._form is not None)
    hand.type(dialog, "field-path", str(data / "archive"))
    form = dialog._form
    assert form is not None
    hand.wait(lambda: "nothing is ever written into a source" in form.label_of("path").text())
    assert not dialog.save_button.isEnabled()
    dialog.close()


def test_a_destination_is_renamed_and_keeps_its_options(configured: Desk, qtbot: QtBot, hand: Hand) -> None:
    ((before,),) = _rows(configured, "SELECT config FROM destinations")
    dialog = DestinationDialog(configured, None, 1)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(lambda: dialog._setup is not None and dialog._form is not None)
    hand.type(dialog, "destination-name", "cold archive")
    hand.click(dialog, "dialog-save")
    hand.wait(lambda: not dialog.isVisible())
    ((name, config),) = _rows(configured, "SELECT name, config FROM destinations")
    assert name == "cold archive"
    assert json.loads(config)["path"] == json.loads(before)["path"]


def test_a_source_is_changed_in_the_parts_that_were_touched(configured: Desk, qtbot: QtBot, hand: Hand) -> None:
    dialog = EditSourceDialog(configured, None, 1)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(dialog.save_button.isEnabled)
    hand.wait(lambda: "left out" in dialog._ignore._sum.text())
    hand.picture(dialog, "edit-source")
    hand.type(dialog, "source-name", "fridge 2")
    hand.type(dialog, "ignore-new", "*.csv")
    hand.click(dialog, "ignore-add")
    hand.wait(lambda: dialog._checker.config is not None and "*.csv" in dialog._checker.config["ignore"])
    hand.click(dialog, "since-date")
    hand.click(dialog, "dialog-save")
    hand.wait(lambda: not dialog.isVisible())
    ((name, config, since_ns),) = _rows(
        configured, "SELECT s.name, s.config, b.since_ns FROM sources s JOIN beginnings b ON b.source_id = s.id"
    )
    assert name == "fridge 2"
    assert "*.csv" in json.loads(config)["ignore"]
    assert since_ns > 0


def test_a_source_without_a_destination_cannot_be_saved(configured: Desk, qtbot: QtBot, hand: Hand) -> None:
    dialog = EditSourceDialog(configured, None, 1)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(dialog.save_button.isEnabled)
    hand.click(dialog, "route-lab archive")
    assert not dialog.save_button.isEnabled()
    assert "Without a destination" in dialog._route_error.text()
    dialog.close()


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


def test_removing_is_asked_and_says_what_stays(configured: Desk, window: QWidget, hand: Hand) -> None:
    remove_source(configured, window, 1)
    hand.wait(lambda: bool(window.findChildren(QMessageBox)))
    (box,) = window.findChildren(QMessageBox)
    assert "stay where they are" in box.informativeText()
    hand.picture(box, "remove-source")
    hand.click(box, "remove-source-remove")
    hand.wait(lambda: _rows(configured, "SELECT count(*) FROM sources") == [(0,)])


def test_the_only_destination_of_a_source_is_not_removed(configured: Desk, window: QWidget, hand: Hand) -> None:
    remove_destination(configured, window, 1)
    hand.wait(lambda: bool(window.findChildren(QMessageBox)))
    (box,) = window.findChildren(QMessageBox)
    assert "is the only destination of fridge" in box.text()
    hand.click(box, "notice-ok")
    assert _rows(configured, "SELECT count(*) FROM destinations") == [(1,)]


# -- passwords ---------------------------------------------------------------------------------------------------------


class ScriptedKeyring:
    """Stands for the jobs about the password store, whose real one needs a session bus (see the server tests)."""

    def __init__(self, state: str, *, refuses: str = "") -> None:
        self.state = state
        self.refuses = refuses
        self.kept: dict[str, str] = {}
        self.told: list[Command] = []

    def start(
        self, kind: str, parameters: Any, owner: Any, then: Any, failed: Any = None, progressed: Any = None
    ) -> int:
        from PySide6.QtCore import QTimer

        from etiket_gui.domain.errors import SignInNeeded

        if kind == "keyring_state":
            if parameters.get("may_ask") and self.state == "locked":
                self.state = "ready"
            result: dict[str, Any] = {
                "state": self.state,
                "sentence": "",
                "has_secret": parameters.get("account") in self.kept,
            }
        elif kind == "keyring_store" and self.refuses:
            QTimer.singleShot(0, owner, lambda: failed(SignInNeeded(self.refuses)))
            return 1
        elif kind == "keyring_store":
            self.kept[parameters["account"]] = parameters["secret"]
            result = {"is_kept": True}
        else:
            self.kept.pop(parameters["account"], None)
            result = {"is_gone": True}
        QTimer.singleShot(0, owner, lambda: then(result))
        return 1

    def cancel(self, job_id: int) -> None:
        """Nothing is under way."""


def _dialog(jobs: ScriptedKeyring, qtbot: QtBot) -> CredentialDialog:
    class NoEngine:
        def ask(self, command: Command, *_: object) -> None:
            jobs.told.append(command)

    class OnlyJobs:
        def __init__(self) -> None:
            self.jobs = jobs
            self.host = NoEngine()

    made = CredentialDialog(OnlyJobs(), None, account="d-1", name="lab server", title="Password or token")  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_password_is_hidden_and_kept(qtbot: QtBot, hand: Hand) -> None:
    jobs = ScriptedKeyring("ready")
    dialog = _dialog(jobs, qtbot)
    line = hand.find(dialog, "secret")
    assert isinstance(line, QLineEdit)
    assert line.echoMode() is QLineEdit.EchoMode.Password
    hand.wait(lambda: dialog._line.state == "ready")
    hand.type(dialog, "secret", "geheim")
    hand.picture(dialog, "credentials")
    hand.click(dialog, "credential-keep")
    hand.wait(lambda: not dialog.isVisible())
    assert jobs.kept == {"d-1": "geheim"}
    assert jobs.told == [SignInChanged("d-1")]
    assert line.text() == ""


def test_a_locked_store_is_unlocked_first(qtbot: QtBot, hand: Hand) -> None:
    dialog = _dialog(ScriptedKeyring("locked"), qtbot)
    hand.type(dialog, "secret", "geheim")
    hand.wait(lambda: dialog._line.state == "locked")
    assert not dialog._keep.isEnabled()
    hand.click(dialog, "keyring-unlock")
    hand.wait(dialog._keep.isEnabled)
    dialog.close()


def test_without_a_password_store_nothing_can_be_kept(qtbot: QtBot, hand: Hand) -> None:
    jobs = ScriptedKeyring("missing")
    dialog = _dialog(jobs, qtbot)
    hand.wait(lambda: dialog._line.state == "missing")
    hand.type(dialog, "secret", "geheim")
    assert not dialog._keep.isEnabled()
    assert "no password store that encrypts" in dialog._line._said.text()
    assert jobs.kept == {}
    dialog.close()


def test_a_refusal_is_told_and_a_kept_password_can_be_removed(qtbot: QtBot, hand: Hand) -> None:
    jobs = ScriptedKeyring("ready", refuses="The sign-in cannot be kept.")
    jobs.kept["d-1"] = "alt"
    dialog = _dialog(jobs, qtbot)
    hand.wait(lambda: dialog._line.state == "ready")
    hand.type(dialog, "secret", "geheim")
    hand.click(dialog, "credential-keep")
    hand.wait(lambda: "cannot be kept" in dialog._error.text())
    hand.click(dialog, "credential-remove")
    hand.wait(lambda: not dialog.isVisible())
    assert jobs.kept == {}


def test_every_control_has_a_name(configured: Desk, qtbot: QtBot, hand: Hand) -> None:
    dialog = EditSourceDialog(configured, None, 1)
    qtbot.addWidget(dialog)
    dialog.show()
    hand.wait(dialog.save_button.isEnabled)
    nameless = [
        widget for widget in dialog.findChildren(QPushButton) if widget.isVisible() and not widget.accessibleName()
    ]
    assert nameless == []
    dialog.close()
