"""The restore dialog brings back what was archived, says so, overwrites nothing, and can be stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.queries import open_for_reading
from etiket_gui.bridge.queries_pages_dataset import DatasetFacts, dataset
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.dialogs.restore import RestoreDialog
from etiket_gui.settings.home import Home
from tests.gui.pages.conftest import ShowPage
from tests.support.engine_runs import AWKWARD_NAMES


def _facts(home: Home, *numbers: int) -> list[DatasetFacts]:
    with closing(open_for_reading(home.store)) as connection:
        return [facts for number in numbers if (facts := dataset(connection, number)) is not None]


def _dialog(home: Home, desk: Desk, show_page: ShowPage, target: Path, *numbers: int) -> RestoreDialog:
    dialog = RestoreDialog(desk, _facts(home, *numbers))
    show_page(dialog, 640, 420)
    dialog.target.setText(str(target))
    return dialog


def test_a_restored_dataset_is_the_original_byte_for_byte(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, tmp_path: Path
) -> None:
    facts = _facts(archived_home, 3)[0]
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path / "back", 3)
    qtbot.mouseClick(dialog.restore_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(dialog.report.text()), timeout=30_000)
    assert "each compared with its checksum" in dialog.report.text()
    original = Path(facts.root, *facts.identifier.split("/"))
    folder = tmp_path / "back" / facts.name
    for name in AWKWARD_NAMES:
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert dialog.open_button.isVisible()
    assert dialog.cancel_button.text() == "Close"


def test_nothing_is_overwritten_and_the_reason_is_said(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, tmp_path: Path
) -> None:
    facts = _facts(archived_home, 3)[0]
    present = tmp_path / "back" / facts.name
    present.mkdir(parents=True)
    (present / "mine.txt").write_text("mine")
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path / "back", 3)
    dialog.start()
    qtbot.waitUntil(lambda: "is there already, and nothing is overwritten" in dialog.report.text(), timeout=30_000)
    assert [path.name for path in present.iterdir()] == ["mine.txt"]
    assert dialog.restore_button.isEnabled()


@pytest.fixture
def _damaged_copy(archived_home: Home, _archived_home: Path) -> Iterator[None]:
    """The first file of the third dataset is damaged in the archive, which is everybody's."""
    facts = _facts(archived_home, 3)[0]
    content = Path(facts.root, *facts.identifier.split("/"), AWKWARD_NAMES[0]).read_bytes()
    [blob] = [
        path
        for path in _archived_home.parent.rglob("blobs/*/*")
        if path.is_file() and path.name == hashlib.sha256(content).hexdigest()
    ]
    blob.chmod(0o600)
    blob.write_bytes(content[::-1] + b"?")
    yield
    blob.write_bytes(content)
    blob.chmod(0o444)


@pytest.mark.usefixtures("_damaged_copy")
def test_of_a_damaged_copy_the_intact_files_come_back_into_a_folder_that_says_so(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, tmp_path: Path
) -> None:
    facts = _facts(archived_home, 3)[0]
    original = Path(facts.root, *facts.identifier.split("/"))
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path / "back", 3)
    assert not dialog.intact_button.isVisible()
    dialog.start()
    qtbot.waitUntil(lambda: "is damaged in the archive" in dialog.report.text(), timeout=30_000)
    assert not (tmp_path / "back" / facts.name).exists()
    qtbot.mouseClick(dialog.intact_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "left out: 1 file" in dialog.report.text(), timeout=30_000)
    folder = tmp_path / "back" / f"{facts.name} (incomplete)"
    assert not (folder / AWKWARD_NAMES[0]).exists()
    for name in AWKWARD_NAMES[1:]:
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert not dialog.intact_button.isVisible()


def test_several_are_restored_one_after_the_other(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path / "back", 3, 4, 5)
    results: list[object] = []
    dialog.restored.connect(results.append)
    assert not dialog.version.isEnabled()
    dialog.start()
    qtbot.waitUntil(lambda: bool(dialog.report.text()), timeout=60_000)
    assert len(results) == 3
    assert len(list((tmp_path / "back").iterdir())) == 3


def test_a_stop_says_so_and_leaves_nothing_half(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path / "back", 3)
    dialog.start()
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert dialog.report.text() == "Stopped. What was not whole is removed again."
    assert dialog.isVisible()
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible()


@pytest.mark.parametrize("text", ["", "relative/folder"])
def test_a_folder_has_to_be_named_whole(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, text: str, tmp_path: Path
) -> None:
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path, 3)
    assert dialog.restore_button.isEnabled()
    dialog.target.setText(text)
    assert not dialog.restore_button.isEnabled()


def test_what_is_not_archived_cannot_be_restored(
    rich_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, tmp_path: Path
) -> None:
    dialog = _dialog(rich_home, desk_on(rich_home), show_page, tmp_path, 30)
    assert not dialog.restore_button.isEnabled()
    assert "Nothing of this is archived yet" in dialog.report.text()


def test_versions_say_when_and_how_much(
    archived_home: Home, desk_on: Callable[[Home], Desk], show_page: ShowPage, tmp_path: Path
) -> None:
    dialog = _dialog(archived_home, desk_on(archived_home), show_page, tmp_path, 3)
    assert [dialog.version.itemData(row) for row in range(dialog.version.count())] == [None, "1.0.0"]
    assert "4 files" in dialog.version.itemText(1)
