"""A crash is found at the next start, once, without secrets, and old reports do not pile up."""

from __future__ import annotations

import os
from pathlib import Path

from etiket_gui.credentials.logs import CRASH_FILE
from etiket_gui.gui.crash import take_last_crash

_TEXT = "Fatal Python error: Segmentation fault\n"


def test_no_crash_no_report(tmp_path: Path) -> None:
    assert take_last_crash(tmp_path) is None
    (tmp_path / CRASH_FILE).touch()
    assert take_last_crash(tmp_path) is None
    assert take_last_crash(tmp_path / "missing") is None


def test_crash_is_told_once_and_its_report_is_kept(tmp_path: Path) -> None:
    (tmp_path / CRASH_FILE).write_text(_TEXT, "utf-8")
    crash = take_last_crash(tmp_path)
    assert crash is not None
    assert crash.text == _TEXT
    assert crash.path.read_text("utf-8") == _TEXT
    assert take_last_crash(tmp_path) is None


def test_report_has_no_secret_and_no_account_folder(tmp_path: Path) -> None:
    place = os.path.expanduser("~/secret-project/x.py")
    (tmp_path / CRASH_FILE).write_text(f"{place}\nAuthorization: Bearer abcdef0123456789abcdef\n", "utf-8")
    crash = take_last_crash(tmp_path)
    assert crash is not None
    assert "~/secret-project" in crash.text
    assert os.path.expanduser("~") not in crash.text
    assert "abcdef0123456789abcdef" not in crash.text


def test_endless_report_is_cut_at_its_beginning(tmp_path: Path) -> None:
    (tmp_path / CRASH_FILE).write_text("x" * 1_000_000 + "END", "utf-8")
    crash = take_last_crash(tmp_path)
    assert crash is not None
    assert len(crash.text) <= 200_000
    assert crash.text.endswith("END")


def test_only_the_newest_reports_are_kept(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"crash-2026010{number}-000000.log").write_text("old", "utf-8")
    (tmp_path / CRASH_FILE).write_text(_TEXT, "utf-8")
    crash = take_last_crash(tmp_path)
    assert crash is not None
    kept = sorted(path.name for path in tmp_path.glob("crash-*.log"))
    assert len(kept) == 5
    assert crash.path.name in kept
