"""Files made of measurements: every lane has its own place, and nothing is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from etiket_gui.domain.content import FileEntry, SourceFile
from etiket_gui.domain.states import EntryKind
from etiket_gui.worker.scratch import discard_derived, leave_scratch, scratch_folder, sweep_scratch


def _file(path: Path, *, is_derived: bool) -> SourceFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return SourceFile(FileEntry(path.name, EntryKind.FILE, 1, 0), str(path), is_derived)


def test_lanes_and_processes_have_folders_of_their_own(tmp_path: Path) -> None:
    assert scratch_folder(tmp_path, "look") != scratch_folder(tmp_path, "move")
    assert str(os.getpid()) in scratch_folder(tmp_path, "look").name


def test_what_a_dead_worker_left_is_swept_and_what_a_living_one_makes_stays(tmp_path: Path) -> None:
    assert sweep_scratch(tmp_path) == 0
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = tmp_path / "scratch" / f"{int(ended.stdout)}-move"
    own, other = scratch_folder(tmp_path, "move"), tmp_path / "scratch" / f"{os.getppid()}-move"
    for folder in (dead, own, other):
        _file(folder / "source" / "measurement.h5", is_derived=True)
    assert sweep_scratch(tmp_path) == 1
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == sorted([own.name, other.name])
    leave_scratch(tmp_path, ["look", "move"])
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [other.name]


def test_derived_files_go_with_their_empty_folder_and_files_of_the_source_never_do(tmp_path: Path) -> None:
    made = _file(tmp_path / "scratch" / "derived" / "measurement.h5", is_derived=True)
    kept = _file(tmp_path / "source" / "raw.dat", is_derived=False)
    discard_derived([made, kept, made])
    assert not (tmp_path / "scratch" / "derived").exists()
    assert (tmp_path / "source" / "raw.dat").read_bytes() == b"x"
