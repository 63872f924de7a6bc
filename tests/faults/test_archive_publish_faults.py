"""Faults of an archive that holds something already, of other file systems and rights, of kills and cancels."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etiket_gui.destinations.api import DestinationContext, NoCheckpoint
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.destinations.archive.layout import BLOBS, QUARANTINE, STAGING
from etiket_gui.destinations.archive.record import parse_record
from etiket_gui.domain.content import FileEntry, Outgoing, SourceFile
from etiket_gui.domain.errors import (
    DestinationRefused,
    Stopped,
    UnsafeName,
)
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.archive_bench import MIB, POSIX_ONLY, Archive, DuringCopy
from tests.support.faulty_files import PlainFiles, RefusingFiles, RivalFiles
from tests.support.manifest import changes_since, sha256_of, take_manifest
from tests.support.outgoing import AGENT, OTHER_AGENT, outgoing, reference, write_files
from tests.support.patience import patient_s


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


# ---------------------------------------------------------------------- what is there already


def test_same_content_is_sent_without_a_copy(archive: Archive) -> None:
    item = outgoing(archive.measured("run", {"a.bin": b"a", "large.bin": os.urandom(3 * MIB)}))
    archive.push(item)
    before = take_manifest(archive.root)
    again = archive.push(item)
    assert not again.is_new
    assert [line for line in changes_since(before) if STAGING not in line] == []


@pytest.mark.fault("F101", guard="exclusive-publish")
def test_record_of_another_writer_is_never_overwritten(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"one"})
    archive.push(outgoing(folder))
    (folder / "a.bin").write_bytes(b"ours")
    ours = outgoing(folder)
    other = write_files(archive.folder / "other machine" / "run", {"a.bin": b"theirs"})
    rival = archive.connect(agent=OTHER_AGENT)

    def act() -> None:
        rival.push(outgoing(other), NoCheckpoint(), NoProgress(), StopToken())

    receipt = archive.push(ours, RivalFiles(act, before="record"))
    assert receipt.version == "1.2.0"
    stored = [version.version for version in archive.connect().versions(receipt.remote, "")]
    assert stored == ["1.0.0", "1.1.0", "1.2.0"]
    archive.check_whole()


@pytest.mark.parametrize("content", [b"the same", b"another"])
def test_first_version_of_another_writer_is_never_overwritten(archive: Archive, content: bytes) -> None:
    ours = outgoing(archive.measured("run", {"a.bin": b"the same"}))
    other = write_files(archive.folder / "other machine" / "run", {"a.bin": content})
    rival = archive.connect(agent=OTHER_AGENT)

    def act() -> None:
        rival.push(outgoing(other), NoCheckpoint(), NoProgress(), StopToken())

    receipt = archive.push(ours, RivalFiles(act, before="folder"))
    stored = [version.version for version in archive.connect().versions(receipt.remote, "")]
    is_same = content == b"the same"
    assert receipt.is_new is not is_same
    assert stored == (["1.0.0"] if is_same else ["1.0.0", "1.1.0"])
    archive.check_whole()


@pytest.mark.fault("F110", guard="check-existing-blob")
@pytest.mark.allows_log("was damaged in the archive")
@pytest.mark.parametrize("is_new_version", [True, False])
def test_blob_edited_in_the_archive_is_quarantined_and_stored_again(archive: Archive, is_new_version: bool) -> None:
    folder = archive.measured("run", {"kept.bin": b"kept content", "other.bin": b"1"})
    archive.push(outgoing(folder))
    blob = next(path for path in archive.blobs() if path.read_bytes() == b"kept content")
    blob.chmod(0o644)
    blob.write_bytes(b"kept CONTENT")
    if is_new_version:
        (folder / "other.bin").write_bytes(b"2")
    receipt = archive.push(outgoing(folder))
    assert receipt.is_new is is_new_version
    assert any("stored again" in note for note in receipt.notes)
    archive.check_whole()
    assert [path.read_bytes() for path in (archive.root / QUARANTINE).iterdir()] == [b"kept CONTENT"]


def test_blob_that_vanished_is_stored_again(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a", "large.bin": os.urandom(2 * MIB)})
    archive.push(outgoing(folder))
    for blob in archive.blobs():
        blob.unlink()
    receipt = archive.push(outgoing(folder))
    assert not receipt.is_new
    archive.check_whole()


def test_dataset_of_another_source_is_never_versioned_over(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a"})
    item = outgoing(folder)
    archive.push(item)
    (folder / "a.bin").write_bytes(b"b")
    changed = outgoing(folder)
    other = replace(item.reference, source_uuid="33333333-3333-4333-8333-333333333333", source_name="G")
    twin = replace(changed, reference=other)
    with pytest.raises(DestinationRefused) as caught:
        archive.push(twin)
    assert not caught.value.concerns_all
    assert len(archive.records()) == 1


def test_two_hosts_with_the_same_relative_paths_are_two_datasets(archive: Archive) -> None:
    first = archive.push(outgoing(archive.measured("run", {"a.bin": b"a"})))
    other = outgoing(
        write_files(archive.folder / "pc-2" / "run", {"a.bin": b"b"}),
        source_uuid="22222222-2222-4222-8222-222222222222",
    )
    second = archive.connect(agent=OTHER_AGENT).push(other, NoCheckpoint(), NoProgress(), StopToken())
    assert first.remote != second.remote
    assert first.version == second.version == "1.0.0"
    archive.check_whole()


def test_foreign_folder_of_the_same_title_is_left_alone(archive: Archive) -> None:
    item = outgoing(archive.measured("run", {"a.bin": b"a"}))
    tail = reference("run").uuid.replace("-", "")[:12]
    foreign = archive.root / "Global Public Workspace" / f"run-{tail}"
    foreign.mkdir(parents=True)
    (foreign / "something.txt").write_text("not ours")
    receipt = archive.push(item)
    assert receipt.remote.endswith(f"run-{tail}-2")
    assert os.listdir(foreign) == ["something.txt"]


def test_broken_record_of_the_newest_version_hides_nothing_and_is_not_replaced(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a"})
    first = archive.push(outgoing(folder))
    title = first.remote.split("/")[1]
    broken = archive.root / "Global Public Workspace" / title / f"{title}-v1.1.0.yml"
    broken.write_bytes(b"")
    (folder / "a.bin").write_bytes(b"b")
    receipt = archive.push(outgoing(folder))
    assert receipt.version == "1.2.0"
    assert broken.read_bytes() == b""


# ---------------------------------------------------------------------- other file systems, other rights


def test_file_system_with_nothing_special_is_enough(archive: Archive) -> None:
    folder = archive.measured("run", {"a.bin": b"a", "large.bin": os.urandom(9 * MIB + 5)})
    archive.push(outgoing(folder), PlainFiles())
    (folder / "a.bin").write_bytes(b"b")
    receipt = archive.push(outgoing(folder), PlainFiles())
    assert receipt.version == "1.1.0"
    archive.check_whole()
    assert list((archive.root / ".etiket" / "locks").iterdir()) == []
    assert archive.connect(PlainFiles()).probe().is_usable


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no second file system to copy from")
def test_source_on_another_device_is_copied_to_the_archives_own_device_first(archive: Archive) -> None:
    folder = Path("/dev/shm") / f"etiket-test-{os.getpid()}"
    try:
        write_files(folder, {"a.bin": b"a", "large.bin": os.urandom(9 * MIB)})
        archive.push(outgoing(folder))
    finally:
        shutil.rmtree(folder)
    archive.check_whole()


@pytest.mark.parametrize("call", ["make_folder", "create", "publish_folder"])
def test_missing_right_is_named_before_the_first_byte(archive: Archive, call: str) -> None:
    probe = archive.connect(RefusingFiles(call)).probe()
    assert [type(problem) for problem in probe.problems] == [DestinationRefused]
    assert "this account cannot" in probe.problems[0].reason


def test_account_that_may_not_delete_can_send_and_is_told(archive: Archive) -> None:
    files = RefusingFiles("delete", errno.EPERM)
    probe = archive.connect(files).probe()
    assert probe.is_usable
    assert any("may not delete" in note for note in probe.notes)
    folder = archive.measured("run", {"a.bin": b"a"})
    archive.push(outgoing(folder), files)
    (folder / "a.bin").write_bytes(b"b")
    assert archive.push(outgoing(folder), files).version == "1.1.0"


@pytest.fixture
def without_deleting(archive: Archive) -> Iterator[Archive]:
    """The archive seen through a mount on which nothing can be deleted."""
    if shutil.which("bindfs") is None or not os.path.exists("/dev/fuse"):
        pytest.skip("bindfs is not installed here")
    mounted = archive.folder / "mounted"
    mounted.mkdir()
    done = subprocess.run(
        ["bindfs", "--delete-deny", "--no-allow-other", str(archive.root), str(mounted)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"bindfs cannot mount here: {done.stderr.strip()}")
    real, archive.root = archive.root, mounted
    try:
        yield archive
    finally:
        archive.root = real
        subprocess.run(["fusermount", "-u", str(mounted)], check=True)


def test_mount_that_forbids_deleting_is_written_or_refused_before_the_first_byte(without_deleting: Archive) -> None:
    archive = without_deleting
    probe = archive.connect().probe()
    assert probe.is_usable, probe.problems
    assert any("may not delete" in note for note in probe.notes)
    folder = archive.measured("run", {"a.bin": b"a", "large.bin": os.urandom(3 * MIB)})
    archive.push(outgoing(folder))
    (folder / "a.bin").write_bytes(b"b")
    receipt = archive.push(outgoing(folder))
    assert receipt.version == "1.1.0"
    assert archive.connect().verify(receipt.remote, "1.1.0", "", StopToken()).is_good


# ---------------------------------------------------------------------- killed, cancelled, many


KILL_SCRIPT = """
import sys
from pathlib import Path
from etiket_gui.destinations.api import DestinationContext, NoCheckpoint
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.outgoing import AGENT, outgoing
from tests.support.patience import patient_s
root, *folders = map(Path, sys.argv[1:])
destination = ArchiveDestination(ArchiveConfig(path=root), DestinationContext(AGENT, "host", root))
batch = [outgoing(folder) for folder in folders]
for _, result in destination.push_many(batch, NoCheckpoint(), NoProgress(), StopToken()):
    print(result)
"""


@pytest.mark.crash
@POSIX_ONLY
@pytest.mark.parametrize("version", ["first", "later"])
@pytest.mark.parametrize(
    "point",
    ["after_stage:2", "after_first_sync", "after_verify", "before_publish:2", "after_blobs", "after_blobs:2",
     "after_publish", "after_publish:2", "after_second_sync"],
)  # fmt: skip
def test_killed_anywhere_the_next_try_ends_where_an_undisturbed_one_does(
    archive: Archive, point: str, version: str
) -> None:
    folders = [archive.measured(f"run {number}", {"a.bin": b"%d" % number, "b.bin": b"same"}) for number in range(3)]
    if version == "later":
        for folder in folders:
            archive.push(outgoing(folder))
            (folder / "a.bin").write_bytes(b"changed")
            (folder / "c.bin").write_bytes(os.urandom(2 * MIB))
    command = [sys.executable, "-c", KILL_SCRIPT, str(archive.root), *map(str, folders)]
    environment = {**os.environ, "ETIKET_GUI_TEST_FAIL_AT": point, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    for path in archive.root.glob("*/*/*.yml"):
        for sha256 in parse_record(path.read_bytes(), path.name).blobs():
            assert sha256_of(path.parent / BLOBS / sha256[:2] / sha256) == sha256
    for folder in folders:
        archive.push(outgoing(folder))
    assert len(archive.records()) == (6 if version == "later" else 3)
    assert archive.connect().sweep(StopToken(), minimum_age_s=0) <= 2
    archive.check_whole()


def test_cancelled_large_copy_goes_on_where_it_was(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(40 * MIB)})
    memory = Memory()
    stop = StopToken()
    first = DuringCopy(stop.stop)
    started_s = time.monotonic()
    with pytest.raises(Stopped):
        archive.connect().push(outgoing(folder), memory, first, stop)
    assert time.monotonic() - started_s < patient_s(2)
    kept_bytes = memory.states["large.bin"]["offset_bytes"]
    assert kept_bytes == first.moved_bytes
    assert 0 < first.moved_bytes < 40 * MIB
    second = DuringCopy(lambda: None)
    archive.connect().push(outgoing(folder), memory, second, StopToken())
    assert first.moved_bytes + second.moved_bytes == 40 * MIB
    assert memory.states == {}
    archive.check_whole()


def test_source_that_changed_after_a_cancelled_copy_is_copied_from_its_start(archive: Archive) -> None:
    folder = archive.measured("run", {"large.bin": os.urandom(40 * MIB)})
    memory = Memory()
    stop = StopToken()
    with pytest.raises(Stopped):
        archive.connect().push(outgoing(folder), memory, DuringCopy(stop.stop), stop)
    (folder / "large.bin").write_bytes(os.urandom(30 * MIB))
    second = DuringCopy(lambda: None)
    archive.connect().push(outgoing(folder), memory, second, StopToken())
    assert second.moved_bytes == 30 * MIB
    archive.check_whole()


class Memory:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, object]] = {}

    def save(self, uuid: str, name: str, state: object) -> None:
        assert isinstance(state, dict)
        self.states[name] = json.loads(json.dumps(state))

    def load(self, uuid: str, name: str) -> dict[str, object] | None:
        return self.states.get(name)

    def clear(self, uuid: str) -> None:
        self.states.clear()


def test_many_files_in_one_dataset_are_sent_and_soon_cancelled(archive: Archive) -> None:
    folder = archive.measured("run", {f"{number % 20}/f{number}": b"%d" % number for number in range(3000)})
    stop = StopToken()
    with pytest.raises(Stopped):
        archive.connect().push(outgoing(folder), NoCheckpoint(), DuringCopy(stop.stop), stop)
    archive.connect().sweep(StopToken(), minimum_age_s=0)
    receipt = archive.push(outgoing(folder))
    assert len(receipt.files) == 3000
    archive.check_whole()


@POSIX_ONLY
def test_few_descriptors_are_enough(archive: Archive) -> None:
    import resource

    folder = archive.measured("run", {f"f{number}": b"%d" % number for number in range(300)})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        archive.push(outgoing(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    archive.check_whole()


def test_temporaries_are_swept_by_age_and_owner_and_links_stay_links(archive: Archive) -> None:
    outside = archive.folder / "outside"
    write_files(outside, {"precious": b"precious"})
    staging = archive.root / STAGING
    ours, theirs = staging / f"{AGENT}-0123456789ab", staging / f"{OTHER_AGENT}-0123456789ab"
    for made in (ours, theirs, staging / "a note of somebody", staging / f"{AGENT}-notes"):
        write_files(made, {"x/y": b"y"})
        if sys.platform != "win32":
            (made / "link").symlink_to(outside)
        for path in (*made.rglob("*"), made):
            if not path.is_symlink():
                os.utime(path, (time.time() - 25 * 3600,) * 2)
    fresh = staging / f"{AGENT}-ba9876543210"
    write_files(fresh, {"x": b""})
    if sys.platform != "win32":
        for made in (ours, theirs):
            os.utime(made / "link", (time.time() - 25 * 3600,) * 2, follow_symlinks=False)
    assert archive.connect().sweep(StopToken()) == 1
    assert sorted(os.listdir(staging)) == sorted([theirs.name, fresh.name, "a note of somebody", f"{AGENT}-notes"])
    assert (outside / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("names", [("same", "same"), ("a", "a/b"), ("a/b", "a")])
def test_names_that_cannot_lie_beside_each_other_are_refused(archive: Archive, names: tuple[str, str]) -> None:
    item = outgoing(archive.measured("run", {"x": b"x"}))
    file = item.files[0]
    entry = file.entry
    files = tuple(
        SourceFile(FileEntry(name, EntryKind.FILE, 1, entry.mtime_ns, entry.ctime_ns, entry.inode), file.path)
        for name in names
    )
    with pytest.raises(UnsafeName):
        archive.push(Outgoing(item.reference, "", item.description, files, None, item.confirm))
    assert archive.records() == {}


def test_folder_that_holds_other_things_is_not_made_an_archive(tmp_path: Path) -> None:
    write_files(tmp_path / "full", {"thesis.docx": b"x"})
    config = ArchiveConfig(path=tmp_path / "full")
    destination = ArchiveDestination(config, DestinationContext(AGENT, "host", tmp_path))
    with pytest.raises(DestinationRefused) as caught:
        destination.create()
    assert "empty folder" in caught.value.advice
    assert os.listdir(tmp_path / "full") == ["thesis.docx"]


def test_archive_of_rmellipse_is_taken_over_as_it_is(tmp_path: Path) -> None:
    write_files(tmp_path / "shared", {".rmearchive": b"", "Global Public Workspace/demo/demo-v1.0.0.yml": b"title: x"})
    destination = ArchiveDestination(
        ArchiveConfig(path=tmp_path / "shared"), DestinationContext(AGENT, "host", tmp_path)
    )
    destination.create()
    assert destination.probe().is_usable
    assert (tmp_path / "shared" / ".rmearchive").read_bytes() == b""
