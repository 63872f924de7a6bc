"""Plug-ins are loaded from the home's folder only where nobody else could have put something there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.backends.registry import BackendRegistry
from etiket_gui.osys import plugin_folder
from etiket_gui.settings.home import Home
from tests.support.command_line import CommandLineRunner

PLUGIN = """
from etiket_gui.backends.plugin_bases import FileSource, FileSourceConfig
class Late(FileSource):
    identifier = "late"
    title = "A late one"
    config_class = FileSourceConfig
"""


@pytest.fixture(autouse=True)
def _import_path() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("late_plugin_for_tests", None)
    plugin_folder._folder = None


def install(folder: Path) -> None:
    (folder / "late_plugin_for_tests.py").write_text(PLUGIN)
    info = folder / "late_plugin_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late-plugin-for-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[etiket_gui.backends]\nlate = late_plugin_for_tests:Late\n")


def test_plugin_in_the_folder_of_the_home_is_found_without_a_restart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    plugin_folder.use(home.plugins)
    registry = BackendRegistry()
    assert "late" not in registry.names()
    home.prepare()
    install(home.plugins)
    assert registry.get("late").title == "A late one"
    assert str(home.plugins) == sys.path[-1]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the rights of a folder in lists, and profiles are private")
def test_folder_that_others_can_write_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    install(home.plugins)
    home.plugins.chmod(0o777)
    plugin_folder.use(home.plugins)
    assert str(home.plugins) not in sys.path
    assert f"chmod go-w {home.plugins}" in plugin_folder.look()
    assert "late" not in BackendRegistry().names()
    home.plugins.chmod(0o755)
    assert plugin_folder.look() == ""
    (home.plugins / "late_plugin_for_tests.py").chmod(0o666)
    assert "late_plugin_for_tests.py can be written by other accounts" in plugin_folder.look()
    assert str(home.plugins) not in sys.path


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    os.chown(home.plugins, 12345, -1)
    plugin_folder.use(home.plugins)
    assert "belongs to another account" in plugin_folder.look()


def test_folder_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    assert plugin_folder.why_refused(tmp_path / "nothing") == ""
    (tmp_path / "file").touch()
    assert "is not a folder" in plugin_folder.why_refused(tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the rights of a folder in lists, and profiles are private")
def test_plugins_tells_what_is_loaded_from_the_folder_and_why_a_folder_is_refused(
    home_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CommandLineRunner(capsys)
    home = Home(home_folder)
    home.prepare()
    install(home.plugins)
    listed = {item["name"]: item for item in command.ok("--json", "plugins").json}
    assert (listed["late"]["is_usable"], listed["late"]["origin"]) == (True, "late-plugin-for-tests 1.0")
    home.plugins.chmod(0o777)
    listed = {item["name"]: item for item in command.ok("--json", "plugins").json}
    assert "late" not in listed
    assert "can be written by other accounts" in listed["plugins"]["disabled_because"]
    assert "chmod go-w" in command.ok("plugins").out
