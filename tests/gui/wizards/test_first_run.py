"""The first start finds what is there, asks for an archive, sums up, and is done in few clicks."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.gui.wizards.first_run import FirstRunWizard
from tests.gui.wizards.conftest import Hand


@pytest.fixture
def wizard(desk: Desk, qtbot: QtBot, data: Path, account_folder: Path) -> FirstRunWizard:
    shutil.copytree(data, account_folder / "measurements")
    made = FirstRunWizard(desk)
    qtbot.addWidget(made)
    made.show()
    return made


def _count(desk: Desk, state: str) -> int:
    store = sqlite3.connect(f"{desk.home.store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return int(store.execute("SELECT count(*) FROM datasets WHERE shown = ?", (state,)).fetchone()[0])
    finally:
        store.close()


def test_from_the_start_to_the_first_archived_datasets_in_six_clicks_at_most(
    wizard: FirstRunWizard, desk: Desk, hand: Hand, account_folder: Path
) -> None:
    hand.wait(lambda: wizard.places._job is None and wizard.places.is_ready)
    hand.picture(wizard, "first-1-places")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.archive.is_ready)
    hand.picture(wizard, "first-2-archive")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.start._tiles.text_of("count") == "12")
    hand.picture(wizard, "first-3-start")
    assert not list(account_folder.rglob(".rmearchive"))
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    assert hand.clicks <= 6
    hand.wait(lambda: _count(desk, "archived") == 12, 60_000)
    autostart = list((account_folder / ".config" / "autostart").glob("*"))
    hand.wait(lambda: bool(autostart) or bool(list((account_folder / ".config" / "autostart").glob("*"))))


def test_where_was_looked_is_told_and_looking_can_be_stopped(wizard: FirstRunWizard, hand: Hand) -> None:
    hand.click(wizard, "stop-looking")
    assert wizard.places._job is None
    wizard.places.look()
    hand.wait(lambda: wizard.places._job is None)
    hand.click(wizard, "where-looked")
    assert "qcodesrc.json" in wizard.places._where.text()


def test_a_place_that_a_person_adds_is_recognised_or_refused(
    wizard: FirstRunWizard, hand: Hand, data: Path, tmp_path: Path
) -> None:
    hand.wait(lambda: wizard.places._job is None)
    wizard.places.add_path(str(data))
    hand.wait(lambda: len(wizard.places._places) == 2)
    assert [draft.name for draft in wizard.places.drafts()] == ["measurements", "fridge data"]
    wizard.places.add_path(str(tmp_path / "nothing"))
    hand.wait(lambda: "There is nothing at" in wizard.places._said.text())


def test_start_at_login_is_left_off_where_it_is_unticked(
    wizard: FirstRunWizard, hand: Hand, account_folder: Path
) -> None:
    hand.wait(lambda: wizard.places._job is None and wizard.places.is_ready)
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.archive.is_ready)
    hand.click(wizard, "wizard-next")
    hand.click(wizard, "start-at-login")
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: not wizard.isVisible())
    assert not (account_folder / ".config" / "autostart").exists()


def test_of_two_places_inside_each_other_only_the_last_one_counts(
    wizard: FirstRunWizard, hand: Hand, account_folder: Path
) -> None:
    hand.wait(lambda: wizard.places._job is None and wizard.places.is_ready)
    wizard.places.add_path(str(account_folder / "measurements" / "20260303"))
    hand.wait(lambda: len(wizard.places._places) == 2)
    assert [draft.name for draft in wizard.places.drafts()] == ["20260303"]
    assert "lies in" in wizard.places._said.text()
    hand.click(wizard, "found-measurements")
    assert [draft.name for draft in wizard.places.drafts()] == ["measurements"]


def test_an_archive_inside_the_measurements_is_refused_before_anything_is_made(
    wizard: FirstRunWizard, hand: Hand, account_folder: Path
) -> None:
    hand.wait(lambda: wizard.places._job is None and wizard.places.is_ready)
    hand.click(wizard, "wizard-next")
    hand.wait(lambda: wizard.archive.is_ready)
    inside = account_folder / "measurements" / "archive"
    hand.type(wizard, "field-path", str(inside))
    hand.wait(lambda: "lies inside the source measurements" in _texts(wizard))
    assert not wizard.archive.is_ready
    hand.type(wizard, "field-path", str(account_folder / "archive"))
    hand.wait(lambda: wizard.archive.is_ready)
    assert not inside.exists()


def _texts(wizard: FirstRunWizard) -> str:
    return "\n".join(str(label.property("text")) for label in wizard.archive.findChildren(QWidget))
