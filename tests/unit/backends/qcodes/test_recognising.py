"""What a file or folder is said to be, and the options that are refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etiket_gui.backends.qcodes.config import QCoDeSConfig
from etiket_gui.backends.qcodes.recognising import recognise_database
from etiket_gui.domain.stopping import StopToken
from tests.support.manifest import changes_since, take_manifest
from tests.support.qcodes_database import QCoDeSFile


def _told(path: Path) -> str:
    found = recognise_database(path, StopToken())
    return "" if found is None else found.sentence


def test_sentence_says_version_runs_mode_and_last_run(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "experiments.db", wal=True)
    file.many(1234)
    file.connection.execute("UPDATE runs SET run_timestamp = ? WHERE run_id = 1234", (time.time() - 185,))
    file.close()
    before = take_manifest(tmp_path)
    assert _told(tmp_path / "experiments.db") == "QCoDeS database, version 9, 1 234 runs, WAL, last run 3 min ago."
    assert changes_since(before) == []


def test_folder_and_companions_lead_to_the_database(tmp_path: Path) -> None:
    for name, count in (("a.db", 1), ("b.db", 3)):
        file = QCoDeSFile(tmp_path / name)
        file.many(count)
        file.close()
    (tmp_path / "a.db-journal").write_bytes(b"")
    found = recognise_database(tmp_path, StopToken())
    assert found is not None
    assert found.options == {"database_path": str(tmp_path / "b.db")}
    assert "1 more database lies beside it" in found.sentence
    assert _told(tmp_path / "a.db-journal").startswith("QCoDeS database, version 9, 1 run, rollback journal")


def test_everything_else_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database")
    assert _told(tmp_path / "notes.db") == ""
    assert _told(tmp_path) == ""
    assert _told(tmp_path / "absent.db") == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"database_path": ""}, "is empty"),
        ({"database_path": "relative.db"}, "not an absolute path"),
        ({"database_path": "/a\x00b"}, "NUL"),
        ({"database_path": "/a.db", "interrupted_after": 0}, "not possible"),
    ],
)
def test_nonsense_is_refused_in_words(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        QCoDeSConfig(**options)  # type: ignore[arg-type]
