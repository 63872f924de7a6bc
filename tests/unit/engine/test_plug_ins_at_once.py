"""A plug-in that is installed while the engine runs is found by it, without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CommandLineRunner
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset

_CODE = """
from etiket_gui.backends.plugin_bases import FileSource, FileSourceConfig
from etiket_gui.domain.states import ScopePolicy


class LateSource(FileSource):
    identifier = "late"
    title = "A backend that came late"
    config_class = FileSourceConfig
    scope_policy = ScopePolicy.OPTIONAL
"""


def install(folder: Path, name: str, code: str) -> None:
    """As pip does it: a module and its entry points."""
    (folder / f"{name}_source.py").write_text(code, encoding="utf-8")
    information = folder / f"{name}_source-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}-source\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(
        f"[etiket_gui.backends]\n{name} = {name}_source:{name.title()}Source\n", encoding="utf-8"
    )


def test_backend_that_is_installed_while_the_engine_works_is_used_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins"
    patch_workers(plugins, "", monkeypatch)
    monkeypatch.syspath_prepend(plugins)
    monkeypatch.setenv("ETIKET_GUI_HOME", str(tmp_path / "home"))
    command = CommandLineRunner(capsys)
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    driver.add_folder(tmp_path / "source")
    write_dataset(tmp_path / "source", "first")
    write_dataset(tmp_path / "other", "second")
    with driver:
        driver.run_on_a_thread()
        driver.until_archived("first")
        refused = command("add-source", "late", "lab", f"root_directory={tmp_path / 'other'}", "--to", "lab-archive")
        assert refused.code == 2
        workers = driver.coordinator.desk.pool.process_ids
        assert workers
        install(plugins, "late", _CODE)
        command.ok(
            "add-source", "late", "lab", f"root_directory={tmp_path / 'other'}", "level=1", "settle_time=0.2s",
            "--to", "lab-archive",
        )  # fmt: skip
        driver.until_archived("first", "second")
        assert driver.coordinator.desk.pool.process_ids == workers
        assert "late" in command.ok("plugins").out
