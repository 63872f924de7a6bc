"""Every page, dialog and wizard page in every scale and both appearances: readable, whole, named, reachable by keys."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from tests.support import looks
from tests.support.engine_runs import PROJECT
from tests.support.lab_folders import write_lab
from tests.support.page_lab import rich_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with datasets in every state, and a folder beside it that no source has yet."""
    folder = tmp_path_factory.mktemp("walked lab")
    write_lab(folder / "fridge data", range(12), a_day=4)
    rich_lab(folder / "lab")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "appearance", "points"),
    [
        (1, "light", 10),
        (1.5, "dark", 7),
        # Half a minute each: these are for the suite that is about how it looks.
        *(
            pytest.param(*values, marks=pytest.mark.desktop)
            for values in ((1, "dark", 18), (1.5, "light", 18), (2, "light", 7), (2, "dark", 10))
        ),
    ],
)
def test_walk_through_everything(lab: Path, tmp_path: Path, scale: float, appearance: str, points: int) -> None:
    home = tmp_path / "home"
    shutil.copytree(lab / "lab" / "home", home, ignore=shutil.ignore_patterns("run"))
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.desktop.looks_walk", str(home), str(lab / "fridge data"), appearance,
            str(points), str(report),
        ],
        env={**os.environ, "QT_SCALE_FACTOR": str(scale)}, cwd=PROJECT, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert report.exists(), done.stderr[-3000:]
    told = json.loads(report.read_text("utf-8"))
    assert told["flaws"] == {}
    assert len(told["places"]) >= 45, "nothing was left out"


def _window(qtbot: QtBot, *widgets: QWidget) -> QWidget:
    window = QWidget()
    layout = QHBoxLayout(window)
    for widget in widgets:
        layout.addWidget(widget)
    qtbot.addWidget(window)
    window.resize(500, 200)
    window.show()
    qtbot.waitExposed(window)
    return window


def test_flaws_are_found(qtbot: QtBot) -> None:
    cut, whole = QLabel("much too long for its place"), QLabel("whole")
    cut.setFixedWidth(30)
    nobody, somebody = QPushButton("Add"), QPushButton("Add")
    somebody.setAccessibleName("Add a source")
    window = _window(qtbot, cut, whole, nobody, somebody)
    assert ["much too long" in flaw for flaw in looks.cropped(window)] == [True]
    assert len(looks.nameless(window)) == 1
    assert looks.overlapping(window) == []
    whole.setGeometry(nobody.geometry())
    assert len(looks.overlapping(window)) == 1


def test_pale_letters_are_found(qtbot: QtBot) -> None:
    dark, pale = QLabel("readable"), QLabel("hardly")
    dark.setStyleSheet("font-size: 24pt; color: #333333; background: #ffffff")
    pale.setStyleSheet("font-size: 24pt; color: #999999; background: #ffffff")
    window = _window(qtbot, dark, pale)
    (flaw,) = looks.pale(window)
    assert "hardly" in flaw


def test_control_that_keys_do_not_reach_is_found(qtbot: QtBot) -> None:
    first, trap, behind = QPushButton("first"), QPlainTextEdit(), QPushButton("behind")
    window = _window(qtbot, first, trap, behind)
    window.activateWindow()
    first.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(first.hasFocus)
    assert looks.unreached(window), "an editor that takes Tab for itself keeps the keyboard"
    trap.setTabChangesFocus(True)
    assert looks.unreached(window) == []
