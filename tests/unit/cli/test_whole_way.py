"""A person's whole way with the real engine: add, run, look, verify, restore; in one process and its workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command_line import CommandLineRunner


def _tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _restored(cli: CommandLineRunner, *arguments: object) -> Path:
    return Path(cli.ok("restore", *arguments, "--json").json["folder"])


@pytest.fixture
def archived(configured: CommandLineRunner) -> CommandLineRunner:
    """Everything of the source ``lab`` is archived."""
    ended = configured.ok("run", "--once", "--json")
    assert ended.json["archived"] == 3
    return configured


def test_every_dataset_is_archived_verified_found_and_given_back(
    archived: CommandLineRunner, data: Path, tmp_path: Path
) -> None:
    datasets = archived.ok("datasets", "--json").json
    assert {item["name"] for item in datasets} == {"run 1", "run 2 µ", "run 3"}
    for item in datasets:
        assert {"uuid", "source", "identifier", "name", "collected", "run_state", "state"} <= item.keys()
        assert (item["source"], item["state"], item["run_state"]) == ("lab", "archived", "complete")
        destination = item["destinations"][0]
        assert (destination["name"], destination["state"], destination["version"]) == ("arch", "archived", "1.0.0")
        assert destination["verified_at"].endswith("Z")
        assert {entry["name"] for entry in item["files"]} == {"data.txt", "notes.txt"}
        assert all(len(entry["sha256"]) == 64 for entry in item["files"])
    assert "All 3 datasets are archived and verified." in archived.ok("status").out
    status = archived.ok("status", "--json").json
    assert status["is_all_archived"]
    assert status["counts"]["archived"] == status["total"] == 3
    assert archived.ok("problems", "--json").json == []

    verified = archived.ok("verify", "--json").json
    assert (verified["good"], verified["checked_files"], verified["differences"]) == (3, 6, [])

    uuid = next(item["uuid"] for item in datasets if item["name"] == "run 2 µ")
    assert [version["version"] for version in archived.ok("versions", uuid[:8], "--json").json] == ["1.0.0"]
    assert [item["uuid"] for item in archived.ok("search", "run", "µ", "--json").json] == [uuid]
    for query in (uuid, uuid[:6], "run 2 µ", "run 2 µ==1.0.0"):
        folder = _restored(archived, query, "--to", tmp_path / f"back {query.replace('/', '_')}")
        assert folder.name == "run 2 µ"
        assert _tree(folder) == _tree(data / "run 2 µ")


def test_a_dataset_comes_back_with_an_empty_home(
    archived: CommandLineRunner, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / "no home"))
    place = f"archive:{tmp_path / 'archive'}"
    assert len(archived.ok("search", "run", "--from", place, "--json").json) == 3
    folder = _restored(archived, "run 1", "--from", place, "--to", tmp_path / "back")
    assert _tree(folder) == _tree(data / "run 1")
    linked = _restored(archived, "run 3", "--from", place, "--to", tmp_path / "linked", "--link")
    assert (linked / "data.txt").read_bytes() == (data / "run 3" / "data.txt").read_bytes()
    assert not (tmp_path / "no home").exists()


def test_restore_overwrites_nothing(archived: CommandLineRunner, tmp_path: Path) -> None:
    folder = _restored(archived, "run 1", "--to", tmp_path / "back")
    (folder / "data.txt").chmod(0o600)
    (folder / "data.txt").write_text("mine")
    ended = archived("restore", "run 1", "--to", tmp_path / "back")
    assert ended.code == 2
    assert "nothing is overwritten" in ended.err
    assert (folder / "data.txt").read_text() == "mine"


def test_what_is_not_there_is_refused_with_what_there_is(archived: CommandLineRunner, tmp_path: Path) -> None:
    ended = archived("restore", "run 1==9.9.9", "--to", tmp_path / "back")
    assert ended.code == 2
    assert "It has: 1.0.0" in ended.err
    ended = archived("restore", "run 4", "--to", tmp_path / "back")
    assert ended.code == 2
    assert "etiket-sync search" in ended.err
    assert archived("versions", "run 1", "--from", "nowhere").code == 2
    assert archived("search", "x", "--from", "archive:").code == 2
    assert not (tmp_path / "back").exists()


def test_a_changed_copy_is_found_ends_with_4_and_is_no_longer_called_archived(
    archived: CommandLineRunner, data: Path, tmp_path: Path
) -> None:
    blob = next(
        path
        for path in (tmp_path / "archive").rglob("blobs/*/*")
        if path.is_file() and path.read_bytes() == b"data of run 1\n"
    )
    blob.chmod(0o600)
    blob.write_bytes(b"DATA of run 1\n")
    ended = archived("verify", "--destination", "arch", "--json")
    assert ended.code == 4
    assert [item["name"] for item in ended.json["differences"]] == ["run 1"]
    assert "DIFFERENT: run 1 1.0.0 at arch: data.txt" in ended.err
    states = {item["name"]: item["state"] for item in archived.ok("datasets", "--json").json}
    assert states["run 1"] != "archived"
    assert states["run 3"] == "archived"
    assert archived("verify", "run 3").code == 0


def test_a_second_run_finds_nothing_to_do_and_an_added_dataset_is_sent(archived: CommandLineRunner, data: Path) -> None:
    ended = archived.ok("run", "--once")
    assert ended.out.startswith("All 3 datasets are archived and verified")
    assert "archived run" not in ended.err
    (data / "run 4").mkdir()
    (data / "run 4" / "x").write_bytes(b"")
    os.utime(data / "run 4" / "x", ns=(10**18, 10**18))
    ended = archived.ok("run", "--once")
    assert "archived run 4 → arch 1.0.0" in ended.err


def test_a_source_that_finds_nothing_ends_with_3_and_is_a_problem(archived: CommandLineRunner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    archived.ok("add-source", "folder", "nothing", f"root_directory={tmp_path / 'empty'}")
    ended = archived("run", "--once")
    assert ended.code == 3
    assert "nothing" in ended.out
    problems = archived.ok("problems", "--json").json
    assert [problem["source"] for problem in problems] == ["nothing"]
    assert "nothing" in archived.ok("problems").out


def test_an_ignored_dataset_does_not_count_and_one_on_hold_is_not_touched(
    configured: CommandLineRunner, data: Path
) -> None:
    configured.ok("hold", "--for", "1h")
    ended = configured("run", "--once", "--json")
    assert ended.code == 3
    assert ended.json["archived"] == 0
    configured.ok("resume")
    assert configured.ok("run", "--once", "--json").json["archived"] == 3
    assert "left out from now on" in configured.ok("ignore", "run 1").out
    report = configured.ok("run", "--once", "--json").json
    assert (report["archived"], report["ignored"]) == (2, 1)
    assert "1 left out" in configured.ok("run", "--once").out


def test_a_removed_source_that_is_added_again_continues_what_it_was(archived: CommandLineRunner, data: Path) -> None:
    before = {item["uuid"] for item in archived.ok("datasets", "--json").json}
    archived.ok("remove-source", "lab")
    added = archived.ok("add-source", "folder", "again", f"root_directory={data}", "settle_time=0.2s", "--json")
    assert added.json["is_continued"]
    assert "This continues the source lab" in added.err
    archived.ok("run", "--once")
    items = archived.ok("datasets", "--json").json
    assert {item["uuid"] for item in items} == before
    assert {item["destinations"][0]["version"] for item in items} == {"1.0.0"}


@pytest.mark.fault("F44", guard="unseen-is-said")
def test_a_run_on_hold_does_not_say_that_all_is_archived(configured: CommandLineRunner, tmp_path: Path) -> None:
    configured.ok("run", "--once")
    configured.ok("hold", "--for", "1h")
    ended = configured("run", "--once")
    assert ended.code == 3
    assert "All" not in ended.out
    assert "On hold: lab was not looked at" in ended.out
    configured.ok("resume")
    assert "All 3 datasets are archived" in configured.ok("run", "--once").out


@pytest.mark.fault("F44", guard="a-pause-goes-on-looking")
def test_a_run_while_sending_is_paused_looks_and_says_what_waits(configured: CommandLineRunner, data: Path) -> None:
    configured.ok("run", "--once")
    configured.ok("pause")
    later = data / "run 9"
    later.mkdir()
    (later / "data.txt").write_bytes(b"later")
    ended = configured("run", "--once", "--json")
    assert ended.code == 3
    assert (ended.json["found"], ended.json["not_archived"]) == (4, 1)


def test_diagnostics_hold_no_account_name_and_say_what_they_hold(
    archived: CommandLineRunner, tmp_path: Path, account_folder: Path
) -> None:
    import zipfile

    path = tmp_path / "diagnostics.zip"
    held = archived.ok("export-diagnostics", path, "--json").json["contents"]
    with zipfile.ZipFile(path) as file:
        assert sorted(file.namelist()) == sorted(item["name"] for item in held)
        text = "".join(file.read(name).decode() for name in file.namelist())
        counts = json.loads(file.read("store.json"))["row_counts"]
    assert counts["datasets"] == 3
    assert str(account_folder) not in text
    assert archived("export-diagnostics", path).code == 2


def test_doctor_finds_everything_in_order_and_names_what_is_not(archived: CommandLineRunner, data: Path) -> None:
    assert archived.ok("doctor", "--json").json["is_healthy"]
    data.rename(data.with_name("moved"))
    ended = archived("doctor")
    assert ended.code == 2
    assert "PROBLEM  source lab" in ended.out
