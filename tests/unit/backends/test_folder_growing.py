"""What may go of a folder while a program writes into it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import h5py
import pytest

from etiket_gui.backends.api import BackendContext
from etiket_gui.backends.folder import growing
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.domain.stopping import StopToken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder that is being written."""
    made = tmp_path / "root" / "sweep"
    made.mkdir(parents=True)
    return made


def _growing(tmp_path: Path) -> dict[str, bytes]:
    config = FolderConfig(root_directory=str(tmp_path / "root"), level=1, settle_time=5.0)
    backend = FolderBackend(config, BackendContext("a source", tmp_path / "work"))
    content = backend.read_growing("sweep", StopToken())
    assert all(file.entry.size_bytes == os.path.getsize(file.path) for file in content.files)
    return {file.entry.name: Path(file.path).read_bytes() for file in content.files}


def test_text_that_grows_goes_up_to_its_last_whole_line(folder: Path, tmp_path: Path) -> None:
    (folder / "table.csv").write_bytes(b"x,y\n0,1\n1,2")
    assert _growing(tmp_path) == {"table.csv": b"x,y\n0,1\n"}


@pytest.mark.fault("F41", guard="half-written-files-wait")
def test_a_file_that_may_be_half_written_waits_until_it_is_quiet(folder: Path, tmp_path: Path) -> None:
    (folder / "log.txt").write_bytes(b"begun\n")
    (folder / "about.json").write_text(json.dumps({"a": 1}, indent=1)[:-3])
    with h5py.File(folder / "data.h5", "w") as file:
        file["values"] = range(1000)
        file.flush()
        assert set(_growing(tmp_path)) == {"log.txt"}


def test_what_is_quiet_goes_as_it_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(folder / "data.h5", "w") as file:
        file["values"] = range(1000)
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 6 * 10**9)
    assert _growing(tmp_path) == {"data.h5": (folder / "data.h5").read_bytes()}


def test_text_that_is_rewritten_while_it_is_read_waits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = folder / "table.csv"
    table.write_bytes(b"first line\nsecond line\n")
    real, looks = growing._blocks, []

    def rewritten(path: str, size_bytes: int) -> object:
        looks.append(path)
        if len(looks) == 2:
            table.write_bytes(b"other line\nsecond line\n")
        return real(path, size_bytes)

    monkeypatch.setattr(growing, "_blocks", rewritten)
    assert _growing(tmp_path) == {}


def test_a_large_file_that_grows_waits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "LARGEST_BYTES", 100)
    (folder / "table.csv").write_bytes(b"a line\n" * 20)
    (folder / "log.txt").write_bytes(b"begun\n")
    assert set(_growing(tmp_path)) == {"log.txt"}
