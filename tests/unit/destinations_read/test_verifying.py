"""Whether a stored version is still what was put there, and whether that was really read from the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etiket_gui.destinations.api import FileVerification
from etiket_gui.destinations.archive import verifying
from etiket_gui.destinations.archive.reading import ArchiveReader
from etiket_gui.domain.errors import DestinationOffline, Stopped, UsageError
from etiket_gui.domain.stopping import StopToken
from tests.support.stored_archive import PUBLISHED_NS, StoredArchive

HOUR_NS = 3600 * 10**9


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_an_intact_version_is_good_and_everything_was_read(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"123", "copy": b"123", "empty": b""}, links={"l": "a"}, folders=("f",))
    found = archive.reader.verify(remote, "1.0.0", "", StopToken())
    assert (found.is_good, found.checked_files, found.checked_bytes) == (True, 3, 3)


def test_every_kind_of_damage_is_named_by_file(archive: StoredArchive) -> None:
    names = ("flipped", "twin of flipped", "cut", "missing", "link", "folder", "good")
    files = {name: name[-7:].encode() for name in names}
    remote = archive.add("run", files)
    rewrite(archive.blob(remote, b"flipped"), b"FLIPPED")
    rewrite(archive.blob(remote, b"cut"), b"cu")
    archive.blob(remote, b"missing").unlink()
    blob = archive.blob(remote, b"link")
    blob.unlink()
    os.symlink("/etc/hostname", blob)
    blob = archive.blob(remote, b"folder")
    blob.unlink()
    blob.mkdir()
    found = archive.reader.verify(remote, "1.0.0", "", StopToken())
    problems = {difference.name: difference.problem for difference in found.differences}
    assert problems == {
        "flipped": "differs: its content was changed",
        "twin of flipped": "differs: its content was changed",
        "cut": "differs: it has 2 bytes instead of 3",
        "missing": "missing",
        "link": "is a symbolic link, which is not followed",
        "folder": "is not a file",
    }
    assert not found.is_proven


def test_an_altered_record_is_found(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    path = archive.record_path("run", "1.0.0")
    path.write_bytes(path.read_bytes().replace(b"Bluefors 3", b"Bluefors 4"))
    found = archive.reader.verify(remote, "1.0.0", "", StopToken())
    assert found.differences == (FileVerification(path.name, "the record itself was altered"),)
    path.write_bytes(b"{")
    assert not archive.reader.verify(remote, "1.0.0", "", StopToken()).is_good


def test_a_version_that_is_not_there_is_a_wrong_question(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    with pytest.raises(UsageError):
        archive.reader.verify(remote, "2.0.0", "", StopToken())


def test_it_is_proven_only_when_read_from_the_disk_or_an_hour_later(
    archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = archive.add("run", {"a": b"1"})
    record_ns = archive.record_path("run", "1.0.0").stat().st_mtime_ns
    now_ns = record_ns + HOUR_NS - 1
    assert now_ns > PUBLISHED_NS
    reader = ArchiveReader(archive.layout, now_ns=lambda: now_ns)
    monkeypatch.setattr(verifying, "is_in_cache", lambda descriptor, size_bytes: True)
    assert not reader.verify(remote, "1.0.0", "", StopToken()).is_proven
    monkeypatch.setattr(verifying, "is_in_cache", lambda descriptor, size_bytes: False)
    assert reader.verify(remote, "1.0.0", "", StopToken()).is_proven
    monkeypatch.setattr(verifying, "is_in_cache", lambda descriptor, size_bytes: True)
    now_ns += 1
    assert reader.verify(remote, "1.0.0", "", StopToken()).is_proven


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is in its cache")
def test_the_cache_is_asked_and_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * 4096 + 5))
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.read(descriptor, 100)
        assert verifying.is_in_cache(descriptor, path.stat().st_size)
        assert not verifying.is_in_cache(descriptor, 0)
        os.fsync(descriptor)
        verifying.drop_from_cache(descriptor)
        is_memory_only = verifying.is_in_cache(descriptor, path.stat().st_size)
        os.read(descriptor, 100)
        assert verifying.is_in_cache(descriptor, path.stat().st_size)
    finally:
        os.close(descriptor)
    asked = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True)
    assert not is_memory_only or asked.stdout.strip() in {"tmpfs", "ramfs"}


def test_a_stop_ends_the_verification(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    stop = StopToken()
    stop.stop()
    with pytest.raises(Stopped):
        archive.reader.verify(remote, "1.0.0", "", stop)


def test_a_disk_pulled_out_meanwhile_is_not_called_damage(
    archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> int:
        raise OSError(5, "Input/output error")

    remote = archive.add("run", {"a": b"1"})
    monkeypatch.setattr(verifying, "_read_into", gone)
    found = archive.reader.verify(remote, "1.0.0", "", StopToken())
    assert found.differences == (FileVerification("a", "cannot be read: Input/output error"),)
    (archive.root / ".rmearchive").unlink()
    with pytest.raises(DestinationOffline):
        archive.reader.verify(remote, "1.0.0", "", StopToken())
