"""What a look at a folder source finds, at every level and by every kind of question."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from etiket_gui.domain.errors import DescriptionBroken, PermissionRefused, SourceGone, UnsafeName
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from tests.support.folder_source import FolderSource
from tests.support.unprivileged import permissions_count

MARK = "_QH_dataset_info.yaml"


def make(tmp_path: Path, level: int, *files: str, **options: object) -> FolderSource:
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    source = FolderSource(root, tmp_path / "work", level=level, **options)
    for name in files:
        source.write(name)
    return source


def test_level_0_is_the_root_itself(tmp_path: Path) -> None:
    source = make(tmp_path, 0, "a.csv", "sub/b.csv")
    found = source.look()
    assert list(found) == ["."]
    assert found["."].name == "root"
    assert source.names(".") == ["a.csv", "sub/b.csv"]
    assert source.summary.stray_files == 0
    source.write("sub/c.csv")
    assert list(source.look(paths=(source.root / "sub" / "c.csv",))) == ["."]
    shutil.rmtree(source.root / "sub")
    (source.root / "a.csv").unlink()
    assert source.look() == {}
    assert source.summary.missing == (".",)


def test_level_1_is_each_sub_folder(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "b/deep/2.csv", "stray.txt", ".DS_Store")
    (source.root / "empty" / "folders only").mkdir(parents=True)
    source.write("only ignored/x.part")
    assert sorted(source.look()) == ["a", "b"]
    assert source.summary.stray_files == 1
    assert source.summary.seen_count == 2


def test_level_n_is_the_folders_at_that_depth(tmp_path: Path) -> None:
    source = make(tmp_path, 3, "x/y/z/1.csv", "x/y/stray.csv", "x/stray.csv", "x/y/w/deep/er/2.csv")
    assert sorted(source.look()) == ["x/y/w", "x/y/z"]
    assert source.summary.stray_files == 2
    for wrong in ("x", "x/y", "x/y/w/deep", ".", "../root/x"):
        with pytest.raises((SourceGone, UnsafeName)):
            source.backend.read(wrong, StopToken())


def test_level_minus_1_is_the_outermost_marked_folder(tmp_path: Path) -> None:
    source = make(tmp_path, -1, f"a/{MARK}", f"a/inner/{MARK}", f"b/c/d/{MARK}", "b/stray.csv", "b/c/stray.csv")
    for name in (f"a/{MARK}", f"a/inner/{MARK}", f"b/c/d/{MARK}"):
        source.write(name, "")
    assert sorted(source.look()) == ["a", "b/c/d"]
    assert source.summary.stray_files == 2
    assert source.names("a") == [MARK, f"inner/{MARK}"]
    with pytest.raises(SourceGone):
        source.backend.read("a/inner", StopToken())
    source.write(MARK, "")
    assert list(source.look()) == ["."]
    assert source.summary.missing == ("a", "b/c/d")


def test_mark_that_comes_and_goes_is_followed_by_events_too(tmp_path: Path) -> None:
    source = make(tmp_path, -1)
    mark = source.write(f"a/{MARK}", "")
    source.write(f"a/b/{MARK}", "")
    assert list(source.look(paths=(mark,))) == ["a"]
    mark.unlink()
    assert list(source.look(paths=(mark,))) == ["a/b"]
    assert source.summary.missing == ("a",)
    source.write(f"a/{MARK}", "")
    assert list(source.look(paths=(mark,))) == ["a"]
    assert source.summary.missing == ("a/b",)
    shutil.rmtree(source.root / "a")
    assert source.look(paths=(mark,)) == {}
    assert source.summary.missing == ("a",)


def test_link_to_a_description_marks_nothing(tmp_path: Path) -> None:
    source = make(tmp_path, -1, "elsewhere.yaml", "a/1.csv")
    (source.root / "a" / MARK).symlink_to(source.root / "elsewhere.yaml")
    assert source.look() == {}


def test_events_are_looked_at_where_they_happened_and_nowhere_else(tmp_path: Path) -> None:
    source = make(tmp_path, 2, "mon/1/a.csv", "mon/2/a.csv", "tue/1/a.csv")
    source.look()
    asked_before = source.known.asked_for_everything
    source.write("mon/1/b.csv")
    source.write("tue/1/b.csv")
    assert list(source.look(paths=(source.root / "mon/1/b.csv", source.root / "mon/1"))) == ["mon/1"]
    assert not source.summary.is_complete_scan
    assert source.known.asked_for_everything == asked_before
    assert list(source.look(paths=(source.root / "tue",))) == ["tue/1"]
    assert source.look(paths=(source.root / "mon/1/b.csv",)) == {}
    assert source.look(paths=(tmp_path / "elsewhere", "/")) == {}
    assert not source.summary.missing


def test_deleted_paths_make_known_datasets_at_or_below_them_missing(tmp_path: Path) -> None:
    source = make(tmp_path, 2, "mon/1/a.csv", "mon/2/a.csv", "monday/1/a.csv", "tue/1/a.csv")
    source.look()
    shutil.rmtree(source.root / "mon" / "1")
    source.look(paths=(source.root / "mon/1/a.csv",))
    assert source.summary.missing == ("mon/1",)
    shutil.rmtree(source.root / "mon")
    shutil.rmtree(source.root / "tue")
    source.look(paths=(source.root / "mon",))
    assert source.summary.missing == ("mon/2",)
    source.look()
    assert source.summary.missing == ("tue/1",)


@pytest.mark.parametrize("level", [1, 2, -1])
def test_event_at_the_root_looks_everywhere(tmp_path: Path, level: int) -> None:
    source = make(tmp_path, level, *(f"{day}/{run}/{MARK}" for day in "ab" for run in "12"))
    for path in source.root.rglob(MARK):
        path.write_text("")
    before = source.look()
    gone = min(before)
    shutil.rmtree(source.root / gone)
    source.look(paths=(source.root,))
    assert source.summary.missing == (gone,)


def test_renamed_folder_is_both_ends_of_the_event(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv")
    place = source.look()["a"].place
    (source.root / "a").rename(source.root / "b")
    found = source.look(paths=(source.root / "a", source.root / "b"))
    assert found["b"].place == place
    assert source.summary.missing == ("a",)


def test_file_renamed_inside_a_dataset_is_a_change(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "a/sub/2.csv")
    source.look()
    source.read("a")
    (source.root / "a" / "1.csv").rename(source.root / "a" / "one.csv")
    assert source.look()["a"].is_unchanged is False
    source.read("a")
    (source.root / "a" / "sub").rename(source.root / "a" / "bus")
    assert source.look()["a"].is_unchanged is False
    assert source.names("a") == ["bus/2.csv", "one.csv"]


def test_empty_folders_inside_a_dataset_are_entries(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "a/src/__pycache__/x.pyc", "a/full/of/2.csv")
    (source.root / "a" / "empty" / "nested").mkdir(parents=True)
    assert source.look()["a"].file_count == 2
    entries = {file.entry.name: file.entry.kind for file in source.read("a").files}
    assert entries == {
        "1.csv": EntryKind.FILE,
        "full/of/2.csv": EntryKind.FILE,
        "empty/nested": EntryKind.FOLDER,
        "src": EntryKind.FOLDER,
    }
    # What happens in folders that are left out makes no new version.
    source.write("a/src/__pycache__/y.pyc")
    assert source.look()["a"].is_unchanged is True
    (source.root / "a" / "empty" / "nested").rmdir()
    assert source.look()["a"].is_unchanged is False


def test_deletion_inside_a_dataset_counts_as_a_fresh_change(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "a/2.csv")
    before = source.look()["a"]
    for path in (source.root / "a").iterdir():
        os.utime(path, (0, 0))
    (source.root / "a" / "2.csv").unlink()
    assert source.look()["a"].newest_change_ns > before.newest_change_ns


def test_archives_and_ignored_folders_are_no_datasets(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "archive/.rmearchive", "archive/blobs/00/x", ".git/HEAD")
    assert list(source.look()) == ["a"]
    assert source.summary.skipped == {"archive": 1, "ignored folder": 1}
    deeper = make(tmp_path, 2)
    assert sorted(deeper.look()) == []
    assert deeper.summary.skipped == {"archive": 1, "ignored folder": 1}


def test_description_is_honoured_at_every_level(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "a/2.tmp", "a/p.png")
    source.write(
        f"a/{MARK}",
        "version: 0.1\ndataset_name: Cold\ncollected: 2026-01-02 03:04:05\ndescription: text\n"
        "attributes: {b: 1, a: x}\n"
        "tags: [t]\nskip: ['*.tmp']\nthumbnails: [p.png, missing.png]\n"
        "converters: {csv_to_hdf5_converter: {module: os, class: system}}\n",
    )
    found = source.look()["a"]
    assert (found.name, found.file_count) == ("a", 3)
    content = source.read("a")
    assert [file.entry.name for file in content.files] == ["1.csv", MARK, "p.png"]
    description = content.description
    assert (description.name, description.identifier, description.text) == ("Cold", "a", "text")
    assert description.collected == "2026-01-02T03:04:05"
    assert list(description.attributes.items()) == [("a", "x"), ("b", 1)]
    assert description.keywords == ("t",)
    assert description.details == {"description_version": "0.1", "thumbnails": ["p.png"]}


def test_broken_description_is_a_problem_and_never_a_default(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv")
    source.look()
    source.read("a")
    mark = source.write(f"a/{MARK}", "attributes:\n  - {")
    assert source.look()["a"].is_unchanged is False
    with pytest.raises(DescriptionBroken, match=rf"{MARK}, line 2"):
        source.backend.read("a", StopToken())
    mark.write_text("attributes: {}\n")
    source.look()
    assert source.read("a").description.attributes == {}


def test_description_that_a_rule_leaves_out_still_counts(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", ignore=["*.yaml"])
    mark = source.write(f"a/{MARK}", "dataset_name: one\n")
    source.look()
    assert source.read("a").description.name == "one"
    assert source.names("a") == ["1.csv"]
    mark.write_text("dataset_name: two\n")
    assert source.look()["a"].is_unchanged is False
    assert source.read("a").description.name == "two"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_root_that_may_not_be_listed_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv")
    source.look()
    source.root.chmod(0)
    try:
        with permissions_count(), pytest.raises(PermissionRefused):
            source.look()
    finally:
        source.root.chmod(0o755)
    assert source.look() == {}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_unreadable_description_is_refused_with_its_path(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv")
    mark = source.write(f"a/{MARK}", "dataset_name: one\n")
    mark.chmod(0)
    with permissions_count():
        assert list(source.look()) == ["a"]
        with pytest.raises(PermissionRefused) as refused:
            source.backend.read("a", StopToken())
    assert refused.value.path == str(mark)


def test_executable_files_are_told_from_others(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/run.sh", "a/data.csv")
    (source.root / "a" / "run.sh").chmod(0o755)
    entries = {file.entry.name: file.entry for file in source.read("a").files}
    assert entries["run.sh"].is_executable == (sys.platform != "win32")
    assert not entries["data.csv"].is_executable


def test_asking_for_what_is_no_dataset_finds_it_missing(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/1.csv", "b")
    source.known.known = {"a": 0, "b": 0, "c": 0, "../root": 0}
    found = source.look(identifiers=("a", "b", "c", "../root", "a"))
    assert list(found) == ["a"]
    assert source.summary.missing == ("../root", "b", "c")


def test_what_is_left_out_may_change_while_the_rest_is_on_its_way(tmp_path: Path) -> None:
    source = make(tmp_path, 1, "a/run.db", "a/run.db-shm")
    content = source.read("a")
    source.write("a/run.db-shm", "touched by another reader")
    source.write("a/download.part", "appeared")
    assert source.backend.fingerprint("a") == content.fingerprint
    source.write("a/run.db", "more")
    assert source.backend.fingerprint("a") != content.fingerprint
    mark = source.write(f"a/{MARK}", "skip: ['*.yaml', '*.db-shm']\n")
    content = source.read("a")
    mark.write_text("skip: ['*.yaml', '*.db-shm']\ndataset_name: other\n")
    assert source.backend.fingerprint("a") != content.fingerprint


def test_readings_are_not_remembered_without_end(tmp_path: Path) -> None:
    source = make(tmp_path, 1, *(f"{name}/{number}" for name in "abc" for number in range(100)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("etiket_gui.backends.folder.backend._REMEMBERED_ENTRIES", 250)
        for name in "abc":
            source.read(name)
    assert list(source.backend._last_read) == ["b", "c"]
