"""What a folder archive says about what it holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from etiket_gui.destinations.archive.layout import MARKER, ArchiveLayout, join_remote
from etiket_gui.destinations.archive.reading import FOREIGN, ArchiveReader, foreign_uuid
from etiket_gui.domain.errors import DestinationDamaged, DestinationOffline, Stopped, UnsafeName, UsageError
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import FileLayer, Folder
from tests.support.stored_archive import SOURCE, StoredArchive, uuid_of


class CountingLayer(FileLayer):
    """Notes which folders are listed and which files are read."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []
        self.read: list[str] = []

    def names(self, folder: Folder) -> list[str]:
        self.listed.append(folder.path)
        return super().names(folder)

    def read_file(self, parent: Folder, name: str, limit_bytes: int) -> bytes:
        self.read.append(name)
        return super().read_file(parent, name, limit_bytes)


FOREIGN_YAML = """\
datasets: {}
project:
  data.h5:
    /attrs/: {}
    /bpid/: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    /bytes/: 5
    /file-type/: misc
    /item/: H5_File
    /path/: data.h5
    group:
      /attrs/: {}
      /item/: H5_Group
      /path/: group
      values: {/attrs/: {}, /item/: H5_DATASET, /path/: group/values}
  empty:
    /attrs/: {}
    /bpid/: null
    /bytes/: 0
    /file-type/: misc
    /item/: File
    /path/: empty
  odd: {/item/: Something_New, /path/: odd}
requirements: []
title: demo-run-v0.2.0
title_versionless: demo-run
version: 0.2.0
workflow: {}
workflow_config_path: demo.yml
"""


def add_foreign(archive: StoredArchive, version: str = "0.2.0") -> str:
    remote = "Global Public Workspace/demo-run"
    archive.blob(remote, b"hello")
    path = archive.root / remote / f"demo-run-v{version}.yml"
    path.write_text(FOREIGN_YAML.replace("0.2.0", version))
    return remote


def test_find_answers_for_the_newest_version_by_semver_and_not_by_text(archive: StoredArchive) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        archive.add("run", {"a": version.encode()}, version=version)
    found = archive.reader.find(uuid_of("run"), "")
    assert found is not None
    assert (found.remote, found.version) == (archive.remote("run"), "1.10.0")


def test_find_passes_over_provisional_versions(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    archive.add("run", {"a": b"2"}, version="1.1.0-live.7")
    archive.add("live", {"a": b"2"}, version="1.0.0-live.1")
    found = archive.reader.find(uuid_of("run"), "")
    assert found is not None
    assert found.version == "1.0.0"
    assert archive.reader.find(uuid_of("live"), "") is None


def test_find_lists_no_workspace_and_parses_one_record(archive: StoredArchive) -> None:
    for number in range(5):
        archive.add(f"other {number}", {"a": b"1"})
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        archive.add("run", {"a": version.encode()}, version=version)
    layer = CountingLayer()
    found = ArchiveReader(archive.layout, layer).find(uuid_of("run"), "")
    assert found is not None
    assert found.version == "1.2.0"
    assert [Path(path).name for path in layer.listed] == [archive.remote("run").partition("/")[2]]
    assert [name for name in layer.read if name.endswith(".yml")] == [archive.record_path("run", "1.2.0").name]


def test_find_knows_nothing_of_a_dataset_that_is_not_here_or_in_another_workspace(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    assert archive.reader.find(uuid_of("other"), "") is None
    assert archive.reader.find(uuid_of("run"), "Private") is None


def test_an_empty_mount_point_never_says_that_nothing_is_stored(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    shutil.rmtree(archive.root)
    archive.root.mkdir()
    with pytest.raises(DestinationOffline, match="no archive"):
        archive.reader.find(uuid_of("run"), "")
    with pytest.raises(DestinationOffline):
        archive.reader.versions(remote)
    with pytest.raises(DestinationOffline):
        list(archive.reader.datasets(StopToken()))
    archive.root.rmdir()
    with pytest.raises(DestinationOffline):
        archive.reader.find(uuid_of("run"), "")


def test_versions_are_listed_oldest_first_and_strangers_are_no_versions(archive: StoredArchive) -> None:
    for version in ("1.10.0", "1.0.0", "1.1.0-live.2", "1.2.0"):
        archive.add("run", {"a": version.encode()}, version=version)
    folder = archive.record_path("run", "1.0.0").parent
    title = folder.name
    for name in (f"{title}-v1.0.yml", f"{title}-v1.0.0.yml~", f"copy of {title}-v1.0.0.yml", f"{title}-notes.txt"):
        (folder / name).write_text("not a record")
    versions = archive.reader.versions(archive.remote("run"))
    assert [stored.version for stored in versions] == ["1.0.0", "1.1.0-live.2", "1.2.0", "1.10.0"]
    assert [stored.is_provisional for stored in versions] == [False, True, False, False]
    assert archive.damages == []


def test_asking_for_what_is_not_there_names_what_is(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    with pytest.raises(UsageError) as caught:
        archive.reader.record(remote, "3.0.0")
    assert "1.0.0" in caught.value.advice
    with pytest.raises(UsageError, match="no dataset"):
        archive.reader.versions("Global Public Workspace/nothing-123456789abc")


@pytest.mark.parametrize(
    "remote", ["../outside/x", "Global Public Workspace/..", "a/b/c", "", ".etiket/titles", "browse/x"]
)
def test_a_remote_that_leads_elsewhere_is_refused(archive: StoredArchive, remote: str) -> None:
    with pytest.raises(UnsafeName):
        archive.reader.versions(remote)


_ALIASES = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [%b]\n" % (n, n, b"*a%d, " % (n - 1) * 9) for n in range(1, 12))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"title":"run', b"\xff\xfe", b"[" * 100_000, b"- " * 100_000, _ALIASES, b"just text", b"{}"],
    ids=["empty", "torn", "torn record", "no text", "deep", "deep YAML", "endless YAML", "text", "nothing"],
)
def test_a_broken_record_is_reported_and_hides_no_other(archive: StoredArchive, content: bytes) -> None:
    archive.add("run", {"a": b"1"})
    archive.add("run", {"a": b"2"}, version="1.1.0")
    archive.add("good", {"a": b"3"})
    archive.record_path("run", "1.1.0").write_bytes(content)
    listed = {dataset.description.name: dataset.newest.version for dataset in archive.reader.datasets(StopToken())}
    assert listed == {"run": "1.0.0", "good": "1.0.0"}
    assert [error.kind for error in archive.damages] == ["DestinationDamaged"]
    assert [stored.version for stored in archive.reader.versions(archive.remote("run"))] == ["1.0.0"]
    found = archive.reader.find(uuid_of("run"), "")
    assert found is not None
    assert found.version == "1.0.0"


def test_a_record_under_another_name_is_not_taken_for_that_version(archive: StoredArchive) -> None:
    remote = archive.add("run", {"a": b"1"})
    shutil.copy(archive.record_path("run", "1.0.0"), archive.record_path("run", "2.0.0"))
    with pytest.raises(DestinationDamaged, match="not what its name says"):
        archive.reader.record(remote, "2.0.0")


def test_datasets_can_be_listed_for_one_source_and_be_stopped(archive: StoredArchive) -> None:
    archive.add("ours", {"a": b"1"})
    archive.add("theirs", {"a": b"1"}, source_uuid="33333333-3333-4333-8333-333333333333")
    names = [dataset.description.name for dataset in archive.reader.datasets(StopToken(), source_uuid=SOURCE)]
    assert names == ["ours"]
    stop = StopToken()
    listing = archive.reader.datasets(stop)
    next(listing)
    stop.stop()
    with pytest.raises(Stopped):
        next(listing)


def test_a_dataset_is_resolved_by_everything_it_is_called(archive: StoredArchive) -> None:
    remote = archive.add("run µ", {"a": b"1"}, identifier="2024/run µ")
    archive.add("other", {"a": b"1"})
    uuid = uuid_of("run µ")
    for query in (uuid, uuid.upper(), uuid[:6], uuid[:13], uuid.replace("-", "")[:14], remote, remote.partition("/")[2],
                  "2024/run µ", "run µ"):  # fmt: skip
        found = archive.reader.resolve(query, StopToken())
        assert [dataset.reference.uuid for dataset in found] == [uuid], query
    for query in ("", " ", "run", uuid[:5], "nothing", uuid_of("nothing")):
        assert archive.reader.resolve(query, StopToken()) == (), query


def test_resolving_by_uuid_does_not_walk_the_workspaces(archive: StoredArchive) -> None:
    for number in range(5):
        archive.add(f"other {number}", {"a": b"1"})
    remote = archive.add("run", {"a": b"1"})
    for query in (uuid_of("run"), uuid_of("run")[:8], remote, remote.partition("/")[2]):
        layer = CountingLayer()
        assert len(ArchiveReader(archive.layout, layer).resolve(query, StopToken())) == 1
        assert str(archive.root / "Global Public Workspace") not in layer.listed
        assert len([name for name in layer.read if name.endswith(".yml")]) == 1


def test_a_uuid_is_found_without_its_pointer(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    shutil.rmtree(archive.root / ".etiket")
    found = archive.reader.resolve(uuid_of("run"), StopToken())
    assert [dataset.description.name for dataset in found] == ["run"]


def test_search_wants_every_word_anywhere_in_what_is_known(archive: StoredArchive) -> None:
    archive.add("T1 decay", {"a": b"1"}, text="Sweep of the Flux line", keywords=("qubit", "relaxation"))
    archive.add("T2 echo", {"a": b"1"})
    for text, wanted in (
        ("t1", ["T1 decay"]), ("FLUX relax", ["T1 decay"]), ("bluefors", ["T1 decay", "T2 echo"]), ("0.5", 2),
        ("field", 2), ("2024/T2", ["T2 echo"]), ("flux echo", []), ("", 2),
    ):  # fmt: skip
        found = sorted(dataset.description.name for dataset in archive.reader.search(text, StopToken()))
        assert found == wanted if isinstance(wanted, list) else len(found) == wanted, text


def test_a_release_of_another_program_is_listed_read_and_found(archive: StoredArchive) -> None:
    remote = add_foreign(archive)
    add_foreign(archive, "0.10.0")
    (dataset,) = archive.reader.datasets(StopToken())
    assert dataset.reference.uuid == foreign_uuid("Global Public Workspace", "demo-run")
    assert (dataset.reference.backend, dataset.reference.identifier) == (FOREIGN, "demo-run")
    assert (dataset.newest.version, dataset.newest.size_bytes, dataset.newest.file_count) == ("0.10.0", 5, 2)
    assert [stored.version for stored in archive.reader.versions(remote)] == ["0.2.0", "0.10.0"]
    entries = {entry.name: entry.size_bytes for entry in archive.reader.read_version_entries(remote, "0.2.0")}
    assert entries == {"data.h5": 5, "empty": 0}
    for query in ("demo-run", remote, dataset.reference.uuid):
        assert archive.reader.resolve(query, StopToken()) == (dataset,)
    assert archive.reader.verify(remote, "0.2.0", "", StopToken()).is_good


def test_the_scope_of_a_dataset_leads_back_to_its_workspace(archive: StoredArchive) -> None:
    archive.scope = "Team A"
    archive.add("run", {"a": b"1"})
    (dataset,) = archive.reader.datasets(StopToken())
    assert dataset.scope == "Team A"
    assert archive.reader.find(uuid_of("run"), dataset.scope) is not None
    archive.scope = ""
    archive.add("other", {"a": b"1"})
    elsewhere = ArchiveReader(ArchiveLayout(str(archive.root), "Another Default"))
    scopes = {dataset.description.name: dataset.scope for dataset in elsewhere.datasets(StopToken())}
    assert scopes == {"run": "Team A", "other": "Global Public Workspace"}


def test_a_folder_that_may_not_be_read_hides_no_other(archive: StoredArchive) -> None:
    archive.add("run", {"a": b"1"})
    os.symlink(archive.root / "nowhere", archive.root / "Linked Workspace")
    os.symlink("/etc", archive.root / "Global Public Workspace" / "a-link")
    assert [dataset.description.name for dataset in archive.reader.datasets(StopToken())] == ["run"]
    assert {error.kind for error in archive.damages} == {"DestinationDamaged"}


def test_an_archive_without_folders_of_ours_is_read(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text("# by hand")
    reader = ArchiveReader(ArchiveLayout(str(tmp_path)))
    assert list(reader.datasets(StopToken())) == []
    assert reader.resolve(uuid_of("x"), StopToken()) == ()
    assert reader.find(uuid_of("x"), "") is None
    assert join_remote("a", "b") == "a/b"
