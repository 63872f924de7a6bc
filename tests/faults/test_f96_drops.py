"""Whatever is dropped on the window gets a sentence, is never moved, and never holds up who dropped it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.jobs import JobClient
from etiket_gui.gui.drops import DropFilter
from etiket_gui.settings.home import Home
from etiket_gui.worker.desk import recognising
from etiket_gui.worker.desk.job import DeskJob
from tests.support.command_line import CommandLineRunner, make_datasets

Recognise = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def recognise(home_folder: Path) -> Recognise:
    def run(*paths: object) -> list[dict[str, Any]]:
        parameters = {"paths": [str(path) for path in paths]}
        job = DeskJob(1, "recognise", parameters, Home(home_folder), lambda body: None)
        return list(recognising.recognise_paths(job)["answers"])

    return run


@pytest.mark.fault("F96", guard="drops-copy")
def test_a_file_manager_that_would_move_is_told_to_copy(qtbot: QtBot, tmp_path: Path) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    heard: list[list[str]] = []
    DropFilter(window).dropped.connect(heard.append)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    both = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
    enter = QDragEnterEvent(QPoint(1, 1), both, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier)
    QApplication.sendEvent(window, enter)
    drop = QDropEvent(QPoint(1, 1), both, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier)
    drop.setDropAction(Qt.DropAction.MoveAction)
    QApplication.sendEvent(window, drop)
    assert heard == [[str(tmp_path)]]
    assert drop.dropAction() is Qt.DropAction.CopyAction


@pytest.mark.fault("F96", guard="drops-are-bounded")
def test_a_thousand_files_are_one_question(recognise: Recognise, tmp_path: Path) -> None:
    folder = make_datasets(tmp_path / "many", "a")
    for number in range(1000):
        (folder / f"{number}.csv").write_text("1")
    answers = recognise(*sorted(folder.glob("*.csv")))
    assert len(answers) == 1
    assert answers[0]["path"] == str(folder)
    assert answers[0]["sentence"]


@pytest.mark.fault("F27", guard="drops-are-checked")
def test_a_drop_inside_a_source_or_an_archive_is_refused(
    recognise: Recognise, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cli = CommandLineRunner(capsys)
    data = make_datasets(tmp_path / "data", "a")
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}")
    inside, around = recognise(data / "a", tmp_path)
    assert "lies inside the source lab" in inside["refusal"]
    assert "holds the" in around["refusal"]


@pytest.mark.fault("F96", guard="dead-shares-are-left")
def test_a_place_that_never_answers_holds_up_nothing(
    recognise: Recognise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    look = recognising._looked_at

    def hang(text: str, *rest: Any) -> dict[str, Any]:
        if text.endswith("dead"):
            never.wait(8)
        return look(text, *rest)

    monkeypatch.setattr(recognising, "_looked_at", hang)
    monkeypatch.setattr(recognising, "_ANSWER_WITHIN_S", 0.5)
    data = make_datasets(tmp_path / "data", "a")
    dead, good = recognise(tmp_path / "dead", data)
    never.set()
    assert "does not answer" in dead["refusal"]
    assert good["recognised"]


@pytest.mark.fault("F96", guard="gone-owners-hear-nothing")
def test_a_sheet_that_was_closed_is_told_nothing_any_more(qtbot: QtBot, tmp_path: Path) -> None:
    from shiboken6 import delete

    jobs = JobClient(tmp_path / "home", grace_s=0.5)
    told: list[str] = []
    sheet, other = QWidget(), QWidget()
    qtbot.addWidget(other)
    jobs.start("recognise", {"paths": [str(tmp_path)]}, sheet, lambda _: told.append("gone"))
    delete(sheet)
    jobs.start("recognise", {"paths": [str(tmp_path)]}, other, lambda _: told.append("there"))
    qtbot.waitUntil(lambda: "there" in told, timeout=20_000)
    # The two are looked at beside each other: the first one's answer may come later.
    qtbot.waitUntil(lambda: not jobs._jobs, timeout=20_000)
    with qtbot.waitSignal(jobs.stopped, timeout=8000):
        jobs.stop()
    jobs.wait()
    assert told == ["there"]


@pytest.mark.parametrize(
    "thing",
    ["", "https://example.org/a", "smb://server/share/a", "//server/share/a", "nowhere", "packed.tar.gz", "a.db"],
)
def test_everything_gets_a_sentence(recognise: Recognise, tmp_path: Path, thing: str) -> None:
    if thing in {"packed.tar.gz", "a.db"}:
        (tmp_path / thing).write_bytes(b"not what it seems")
    is_local = thing and "/" not in thing
    (answer,) = recognise(*([tmp_path / thing] if is_local else [thing] if thing else []))
    assert answer["refusal"]
    assert answer["refusal"].endswith(".")
