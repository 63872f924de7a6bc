"""A password that is given, changed or removed while the engine runs holds from that moment on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from etiket_gui.domain import guards
from tests.support.command_line import CommandLineRunner
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.keyring_in_memory import MemoryKeyring

_CODE = """
from etiket_gui.backends.plugin_bases import FileSource, FileSourceConfig
from etiket_gui.domain.errors import SignInNeeded


class GatedSource(FileSource):
    identifier = "gated"
    title = "Folders behind a password"
    config_class = FileSourceConfig
    sign_in_title = "Password of the folder"

    def discover(self, request, known, report, stop):
        if self.context.secret() != "open sesame":
            raise SignInNeeded("The folder asks for another password.")
        return super().discover(request, known, report, stop)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineDriver:
    """An engine with a source that lets only those in who know the word."""
    plugins = tmp_path / "plugins"
    patch_workers(plugins, "", monkeypatch)
    monkeypatch.syspath_prepend(plugins)
    (plugins / "gated_source.py").write_text(_CODE, encoding="utf-8")
    information = plugins / "gated_source-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: gated-source\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(
        "[etiket_gui.backends]\ngated = gated_source:GatedSource\n", encoding="utf-8"
    )
    made = EngineDriver(tmp_path)
    made.add_archive()
    config = {"root_directory": str(tmp_path / "source"), "settle_time": 0.2, "converters": {"all": "off"}}
    (tmp_path / "source").mkdir()
    made.add_source("gated", "fridge", config)
    return made


def test_running_engine_uses_a_password_as_soon_as_it_is_given_changed_or_removed(
    driver: EngineDriver,
    tmp_path: Path,
    memory_keyring: MemoryKeyring,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = CommandLineRunner(capsys)
    monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / "home"))

    def log_in(word: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{word}\n"))
        return command.ok("login", "fridge", "--password-stdin").out

    def is_refused() -> bool:
        return any("another password" in str(row["reason"]) for row in driver.problems())

    write_dataset(tmp_path / "source", "first")
    with guards.switched_off("keyring-encrypted-only"), driver:
        driver.run_on_a_thread()
        driver.until(is_refused, "a password is asked for")
        log_in("wrong")
        assert "The running program tries it now." in log_in("open sesame")
        driver.until_archived("first")
        assert not is_refused()

        memory_keyring.secrets.clear()
        assert log_in("changed meanwhile")
        driver.until(is_refused, "the password before is not used any more")
        log_in("open sesame")
        driver.until(lambda: not is_refused(), "it goes on")
        command.ok("logout", "fridge")
        driver.until(is_refused, "without a password nothing is read")
