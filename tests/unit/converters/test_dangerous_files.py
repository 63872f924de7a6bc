"""Files that end the process which opens them: each costs itself, and nothing else of its source."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.converters.dangerous_files import DangerousFile, forget_own_notes, keep_notes_in, opening
from etiket_gui.domain.errors import SourceChanged
from tests.support.deadly_files import die_over
from tests.support.labber_files import CREATED_S, write_simple
from tests.support.quantify_files import TUID, write_measurement
from tests.unit.backends.labber.test_reading import Source as LabberSource
from tests.unit.backends.quantify.test_reading import Source as QuantifySource


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    """The folder in which this process leaves its notes."""
    keep_notes_in(tmp_path / "notes")
    yield tmp_path / "notes"
    keep_notes_in(None)


def test_file_is_opened_once_more_alone_and_then_no_more_until_it_changes(notes: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.hdf5"
    path.write_bytes(b"damaged")
    die_over(notes, path)
    with opening(str(path)):
        assert [note.name.rpartition("-")[2] for note in notes.iterdir() if f"-{os.getpid()}-" in note.name] == [
            "alone"
        ]
    assert list(notes.iterdir()) == []

    die_over(notes, path)
    die_over(notes, path)
    with pytest.raises(DangerousFile, match=r"data\.hdf5 is damaged"), opening(str(path)):
        pass
    path.write_bytes(b"written anew")
    with opening(str(path)):
        pass


def test_nothing_else_is_open_while_a_suspect_is(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etiket_gui.converters.dangerous_files._LONGEST_WAIT_S", 0.05)
    suspect, other = tmp_path / "suspect.hdf5", tmp_path / "other.hdf5"
    suspect.write_bytes(b"s")
    other.write_bytes(b"o")
    die_over(notes, suspect)
    refused: list[str] = []

    def open_it(path: Path) -> None:
        try:
            with opening(str(path)):
                pass
        except SourceChanged:
            refused.append(path.name)

    with opening(str(other)):
        beside = threading.Thread(target=open_it, args=(suspect,))
        beside.start()
        beside.join()
    with opening(str(suspect)):
        beside = threading.Thread(target=open_it, args=(other,))
        beside.start()
        beside.join()
    assert refused == ["suspect.hdf5", "other.hdf5"]


def test_orderly_end_accuses_nobody(notes: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.hdf5"
    path.write_bytes(b"whole")
    with opening(str(path)):
        forget_own_notes()
        assert list(notes.iterdir()) == []


def test_rest_of_a_log_directory_is_found_and_the_damaged_log_is_told(notes: Path, tmp_path: Path) -> None:
    source = LabberSource(tmp_path)
    write_simple(source.root / "good.hdf5")
    write_simple(source.root / "bad.hdf5", created_s=CREATED_S + 1)
    die_over(notes, source.root / "bad.hdf5")
    die_over(notes, source.root / "bad.hdf5")
    assert [item.name for item in source.look().values()] == ["a log"]
    (told,) = source.summary.unreadable
    assert told.path == "bad.hdf5"
    assert "ended the program" in told.reason
    assert "Labber" not in told.advice
    assert told.advice


def test_measurement_with_a_damaged_dataset_is_sent_as_it_is(notes: Path, tmp_path: Path) -> None:
    source = QuantifySource(tmp_path)
    folder = write_measurement(source.root)
    die_over(notes, folder / "dataset.hdf5")
    die_over(notes, folder / "dataset.hdf5")
    assert list(source.look()) == [TUID]
    content = source.read()
    assert [file.entry.name for file in content.files] == ["dataset.hdf5", "snapshot.json"]
    assert [type(problem) for problem in content.problems] == [DangerousFile]
