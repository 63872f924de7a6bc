"""Several processes that publish the same datasets at once lose nothing and double nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from etiket_gui.destinations.api import DestinationContext
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.destinations.archive.record import parse_record
from etiket_gui.domain.stopping import StopToken
from tests.support.outgoing import AGENT, write_files

WRITER = """
import json, sys, time
from pathlib import Path
from etiket_gui.destinations.api import DestinationContext, NoCheckpoint
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.outgoing import outgoing
root, number, variants = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
destination = ArchiveDestination(ArchiveConfig(path=root), DestinationContext(f"agent {number}", "host", root))
told = []
print("ready", flush=True)
sys.stdin.readline()
for variant in variants:
    batch = [outgoing(folder, title=f"Run {number}") for folder in sorted(Path(variant).iterdir())]
    for _, receipt in destination.push_many(batch, NoCheckpoint(), NoProgress(), StopToken()):
        told.append([receipt.remote, receipt.version, receipt.digest, receipt.is_new])
print(json.dumps(told))
"""


def _run(root: Path, variants_of: list[list[Path]]) -> list[list[list[object]]]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(number), *map(str, variants)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for number, variants in enumerate(variants_of)
    ]  # fmt: skip
    told = []
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            output, _ = writer.communicate(timeout=60)
            assert writer.returncode == 0
            told.append(json.loads(output))
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    return told


@pytest.fixture
def destination(tmp_path: Path) -> ArchiveDestination:
    made = ArchiveDestination(ArchiveConfig(path=tmp_path / "archive"), DestinationContext(AGENT, "host", tmp_path))
    made.create()
    return made


def _check_whole(destination: ArchiveDestination, root: Path) -> Counter[str]:
    versions: Counter[str] = Counter()
    for path in root.glob("*/*/*.yml"):
        record = parse_record(path.read_bytes(), path.name)
        versions[record.title] += 1
        checked = destination.verify(f"{path.parent.parent.name}/{record.title}", record.version, "", StopToken())
        assert checked.is_good, checked.differences
    return versions


def test_writers_of_the_same_datasets_agree_on_one_title_and_store_each_state_once(
    destination: ArchiveDestination, tmp_path: Path
) -> None:
    """Three agents call the datasets by different names and send the very same two states of each."""
    variants = [tmp_path / "first state", tmp_path / "second state"]
    for state, variant in enumerate(variants):
        for number in range(12):
            write_files(variant / f"run {number}", {"a.bin": b"%d %d" % (number, state), "b.bin": b"same"})
    told = _run(tmp_path / "archive", [variants, variants, variants])
    remotes = {row[0] for rows in told for row in rows}
    assert len(remotes) == 12
    versions = _check_whole(destination, tmp_path / "archive")
    assert len(versions) == 12
    stored = {(row[0], row[1]): row[2] for rows in told for row in rows}
    for rows in told:
        for remote, version, digest, _ in rows:
            assert stored[remote, version] == digest, "two agents were told the same version of different content"
    assert os.listdir(tmp_path / "archive" / ".etiket" / "tmp") == []


def test_writers_of_different_states_of_one_dataset_each_get_a_version_of_their_own(
    destination: ArchiveDestination, tmp_path: Path
) -> None:
    variants_of = []
    for agent in range(3):
        variants = []
        for state in range(4):
            variant = tmp_path / f"agent {agent} state {state}"
            write_files(variant / "run", {"a.bin": b"%d %d" % (agent, state), "b.bin": b"same"})
            variants.append(variant)
        variants_of.append(variants)
    told = _run(tmp_path / "archive", variants_of)
    published = [(row[0], row[1]) for rows in told for row in rows]
    assert all(row[3] for rows in told for row in rows)
    assert len(set(published)) == len(published) == 12
    versions = _check_whole(destination, tmp_path / "archive")
    assert list(versions.values()) == [12]
