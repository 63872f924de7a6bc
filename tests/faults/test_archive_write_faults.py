"""Faults of files and names on their way into an archive, and of the archive's disk."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from etiket_gui.destinations.api import NoCheckpoint, Receipt
from etiket_gui.destinations.archive.layout import STAGING
from etiket_gui.domain.errors import (
    DestinationFull,
    DestinationRefused,
    EtiketError,
    SourceChanged,
    SourceGone,
    UnsafeName,
    VerificationFailed,
)
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import NoProgress, StopToken
from etiket_gui.osys.files import FileLayer
from tests.support.archive_bench import LINUX_ONLY, MIB, POSIX_ONLY, Archive, DuringCopy
from tests.support.faulty_files import FlippingFiles, FullFiles
from tests.support.manifest import changes_since, take_manifest
from tests.support.outgoing import outgoing


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


# ---------------------------------------------------------------------- files while they live


@pytest.mark.fault("F02", guard="restat-after-read")
def test_file_growing_during_upload_is_not_recorded_as_sent(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(24 * MIB)})

    def grow() -> None:
        with open(folder / "large.bin", "ab") as file:
            file.write(b"another point")

    item = outgoing(folder)
    with pytest.raises(SourceChanged):
        archive.push(item, progress=DuringCopy(grow))
    assert archive.records() == {}
    assert archive.temporaries() == []


@pytest.mark.fault("F03", guard="restat-after-read")
def test_file_rewritten_in_place_with_its_old_time_during_upload_is_not_sent(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(24 * MIB)})
    path = folder / "large.bin"
    status = path.stat()

    def rewrite_the_end() -> None:
        with open(path, "r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(bytes(1000))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(SourceChanged):
        archive.push(outgoing(folder), progress=DuringCopy(rewrite_the_end))
    assert archive.records() == {}
    assert archive.temporaries() == []


@pytest.mark.fault("F04", guard="compare-before-read")
def test_file_changed_between_look_and_open_is_not_sent(archive: Archive) -> None:
    folder = archive.measured("run", {"small.bin": b"first"})
    item = outgoing(folder)
    before = (folder / "small.bin").stat()
    time.sleep(0.01)  # beyond the clock tick in which two changes of a file look alike
    (folder / "small.bin").write_bytes(b"other")
    os.utime(folder / "small.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SourceChanged):
        archive.push(item)
    assert archive.records() == {}


@pytest.mark.fault("F05", guard="restat-after-read")
def test_file_truncated_during_upload_is_not_sent(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(24 * MIB)})
    with pytest.raises(SourceChanged):
        archive.push(outgoing(folder), progress=DuringCopy(lambda: os.truncate(folder / "large.bin", 0)))
    assert archive.records() == {}
    assert archive.temporaries() == []


def test_file_deleted_before_upload_is_gone_and_nothing_stays(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a", "b.bin": b"b"})
    item = outgoing(folder)
    (folder / "b.bin").unlink()
    with pytest.raises(SourceGone):
        archive.push(item)
    assert archive.records() == {}
    assert archive.temporaries() == []


@POSIX_ONLY
@pytest.mark.fault("F06", guard="restat-after-read")
def test_file_deleted_during_upload_is_not_sent(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(24 * MIB)})
    with pytest.raises(EtiketError):
        archive.push(outgoing(folder), progress=DuringCopy((folder / "large.bin").unlink))
    assert archive.records() == {}
    assert archive.temporaries() == []


@POSIX_ONLY
def test_pipe_at_the_place_of_a_file_is_never_waited_for(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a"})
    item = outgoing(folder)
    (folder / "a.bin").unlink()
    os.mkfifo(folder / "a.bin")
    with pytest.raises(SourceChanged):
        archive.push(item)


@POSIX_ONLY
def test_link_at_the_place_of_a_file_is_not_followed(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a"})
    item = outgoing(folder)
    (folder / "a.bin").rename(archive.folder / "elsewhere")
    (folder / "a.bin").symlink_to(archive.folder / "elsewhere")
    with pytest.raises(SourceChanged):
        archive.push(item)
    assert archive.records() == {}


def test_sparse_file_is_stored_whole_and_takes_no_room_for_its_holes(archive: Archive) -> None:
    folder = archive.measured("run", {})
    folder.mkdir()
    with open(folder / "sparse.bin", "wb") as file:
        file.truncate(300 * MIB)
        file.seek(100 * MIB)
        file.write(b"in the middle")
    archive.push(outgoing(folder))
    archive.check_whole()
    if sys.platform == "linux":
        assert archive.blobs()[0].stat().st_blocks * 512 < 50 * MIB


# ---------------------------------------------------------------------- names and trees


def test_twins_in_two_spellings_of_unicode_stay_two_files(archive: Archive) -> None:
    composed, decomposed = "\u00e9.txt", "e\u0301.txt"
    folder = archive.measured("run", {composed: b"composed", decomposed: b"decomposed"})
    if len(os.listdir(folder)) < 2:
        pytest.skip("this file system holds only one of the two names")
    receipt = archive.push(outgoing(folder))
    assert {entry.name for entry in receipt.files} == {composed, decomposed}
    archive.check_whole()


@LINUX_ONLY
def test_undecodable_reserved_and_shifty_names_come_back_as_they_were(archive: Archive) -> None:
    folder = archive.measured("run", {})
    folder.mkdir()
    names = [
        b"\xff\xfe.dat",
        b"CON",
        b"nul.txt",
        b"a:b",
        b"a.",
        b"a ",
        b"tab\there",
        "\u202egpj.exe".encode(),
        b"x" * 255,
    ]
    for number, name in enumerate(names):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(b"%d" % number)
    receipt = archive.push(outgoing(folder))
    assert {entry.name for entry in receipt.files} == {to_portable(os.fsdecode(name)) for name in names}
    archive.check_whole()


@POSIX_ONLY
def test_links_are_entries_with_their_text_and_hard_links_are_files(archive: Archive) -> None:
    folder = archive.measured("run", {"data.bin": b"data", "sub/x": b"x"})
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(".")
    os.link(folder / "data.bin", folder / "second")
    (folder / "empty").mkdir()
    receipt = archive.push(outgoing(folder))
    kinds = {entry.name: (entry.kind, entry.link_target) for entry in receipt.files}
    assert kinds["outside"] == (EntryKind.LINK, "/etc/passwd")
    assert kinds["loop"] == (EntryKind.LINK, ".")
    assert kinds["second"][0] is EntryKind.FILE
    assert kinds["empty"][0] is EntryKind.FOLDER
    assert len(archive.blobs()) == 2
    archive.check_whole()


@pytest.mark.parametrize("ns", [0, -1_000_000_000, 4_323_456_000 * 10**9])
def test_strange_times_are_no_hindrance(archive: Archive, ns: int) -> None:
    folder = archive.measured("run", {"a.bin": b"a"})
    os.utime(folder / "a.bin", ns=(ns, ns))
    receipt = archive.push(outgoing(folder))
    assert receipt.files[0].mtime_ns == (folder / "a.bin").stat().st_mtime_ns
    archive.check_whole()


# ---------------------------------------------------------------------- hostile names and links


@pytest.mark.parametrize(
    "scope",
    ["../x", "/etc/x", "C:\\x", "\\\\h\\s\\x", "..\\x", "a/../../b", "a/b", "nul\0", "..", ".etiket", "Browse", "con",
     "x:y", "a."],
)  # fmt: skip
def test_workspace_that_would_leave_the_archive_is_refused_before_anything_is_written(
    archive: Archive, scope: str
) -> None:
    before = take_manifest(archive.folder)
    with pytest.raises(UnsafeName):
        archive.push(outgoing(archive.measured("run", {"a": b"a"}), scope=scope))
    assert [line for line in changes_since(before) if "measurements" not in line and STAGING not in line] == []


@POSIX_ONLY
@pytest.mark.fault("F75", guard="no-follow")
@pytest.mark.parametrize("place", ["workspace", "title", "staging", "pointers"])
def test_link_planted_in_the_archive_is_not_followed(archive: Archive, place: str) -> None:
    folder = archive.measured("run", {"a": b"a"})
    receipt = archive.push(outgoing(folder))
    outside = archive.folder / "outside"
    outside.mkdir()
    workspace = archive.root / "Global Public Workspace"
    planted = {
        "workspace": workspace,
        "title": workspace / receipt.remote.split("/")[1],
        "staging": archive.root / STAGING,
        "pointers": archive.root / ".etiket" / "titles",
    }[place]
    if planted.is_dir():
        shutil.rmtree(planted)
    planted.symlink_to(outside)
    (folder / "a").write_bytes(b"changed")
    with pytest.raises(DestinationRefused):
        archive.push(outgoing(folder))
    assert list(outside.iterdir()) == []


# ---------------------------------------------------------------------- the archive's disk


@pytest.mark.fault("F51", guard="verify-after-write")
def test_copy_that_differs_from_the_original_is_never_published(archive: Archive) -> None:
    item = outgoing(archive.measured("run", {"a.bin": b"needle in here"}))
    with pytest.raises(VerificationFailed):
        archive.push(item, FlippingFiles(b"needle"))
    assert archive.records() == {}
    assert archive.temporaries() == []
    archive.push(item)
    archive.check_whole()


@pytest.mark.fault("F79", guard="free-floor")
def test_nothing_is_written_below_the_space_that_is_kept_free(archive: Archive) -> None:
    item = outgoing(archive.measured("run", {"a.bin": b"a" * 1000}))
    destination = archive.connect(free_floor_percent=90, free_floor_bytes=10**18)
    free_bytes, total_bytes = FileLayer().space(FileLayer().open_root(str(archive.root)))
    if free_bytes > total_bytes * 0.9:
        pytest.skip("this disk is too empty to fall below the highest floor")
    with pytest.raises(DestinationFull) as caught:
        destination.push(item, NoCheckpoint(), NoProgress(), StopToken())
    assert caught.value.concerns_all
    assert archive.records() == {}
    assert archive.temporaries() == []
    assert [type(problem) for problem in destination.probe().problems] == [DestinationFull]


@pytest.mark.parametrize("size", [100_000, 9 * MIB])
def test_full_disk_removes_the_temporaries_and_keeps_what_was_whole(archive: Archive, size: int) -> None:
    good = outgoing(archive.measured("good", {"a.bin": b"a" * 1000}))
    large = outgoing(archive.measured("large", {"b.bin": os.urandom(size)}))
    never = outgoing(archive.measured("never", {"c.bin": b"c" * 1000}))
    destination = archive.connect(FullFiles(90_000))
    results = destination.push_many([good, large, never], NoCheckpoint(), NoProgress(), StopToken())
    index, receipt = next(results)
    assert (index, type(receipt)) == (0, Receipt)
    with pytest.raises(DestinationFull):
        next(results)
    assert archive.temporaries() == []
    again = archive.connect().push_many([good, large, never], NoCheckpoint(), NoProgress(), StopToken())
    assert {index: result.is_new for index, result in again if isinstance(result, Receipt)} == {
        0: False, 1: True, 2: True,
    }  # fmt: skip
    archive.check_whole()
