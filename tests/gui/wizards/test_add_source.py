"""The wizard adds a source of any kind: recognised, checked while typed, looked through, and only then added."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.wizards.add_source import AddSourceWizard
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
