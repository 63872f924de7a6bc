"""Ends in the middle, lost stores, late destinations, two machines on one archive: with the real program."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etiket_gui.domain.failpoints import ONCE_VARIABLE, VARIABLE
from etiket_gui.settings.home import Home
from etiket_gui.store import health
from tests.support.archive_reader import read_archive
from tests.support.engine_runs import (
    Lab,
    blob_identities,
    complete_state,
    configured_lab,
    kill,
    no_orphans,
    wait_until,
    write_dataset,
    write_datasets,
)
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest
from tests.support.patience import patient_s
from tests.support.walking import found_below, size_bytes

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as only POSIX does")

SOURCE_UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "crash faults"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source folder with four datasets."""
    folder = tmp_path / "source"
    folder.mkdir()
    write_datasets(folder, range(4))
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """An empty home."""
    return Lab(tmp_path / "lab")


@contextmanager
def started(lab: Lab, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A command that is killed at the latest when the test ends."""
    process = lab.start(*arguments, environment=environment)
    try:
        yield process
    finally:
        kill(process)


# ---------------------------------------------------------------------------------------------------- F84


@pytest.mark.fault("F84", guard="claims-are-recovered")
def test_what_a_killed_engine_had_claimed_is_sent_by_the_next(root: Path, tmp_path: Path) -> None:
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    with no_orphans(), started(lab, "run", "--once", environment={VARIABLE: "after_claim"}) as engine:
        assert engine.wait(60) == -signal.SIGKILL
    assert {row["state"] for row in lab.store().transfers} == {"sending"}
    source = take_manifest(root)
    lab.run_once()
    check_invariants(home=lab.home, sources=[source], archives=[archive])
    assert len(read_archive(archive).records) == 4


# ---------------------------------------------------------------------------------------------------- F92

_LARGE_BYTES = 96 * 1024 * 1024


def _copies(archive: Path) -> list[Path]:
    return [path for path in found_below(archive / ".etiket" / "tmp", "copy") if size_bytes(path) >= 16 * 1024 * 1024]


@pytest.mark.fault("F92", guard="stop-keeps-what-was-copied")
def test_asked_to_end_in_a_large_transfer_the_engine_ends_soon_and_goes_on_from_there(tmp_path: Path) -> None:
    root = tmp_path / "source"
    (root / "day" / "large").mkdir(parents=True)
    block = os.urandom(1024 * 1024)
    with open(root / "day" / "large" / "raw.bin", "wb") as file:
        file.writelines(block for _ in range(_LARGE_BYTES // len(block)))
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    source = take_manifest(root)
    (lab.home / "settings.json").write_text('{"version": 1, "rate_limit_bytes_per_s": 20000000}')
    with no_orphans(within_s=0.5), started(lab, "run", "--once") as engine:
        wait_until(lambda: bool(_copies(archive)), 30, "a part of the file is copied")
        engine.send_signal(signal.SIGTERM)
        asked_s = time.monotonic()
        code = engine.wait(patient_s(10))
        took_s = time.monotonic() - asked_s
    assert code == 130
    assert took_s < patient_s(5.0)
    check_invariants(home=lab.home, sources=[source], archives=[archive])
    (copy,) = _copies(archive)
    inode = copy.stat().st_ino
    (lab.home / "settings.json").unlink()
    lab.run_once()
    contents = check_invariants(home=lab.home, sources=[source], archives=[archive])
    (blob,) = contents[archive.resolve()].blobs.values()
    assert blob.stat().st_ino == inode, "the copy was begun anew"
    assert not list((archive / ".etiket" / "tmp").iterdir())


# --------------------------------------------------------------------------------------------------- F108


@pytest.mark.fault("F108", guard="source-in-identity")
def test_equal_paths_of_two_machines_are_two_datasets_in_one_archive(root: Path, tmp_path: Path) -> None:
    other_root = tmp_path / "other machine" / "source"
    for path in sorted(root.glob("*/*")):
        target = other_root / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_dataset(target, f"other {path.name}")
    archive = tmp_path / "archive"
    labs = [Lab(tmp_path / "lab 1"), Lab(tmp_path / "lab 2")]
    for lab, folder in zip(labs, (root, other_root), strict=True):
        lab.add_archive(archive)
        lab.add_folder(folder)
    sources = [take_manifest(root), take_manifest(other_root)]
    engines = [lab.start("run", "--once") for lab in labs]
    codes = [engine.wait(60) for engine in engines]
    assert codes == [0, 0], "\n".join(lab.tell() for lab in labs)
    first, second = (lab.uuids() for lab in labs)
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    for lab in labs:
        content = check_invariants(home=lab.home, sources=sources, archives=[archive])[archive.resolve()]
    assert sorted(record.version for record in content.records) == ["1.0.0"] * 8
    assert len(list((archive / "browse").rglob("SHA256SUMS"))) == 8
    bytes_of = {record.uuid: {sha256 for sha256, _ in record.files.values()} for record in content.records}
    for identifier, its_uuid in first.items():
        assert bytes_of[its_uuid] != bytes_of[second[identifier]]


# --------------------------------------------------------------------------------------------------- F109


@pytest.mark.fault("F109", guard="one-source-per-share")
def test_the_same_folder_in_a_second_home_is_continued_and_nothing_is_doubled(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second = Lab(tmp_path / "lab 1"), Lab(tmp_path / "lab 2")
    first.add_archive(archive)
    its_uuid = first.add_folder(root)
    first.run_once()
    before, blobs = read_archive(archive), blob_identities(archive)
    second.add_archive(archive)
    assert second.add_folder(root, name="the same") == its_uuid
    write_datasets(root, range(4, 8))
    source = take_manifest(root)
    engines = [lab.start("run", "--once") for lab in (first, second)]
    codes = [engine.wait(60) for engine in engines]
    assert codes == [0, 0], first.tell() + second.tell()
    for lab in (first, second):
        content = check_invariants(
            home=lab.home, sources=[source], archives=[archive], archives_before=[before]
        )[archive.resolve()]  # fmt: skip
        assert len(lab.uuids()) == 8
    assert first.uuids() == second.uuids()
    assert sorted(record.version for record in content.records) == ["1.0.0"] * 8
    assert blobs.items() <= blob_identities(archive).items()


def test_a_refused_second_home_has_datasets_of_its_own(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second = Lab(tmp_path / "lab 1"), Lab(tmp_path / "lab 2")
    first.add_archive(archive)
    its_uuid = first.add_folder(root)
    first.run_once()
    second.add_archive(archive)
    assert second.add_folder(root, name="mine", options=["--new"]) != its_uuid
    second.run_once()
    check_invariants(home=second.home, archives=[archive])
    assert not set(first.uuids().values()) & set(second.uuids().values())


# --------------------------------------------------------------------------------------------------- F115


def _rename_and_refill(root: Path) -> tuple[str, str]:
    """Give a dataset folder another name and put a new one at its old path; both paths below the root."""
    old = sorted(root.glob("*/*"))[1]
    new = old.with_name("renamed, second look")
    old.rename(new)
    write_dataset(old, "another measurement")
    return str(old.relative_to(root)), str(new.relative_to(root))


def _without_store(lab: Lab) -> None:
    for path in lab.home.glob("store.sqlite*"):
        path.unlink()
    shutil.rmtree(lab.home / "backups")


@pytest.mark.fault("F115", guard="read-back-first")
def test_a_lost_store_gets_its_uuids_back_also_after_a_rename(root: Path, lab: Lab, tmp_path: Path) -> None:
    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(root)
    lab.run_once()
    first = lab.uuids()
    old, new = _rename_and_refill(root)
    lab.run_once()
    uuids = lab.uuids()
    assert uuids[new] == first[old]
    assert uuids[old] not in first.values()
    before, blobs, state = read_archive(archive), blob_identities(archive), complete_state(lab, archive)
    _without_store(lab)
    source = take_manifest(root)
    told = lab.run_once()
    assert "measurement runs" not in told.stdout + told.stderr, "what is read back is taken for being measured"
    assert lab.uuids() == uuids
    assert complete_state(lab, archive) == state
    assert blob_identities(archive) == blobs
    check_invariants(home=lab.home, sources=[source], archives=[archive], archives_before=[before])


def test_a_rename_while_the_store_was_lost_is_recognised(root: Path, lab: Lab, tmp_path: Path) -> None:
    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(root)
    lab.run_once()
    first = lab.uuids()
    _without_store(lab)
    old, new = _rename_and_refill(root)
    lab.run_once()
    uuids = lab.uuids()
    assert uuids[new] == first[old]
    assert uuids[old] not in first.values()
    content = check_invariants(home=lab.home, archives=[archive])[archive.resolve()]
    assert len(content.newest()) == 5


def test_a_lost_home_is_continued_when_its_source_is_added_again(root: Path, lab: Lab, tmp_path: Path) -> None:
    archive = lab.add_archive(tmp_path / "archive")
    its_uuid = lab.add_folder(root)
    lab.run_once()
    old, new = _rename_and_refill(root)
    lab.run_once()
    uuids, blobs, before = lab.uuids(), blob_identities(archive), read_archive(archive)
    shutil.rmtree(lab.home)
    lab.add_archive(archive)
    assert lab.add_folder(root, options=["--continue", its_uuid]) == its_uuid
    lab.run_once()
    assert lab.uuids() == uuids
    assert {old, new} <= uuids.keys()
    assert blob_identities(archive) == blobs
    check_invariants(home=lab.home, archives=[archive], archives_before=[before])


@pytest.mark.parametrize("after_s", [0.4, 0.7, 1.0])
def test_reading_a_lost_store_back_may_be_killed_too(root: Path, lab: Lab, tmp_path: Path, after_s: float) -> None:
    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(root)
    lab.run_once()
    _rename_and_refill(root)
    lab.run_once()
    uuids, blobs = lab.uuids(), blob_identities(archive)
    _without_store(lab)
    with no_orphans(), started(lab, "run") as engine, pytest.raises(subprocess.TimeoutExpired):
        engine.wait(after_s)
    lab.run_once()
    assert lab.uuids() == uuids
    assert blob_identities(archive) == blobs
    check_invariants(home=lab.home, archives=[archive])


def test_killed_between_an_empty_store_and_its_configuration_nothing_is_forgotten(
    root: Path, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> str:
        raise SystemExit(1)

    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(root)
    lab.run_once()
    uuids, blobs = lab.uuids(), blob_identities(archive)
    _without_store(lab)
    monkeypatch.setattr(health, "restore_from_mirror", die)
    with pytest.raises(SystemExit):
        health.open_store(Home.locate(lab.home))
    assert (lab.home / "store.sqlite").exists()
    refused = lab.ask("add-destination", "archive", "another", f"path={tmp_path / 'another'}", codes=(1, 2, 3))
    assert "not built anew yet" in refused.stderr
    lab.run_once()
    assert lab.uuids() == uuids
    assert blob_identities(archive) == blobs
    lab.add_archive(tmp_path / "another", "another")


# --------------------------------------------------------------------------------------------------- F116


@pytest.mark.fault("F116", guard="no-waiting-for-the-absent")
def test_a_destination_that_was_down_for_a_week_gets_the_same_bytes(root: Path, lab: Lab, tmp_path: Path) -> None:
    here, there, away = tmp_path / "archive", tmp_path / "second archive", tmp_path / "unplugged"
    lab.add_archive(here, "here")
    lab.add_archive(there, "there")
    there.rename(away)
    lab.add_folder(root, to=["here", "there"])
    lab.run_once(codes=(3,))
    assert not os.path.lexists(there), "something was written where the archive is away"
    assert len(read_archive(here).records) == 4
    changed = min(root.glob("*/*"))
    (changed / "analysis.txt").write_bytes(b"fitted")
    lab.run_once(codes=(3,))
    versions = sorted(record.version for record in read_archive(here).records)
    assert versions == ["1.0.0"] * 4 + ["1.1.0"]
    shutil.rmtree(lab.home / "work")
    away.rename(there)
    source, before, blobs = take_manifest(root), read_archive(here), blob_identities(here)
    lab.run_once()
    contents = check_invariants(home=lab.home, sources=[source], archives=[here, there], archives_before=[before])
    assert blob_identities(here) == blobs
    newest, late = contents[here.resolve()].newest(), contents[there.resolve()].newest()
    assert {key: record.files for key, record in newest.items()} == {key: record.files for key, record in late.items()}
    assert {key: record.digest for key, record in newest.items()} == {
        key: record.digest for key, record in late.items()
    }
    assert [record.version for record in contents[there.resolve()].records] == ["1.0.0"] * 4
    lab.run_once()
    assert blob_identities(here) == blobs


def test_an_engine_killed_by_a_full_disk_at_the_archive_leaves_no_half_dataset(root: Path, tmp_path: Path) -> None:
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    lab.run_once(codes=(3,), environment={VARIABLE: "after_blobs:1:full", ONCE_VARIABLE: str(tmp_path / "once")})
    assert (tmp_path / "once").exists()
    check_invariants(home=lab.home, archives=[archive])
    lab.run_once()
    assert len(read_archive(archive).records) == 4
