"""What a folder is said to be."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.folder.recognising import recognise_folder
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.stopping import StopToken

MARK = "_QH_dataset_info.yaml"


def fill(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)


def ask(root: Path) -> Recognition:
    recognition = recognise_folder(root, StopToken())
    assert recognition is not None
    return recognition


@pytest.mark.parametrize(
    ("names", "level", "count"),
    [
        (["a/1.csv", "b/1.csv", "c/1.csv"], 1, 3),
        (["1.csv", "2.csv"], 0, 1),
        (["a.csv", "raw/1.csv"], 0, 1),
        (["2026-01-02/a/1.csv", "2026-01-02/b/1.csv", "2026-01-03/a/1.csv"], 2, 3),
        (["data_2018_01_17/README", "data_2018_01_17/001_a/x.dat", "data_2018_01_17/002_b/x.dat"], 2, 2),
        (["20260102/20260102-101112-001-abcdef-T1/dataset.hdf5", "20260102/20260102-101112-002-abcdef/x"], 2, 2),
        (["lab/20260102/20260102-101112-001-abcdef-T1/dataset.hdf5"], 3, 1),
        (["2026/01/Data_0102/a.hdf5", "2026/01/Data_0103/a.hdf5"], 3, 2),
        (["fridge/monday/a/1.csv", "fridge/monday/b/1.csv"], 3, 2),
        ([f"a/{MARK}", "a/x", f"b/c/{MARK}", "b/c/x"], -1, 2),
        ([MARK, f"a/{MARK}"], -1, 1),
    ],
)
def test_depth_of_the_datasets_is_proposed(tmp_path: Path, names: list[str], level: int, count: int) -> None:
    fill(tmp_path, *names)
    recognition = ask(tmp_path)
    assert recognition.options == {"root_directory": str(tmp_path), "level": level}
    assert recognition.dataset_count == count


def test_sentence_says_how_many_where_and_how_much(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.csv", "a/2.csv", "b/sub/1.csv", "stray.txt", "a/x.part")
    recognition = ask(tmp_path)
    assert recognition.sentence == "A folder with 2 dataset folders at depth 1 (3 files, 300 bytes)."
    assert recognition.warnings == ("1 file above that depth would not be in any dataset.",)


def test_folders_without_a_description_beside_described_ones_are_mentioned(tmp_path: Path) -> None:
    fill(tmp_path, f"a/{MARK}", "b/1.csv")
    recognition = ask(tmp_path)
    assert recognition.options["level"] == -1
    assert any("1 folder beside them" in warning for warning in recognition.warnings)


def test_empty_folder_and_no_folder_at_all(tmp_path: Path) -> None:
    recognition = ask(tmp_path)
    assert recognition.dataset_count == 0
    assert "empty" in recognition.sentence
    fill(tmp_path, "file")
    assert recognise_folder(tmp_path / "file", StopToken()) is None
    assert recognise_folder(tmp_path / "nowhere", StopToken()) is None


def test_archive_is_named_and_never_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "run/1.csv", "archive/.rmearchive", "archive/browse/run/1.csv")
    listed: list[str] = []
    real_scandir = os.scandir

    def scandir(path: str) -> Any:
        listed.append(os.fspath(path))
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    recognition = ask(tmp_path)
    assert recognition.dataset_count == 1
    assert "1 archive inside it would be left out." in recognition.warnings
    for inside in ("archive", "archive/browse/run"):
        refused = ask(tmp_path / inside)
        assert "is an archive" in refused.sentence
        assert (refused.confidence, refused.options) == (0.0, {})
    assert not any("archive" in os.path.relpath(path, tmp_path) for path in listed)


def test_counting_stops_and_says_so(tmp_path: Path) -> None:
    fill(tmp_path, *(f"run {number}/{file}.csv" for number in range(30) for file in range(4)))
    by_entries = recognise_folder(tmp_path, StopToken(), entry_limit=100)
    assert by_entries is not None
    assert "at least" in by_entries.sentence
    assert any("after 100 entries" in warning for warning in by_entries.warnings)
    begun = time.monotonic()
    by_time = recognise_folder(tmp_path, StopToken(), time_limit_s=0.0)
    assert by_time is not None
    assert any("time was up" in warning for warning in by_time.warnings)
    assert time.monotonic() - begun < 2


def test_stop_ends_the_look(tmp_path: Path) -> None:
    stop = StopToken()
    stop.stop()
    with pytest.raises(Stopped):
        recognise_folder(tmp_path, stop)


def test_links_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.csv")
    (tmp_path / "a" / "loop").symlink_to("..")
    (tmp_path / "b").symlink_to("a")
    assert ask(tmp_path).dataset_count == 1


@pytest.mark.skipif(os.name != "posix", reason="these folders are those of Unix")
@pytest.mark.parametrize("path", ["/proc", "/dev", "/proc/self"])
def test_folders_of_the_operating_system_are_no_source(path: str) -> None:
    found = recognise_folder(Path(path), StopToken())
    assert found is not None
    assert (found.options, found.confidence) == ({}, 0.0)
    assert "belongs to the operating system" in found.sentence
