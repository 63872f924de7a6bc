"""Faults a person meets at the command line: overlapping places, twins on a share, holds, hostile names, bugs."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.cli import looking
from etiket_gui.cli.session import CommandLine
from tests.support.command_line import CommandLineRunner, make_datasets


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> CommandLineRunner:
    return CommandLineRunner(capsys)


@pytest.mark.fault("F27", guard="places-apart")
@pytest.mark.parametrize(
    "new",
    [
        ("add-source", "folder", "x", "root_directory={data}/run 1"),
        ("add-source", "folder", "x", "root_directory={archive}/Global Public Workspace"),
        ("add-source", "folder", "x", "root_directory={around}"),
        ("add-source", "folder", "x", "root_directory={link}"),
        ("add-destination", "archive", "x", "path={data}/archive"),
        ("edit-source", "other", "root_directory={data}/run 1"),
        ("edit-destination", "arch", "path={data}/archive"),
    ],
)
def test_a_source_inside_a_source_or_an_archive_is_refused_with_the_reason(
    cli: CommandLineRunner, tmp_path: Path, new: tuple[str, ...]
) -> None:
    around = tmp_path / "around"
    data, archive = make_datasets(around / "data", "run 1"), around / "archive"
    cli.ok("add-destination", "archive", "arch", f"path={archive}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}")
    cli.ok("add-source", "folder", "other", f"root_directory={make_datasets(tmp_path / 'other', 'a')}")
    (archive / "Global Public Workspace").mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(data / "run 1")
    places = {"around": around, "data": data, "archive": archive, "link": tmp_path / "link"}
    before = cli.ok("sources", "--json").json, cli.ok("destinations", "--json").json
    ended = cli(*(argument.format(**places) for argument in new))
    assert ended.code == 2
    assert "lab" in ended.err or "arch" in ended.err
    assert (cli.ok("sources", "--json").json, cli.ok("destinations", "--json").json) == before
    assert not (data / "archive").exists()


@pytest.mark.fault("F109", guard="one-source-per-share")
def test_a_share_added_on_a_second_machine_is_offered_to_be_continued(
    cli: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_datasets(tmp_path / "share", "run 1", "run 2")
    archive = f"path={tmp_path / 'archive'}"
    source = ("add-source", "folder", "fridge", f"root_directory={data}", "settle_time=0.2s")

    def on(host: str) -> None:
        monkeypatch.setenv("ETIKET_GUI_HOST", host)
        monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / f"home of {host}"))

    def uuids() -> set[str]:
        return {item["uuid"] for item in cli.ok("datasets", "--json").json}

    def stored() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = cli.ok("search", "run", "--json").json
        return found

    on("PC-1")
    cli.ok("add-destination", "archive", "arch", archive)
    first = cli.ok(*source, "--json").json
    assert not first["is_continued"]
    cli.ok("run", "--once")

    on("PC-2")
    cli.ok("add-destination", "archive", "arch", archive)
    asked = cli(*source)
    assert asked.code == 2
    assert "fridge" in asked.err
    assert "PC-1" in asked.err
    assert f"--continue {first['uuid']}" in asked.err
    assert "--new" in asked.err
    assert cli.ok("sources", "--json").json == []

    continued = cli.ok(*source, "--continue", "fridge", "--json").json
    assert continued["uuid"] == first["uuid"]
    cli.ok("run", "--once")
    second = uuids()
    assert {item["uuid"] for item in stored()} == second
    assert {item["version"] for item in stored()} == {"1.0.0"}

    on("PC-3")
    cli.ok("add-destination", "archive", "arch", archive)
    own = cli.ok(*source, "--new", "--json").json
    assert own["uuid"] != first["uuid"]
    cli.ok("run", "--once")
    assert not uuids() & second
    assert len(stored()) == 4


@pytest.mark.fault("F44", guard="steering-is-kept")
def test_a_hold_outlives_a_restart_and_says_until_when(cli: CommandLineRunner, tmp_path: Path) -> None:
    data = make_datasets(tmp_path / "data", "run 1")
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0.2s")
    cli.ok("hold", "--for", "1h")
    for _ in range(2):
        ended = cli("run", "--once", "--json")
        assert ended.code == 3
        assert ended.json["archived"] == 0
    assert "On hold, nothing is touched, until" in cli.ok("status").out
    status = cli.ok("status", "--json").json
    assert status["is_held"]
    assert status["held_until"] is not None
    cli.ok("resume")
    assert cli.ok("run", "--once", "--json").json["archived"] == 1


HOSTILE = "\x1b[2J\x1b]0;owned\x07=cmd|' C'!A0 $(touch pwned) `id`;\u202eexe"


@pytest.mark.skipif(os.name != "posix", reason="Windows forbids these characters in names")
@pytest.mark.fault("F77", guard="names-shown-safely")
def test_a_hostile_name_neither_steers_the_terminal_nor_a_shell(
    cli: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = make_datasets(tmp_path / HOSTILE, HOSTILE)
    said = cli.ok("detect", data)
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0.2s")
    ran = cli.ok("run", "--once")
    told = [said, ran, *(cli.ok(*words) for words in (("datasets",), ("sources",), ("search", "owned"), ("status",)))]
    told += [cli("restore", HOSTILE), cli("datasets", "--source", HOSTILE), cli(HOSTILE)]
    for ended in told:
        for text in (ended.out, ended.err):
            assert text.replace("\n", "").isprintable(), text
    words = shlex.split(said.out.partition("Add it: ")[2])
    assert words[:3] == ["etiket-sync", "add-source", "folder"]
    assert len(words) == 6
    assert not (tmp_path / "pwned").exists()
    name = cli.ok("datasets", "--json").json[0]["name"]
    folder = Path(cli.ok("restore", name, "--to", tmp_path / "back", "--json").json["folder"])
    assert folder.parent == tmp_path / "back"
    assert (folder / "data.txt").is_file()


@pytest.mark.fault("F98", guard="bugs-are-told")
def test_a_bug_ends_with_1_a_sentence_and_its_traceback_in_the_log(
    cli: CommandLineRunner, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: object, arguments: object) -> int:
        raise ZeroDivisionError("password=hunter2hunter2")

    monkeypatch.setitem(looking.COMMANDS, "status", CommandLine(lambda parser: None, fail))
    ended = cli("status", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "A bug in this program: ZeroDivisionError" in ended.err
    assert "etiket-sync export-diagnostics" in ended.err
    assert "Traceback" not in ended.err
    log = (home_folder / "logs" / "command-line.log").read_text()
    assert "Traceback" in log
    assert "hunter2" not in log
    assert "hunter2" not in ended.err
