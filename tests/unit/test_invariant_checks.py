"""The checks of the invariants see what they are there for: damage gives a sentence, a sound state none."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.archive_reader import read_archive
from tests.support.invariants import InvariantBroken, check_invariants, check_secrets_stay_secret
from tests.support.manifest import take_manifest

UUID = "11111111-2222-5333-8444-555555555555"


def _record(version: str, files: dict[str, bytes], *, uuid: str = UUID, digest: str | None = None) -> dict[str, Any]:
    project: dict[str, Any] = {"/path/": ".", "/item/": "Directory"}
    for name, data in files.items():
        sha256 = hashlib.sha256(data).hexdigest()
        project[name] = {"/path/": name, "/item/": "File", "/bpid/": sha256, "/bytes/": len(data), "/sha256/": sha256}
    return {
        "title": f"d-1-v{version}", "title_versionless": "d-1", "version": version, "workflow": {}, "requirements": [],
        "datasets": {}, "project": project,
        "etiket": {
            "digest": digest or f"digest of {version}", "provisional": False, "file_count": len(files),
            "size_bytes": sum(map(len, files.values())), "links": [], "empty_folders": [], "browse": "",
            "reference": {"uuid": uuid, "source_uuid": "s", "identifier": "d", "birth_ordinal": 1},
            "description": {"name": "d"},
        },
    }  # fmt: skip


def _publish(root: Path, record: dict[str, Any], files: dict[str, bytes]) -> Path:
    folder = root / "Lab" / "d-1"
    for data in files.values():
        sha256 = hashlib.sha256(data).hexdigest()
        blob = folder / "blobs" / sha256[:2] / sha256
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
    path = folder / f"{record['title']}.yml"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    root.mkdir()
    (root / ".rmearchive").touch()
    _publish(root, _record("1.0.0", {"a.dat": b"one"}), {"a.dat": b"one"})
    _publish(root, _record("1.1.0", {"a.dat": b"two"}), {"a.dat": b"two"})
    return root


def _blob(root: Path) -> Path:
    return next(path for path in root.glob("Lab/d-1/blobs/*/*"))


def _tear_record(root: Path) -> None:
    path = root / "Lab/d-1/d-1-v1.1.0.yml"
    path.write_bytes(path.read_bytes()[:-20])


def _remove_blob(root: Path) -> None:
    _blob(root).unlink()


def _flip_blob(root: Path) -> None:
    _blob(root).write_bytes(b"oNe")


def _leave_temporary(root: Path) -> None:
    (root / "Lab/d-1/d-1-v2.0.0.yml.tmp").touch()


def _publish_again(root: Path) -> None:
    _publish(root, _record("1.2.0", {"a.dat": b"two"}, digest="digest of 1.1.0"), {})


def _second_title(root: Path) -> None:
    record = _record("1.0.0", {}) | {"title": "d-2-v1.0.0", "title_versionless": "d-2"}
    (root / "Lab/d-2").mkdir()
    (root / "Lab/d-2/d-2-v1.0.0.yml").write_text(json.dumps(record), encoding="utf-8")


def _climb(root: Path) -> None:
    record = _record("1.2.0", {"a.dat": b"two"})
    record["project"][".."] = {"/item/": "Directory", "evil": record["project"]["a.dat"] | {"/path/": "../evil"}}
    record["etiket"] |= {"file_count": 2, "size_bytes": 6}
    _publish(root, record, {})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_tear_record, "I10 record .* is torn"),
        (_remove_blob, "I10 record .* are not stored"),
        (_flip_blob, "I10 blob .* does not hold the bytes"),
        (_leave_temporary, "I10 .*tmp does not belong"),
        (_publish_again, "I3 .* published again"),
        (_second_title, "I3 .* under several titles"),
        (_climb, "I10 .* leaves its folder"),
    ],
)
def test_damage_to_an_archive_is_seen(archive: Path, damage: Callable[[Path], None], words: str) -> None:
    check_invariants(archives=[archive])
    damage(archive)
    with pytest.raises(InvariantBroken, match=words):
        check_invariants(archives=[archive])


def test_a_deleted_version_is_seen(archive: Path) -> None:
    before = read_archive(archive)
    check_invariants(archives=[archive], archives_before=[before])
    (archive / "Lab/d-1/d-1-v1.0.0.yml").unlink()
    with pytest.raises(InvariantBroken, match=r"I9 the record .*1\.0\.0.* was deleted"):
        check_invariants(archives=[archive], archives_before=[before])


def _write(source: Path) -> None:
    (source / "data.csv").write_text("changed")


def _put_beside(source: Path) -> None:
    (source / "store.db-shm").touch()


def _change_and_restore_the_time(source: Path) -> None:
    seen = (source / "data.csv").stat()
    (source / "data.csv").write_text("abd")
    os.utime(source / "data.csv", ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _chmod(source: Path) -> None:
    (source / "data.csv").chmod(0o444)


def _hard_link(source: Path) -> None:
    os.link(source / "data.csv", source.parent / "linked.csv")


def _create_and_remove(source: Path) -> None:
    (source / "x").touch()
    (source / "x").unlink()


@pytest.mark.parametrize(
    "touch", [_write, _put_beside, _change_and_restore_the_time, _chmod, _hard_link, _create_and_remove]
)
def test_a_touched_source_is_seen(tmp_path: Path, touch: Callable[[Path], None]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "data.csv").write_text("abc")
    os.utime(source, ns=(10**18, 10**18))
    before = take_manifest(source)
    check_invariants(sources=[before])
    touch(source)
    with pytest.raises(InvariantBroken, match="I1"):
        check_invariants(sources=[before])


def test_reading_a_source_is_not_touching_it(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("abc")
    before = take_manifest(tmp_path)
    (tmp_path / "data.csv").read_text()
    check_invariants(sources=[before])


@pytest.mark.parametrize("write", ["canary-7f3a", "Y2FuYXJ5LTdmM2E=", "63616e6172792d37663361"])
def test_a_secret_is_found_however_it_is_spelled(tmp_path: Path, write: str) -> None:
    (tmp_path / "log.txt").write_text(f"token={write}\n")
    assert check_secrets_stay_secret([tmp_path], ["canary-7f3a"])
    assert not check_secrets_stay_secret([tmp_path], ["another-secret"])


def test_the_listing_runs_alone_and_agrees_with_a_hand_count(tmp_path: Path) -> None:
    import subprocess

    folder = tmp_path / "root" / "2026" / "run µ"
    (folder / "sub").mkdir(parents=True)
    (folder / "empty.dat").touch()
    (folder / "sub" / "a.csv").write_text("1,2")
    (folder / "sub" / "half.part").touch()
    (folder / "x.tmp").touch()
    (folder / "_QH_dataset_info.yaml").write_text("dataset_name: Run\nskip: ['*.tmp']\n")
    (tmp_path / "root" / "2026" / "nothing in it").mkdir()
    script = Path(__file__).parents[1] / "support" / "expected_listing.py"
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(tmp_path / "root"), "2"], capture_output=True, text=True, check=True
    )
    (listed,) = json.loads(done.stdout)
    assert (listed["identifier"], listed["name"]) == ("2026/run µ", "Run")
    assert [row["name"] for row in listed["files"]] == ["_QH_dataset_info.yaml", "empty.dat", "sub/a.csv"]
    assert "etiket_gui" not in script.read_text(encoding="utf-8")
