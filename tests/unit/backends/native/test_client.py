"""The local database of an eTiKeT client, from fixtures that follow the description of its tables."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.native.backend import NativeBackend
from etiket_gui.backends.native.config import NativeConfig
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.errors import PermissionRefused
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory
from tests.support.client_database import SCOPE, ClientFolder
from tests.support.manifest import changes_since, take_manifest


class Source:
    """A client's folder as a source."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "etiket"
        self.root.mkdir()
        self.client = ClientFolder(self.root)
        self.work_folder = folder / "work"
        self.work_folder.mkdir()
        self.known = KnownInMemory()
        self.backend = self.of(self.root)

    def of(self, root: Path) -> NativeBackend:
        config = NativeConfig(data_directory=str(root), is_network_folder=False)
        return NativeBackend(config, BackendContext(SOURCE_UUID, self.work_folder))

    def look(self, **request: Any) -> tuple[DiscoverySummary, dict[str, Found]]:
        found: list[Found] = []
        summary = self.backend.discover(DiscoveryRequest(**request), self.known, found.append, StopToken())
        self.known.known.update({item.identifier: item.fingerprint for item in found})
        return summary, {item.name: item for item in found}

    def read(self, dataset: uuid.UUID) -> tuple[Content, dict[str, Path]]:
        content = self.backend.read(str(dataset), StopToken())
        return content, {file.entry.name: Path(file.path) for file in content.files}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_dataset_is_described_as_the_client_does(source: Source) -> None:
    made = source.client.dataset(
        "Rabi", description="first", notes="second", keywords='["rabi", "q1"]', attributes={"sample": "SQ22"},
        ranking=2, alt_uid="20260102-100405",
    )  # fmt: skip
    source.client.file(made, "measurement.hdf5", b"raw")
    content, files = source.read(made)
    assert sorted(files) == ["measurement.hdf5", "metadata.json"]
    assert files["measurement.hdf5"].read_bytes() == b"raw"
    told = content.description
    assert (told.name, told.text, told.keywords) == ("Rabi", "first\n\nsecond", ("rabi", "q1"))
    assert told.collected == "2026-01-02T10:04:05.123456+00:00"
    assert told.attributes == {"sample": "SQ22"}
    assert told.details["scope"] == "Fridge 2"
    assert json.loads(files["metadata.json"].read_text())["scope"]["uuid"] == str(SCOPE)


def test_secrets_of_the_client_are_never_read(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.txt")
    asked: list[str] = []
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    source.look()
    _, files = source.read(made)
    assert any("datasets" in statement for statement in asked)
    assert not any("user_settings" in statement for statement in asked)
    for path in files.values():
        assert b"token of the user" not in path.read_bytes()


def test_caches_and_files_that_are_not_here_are_left_out(source: Source) -> None:
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.txt")
    source.client.file(made, "cache.hdf5", type="HDF5_CACHE")
    source.client.file(made, "remote.txt", None, status="unavailable")
    only_there = source.client.dataset("on the server only")
    source.client.file(only_there, "b.txt", None)
    summary, found = source.look()
    assert sorted(found) == ["Rabi"]
    assert summary.skipped == {"no file on this computer": 1}
    assert sorted(source.read(made)[1]) == ["a.txt", "metadata.json"]


def test_newest_version_has_the_name_and_older_ones_a_folder(source: Source) -> None:
    made = source.client.dataset("Rabi")
    same = uuid.uuid4()
    source.client.file(made, "a.txt", b"old", uuid=same, version_id=1767348246000)
    source.client.file(made, "a.txt", b"new", uuid=same, version_id=1767348999000)
    source.client.file(made, "A.txt", b"another file", uuid=uuid.uuid4())
    _, files = source.read(made)
    assert {name: path.read_bytes() for name, path in files.items() if path.suffix == ".txt"} == {
        "A.txt": b"another file",
        "a (2).txt": b"new",
        "older versions/1767348246000/a.txt": b"old",
    }


def test_syncing_of_the_client_itself_is_no_change_and_every_edit_is_one(source: Source) -> None:
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.txt")
    source.look()
    for change in (
        "UPDATE datasets SET synchronized = 1, modified = '2027-01-01 00:00:00', search_helper = 'x'",
        "UPDATE files SET synchronized = 1, size = 4, etag = 'x', S3_link = 'y', ntimes_accessed = 3",
    ):
        source.client.execute(change)
        assert source.look()[1] == {}
    for change in (
        "UPDATE datasets SET notes = 'seen'",
        "UPDATE datasets SET ranking = 1",
        "UPDATE files SET status = 'writing'",
        "INSERT INTO dataset_attr VALUES (7, 'sample', 'SQ1', 1)",
    ):
        source.client.execute(change)
        if "dataset_attr" in change:
            source.client.execute("INSERT INTO ds_attr_link VALUES (1, 7)")
        assert list(source.look()[1]) == ["Rabi"], change


def test_folder_that_was_moved_is_read_where_it_is_now(source: Source, tmp_path: Path) -> None:
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.txt")
    moved = tmp_path / "moved"
    shutil.move(source.root, moved)
    content = source.of(moved).read(str(made), StopToken())
    assert all(file.path.startswith((str(moved), str(source.work_folder))) for file in content.files)


def test_open_database_is_read_without_a_trace_and_never_locked(source: Source) -> None:
    """The client keeps its database open in WAL mode, with changes that are in the -wal only."""
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.txt")
    with closing(sqlite3.connect(source.client.database)) as connection:
        connection.execute("UPDATE datasets SET name = 'renamed'")
        connection.commit()
        before = take_manifest(source.root)
        assert list(source.look()[1]) == ["renamed"]
        source.read(made)
        parts = ("kind", "size_bytes", "mtime_ns", "inode", "content")
        left = [line for line in changes_since(before) if any(f": {part} " in line for part in parts)]
        assert [line for line in left if "-shm" not in line] == []
        connection.execute("UPDATE datasets SET name = 'again'")
        connection.commit()


def test_file_that_is_being_written_is_live_and_its_points_are_shown(source: Source) -> None:
    made = source.client.dataset("running")
    path = source.client.file(made, "measurement.hdf5", b"", type="HDF5", status="writing")
    path.unlink()
    with h5py.File(path, "w", libver=("v110", "v112"), locking=False) as file:
        for name in ("x", "y"):
            item = file.create_dataset(name, (1000,), "f8", maxshape=(None,), chunks=(1000,), fillvalue=np.nan)
            item.attrs["units"] = "V"
            item.attrs.create("__cursor", np.array([0]))
        file.swmr_mode = True
        for number in range(3):
            file["x"][number], file["y"][number] = number, number * 10
        for name in ("x", "y"):
            file[name].attrs.modify("__cursor", np.array([3]))
            file[name].flush()
        assert source.look()[1]["running"].run_state is RunState.LIVE
        points = source.backend.live(str(made), {}, StopToken())
        assert points is not None
        assert {column.name: list(column.values) for column in points.columns} == {"x": [0, 1, 2], "y": [0, 10, 20]}
        assert points.columns[0].unit == "V"
        growing = source.backend.read_growing(str(made), StopToken())
        assert [file.entry.name for file in growing.files] == ["metadata.json"]
    source.client.execute("UPDATE files SET status = 'complete'")
    assert source.look()[1]["running"].run_state is RunState.COMPLETE
    assert sorted(source.read(made)[1]) == ["measurement.hdf5", "metadata.json"]


def test_killed_client_leaves_an_interrupted_dataset(source: Source) -> None:
    made = source.client.dataset("killed")
    path = source.client.file(made, "measurement.hdf5", b"x", status="writing")
    os.utime(path, ns=(10**18, 10**18))
    assert source.look()[1]["killed"].run_state is RunState.INTERRUPTED
    path.write_bytes(b"more")
    assert source.look()[1]["killed"].run_state is RunState.LIVE


def test_file_that_cannot_be_looked_at_is_told_and_its_dataset_never_sent_without_it(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = source.client.dataset("Rabi"), source.client.dataset("T1")
    source.client.file(made, "a.hdf5", b"a")
    source.client.file(made, "b.hdf5", b"b")
    source.client.file(other, "c.hdf5", b"c")
    source.look()
    real = os.stat

    def refusing(path: Any, *args: Any, **options: Any) -> os.stat_result:
        if os.path.basename(os.fspath(path)) == "b.hdf5":
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", refusing)
    summary, _ = source.look()
    assert (summary.seen_count, summary.missing) == (2, ())
    assert [item.path for item in summary.unreadable] == [str(made)]
    with pytest.raises(PermissionRefused, match=r"b\.hdf5"):
        source.read(made)


def test_older_version_with_a_name_that_leads_elsewhere_stays_in_its_folder(source: Source) -> None:
    made = source.client.dataset("Rabi")
    source.client.file(made, "a.hdf5", b"new")
    source.client.file(made, "b.hdf5", b"old")
    with closing(sqlite3.connect(source.root / "sql" / "etiket_db.sql")) as database, database:
        database.execute("UPDATE files SET uuid = (SELECT min(uuid) FROM files)")
        database.execute("UPDATE files SET version_id = '../..' WHERE filename = 'b.hdf5'")
    _, files = source.read(made)
    assert sorted(files) == ["a.hdf5", "metadata.json", "older versions/unnamed/b.hdf5"]
