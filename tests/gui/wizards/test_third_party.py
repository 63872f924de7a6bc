"""A plug-in of somebody else gets the whole wizard without a line of Qt: form, checks, preview, scope, summary."""

from __future__ import annotations

import json
import sqlite3
import textwrap
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLineEdit, QTableWidget
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.wizards.add_source import AddSourceWizard
from etiket_gui.settings.home import Home
from tests.gui.wizards.conftest import Hand

_CODE = '''
"""Reads spectrometer folders."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from etiket_gui.backends.api import Recognition, SourceConfig
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.domain.states import ScopePolicy


class SpectrometerConfig(FolderConfig):
    grating: Literal["600", "1200"] = Field(default="600", title="Grating", description="Lines per millimetre.")
    operators: dict[str, str] = Field(default_factory=dict, title="Operators", description="Who, and their initials.")
    slit: str = Field(title="Slit", description="Its width, such as 50 um.")

    @field_validator("slit")
    @classmethod
    def _with_unit(cls, value: str) -> str:
        if not value.endswith("um"):
            raise ValueError("The slit needs its unit: 50 um.")
        return value


class Spectrometer(FolderBackend):
    """Each folder of the spectrometer is a dataset."""

    identifier = "spectrometer"
    title = "Spectrometer"
    config_class = SpectrometerConfig
    scope_policy = ScopePolicy.REQUIRED
    sign_in_title = "Password of the spectrometer"

    @classmethod
    def recognise(cls, path, stop):
        if not (Path(path) / "spectrometer.txt").is_file():
            return None
        options = {"root_directory": str(path), "slit": "50 um"}
        return Recognition("spectrometer", "Folders of a spectrometer.", options, 0.95, 1)
'''


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    """A home whose plug-in folder holds the plug-in, as ``pip install --target`` puts it there."""
    home = Home(tmp_path / "empty home")
    home.prepare()
    home.plugins.mkdir(mode=0o700, exist_ok=True)
    (home.plugins / "spectrometer_plugin.py").write_text(_CODE)
    facts = home.plugins / "spectrometer_plugin-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: spectrometer-plugin\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(
        textwrap.dedent("""
            [etiket_gui.backends]
            spectrometer = spectrometer_plugin:Spectrometer
            broken = spectrometer_plugin:Nothing
        """)
    )
    return home


def test_somebody_elses_plug_in_gets_the_whole_wizard(desk: Desk, qtbot: QtBot, hand: Hand, tmp_path: Path) -> None:
    data = tmp_path / "spectra"
    (data / "first").mkdir(parents=True)
    (data / "first" / "trace.csv").write_text("1,2\n")
    (data / "spectrometer.txt").write_text("600")
    wizard = AddSourceWizard(desk)
    qtbot.addWidget(wizard)
    wizard.show()
    hand.wait(lambda: "spectrometer" in wizard.place._kinds)
    assert [item["identifier"] for item in wizard._catalogue.disabled] == ["broken"]
    hand.type(wizard, "source-path", str(data))
    hand.wait(lambda: wizard.place.is_ready and wizard.place.chosen == "spectrometer")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.settings.form is not None and wizard.draft.root != "")
    form = wizard.settings.form
    assert form is not None
    assert form.row("grating").editor.value() == "600"
    secret = hand.find(wizard, "field-sign-in")
    assert isinstance(secret, QLineEdit)
    assert secret.echoMode() is QLineEdit.EchoMode.Password
    hand.type(wizard, "field-slit", "50")
    hand.wait(lambda: "needs its unit" in form.label_of("slit").text())
    hand.picture(wizard, "plugin-wrong")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.settings._checker.is_checking)
    assert wizard.current_step is wizard.settings
    hand.type(wizard, "field-slit", "70 um")
    form.row("operators").editor.set_value({"Ada": "AL"})
    assert isinstance(form.row("operators").editor.focus_widget, QTableWidget)
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.draft.survey is not None)
    assert wizard.found._tiles.text_of("count") == "1"
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "field-path", str(tmp_path / "archive"))
    hand.wait(lambda: wizard.destination.choice.is_ready)
    assert not wizard.destination.is_ready
    hand.type(wizard, "scope", "Optics")
    hand.click(wizard, "wizard-next")
    hand.type(wizard, "source-name", "spectra/1")
    assert not wizard.summary.is_ready
    hand.type(wizard, "source-name", "spectra")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    row = store.execute(
        "SELECT s.name, s.backend, s.config, r.scope FROM sources s JOIN routes r ON r.source_id = s.id"
    ).fetchone()
    store.close()
    assert (row[0], row[1], row[3]) == ("spectra", "spectrometer", "Optics")
    config = json.loads(row[2])
    assert (config["slit"], config["operators"], config["grating"]) == ("70 um", {"Ada": "AL"}, "600")
