"""A lab's own translation: made with Qt's tools, put into the home, and the window speaks that language."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from etiket_gui.gui.application_words import load_words, translation_folders
from etiket_gui.settings.home import Home

_TS = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="nl">
<context><name>state</name>
<message><source>Nothing is set up yet. Add a source to begin.</source>
<translation>Er is nog niets ingesteld. Voeg een bron toe.</translation></message>
</context>
</TS>
"""
_SENTENCE = "Nothing is set up yet. Add a source to begin."


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home into which somebody put a Dutch translation, made with lrelease."""
    tool = next(Path(sys.executable).parent.glob("pyside6-lrelease*"), None)
    if tool is None:
        pytest.skip("pyside6-lrelease, a part of PySide6-Essentials, is not beside this Python")
    made = Home(tmp_path / "home")
    folder = translation_folders(made)[0]
    folder.mkdir(parents=True)
    (folder / "etiket_gui_nl.ts").write_text(_TS, "utf-8")
    subprocess.run([str(tool), str(folder / "etiket_gui_nl.ts")], check=True, capture_output=True)
    return made


@pytest.fixture
def installed() -> Iterator[list[QTranslator]]:
    """Removed after the test."""
    made: list[QTranslator] = []
    yield made
    for translator in made:
        QCoreApplication.removeTranslator(translator)
        translator.deleteLater()


def test_window_speaks_the_language_of_a_file_in_the_home(
    home: Home, qapp: QApplication, installed: list[QTranslator]
) -> None:
    installed += load_words(translation_folders(home), QLocale("nl_NL"))
    assert QCoreApplication.translate("state", _SENTENCE) == "Er is nog niets ingesteld. Voeg een bron toe."
    assert QCoreApplication.translate("state", "Starting…") == "Starting…", "what is not translated stays English"


def test_other_languages_stay_english(home: Home, qapp: QApplication) -> None:
    assert load_words(translation_folders(home), QLocale("fi_FI")) == []
    assert QCoreApplication.translate("state", _SENTENCE) == _SENTENCE


def test_file_that_is_none_is_no_obstacle(home: Home, qapp: QApplication) -> None:
    (translation_folders(home)[0] / "etiket_gui_nl.qm").write_bytes(b"nonsense")
    assert load_words(translation_folders(home), QLocale("nl_NL")) == []
