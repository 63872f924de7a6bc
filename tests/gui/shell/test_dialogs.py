"""Settings, diagnostics and reports as a person sees and uses them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QListWidget, QPushButton, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.domain.errors import UsageError
from etiket_gui.gui.application import Program
from etiket_gui.gui.crash import CrashReport
from etiket_gui.gui.crash_dialog import ReportDialog
from etiket_gui.gui.diagnostics import DiagnosticsDialog
from etiket_gui.gui.settings_dialog import SettingsDialog
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, load_settings
from tests.gui.shell.conftest import StartProgram


class MemoryAutostart:
    """A start at login that is nowhere."""

    def __init__(self) -> None:
        self.entry: tuple[str, ...] | None = None
        self.fails = False

    def command(self) -> tuple[str, ...] | None:
        return self.entry

    def enable(self, command: Sequence[str]) -> None:
        if self.fails:
            raise PermissionError(13, "Permission denied")
        self.entry = tuple(command)

    def disable(self) -> None:
        self.entry = None


@pytest.fixture
def autostart() -> MemoryAutostart:
    return MemoryAutostart()


@pytest.fixture
def dialog(program: Program, autostart: MemoryAutostart, qtbot: QtBot) -> SettingsDialog:
    made = SettingsDialog(program.desk, program.background, program.window, autostart=autostart)
    made.open()
    qtbot.waitUntil(lambda: child(made, QCheckBox, "start-at-login").isEnabled())
    return made


def child(parent: QWidget, kind: type[Any], name: str) -> Any:
    found = parent.findChild(kind, name)
    assert found is not None, name
    return found


def save(dialog: QDialog) -> None:
    child(dialog, QPushButton, "settings-save").click()


def test_nothing_touched_changes_nothing(dialog: SettingsDialog, program: Program, home: Home) -> None:
    before = program.settings.current
    save(dialog)
    assert program.settings.current == before
    assert not home.settings.exists()


def test_values_that_do_not_fit_the_units_of_the_dialog_are_kept(
    start_program: StartProgram, autostart: MemoryAutostart, qtbot: QtBot
) -> None:
    settings = Settings(
        worker_count=1, measuring_rate_bytes_per_s=1_234_567.0, safe_within_s=1234, rate_limit_bytes_per_s=2e6
    )
    program = start_program(settings)
    dialog = SettingsDialog(program.desk, program.background, program.window, autostart=autostart)
    assert Settings(**dialog.values()) == settings
    dialog.deleteLater()


def test_what_is_saved_holds_at_once_and_is_written(
    dialog: SettingsDialog, program: Program, home: Home, qtbot: QtBot
) -> None:
    child(dialog, QSpinBox, "workers").setValue(2)
    child(dialog, QCheckBox, "limit-speed").setChecked(True)
    child(dialog, QSpinBox, "speed-limit").setValue(25)
    child(dialog, QSpinBox, "safe-within").setValue(30)
    combo = child(dialog, QComboBox, "appearance")
    combo.setCurrentIndex(combo.findData("dark"))
    child(dialog, QCheckBox, "notifications").setChecked(False)
    save(dialog)
    assert program.theme.palette.is_dark
    qtbot.waitUntil(home.settings.exists)
    expected = Settings(
        worker_count=2, rate_limit_bytes_per_s=25e6, safe_within_s=1800, appearance="dark", notifications="off"
    )
    qtbot.waitUntil(lambda: load_settings(home) == expected)
    assert program.settings.current == expected
    engine = program.host._running
    assert engine is not None
    qtbot.waitUntil(lambda: engine.coordinator.desk.budget.worker_count == 2)
    assert engine.coordinator.desk.budget.rate_bytes_per_s == 25e6


def test_start_at_login_is_switched_on_and_off(
    dialog: SettingsDialog, autostart: MemoryAutostart, qtbot: QtBot
) -> None:
    child(dialog, QCheckBox, "start-at-login").setChecked(True)
    save(dialog)
    qtbot.waitUntil(lambda: autostart.entry is not None)
    assert autostart.entry is not None
    assert autostart.entry[-1] == "--hidden"


def test_start_at_login_that_is_refused_keeps_the_dialog_open_with_the_reason(
    dialog: SettingsDialog, autostart: MemoryAutostart, qtbot: QtBot
) -> None:
    autostart.fails = True
    child(dialog, QCheckBox, "start-at-login").setChecked(True)
    save(dialog)
    said = child(dialog, QWidget, "settings-said")
    qtbot.waitUntil(said.isVisible)
    assert "cannot be changed" in said.text()
    assert dialog.isVisible()
    dialog.reject()


def test_every_field_has_a_name_and_a_key_of_its_own(dialog: SettingsDialog) -> None:
    fields = [
        field for field in dialog.findChildren(QWidget)
        if isinstance(field, QSpinBox | QComboBox | QCheckBox | QPushButton)
    ]  # fmt: skip
    assert len(fields) >= 15
    for field in fields:
        assert field.accessibleName() or field.text(), field
        assert field.focusPolicy() is not Qt.FocusPolicy.NoFocus
    dialog.reject()


def test_settings_that_cannot_be_written_hold_and_are_said(
    program: Program, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    from etiket_gui.domain.errors import StoreProblem
    from etiket_gui.gui import settings_access

    def refuse(home: Home, settings: Settings) -> None:
        raise StoreProblem("The settings cannot be written.")

    monkeypatch.setattr(settings_access, "save_settings", refuse)
    logged: list[str] = []
    monkeypatch.setattr(settings_access.log, "warning", lambda text, reason: logged.append(reason))
    with qtbot.waitSignal(program.settings.notSaved):
        program.settings.change(appearance="dark")
    assert program.theme.palette.is_dark
    assert program.window._status._moving.text() == "The settings cannot be written."
    assert logged == ["The settings cannot be written."]


def test_value_that_makes_no_sense_is_refused(program: Program) -> None:
    with pytest.raises(UsageError, match="worker_count"):
        program.settings.change(worker_count=99)
    assert program.settings.current.worker_count == 1


@pytest.mark.slow
def test_diagnostics_are_looked_at_and_saved_as_they_were_seen(program: Program, tmp_path: Path, qtbot: QtBot) -> None:
    program.act("diagnostics")
    dialog = program.opening._open["diagnostics"]
    assert isinstance(dialog, DiagnosticsDialog)
    parts = child(dialog, QListWidget, "diagnostics-parts")
    qtbot.waitUntil(lambda: parts.count() > 0, timeout=60_000)
    names = [parts.item(index).text().splitlines()[0] for index in range(parts.count())]
    assert {"versions.json", "doctor.json", "store.json"} <= set(names)
    target = tmp_path / "mine.zip"
    dialog.save_as(str(target))
    qtbot.waitUntil(lambda: dialog.said.startswith("Saved"), timeout=60_000)
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == names
        assert "etiket_gui" in json.loads(archive.read("versions.json"))
    dialog.reject()


def test_crash_of_the_last_run_is_shown_with_a_button_to_copy(
    start_program: StartProgram, tmp_path: Path, qtbot: QtBot
) -> None:
    crash = CrashReport(1_700_000_000_000_000_000, tmp_path / "crash-1.log", "Fatal Python error: Segmentation fault")
    program = start_program(crash=crash)
    dialog = program.window.findChild(ReportDialog, "report")
    assert dialog is not None
    assert "Segmentation fault" in dialog.text
    child(dialog, QPushButton, "report-copy").click()
    assert QGuiApplication.clipboard().text() == dialog.text
    dialog.reject()


def test_signing_in_opens_the_dialog_for_the_password_at_once(program: Program, qtbot: QtBot) -> None:
    for ask, name in ((program.opening.sign_in, "Group archive"), (program.opening.sign_in_source, "Fridge Alpha")):
        ask(1)
        qtbot.waitUntil(lambda: program.window.findChild(QDialog, "credential-dialog") is not None, timeout=5000)
        dialog = child(program.window, QDialog, "credential-dialog")
        texts = [str(label.property("text")) for label in dialog.findChildren(QWidget)]
        assert f"Sign in: {name}" in texts
        dialog.reject()
        qtbot.waitUntil(lambda: program.window.findChild(QDialog, "credential-dialog") is None, timeout=5000)
