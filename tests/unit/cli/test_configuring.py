"""Sources and destinations are added, changed and removed by command, and nonsense is refused with the reason."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from etiket_gui.cli import continuing
from etiket_gui.cli.main import main
from etiket_gui.destinations.api import StoredSource
from etiket_gui.destinations.archive.destination import ArchiveDestination
from tests.support.command_line import CommandLineRunner, make_datasets


def test_a_folder_is_recognised_and_the_printed_command_adds_it(cli: CommandLineRunner, tmp_path: Path) -> None:
    data = make_datasets(tmp_path / "my; data", "a", "b")
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    said = cli.ok("detect", data).out
    command = said.partition("Add it: ")[2]
    assert main(shlex.split(command)[1:]) == 0
    assert cli.ok("sources", "--json").json[0]["where"] == str(data)


def test_detect_gives_scripts_the_options(cli: CommandLineRunner, data: Path) -> None:
    found = cli.ok("detect", data, "--json").json
    assert found["recognised"][0]["backend"] == "folder"
    assert found["recognised"][0]["options"]["root_directory"] == str(data)
    assert found["recognised"][0]["dataset_count"] == 3


def test_detect_tells_an_address_from_a_path(cli: CommandLineRunner) -> None:
    ended = cli("detect", "https://example.org/data.db")
    assert ended.code == 2
    assert "is an address and not a path" in ended.err


def test_detect_says_that_an_archive_is_no_source(configured: CommandLineRunner, tmp_path: Path) -> None:
    ended = configured("detect", tmp_path / "archive")
    assert ended.code == 2
    assert "is an archive" in ended.err


def test_what_was_added_is_listed(configured: CommandLineRunner, data: Path, tmp_path: Path) -> None:
    source = configured.ok("sources", "--json").json[0]
    assert (source["name"], source["backend"], source["where"]) == ("lab", "folder", str(data))
    assert source["routes"] == [{"destination": "arch", "scope": ""}]
    assert source["config"]["settle_time"] == 0.2
    destination = configured.ok("destinations", "--json").json[0]
    assert (destination["name"], destination["config"]["path"]) == ("arch", str(tmp_path / "archive"))
    assert "lab" in configured.ok("sources").out
    assert str(tmp_path / "archive") in configured.ok("destinations").out


def test_adding_a_destination_makes_the_archive_and_gives_it_its_own_uuid(
    configured: CommandLineRunner, tmp_path: Path
) -> None:
    assert (tmp_path / "archive" / ".rmearchive").exists()
    row = configured.ok("destinations", "--json").json[0]
    probe = configured.ok("test", "arch", "--json").json
    assert probe["is_usable"]
    assert row["uuid"] == probe["identity"]


def test_an_archive_that_is_away_is_told_by_test(configured: CommandLineRunner, tmp_path: Path) -> None:
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    ended = configured("test", "arch")
    assert ended.code == 3
    assert "cannot be used now" in ended.out
    assert configured("test", "nothing").code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add-source", "folder", "lab", "root_directory={other}"), "already a source"),
        (("add-source", "folder", "x"), "root_directory=… is missing"),
        (("add-source", "folder", "x", "root_directory={other}", "level=99"), "level 99 is not possible"),
        (("add-source", "folder", "x", "folder={other}"), "Valid keys: root_directory, level"),
        (("add-source", "folder", "x", "root_directory={other}/nothing"), "There is nothing at"),
        (("add-source", "folder", "x", f"root_directory={__file__}"), "is a file, and root_directory names a folder"),
        (("add-source", "folder", "x", "root_directory={other}", "--to", "nowhere"), "There are: arch"),
        (("add-source", "folder", "x", "root_directory={other}", "--to", "arch", "--to", "arch"), "twice"),
        (("add-source", "folder", "x", "root_directory={data}"), "is already the source lab"),
        (("add-source", "folder", "x", "root_directory={data}/run 1"), "lies inside the source lab"),
        (("add-source", "folder", "x", "root_directory={data}/.."), "holds the source lab"),
        (("add-source", "folder", "x", "root_directory={archive}"), "archive would archive itself"),
        (("add-source", "folder", "a:b", "root_directory={other}"), "has one of the characters"),
        (("add-destination", "archive", "arch", "path={other}"), "already a destination"),
        (("add-destination", "archive", "x", "path={archive}"), "is already the destination arch"),
        (("add-destination", "archive", "x", "path={archive}/inner"), "inside each other"),
        (("add-destination", "archive", "x", "path={data}/archive"), "nothing is ever written into a source"),
        (("add-destination", "archive", "x", "path={full}"), "holds other things"),
        (("add-destination", "archive", "x", "path={full}/no/parent"), "is not there"),
        (("add-destination", "archive", "x", "path={full}", "password=1"), "There is no key 'password'"),
        (("edit-source", "lab"), "Nothing to change"),
        (("edit-source", "lab", "--to", "nowhere"), "There are: arch"),
        (("edit-source", "lab", "root_directory={archive}"), "archive would archive itself"),
        (("edit-destination", "arch"), "Nothing to change"),
        (("remove-destination", "arch"), "only destination of lab"),
    ],
)
def test_nonsense_is_refused_with_the_reason_and_nothing_is_made(
    configured: CommandLineRunner, data: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    places = {"data": data, "archive": tmp_path / "archive", "other": tmp_path / "other", "full": tmp_path / "full"}
    make_datasets(places["other"], "a")
    make_datasets(places["full"], "thesis")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    listed = configured.ok("sources", "--json").out, configured.ok("destinations", "--json").out
    ended = configured(*(argument.format(**places) for argument in arguments))
    assert ended.code == 2
    assert sentence in ended.err
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    assert (configured.ok("sources", "--json").out, configured.ok("destinations", "--json").out) == listed


def test_an_archive_reached_by_another_path_is_not_added_twice(configured: CommandLineRunner, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "archive")
    ended = configured("add-destination", "archive", "again", f"path={tmp_path / 'link'}")
    assert ended.code == 2
    assert "the destination arch" in ended.err


def test_several_destinations_must_be_chosen_from(configured: CommandLineRunner, tmp_path: Path) -> None:
    other = make_datasets(tmp_path / "other", "a")
    configured.ok("add-destination", "archive", "second", f"path={tmp_path / 'second'}")
    ended = configured("add-source", "folder", "x", f"root_directory={other}")
    assert ended.code == 2
    assert "several destinations: arch, second" in ended.err
    configured.ok("add-source", "folder", "x", f"root_directory={other}", "--to", "arch:Team A", "--to", "second")
    assert configured.ok("sources", "--json").json[1]["routes"] == [
        {"destination": "arch", "scope": "Team A"}, {"destination": "second", "scope": ""},
    ]  # fmt: skip


def test_a_source_is_changed_in_parts(configured: CommandLineRunner, data: Path) -> None:
    configured.ok("edit-source", "lab", "level=0", "ignore=*.tmp", "--name", "fridge", "--disable", "--to", "arch:S")
    source = configured.ok("sources", "--json").json[0]
    assert source["name"] == "fridge"
    assert source["config"]["level"] == 0
    assert source["config"]["ignore"] == ["*.tmp"]
    assert source["config"]["settle_time"] == 0.2
    assert source["where"] == str(data)
    assert source["routes"] == [{"destination": "arch", "scope": "S"}]
    assert not source["is_enabled"]
    assert "off" in configured.ok("sources").out


def test_removing_keeps_what_is_archived(configured: CommandLineRunner, tmp_path: Path) -> None:
    assert "What is archived stays" in configured.ok("remove-source", "lab").out
    assert "What is archived there stays" in configured.ok("remove-destination", "arch").out
    assert (tmp_path / "archive" / ".rmearchive").exists()
    assert configured.ok("sources", "--json").json == configured.ok("destinations", "--json").json == []


def test_a_destination_is_renamed(configured: CommandLineRunner) -> None:
    configured.ok("edit-destination", "arch", "--name", "long-term", "free_floor_bytes=2GB")
    row = configured.ok("destinations", "--json").json[0]
    assert (row["name"], row["config"]["free_floor_bytes"]) == ("long-term", 2_000_000_000)


@pytest.mark.skipif(os.name != "posix", reason="names are text on Windows")
def test_a_folder_whose_name_is_no_text_can_be_added(configured: CommandLineRunner, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/od\xff\x1bd")
    os.makedirs(os.path.join(odd, "a"))
    configured.ok("add-source", "folder", "odd", f"root_directory={odd}")
    listed = configured.ok("sources").out
    assert "\x1b" not in listed
    assert configured.ok("sources", "--json").json[1]["config"]["root_directory"].endswith("/od‛ff‛1bd")
    assert "is already the source odd" in configured("add-source", "folder", "x", f"root_directory={odd}").err


def test_plugins_lists_every_option_with_its_meaning(cli: CommandLineRunner) -> None:
    plugins = {plugin["name"]: plugin for plugin in cli.ok("plugins", "--json").json}
    assert plugins["folder"]["is_usable"]
    level = next(option for option in plugins["folder"]["options"] if option["name"] == "level")
    assert (level["default"], level["is_required"]) == (1, False)
    assert "root_directory=" in cli.ok("plugins", "folder").out
    assert cli("plugins", "nothing").code == 2


def test_a_broken_plug_in_is_told_with_its_reason_and_the_rest_works(
    configured: CommandLineRunner, tmp_path: Path
) -> None:
    place = tmp_path / "plugins"
    info = place / "broken_backend-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[etiket_gui.backends]\nbroken = broken_backend:Backend\n")
    (place / "broken_backend.py").write_text("raise RuntimeError('no licence found')\n")
    environment = {**os.environ, "PYTHONPATH": str(place)}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        full = [sys.executable, "-m", "etiket_gui.cli.main", *words]
        return subprocess.run(full, env=environment, capture_output=True, text=True, timeout=60, check=False)

    listed = command("plugins", "--json")
    plugins = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)}
    assert listed.returncode == 0
    assert plugins["folder"]["is_usable"]
    assert "no licence found" in plugins["broken"]["disabled_because"]
    refused = command("add-source", "broken", "x")
    assert refused.returncode == 2
    assert "no licence found" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert command("sources").returncode == 0
    doctor = command("doctor")
    assert doctor.returncode == 2
    assert "no licence found" in doctor.stdout


def test_a_person_at_a_terminal_is_asked_whether_a_share_is_the_same(
    configured: CommandLineRunner, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = configured.ok("sources", "--json").json[0]["uuid"]
    stored = StoredSource(uuid, "lab", "folder", "PC-1", str(data), "//nas/lab", "", 1)
    monkeypatch.setattr(ArchiveDestination, "sources", lambda self: (stored,))
    monkeypatch.setattr(continuing, "share_of", lambda root: "//nas/lab")
    monkeypatch.setenv("ETIKET_GUI_HOST", "PC-2")
    for number, (answers, expected) in enumerate((("what\nc\n", uuid), ("n\n", None), ("", KeyboardInterrupt))):
        monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / f"home {number}"))
        configured.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
        terminal = io.StringIO(answers)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        with monkeypatch.context() as at_terminal:
            at_terminal.setattr("sys.stdin", terminal)
            at_terminal.setattr(sys.stderr, "isatty", lambda: True)
            ended = configured("add-source", "folder", "lab", f"root_directory={data}")
        assert "may be the same as the source lab (//nas/lab on PC-1)" in ended.err
        if expected is KeyboardInterrupt:
            assert ended.code == 130
            continue
        added = configured.ok("sources", "--json").json[0]["uuid"]
        assert (added == uuid) == (expected == uuid)


def test_what_is_continued_must_be_known_and_unique(
    configured: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_datasets(tmp_path / "other", "a")
    stored = (
        StoredSource("uuid-1", "fridge", "folder", "PC-1", "/a"),
        StoredSource("uuid-2", "fridge", "folder", "PC-2", "/b"),
        StoredSource("uuid-3", "scope", "quantify", "PC-2", "/c"),
    )
    monkeypatch.setattr(ArchiveDestination, "sources", lambda self: stored)
    for wanted, words in (("none", "It knows: fridge (/a on PC-1)"), ("fridge", "uuid-2"), ("scope", "not by folder")):
        ended = configured("add-source", "folder", "x", f"root_directory={other}", "--continue", wanted)
        assert ended.code == 2
        assert words in ended.err
    added = configured.ok("add-source", "folder", "x", f"root_directory={other}", "--continue", "uuid-2", "--json")
    assert added.json["uuid"] == "uuid-2"


def test_a_source_may_begin_with_a_date_or_now(configured: CommandLineRunner, data: Path) -> None:
    (data / "older").mkdir()
    (data / "older" / "data.txt").write_text("1")
    assert configured("edit-source", "lab", "--since", "yesterday").code == 2
    configured.ok("edit-source", "lab", "--since", "2099-01-01")
    configured("run", "--once")
    assert {row["state"] for row in configured.ok("datasets", "--json").json} == {"ignored"}
    configured.ok("edit-source", "lab", "--since", "all")
    configured.ok("run", "--once")
    assert {row["state"] for row in configured.ok("datasets", "--json").json} == {"archived"}
