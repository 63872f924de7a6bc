"""In what steps a large file is copied: small ones until the disk or share has shown that it is quick."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from etiket_gui.destinations.api import DestinationContext, NoCheckpoint
from etiket_gui.destinations.archive import large
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.domain.stopping import NoProgress, StopToken
from etiket_gui.osys.files import FileLayer
from tests.support.archive_bench import LINUX_ONLY, MIB, Archive
from tests.support.outgoing import AGENT, outgoing


class MeasuredFiles(FileLayer):
    """Copies at a rate on a clock of its own, and notes how much each call was asked to copy."""

    def __init__(self, rate_bytes_per_s: float) -> None:
        super().__init__()
        self._rate_bytes_per_s = rate_bytes_per_s
        self.now_s = 0.0
        self.asked_bytes: list[int] = []

    def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
        """Copy, and let the clock go on."""
        count = super().copy_range(source_fd, fd, offset, length_bytes)
        self.asked_bytes.append(length_bytes)
        self.now_s += count / self._rate_bytes_per_s
        return count


@LINUX_ONLY
@pytest.mark.parametrize(
    ("rate_bytes_per_s", "largest_bytes"), [(500e3, MIB), (1e9, 9 * MIB)], ids=["slow share", "quick disk"]
)
def test_a_copy_begins_with_a_small_step_and_takes_larger_ones_only_where_they_are_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_bytes_per_s: float, largest_bytes: int
) -> None:
    files = MeasuredFiles(rate_bytes_per_s)
    # No second passes on the clock of the copy while nothing is copied.
    monkeypatch.setattr(large, "time", SimpleNamespace(monotonic=lambda: files.now_s))
    archive = Archive(tmp_path)
    item = outgoing(archive.measured("run", {"large.bin": os.urandom(24 * MIB)}))
    archive.connect(files).push(item, NoCheckpoint(), NoProgress(), StopToken())
    assert files.asked_bytes[0] == MIB
    assert max(files.asked_bytes) == largest_bytes
    archive.check_whole()


@LINUX_ONLY
def test_the_steps_are_small_as_long_as_something_is_measured_also_where_that_begins_in_the_middle_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, object] = {}

    class Watched(MeasuredFiles):
        def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
            options["measuring"] = 4 * MIB <= offset < 12 * MIB
            return super().copy_range(source_fd, fd, offset, length_bytes)

    files = Watched(1e9)
    monkeypatch.setattr(large, "time", SimpleNamespace(monotonic=lambda: files.now_s))
    reads_ahead: list[bool] = []
    monkeypatch.setattr(large, "let_read_ahead", lambda fd, *, is_wanted: reads_ahead.append(is_wanted))
    archive = Archive(tmp_path)
    item = outgoing(archive.measured("run", {"large.bin": os.urandom(24 * MIB)}))
    context = DestinationContext(AGENT, "host", tmp_path, options=options)
    destination = ArchiveDestination(ArchiveConfig(path=archive.root), context, files=files)
    destination.push(item, NoCheckpoint(), NoProgress(), StopToken())
    small = [size for size in files.asked_bytes if size < MIB]
    assert set(small) == {64 * 1024}
    assert sum(small) <= 8 * MIB
    assert files.asked_bytes[0] == MIB
    assert files.asked_bytes[-1] >= MIB
    assert reads_ahead == [False, True]
    archive.check_whole()


class Told(NoProgress):
    """Notes what was told, and lets somebody measure from the first telling on."""

    def __init__(self, options: dict[str, object]) -> None:
        self.options = options
        self.steps: list[int] = []

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """So many bytes moved."""
        self.steps.append(bytes_done)
        self.options["measuring"] = True


@LINUX_ONLY
@pytest.mark.parametrize("is_lost", [False, True], ids=["stored", "lost"])
def test_a_file_that_is_stored_already_is_compared_in_small_steps_while_something_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    options: dict[str, object] = {}
    reads_ahead: list[bool] = []
    monkeypatch.setattr(large, "let_read_ahead", lambda fd, *, is_wanted: reads_ahead.append(is_wanted))
    archive = Archive(tmp_path)
    content = os.urandom(24 * MIB)
    destination = ArchiveDestination(
        ArchiveConfig(path=archive.root), DestinationContext(AGENT, "host", tmp_path, options=options)
    )
    item = outgoing(archive.measured("run", {"large.bin": content}))
    destination.push(item, NoCheckpoint(), NoProgress(), StopToken())
    if is_lost:
        [blob] = [path for path in Path(archive.root).rglob("blobs/*/*") if path.stat().st_size == 24 * MIB]
        blob.unlink()
    told = Told(options)
    again = outgoing(archive.measured("run", {"large.bin": content, "new.txt": b"1"}))
    destination.push(again, NoCheckpoint(), told, StopToken())
    compared = told.steps[: told.steps.index(-24 * MIB)] if is_lost else told.steps
    assert {step for step in compared[1:] if step > 1} == {64 * 1024}
    assert reads_ahead[0] is False
    assert sum(told.steps) == 24 * MIB + 1
    archive.check_whole()
