"""What a person reads when everything is archived: tables, sentences, and what to type next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etiket_gui.cli import archive_commands
from etiket_gui.cli import output as output_module
from etiket_gui.destinations.choosing import folder_name
from etiket_gui.domain.errors import DestinationDamaged
from tests.support.command_line import CommandLineRunner, make_datasets


@pytest.fixture
def archived(configured: CommandLineRunner, data: Path) -> CommandLineRunner:
    """Everything of ``lab`` is archived; one file lies above the datasets."""
    (data / "readme.txt").write_text("above\n")
    configured.ok("run", "--once")
    return configured


def test_datasets_are_listed_and_filtered(archived: CommandLineRunner) -> None:
    lines = archived.ok("datasets").out.splitlines()
    assert lines[0].split() == ["NAME", "COLLECTED", "SOURCE", "SIZE", "STATE", "UUID"]
    assert len(lines) == 4
    assert len(archived.ok("datasets", "--limit", "2").out.splitlines()) == 4
    assert "these are the first 2. All of them: --limit 0" in archived.ok("datasets", "--limit", "2").out
    assert len(archived.ok("datasets", "--limit", "0").out.splitlines()) == 4
    assert "run 2 µ" in archived.ok("datasets", "--search", "µ").out
    assert archived.ok("datasets", "--state", "failed").out == "No dataset is like that.\n"
    assert len(archived.ok("datasets", "--state", "archived", "--source", "lab", "--json").json) == 3
    ended = archived("datasets", "--source", "nothing")
    assert (ended.code, "There are: lab" in ended.err) == (2, True)
    with_files = archived.ok("datasets", "--files", "--search", "run 1").out
    assert "    data.txt  14 B  " in with_files
    assert "1 file above the datasets' depth" in archived.ok("sources").out


def test_on_a_terminal_a_long_list_is_cut_and_says_so(
    archived: CommandLineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etiket_gui.cli import listing

    monkeypatch.setattr(listing, "_ROWS_ON_A_TERMINAL", 1)
    monkeypatch.setattr(output_module.Output, "is_terminal", property(lambda self: True))
    assert "All of them: --limit 0" in archived.ok("datasets").out


def test_getting_back_tells_where_and_what_next(archived: CommandLineRunner, tmp_path: Path) -> None:
    found = archived.ok("search", "run", "1")
    assert "run 1" in found.out
    uuid = found.out.splitlines()[1].split()[-1]
    assert f"etiket-sync restore {uuid} --to DIR" in found.err
    assert "Nothing stored has all of these words: nothing at all" in archived.ok("search", "nothing", "at", "all").err
    assert archived.ok("versions", "run 1").out.splitlines()[1].split()[:2] == ["arch", "1.0.0"]
    restored = archived.ok("restore", "run 1", "--to", tmp_path / "back").out
    assert restored == f"Restored run 1 1.0.0 from arch (2 files, 17 B):\n{tmp_path / 'back' / 'run 1'}\n"
    place = f"archive:{tmp_path / 'archive'}"
    assert f"--from {place}" in archived.ok("search", "run", "--from", place).err
    assert "byte for byte (6 files" in archived.ok("verify").out


def test_steering_by_dataset_and_by_source(archived: CommandLineRunner) -> None:
    assert "left out from now on" in archived.ok("ignore", "run 1", "run 3").out
    assert "Nothing had failed" in archived.ok("retry", "--source", "lab").out
    archived.ok("retry", "run 1")
    states = {item["name"]: item["state"] for item in archived.ok("datasets", "--json").json}
    assert states["run 3"] == "ignored"
    assert states["run 1"] != "ignored"
    assert archived("retry", "run 1", "--source", "lab").code == 2
    assert archived("ignore", "nothing").code == 2
    held = archived.ok("hold", "--for", "1h", "--json").json
    assert held["held_until"].endswith("Z")
    assert archived.ok("pause", "--json").json["paused_until"] is None


def test_a_name_that_two_datasets_have_is_asked_about(
    archived: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_datasets(tmp_path / "other", "run 1")
    archived.ok("add-source", "folder", "two", f"root_directory={other}", "settle_time=0.2s")
    archived.ok("run", "--once")
    ended = archived("restore", "run 1", "--to", tmp_path / "back")
    assert ended.code == 2
    assert "means several datasets" in ended.err
    monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / "no home"))
    ended = archived("versions", "run 1", "--from", f"archive:{tmp_path / 'archive'}")
    assert ended.code == 2
    assert "means 2 datasets" in ended.err
    assert "Name the uuid" in ended.err


def test_a_damaged_only_copy_ends_with_4(
    archived: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> int:
        raise DestinationDamaged("data.txt is not what was put in.")

    monkeypatch.setattr(archive_commands, "_fetch", fail)
    ended = archived("restore", "run 1", "--to", tmp_path / "back")
    assert ended.code == 4
    assert "Archive damaged: data.txt" in ended.err


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("run 2 µ", "run 2 µ"), ("a/b", "a_b"), ("..", "_.."), (".hidden", "_.hidden"), ("-rf", "_-rf"),
        ("", "dataset"), ("x" * 300, "x" * 200), ("a\nb\x00", "a_b_"), (" a ", "a"),
    ],
)  # fmt: skip
def test_a_restored_folder_has_a_name_that_this_system_can_hold(name: str, folder: str) -> None:
    assert folder_name(name) == folder
    assert os.sep not in folder_name(name)


def test_hidden_surrogates_do_not_stop_a_restore() -> None:
    assert folder_name("a\udcffb") == "a_b"


def test_doctor_tells_of_a_damaged_store_and_little_space(
    archived: CommandLineRunner, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etiket_gui.cli import checking

    monkeypatch.setattr(checking, "_LITTLE_SPACE_BYTES", 10**18)
    assert "PROBLEM  home: Only" in archived("doctor").out
    for ending in ("-wal", "-shm"):
        (home_folder / f"store.sqlite{ending}").unlink(missing_ok=True)
    (home_folder / "store.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 8192)
    ended = archived("doctor")
    assert ended.code == 2
    assert "PROBLEM  store" in ended.out
    ended = archived("sources")
    assert ended.code == 2
    assert "etiket-sync run --once" in ended.err
