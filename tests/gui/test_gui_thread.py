"""The thread that draws waits for nothing outside of the process, whatever a person does in the window."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keyring
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QCheckBox, QComboBox, QDialog, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.gui.application import Beginning, Program
from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.settings_dialog import SettingsDialog
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.gui.shell.conftest import end
from tests.support.gui_thread import Allowed, ThreadWatch, watched_thread
from tests.support.page_lab import add_files

ALLOWED = (
    Allowed(
        "os.lstat", "", "resources_folder",
        "where the program's own pictures lie is found once, with the first of them, before anything can be clicked",
    ),
    Allowed(
        "open", "window.json", "restore_place",
        "size and place are needed before the first picture: a hundred bytes in the program's own home, which was just"
        " proven to be readable",
    ),
)  # fmt: skip


@pytest.fixture
def program(account_folder: Path, tmp_path: Path, qtbot: QtBot) -> Iterator[Callable[[], Program]]:
    home = Home(tmp_path / "home")
    home.prepare()
    font = QApplication.font()
    made: list[Program] = []

    def start() -> Program:
        made.append(Program(home, Settings(worker_count=1), Beginning()))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        end(one, qtbot)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setStyleSheet("")
    application.setPalette(QPalette())
    application.setFont(font)


def _measurements(folder: Path) -> None:
    for day in (3, 4):
        for number in range(3):
            dataset = folder / f"2026030{day}" / f"run {number} resonator"
            dataset.mkdir(parents=True)
            (dataset / "data.csv").write_bytes(b"x,y\n1,2\n" * 2000)


class _Person:
    """Clicks and types in whatever window is open."""

    def __init__(self, program: Program, qtbot: QtBot) -> None:
        self.program = program
        self.qtbot = qtbot

    def seen(self, name: str) -> list[Any]:
        return [
            widget for widget in QApplication.allWidgets() if widget.objectName() == name and widget.isVisible()
        ]  # fmt: skip

    def until(self, is_so: Callable[[], object], timeout_s: int = 30) -> None:
        self.qtbot.waitUntil(lambda: bool(is_so()), timeout=timeout_s * 1000)

    def click(self, name: str) -> None:
        self.until(lambda: any(widget.isEnabled() for widget in self.seen(name)))
        button = self.seen(name)[0]
        assert isinstance(button, QAbstractButton)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def type(self, name: str, text: str) -> None:
        line = self.seen(name)[0]
        assert isinstance(line, QLineEdit)
        line.setFocus()
        line.selectAll()
        QTest.keyClicks(line, text)

    def dialog(self, key: str) -> Any:
        return self.program.opening._open[key]

    def is_open(self, key: str) -> bool:
        return self.program.opening.is_open(key)


def _archived(home: Home, watch: ThreadWatch) -> int:
    with watch.not_watching(), closing(sqlite3.connect(home.store)) as store:
        return int(store.execute("SELECT count(*) FROM datasets WHERE shown = 'archived'").fetchone()[0])


def _first_run(person: _Person) -> None:
    person.until(lambda: person.is_open("first-run"))
    wizard = person.dialog("first-run")
    person.until(lambda: wizard.places._job is None and wizard.places.is_ready)
    person.click("wizard-next")
    person.until(lambda: wizard.archive.is_ready)
    person.click("wizard-next")
    person.until(lambda: wizard.start._tiles.text_of("count") == "6")
    person.click("wizard-next")
    person.until(lambda: not person.is_open("first-run"))


def _add_source(person: _Person, path: Path) -> None:
    person.program.opening.add_source()
    wizard = person.dialog("add-source")
    person.until(lambda: bool(wizard.place._kinds))
    person.type("source-path", str(path))
    person.until(lambda: wizard.place.is_ready)
    person.click("wizard-next")
    person.until(lambda: wizard.settings.form is not None and wizard.draft.root != "")
    person.click("wizard-next")
    person.until(lambda: wizard.draft.survey is not None and "left out" in wizard.found._ignore._sum.text())
    person.click("wizard-next")
    person.until(lambda: wizard.destination.is_ready)
    person.click("wizard-next")
    person.click("wizard-next")
    person.until(lambda: not person.is_open("add-source"))


def _drop(person: _Person, path: Path) -> None:
    person.program.opening.drop([str(path), "https://example.org/data", "/nowhere/at/all"])
    person.click("drop-add")
    person.until(lambda: "Added" in "".join(str(label.property("text")) for label in _labels("drop-sheet")))
    person.click("drop-close")


def _labels(name: str) -> list[QWidget]:
    return [
        label for widget in QApplication.allWidgets() if widget.objectName() == name and widget.isVisible()
        for label in widget.findChildren(QWidget) if label.property("text")
    ]  # fmt: skip


def _settings(person: _Person, home: Home, watch: ThreadWatch) -> None:
    person.program.opening.settings()
    dialog = person.dialog("settings")
    assert isinstance(dialog, SettingsDialog)
    login = dialog.findChild(QCheckBox, "start-at-login")
    assert login is not None
    person.until(login.isEnabled)
    login.setChecked(not login.isChecked())
    look = dialog.findChild(QComboBox, "appearance")
    assert look is not None
    look.setCurrentIndex(look.findData("dark"))
    person.click("settings-save")

    def is_written() -> bool:
        with watch.not_watching():
            return home.settings.exists() and "dark" in home.settings.read_text("utf-8")

    person.until(is_written)


def _pages(person: _Person, home: Home, watch: ThreadWatch) -> None:
    window = person.program.window
    for index in range(window.page_count):
        window.show_page_at(index)
        person.qtbot.wait(400)
    with watch.not_watching():
        add_files(home, 1, 20_000)
    page: Any = window.show_page("datasets")
    page.show_dataset(1)
    page.pane.tabs.setCurrentIndex(1)
    model = page.pane.files_model
    person.until(lambda: model.rowCount() >= 20_000)
    page.pane.files_view.scrollToBottom()
    person.qtbot.wait(400)
    page.show_in_folder()
    page.copy_uuids()
    page.restore()
    person.until(lambda: person.seen("restore-dialog"))
    person.seen("restore-dialog")[0].reject()


def _diagnostics(person: _Person) -> None:
    person.program.opening.diagnostics()
    dialog = person.dialog("diagnostics")
    assert isinstance(dialog, QDialog)
    person.until(lambda: dialog._list.count() > 3)  # type: ignore[attr-defined]
    dialog.reject()


def test_nothing_outside_is_waited_for_by_the_thread_that_draws(
    program: Callable[[], Program], account_folder: Path, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PySide6.QtGui.QDesktopServices.openUrl", lambda url: True)
    _measurements(account_folder / "measurements")
    _measurements(tmp_path / "second fridge")
    _measurements(tmp_path / "third fridge")
    # As in a program that has just been started.
    resources_folder.cache_clear()
    with watched_thread(ALLOWED) as watch:
        person = _Person(program(), qtbot)
        home = person.program._home
        _first_run(person)
        person.until(lambda: _archived(home, watch) == 6, 60)
        _add_source(person, tmp_path / "second fridge")
        _drop(person, tmp_path / "third fridge")
        person.until(lambda: _archived(home, watch) == 18, 60)
        _pages(person, home, watch)
        _settings(person, home, watch)
        _diagnostics(person)
        with qtbot.waitSignal(person.program.quitting.done, timeout=10_000):
            person.program.quit()
    assert not watch.seen, "\n".join(watch.seen)
    assert watch.used == set(ALLOWED), "what is never done need not be allowed"


def _ask_keyring() -> None:
    keyring.get_password("etiket", "x")


def _connect() -> None:
    with socket.socket() as one:
        one.settimeout(0.1)
        one.connect_ex(("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("what", "event"),
    [
        (lambda folder: (folder / "a").write_text("1"), "open"),
        (lambda folder: (folder / "a").exists(), "os.stat"),
        (os.listdir, "os.listdir"),
        (lambda folder: list(os.scandir(folder)), "os.scandir"),
        (lambda folder: sqlite3.connect(folder / "b").close(), "sqlite3.connect"),
        (lambda folder: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
        (lambda folder: _connect(), "socket.connect"),
        (lambda folder: shutil.rmtree(folder / "none", ignore_errors=True), "shutil.rmtree"),
        (lambda folder: _ask_keyring(), "keyring"),
    ],
)
def test_the_watch_sees_what_must_not_be_done(what: Callable[[Path], object], event: str, tmp_path: Path) -> None:
    with watched_thread() as watch:
        what(tmp_path)
    assert any(line.startswith(event) for line in watch.seen)
