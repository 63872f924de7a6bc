"""Dataset folders that change their names in every way a person can do it between two looks: identities stay right."""

from __future__ import annotations

import shutil
import signal
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.engine_runs import configured_lab, kill, no_orphans, wait_until, write_dataset
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders are not recognised by their place there")

SOURCE_UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "renames"))


class _Bench:
    """A source of three datasets that were archived once."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "source"
        self.day = self.root / "day"
        self.day.mkdir(parents=True)
        for name in ("one", "two", "three"):
            write_dataset(self.day / name, name)
        self.lab, self.archive = configured_lab(folder / "lab", self.root, source_uuid=SOURCE_UUID)
        self.lab.run_once()
        self.before = self.uuids()

    def uuids(self) -> dict[str, str]:
        """Name to uuid of the datasets that are there."""
        return {identifier.removeprefix("day/"): its_uuid for identifier, its_uuid in self.lab.uuids().items()}

    def run(self) -> dict[str, str]:
        """Look again, archive, check everything; name to uuid of the datasets that are there now."""
        source = take_manifest(self.root)
        self.lab.run_once()
        content = check_invariants(home=self.lab.home, sources=[source], archives=[self.archive])
        newest = content[self.archive.resolve()].newest()
        found = self.uuids()
        for name, its_uuid in found.items():
            wanted = set(take_manifest(self.day / name).files().values())
            assert {sha256 for sha256, _ in newest[its_uuid].files.values()} == wanted
            assert newest[its_uuid].identifier == f"day/{name}"
        return found


@pytest.fixture
def bench(tmp_path: Path) -> _Bench:
    """Three archived datasets: one, two, three."""
    return _Bench(tmp_path)


def test_a_chain_of_renames_keeps_every_identity(bench: _Bench) -> None:
    for old, new in (("three", "four"), ("two", "three"), ("one", "two")):
        (bench.day / old).rename(bench.day / new)
    write_dataset(bench.day / "one", "the next measurement")
    found, before = bench.run(), bench.before
    assert (found["four"], found["three"], found["two"]) == (before["three"], before["two"], before["one"])
    assert found["one"] not in before.values()


def test_a_folder_renamed_over_a_deleted_one_stays_itself(bench: _Bench) -> None:
    shutil.rmtree(bench.day / "two")
    (bench.day / "one").rename(bench.day / "two")
    found = bench.run()
    assert found == {"two": bench.before["one"], "three": bench.before["three"]}
    bench.run()


def test_two_folders_that_exchange_their_names_lose_nothing(bench: _Bench) -> None:
    (bench.day / "one").rename(bench.day / "x")
    (bench.day / "two").rename(bench.day / "one")
    (bench.day / "x").rename(bench.day / "two")
    assert bench.run().keys() == bench.before.keys()


def test_a_folder_deleted_and_made_anew_is_the_same_dataset_with_a_new_version(bench: _Bench) -> None:
    (bench.day / "one").rename(bench.root.parent / "kept so that its place is not used again")
    write_dataset(bench.day / "one", "measured again")
    assert bench.run() == bench.before
    versions = bench.lab.json("versions", bench.before["one"])
    assert len(versions) == 2


def test_a_rename_and_its_successor_are_recognised_while_the_engine_runs(bench: _Bench, tmp_path: Path) -> None:
    with no_orphans():
        engine = bench.lab.start("run")
        try:
            looked = bench.lab.folder / "output.log"
            wait_until(lambda: "looked through" in looked.read_text(), 30, "the first look is over")
            old = bench.day / "one"
            old.rename(bench.day / "renamed")
            write_dataset(old, "its successor")
            wait_until(lambda: len(bench.uuids()) == 4 and "renamed" in bench.uuids(), 30, "both were found")
            states = {"archived"}
            wait_until(lambda: {row["state"] for row in bench.lab.store().transfers} == states, 30, "both are archived")
            engine.send_signal(signal.SIGTERM)
            assert engine.wait(60) in {0, 130}
        finally:
            kill(engine)
    found = bench.run()
    assert found["renamed"] == bench.before["one"]
    assert found["one"] not in bench.before.values()


def test_a_renamed_folder_that_was_changed_too_is_archived_whatever_it_is_taken_for(bench: _Bench) -> None:
    (bench.day / "one" / "more.txt").write_bytes(b"more")
    (bench.day / "one").rename(bench.day / "renamed")
    write_dataset(bench.day / "one", "its successor")
    found = bench.run()
    assert found.keys() == {"one", "renamed", "two", "three"}
    assert len(set(found.values())) == 4
