"""Power cuts: whatever of the unsynced writes is lost, no published record names a missing or wrong blob."""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etiket_gui.destinations.api import DestinationContext, NoCheckpoint, Receipt
from etiket_gui.destinations.archive.destination import ArchiveConfig, ArchiveDestination
from etiket_gui.destinations.archive.layout import MARKER, blob_in_title
from etiket_gui.destinations.archive.record import is_live_version, parse_record
from etiket_gui.domain.content import Outgoing
from etiket_gui.domain.stopping import NoProgress, StopToken
from etiket_gui.osys.files import FileLayer
from tests.support.outgoing import AGENT, outgoing, write_files
from tests.support.recording_files import RecordingFiles, write_tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the recorder follows inodes by descriptor")

Tree = dict[str, bytes | None]
_SUBSETS = 3


def _destination(root: Path, work: Path, files: FileLayer, *, is_gentle: bool = False) -> ArchiveDestination:
    options = {"measuring": True} if is_gentle else {}
    return ArchiveDestination(
        ArchiveConfig(path=root), DestinationContext(AGENT, "host", work, options=options), files=files
    )


def _stages(source: Path) -> list[list[Outgoing]]:
    """A measurement that is sent live, completed, corrected and described anew, beside another one."""
    first = write_files(source / "first", {"data.bin": b"one" * 500, "copy.bin": b"one" * 500, "sub/n.txt": b"note"})
    second = write_files(source / "second", {"raw.dat": b"r" * 3000, "empty": b""})
    stages = [[outgoing(first, is_provisional=True)], [outgoing(first), outgoing(second)]]
    third = write_files(source / "third", {"data.bin": b"one" * 500, "sub/n.txt": b"note", "new.bin": b"x" * 2000})
    stages.append([outgoing(third, name="first", is_provisional=True)])
    stages.append([outgoing(third, name="first"), outgoing(second, text="now with words")])
    return stages


def _push(destination: ArchiveDestination, batch: list[Outgoing]) -> None:
    results = list(destination.push_many(batch, NoCheckpoint(), NoProgress(), StopToken()))
    assert len(results) == len(batch)
    for _, result in results:
        assert isinstance(result, Receipt), result


def _records(tree: Tree) -> Iterator[tuple[str, bytes]]:
    for path, data in tree.items():
        parts = path.split("/")
        if len(parts) == 3 and not path.startswith(".etiket") and path.endswith(".yml") and data is not None:
            yield path, data


def _check(tree: Tree) -> None:
    for path, data in _records(tree):
        record = parse_record(data, path)
        folder = path.rpartition("/")[0]
        for sha256, size_bytes in record.blobs().items():
            blob = tree.get(f"{folder}/{blob_in_title(sha256)}")
            assert blob is not None, f"{path} names a blob that is missing"
            assert len(blob) == size_bytes
            assert hashlib.sha256(blob).hexdigest() == sha256, f"{path} names a blob with other bytes"


def _end_state(tree: Tree) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Final versions with their digests and blobs; times and hosts differ and do not count."""
    found = {}
    for path, data in _records(tree):
        record = parse_record(data, path)
        if not is_live_version(record.version):
            assert record.facts is not None
            found[path] = (record.facts.digest, tuple(sorted(record.blobs())))
    return found


def _real_tree(root: Path) -> Tree:
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


@pytest.fixture(params=["one sync for all", "file by file", "while measuring"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[RecordingFiles, list[list[Outgoing]], list[int]]:
    root = tmp_path / "recorded"
    root.mkdir()
    files = RecordingFiles(root, has_whole_sync=request.param != "file by file")
    destination = _destination(root, tmp_path, files, is_gentle=request.param == "while measuring")
    destination.create()
    stages = _stages(tmp_path / "source")
    ends = []
    for batch in stages:
        _push(destination, batch)
        ends.append(len(files.log))
    return files, stages, ends


def test_no_power_cut_leaves_a_record_that_names_a_missing_or_wrong_blob(
    recorded: tuple[RecordingFiles, list[list[Outgoing]], list[int]],
) -> None:
    files, _, _ = recorded
    for length in range(len(files.log) + 1):
        _check(files.after_power_cut(length, None).tree(files.root))
        for seed in range(_SUBSETS):
            _check(files.after_power_cut(length, random.Random(seed * 100_003 + length)).tree(files.root))


def test_what_was_receipted_survives_every_later_power_cut(
    recorded: tuple[RecordingFiles, list[list[Outgoing]], list[int]], tmp_path: Path
) -> None:
    files, stages, ends = recorded
    for number, (end, batch) in enumerate(zip(ends, stages, strict=True)):
        tree = files.after_power_cut(end, None).tree(files.root)
        root = tmp_path / f"cut-{number}"
        write_tree(tree, root)
        destination = _destination(root, tmp_path, FileLayer())
        for item in batch:
            if not item.is_provisional:
                found = destination.find(item.reference.uuid, item.scope)
                assert found is not None
        results = list(destination.push_many(batch, NoCheckpoint(), NoProgress(), StopToken()))
        assert all(isinstance(result, Receipt) and not result.is_new for _, result in results)


def test_after_any_power_cut_the_same_work_ends_in_the_same_archive(
    recorded: tuple[RecordingFiles, list[list[Outgoing]], list[int]], tmp_path: Path
) -> None:
    files, stages, _ = recorded
    undisturbed = _end_state(files.after_power_cut(len(files.log), None).tree(files.root))
    numbers = itertools.count()
    lengths = range(0, len(files.log) + 1, 9)
    choices: list[Callable[[int], random.Random | None]] = [lambda _: None, random.Random]
    for length, choose in itertools.product(lengths, choices):
        tree = files.after_power_cut(length, choose(length)).tree(files.root)
        root = tmp_path / f"again-{next(numbers)}"
        write_tree(tree, root)
        done = _records_done(tree, stages)
        destination = _destination(root, tmp_path, FileLayer())
        destination.create()
        for batch in stages[done:]:
            _push(destination, batch)
        tree = _real_tree(root)
        _check(tree)
        assert _end_state(tree) == undisturbed, f"after a cut at operation {length}"
        assert (root / MARKER).exists()


def _records_done(tree: Tree, stages: list[list[Outgoing]]) -> int:
    """How many of the batches the archive already holds: the engine would send the rest."""
    versions = {record.version for path, data in _records(tree) for record in [parse_record(data, path)]}
    finals = {version for version in versions if not is_live_version(version)}
    if "1.1.0" in finals or "1.0.1" in finals or "1.1.0-live.1" in versions:
        return 3 if "1.1.0" in finals or "1.0.1" in finals else 2
    return 1 if "1.0.0" in finals else 0
