"""Two installations write into one archive at the same time, and are killed in it: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from pathlib import Path

import pytest

from tests.support.archive_reader import read_archive
from tests.support.engine_runs import Lab, configured_lab, kill, no_orphans, wait_until, write_dataset, write_datasets
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as only POSIX does"),
]

SOURCE_UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "two agents"))
_COUNT = 40


def _finish(labs: list[Lab], root: Path, archive: Path, count: int) -> None:
    """Each home looks once more; then both know the same datasets, and each is stored once."""
    source = take_manifest(root)
    for lab in labs:
        lab.run_once()
    for lab in labs:
        content = check_invariants(home=lab.home, sources=[source], archives=[archive])[archive.resolve()]
        assert len(lab.uuids()) == count
    assert labs[0].uuids() == labs[1].uuids()
    assert sorted(record.version for record in content.records) == ["1.0.0"] * count
    assert {record.identifier for record in content.records} == labs[0].uuids().keys()


def test_one_source_sent_by_two_homes_at_once_is_stored_once(tmp_path: Path) -> None:
    root, archive = tmp_path / "source", tmp_path / "archive"
    root.mkdir()
    write_datasets(root, range(_COUNT))
    labs = [
        configured_lab(tmp_path / name, root, archive=archive, source_uuid=SOURCE_UUID)[0]
        for name in ("first", "second")
    ]
    with no_orphans():
        engines = [lab.start("run", "--once") for lab in labs]
        codes = [engine.wait(60) for engine in engines]
    assert codes == [0, 0], labs[0].tell() + labs[1].tell()
    _finish(labs, root, archive, _COUNT)


def test_a_dataset_changed_while_two_homes_send_it_gets_each_version_once(tmp_path: Path) -> None:
    root, archive = tmp_path / "source", tmp_path / "archive"
    root.mkdir()
    write_datasets(root, range(10))
    labs = [
        configured_lab(tmp_path / name, root, archive=archive, source_uuid=SOURCE_UUID)[0]
        for name in ("first", "second")
    ]
    for number in range(3):
        for folder in sorted(root.glob("*/*"))[number::2]:
            (folder / f"analysis {number}.txt").write_text(f"{folder.name} {number}")
        engines = [lab.start("run", "--once") for lab in labs]
        assert [engine.wait(60) for engine in engines] == [0, 0], labs[0].tell() + labs[1].tell()
        source = take_manifest(root)
        for lab in labs:
            content = check_invariants(home=lab.home, sources=[source], archives=[archive])[archive.resolve()]
    newest = content.newest()
    assert len(newest) == 10
    for record in newest.values():
        now = take_manifest(root / record.identifier).files()
        assert {name: sha256 for name, (sha256, _) in record.files.items()} == now
    # The first versions, then one for each change that came after them.
    assert len(content.records) == 10 + 5 + 4


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_homes_killed_in_turns_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("ETIKET_GUI_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}: repeat with ETIKET_GUI_TEST_SEED={seed}")
    chance = random.Random(seed)
    root, archive = tmp_path / "source", tmp_path / "archive"
    root.mkdir()
    labs = [
        configured_lab(tmp_path / name, root, archive=archive, source_uuid=SOURCE_UUID)[0]
        for name in ("first", "second")
    ]
    written = 0
    for _ in range(20):
        write_datasets(root, range(written, written + 10))
        written += 10
        before = len(list(archive.glob("*/*/*.yml")))
        engines = [lab.start("run") for lab in labs]
        try:
            wait_until(lambda count=before: len(list(archive.glob("*/*/*.yml"))) > count, 30, "something is sent")
            for engine in chance.sample(engines, 2):
                time.sleep(chance.uniform(0.0, 0.3))
                kill(engine)
        finally:
            for engine in engines:
                kill(engine)
        check_invariants(archives=[archive])
    _finish(labs, root, archive, written)


def test_an_archive_made_by_two_homes_at_once_is_one_archive(tmp_path: Path) -> None:
    roots = [tmp_path / "source 1", tmp_path / "source 2"]
    for root in roots:
        (root / "day").mkdir(parents=True)
        write_dataset(root / "day" / "same name", root.name)
    labs = [Lab(tmp_path / "first"), Lab(tmp_path / "second")]
    archive = tmp_path / "archive"
    adding = [lab.start("add-destination", "archive", "lab-archive", f"path={archive}") for lab in labs]
    assert [process.wait(60) for process in adding] == [0, 0]
    for lab, root in zip(labs, roots, strict=True):
        lab.add_folder(root)
        lab.run_once()
        check_invariants(home=lab.home, archives=[archive])
    assert len(read_archive(archive).newest()) == 2
