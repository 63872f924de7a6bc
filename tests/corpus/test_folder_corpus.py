"""Real measurement folders, read by the folder backend and compared with a listing that shares no code with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.recognise import recognise
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from tests.support.expected_listing import expected_datasets
from tests.support.folder_source import FolderSource
from tests.support.manifest import changes_since, sha256_of, take_manifest

SOURCES = [
    ("quantify/generated", 2, 8),
    ("quantify/quantify_core_test_data", 2, 14),
    ("folder/generated", -1, 3),
    ("folder/generated", 2, 4),
    ("folder/qcodes_legacy_dat", 2, 2),
    ("labber", 1, 4),
    ("qcodes", 1, 3),
    ("core_tools", 0, 1),
]


@pytest.mark.parametrize(("name", "level", "count"), SOURCES)
def test_real_folders_are_found_and_read_as_an_independent_listing_says(
    samples: Path, tmp_path: Path, name: str, level: int, count: int
) -> None:
    source = FolderSource(samples / name, tmp_path, level=level)
    before = take_manifest(source.root)
    found = source.look()
    listed = []
    for identifier in sorted(found):
        content = source.read(identifier)
        assert content.fingerprint == found[identifier].fingerprint
        files = [
            {"name": file.entry.name, "size_bytes": file.entry.size_bytes, "sha256": sha256_of(file.path)}
            for file in content.files
            if file.entry.kind is EntryKind.FILE
        ]
        links = [
            {"name": file.entry.name, "target": file.entry.link_target}
            for file in content.files
            if file.entry.kind is EntryKind.LINK
        ]
        listed.append(
            {
                "identifier": identifier,
                "name": content.description.name,
                "files": files,
                "links": links,
                "empty_folders": [file.entry.name for file in content.files if file.entry.kind is EntryKind.FOLDER],
                "file_count": found[identifier].file_count,
                "size_bytes": found[identifier].size_bytes,
            }
        )
    assert listed == expected_datasets(str(source.root), level)
    assert len(listed) == count
    assert source.look() == {}
    assert changes_since(before) == []


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("quantify/generated", 2),
        ("quantify/quantify_core_test_data", 2),
        ("folder/generated", -1),
        ("folder/qcodes_legacy_dat", 2),
        ("labber", 1),
    ],
)
def test_real_folders_are_recognised_at_the_right_depth(samples: Path, name: str, level: int) -> None:
    answer = recognise(samples / name, [FolderBackend], StopToken())
    assert answer.best is not None
    assert answer.best.options["level"] == level
    assert answer.sentence.startswith("A folder with ")


def test_aborted_run_travels_with_its_wal(samples: Path, tmp_path: Path) -> None:
    """F114 with a real QCoDeS database whose only run is in the -wal."""
    folder = tmp_path / "source" / "run"
    folder.mkdir(parents=True)
    for name in ("aborted.db", "aborted.db-wal"):
        shutil.copy2(samples / "qcodes" / "generated" / name, folder / name)
    source = FolderSource(folder.parent, tmp_path, ignore=["*-wal"])
    assert source.look()["run"].file_count == 2
    assert source.names("run") == ["aborted.db", "aborted.db-wal"]
