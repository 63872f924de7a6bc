"""Status and problems say what is so, the answer first, for people and for scripts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.cli import looking
from etiket_gui.cli.looking import is_ahead, is_all_archived, with_iso_times
from tests.support.command_line import CommandLineRunner

SECOND_NS = 1_000_000_000
COUNTS = dict.fromkeys(("archived", "sending", "waiting", "held", "failed", "ignored", "gone"), 0)


def _status(**changes: Any) -> dict[str, Any]:
    source = {"name": "lab", "is_enabled": True, "state": "ok", "state_reason": "", "last_scan_ns": SECOND_NS,
              "counts": COUNTS | {"archived": 3}, "total": 3, "not_archived": 0, "unreadable": 0}  # fmt: skip
    destination = {"name": "arch", "state": "ok", "state_reason": "", "last_success_ns": SECOND_NS,
                   "free_bytes": 10**12, "counts": COUNTS | {"archived": 3}, "total": 3, "not_archived": 0}  # fmt: skip
    found = {"counts": COUNTS | {"archived": 3}, "total": 3, "not_archived": 0, "problems": 0, "paused_until_ns": 0,
             "held_until_ns": 0, "oldest_unsafe": None, "sources": [source], "destinations": [destination]}  # fmt: skip
    source.update(changes.pop("source", {}))
    destination.update(changes.pop("destination", {}))
    found.update(changes)
    return found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "All 3 datasets are archived and verified."),
        ({"not_archived": 1}, "1 of 3 datasets is not archived yet."),
        ({"not_archived": 2, "counts": COUNTS | {"ignored": 1}}, "2 of 2 datasets are not archived yet."),
        ({"source": {"state": "offline", "state_reason": "The share is away."}}, "not everything could be looked at"),
        ({"source": {"unreadable": 1}}, "not everything could be looked at"),
        ({"source": {"last_scan_ns": None, "state": "new"}}, "Not looked through yet: lab."),
        ({"paused_until_ns": -1}, "Sending is paused until resumed. To end that: etiket-sync resume"),
        ({"held_until_ns": 2 * 10**18}, "On hold, nothing is touched, until 2033-05-18"),
        ({"problems": 2}, "2 problems: etiket-sync problems"),
        ({"destination": {"state": "full", "state_reason": "No space left."}}, "No space left."),
        ({"source": {"is_enabled": False}}, "off"),
        (
            {"not_archived": 1, "oldest_unsafe": {"name": "run 7", "since_ns": SECOND_NS, "state": "held",
                                                  "reason": "still being written"}},
            "The oldest of them: run 7, ",
        ),
    ],
)  # fmt: skip
def test_the_first_lines_answer_whether_everything_is_archived(
    configured: CommandLineRunner, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(looking, "_look", lambda session: _status(**changes))
    said = configured.ok("status").out
    assert words in said
    is_told = "All 3 datasets are archived and verified." in said
    assert is_told == is_all_archived(_status(**changes))


def test_a_source_that_was_never_looked_through_is_not_called_archived(configured: CommandLineRunner) -> None:
    assert not configured.ok("status", "--json").json["is_all_archived"]
    assert "archived and verified" not in configured.ok("status").out


def test_scripts_get_iso_times_and_no_row_numbers() -> None:
    value = with_iso_times({"id": 7, "last_scan_ns": SECOND_NS, "sources": [{"id": 1, "since_ns": None}], "due_ns": 0})
    assert value == {"last_scan": "1970-01-01T00:00:01.000Z", "sources": [{"since": None}], "next_try": None}


def test_a_pause_ends_at_its_time() -> None:
    assert is_ahead(-1, 10)
    assert is_ahead(11, 10)
    assert not is_ahead(10, 10)
    assert not is_ahead(0, 10)


def _set_revision(store: Path, revision: str) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.execute("DROP VIEW status_counts")
        connection.execute("DROP VIEW open_problems")


@pytest.mark.parametrize("command", ["status", "problems"])
@pytest.mark.parametrize(("revision", "code", "words"), [("9999", 2, "newer version"), ("0000", 3, "older version")])
def test_a_store_of_another_version_is_named_as_such(
    configured: CommandLineRunner, home_folder: Path, command: str, revision: str, code: int, words: str
) -> None:
    _set_revision(home_folder / "store.sqlite", revision)
    ended = configured(command)
    assert ended.code == code
    assert words in ended.err
