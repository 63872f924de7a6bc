"""The program's log: written where it should be, without secrets, and gone from logging afterwards."""

from __future__ import annotations

import faulthandler
import io
import logging
import sys
import threading
from pathlib import Path

import pytest

from etiket_gui.credentials.logs import CRASH_FILE, LOG_FILE, ProgramLog


def test_lines_are_written_without_secrets_and_logging_is_left_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    folder = tmp_path / "logs"
    with ProgramLog(folder).open():
        logging.getLogger("etiket_gui.x").info("signed in with token=%s", "abcdef-123456")
        logging.getLogger("watchdog.x").info("chatter")
    text = (folder / LOG_FILE).read_text()
    assert "signed in with token=[hidden]" in text
    assert "chatter" not in text
    assert (list(root.handlers), root.level, sys.excepthook, threading.excepthook) == before


@pytest.mark.allows_log("nobody expected")
def test_forgotten_exception_of_a_thread_is_in_the_log(tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("password=abcdef-123456")

    with ProgramLog(tmp_path).open():
        thread = threading.Thread(target=fail, name="lost one")
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError("on the main thread"), None)
    text = (tmp_path / LOG_FILE).read_text()
    assert "The thread lost one ended" in text
    assert "on the main thread" in text
    assert "abcdef" not in text


def test_crashes_of_the_interpreter_have_a_file_that_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / CRASH_FILE).write_text("x" * 1_100_000)
    with ProgramLog(tmp_path).open():
        assert faulthandler.is_enabled()
    assert (tmp_path / CRASH_FILE).stat().st_size == 0
    assert (tmp_path / f"{CRASH_FILE}.1").stat().st_size == 1_100_000


@pytest.mark.allows_log("No log is written")
def test_folder_that_cannot_be_written_leaves_a_log_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgramLog(tmp_path / "file" / "logs").open() as log:
        logging.getLogger("etiket_gui.x").info("the work goes on")
        assert "cannot be written" in log.complaint
    assert "the work goes on" in screen.getvalue()
    assert "No log is written" in screen.getvalue()
