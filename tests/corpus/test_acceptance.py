"""Real measurement folders reach a verified archive by the command line and come back as they were."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.archive_reader import ArchiveContent
from tests.support.engine_runs import PROJECT, Lab, blob_identities
from tests.support.invariants import check_invariants, check_sent_bytes_are_the_sources
from tests.support.manifest import Entry, Manifest, changes_since, take_manifest

SAMPLES = (
    ("quantify/generated", 2),
    ("quantify/quantify_core_test_data", 2),
    ("folder/generated", -1),
    ("folder/generated", 2),
    ("labber", 1),
)
_OPENED = re.compile(r"\bopen(?:at2?)?\(.*= \d+<(?P<path>.*)>$")
_CHANGES = re.compile(r"\b(?:mkdir|rename|link|symlink|unlink|truncate|chmod|utime)\w*\(.*= 0$")


def expected(root: Path, level: int) -> list[dict[str, Any]]:
    """What an independent script says is to be found."""
    script = PROJECT / "tests" / "support" / "expected_listing.py"
    ran = subprocess.run([sys.executable, script, root, str(level)], capture_output=True, text=True, check=True)
    return list(json.loads(ran.stdout))


@dataclass(frozen=True)
class Archived:
    """A copy of a sample after its first ``run --once``."""

    lab: Lab
    root: Path
    level: int
    archive: Path
    source: Manifest
    wanted: list[dict[str, Any]]
    told: str

    def listed(self) -> list[dict[str, Any]]:
        """``datasets --json --files``."""
        return list(self.lab.json("datasets", "--files"))


def _decorate(root: Path) -> None:
    """What the samples lack: links of every kind, an empty folder, a program."""
    dataset = min(path.parent for path in root.rglob("_QH_dataset_info.yaml"))
    (dataset / "to the trace").symlink_to("trace.csv")
    (dataset / "nowhere").symlink_to("../gone/µ 100%")
    (dataset / "outside").symlink_to("/etc/hostname")
    (dataset / "loop itself").symlink_to(".")
    (dataset / "nothing here" / "deeper").mkdir(parents=True)
    program = dataset / "fit.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    os.utime(program, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda sample: f"{sample[0]} level {sample[1]}")
def archived(request: pytest.FixtureRequest, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Each sample, copied with its times and archived once."""
    sample, level = request.param
    folder = tmp_path_factory.mktemp("acceptance")
    root = folder / "source"
    shutil.copytree(samples / sample, root, symlinks=True)
    if sample == "folder/generated":
        _decorate(root)
    lab = Lab(folder / "lab")
    archive = lab.add_archive(folder / "archive")
    lab.add_folder(root, level=level, settle_s=0.5)
    source, wanted = take_manifest(root), expected(root, level)
    told = lab.run_once().stdout
    return Archived(lab, root, level, archive, source, wanted, told)


def _listing(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted(
        [row["identifier"], row["name"], sorted((f["name"], f["size_bytes"], f["sha256"]) for f in row["files"])]
        for row in rows
    )


def test_everything_that_is_there_is_archived_and_nothing_else(archived: Archived) -> None:
    rows = archived.listed()
    assert archived.wanted
    assert _listing(rows) == _listing(archived.wanted)
    assert [row["state"] for row in rows] == ["archived"] * len(archived.wanted)
    assert sorted((row["file_count"], row["size_bytes"]) for row in rows) == sorted(
        (row["file_count"], row["size_bytes"]) for row in archived.wanted
    )
    assert all(place["version"] == "1.0.0" and place["verified_at"] for row in rows for place in row["destinations"])
    assert archived.lab.json("problems") == []
    assert f"{len(rows)} datasets are archived and verified" in archived.told


def test_invariants_hold_after_archiving(archived: Archived) -> None:
    contents = check_invariants(home=archived.lab.home, sources=[archived.source], archives=[archived.archive])
    content: ArchiveContent = contents[archived.archive.resolve()]
    assert len(content.records) == len(archived.wanted)
    assert {r.identifier: dict(r.links) for r in content.records} == {
        row["identifier"]: {link["name"]: link["target"] for link in row["links"]} for row in archived.wanted
    }
    assert {r.identifier: sorted(r.empty_folders) for r in content.records} == {
        row["identifier"]: row["empty_folders"] for row in archived.wanted
    }
    assert not content.orphans
    assert not content.temporaries
    if archived.level == 2 and "_QH" not in str(list(archived.source.names())):
        assert not check_sent_bytes_are_the_sources(archived.root, content)


def test_verify_reads_everything_again_and_finds_no_difference(archived: Archived) -> None:
    archived.lab.ask("verify")


def test_checksums_beside_every_browsable_dataset_are_right(archived: Archived) -> None:
    sums = sorted((archived.archive / "browse").rglob("SHA256SUMS"))
    assert len(sums) == len(archived.wanted)
    for path in sums:
        ran = subprocess.run(
            ["sha256sum", "--quiet", "--strict", "-c", path.name], cwd=path.parent, capture_output=True, check=False
        )
        assert ran.returncode == 0, (path, ran.stdout, ran.stderr)


def _kept(entry: Entry, *, is_folder_time_kept: bool = False) -> tuple[Any, ...]:
    is_executable = entry.kind == "file" and bool(entry.mode & 0o100)
    mtime_ns = entry.mtime_ns if entry.kind != "folder" or is_folder_time_kept else 0
    return entry.kind, entry.size_bytes, entry.content, mtime_ns, is_executable


def test_restoring_brings_back_names_bytes_times_and_links(archived: Archived, tmp_path: Path) -> None:
    for number, row in enumerate(archived.listed()):
        wanted = next(item for item in archived.wanted if item["identifier"] == row["identifier"])
        target = tmp_path / str(number)
        archived.lab.ask("restore", row["uuid"], "--to", target)
        (restored,) = target.iterdir()
        assert restored.name == row["name"]
        before, after = take_manifest(archived.root / row["identifier"]), take_manifest(restored)
        names = {item["name"] for part in ("files", "links") for item in wanted[part]}
        assert {name for name, entry in after.entries.items() if entry.kind != "folder"} == names
        assert {name: _kept(after.entries[name]) for name in names} == {
            name: _kept(before.entries[name]) for name in names
        }
        assert set(wanted["empty_folders"]) <= after.names()


def test_restoring_needs_no_home(archived: Archived, tmp_path: Path) -> None:
    row = archived.listed()[0]
    empty = Lab(tmp_path / "other machine")
    empty.ask("restore", row["uuid"], "--from", f"archive:{archived.archive}", "--to", tmp_path / "back")
    restored = take_manifest(next((tmp_path / "back").iterdir())).files()
    assert restored == {file["name"]: file["sha256"] for file in row["files"]}
    assert not (empty.home / "store.sqlite").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_second_run_opens_no_source_file_and_writes_no_blob(archived: Archived, tmp_path: Path) -> None:
    scratch = archived.archive / ".etiket" / "tmp"
    before, blobs = take_manifest(archived.archive, without=[scratch]), blob_identities(archived.archive)
    calls = "open,openat,openat2,creat,/mkdir,/rename,/link,/symlink,/truncate,/chmod,/utime"
    command = ["strace", "-ff", "-y", "-o", str(tmp_path / "trace"), "-e", f"trace={calls}"]
    command += archived.lab.command("run", "--once")
    ran = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    lines = [line for part in tmp_path.iterdir() for line in part.read_text(errors="replace").splitlines()]
    opened = [line for line in lines if _is_opened_below(line, archived.root)]
    assert opened, "the trace does not show the scan"
    assert [line for line in opened if "O_DIRECTORY" not in line] == []
    # Trying out what the archive's folder can do is made aside, and leaves nothing.
    here = [line for line in lines if f"<{archived.archive}" in line and str(scratch) not in line]
    written = [line for line in here if re.search("O_CREAT|O_WRONLY|O_RDWR", line) or _CHANGES.search(line)]
    assert written == []
    assert list(scratch.iterdir()) == []
    assert changes_since(before, without=[scratch]) == []
    assert blob_identities(archived.archive) == blobs


def _is_opened_below(line: str, root: Path) -> bool:
    found = _OPENED.search(line)
    return found is not None and (found["path"] == str(root) or found["path"].startswith(f"{root}/"))


def test_samples_are_read_where_they_are(samples: Path, tmp_path: Path) -> None:
    before = [take_manifest(samples / name) for name in ("quantify", "folder/generated", "labber")]
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    wanted = []
    for name, level in (("quantify/generated", 2), ("folder/generated", -1), ("labber", 1)):
        lab.add_folder(samples / name, level=level, settle_s=10, name=name.replace("/", " "))
        wanted += expected(samples / name, level)
    lab.run_once()
    assert _listing(lab.json("datasets", "--files")) == _listing(wanted)
    check_invariants(home=lab.home, sources=before, archives=[archive])


def test_a_source_that_finds_nothing_is_a_problem_and_not_a_success(tmp_path: Path) -> None:
    (tmp_path / "empty source").mkdir()
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(tmp_path / "empty source", level=2)
    lab.run_once(codes=(3,))
    (problem,) = lab.json("problems")
    assert "no dataset" in json.dumps(problem)
    status = lab.json("status")
    assert [source["state"] for source in status["sources"]] == ["empty"]
    check_invariants(home=lab.home, archives=[archive])
    lab.run_once(codes=(3,))
    assert len(lab.json("problems")) == 1
