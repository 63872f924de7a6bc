"""Which backends there are, and what becomes of plug-ins that do not work."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.backends import registry as registry_module
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.registry import BackendRegistry, canonical_name, load_backend
from etiket_gui.domain.errors import PluginFailed, UsageError

GOOD = """
from etiket_gui.backends.folder.backend import FolderBackend
class Good(FolderBackend):
    identifier = {name!r}
    title = "A good one"
"""


class PluginFolder:
    """A folder with installed plug-ins, as pip makes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def install(self, name: str, code: str, *, attribute: str = "Good", version: str = "1.0") -> None:
        module = f"plugin_{name}_for_tests"
        (self.folder / f"{module}.py").write_text(code.format(name=name))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[etiket_gui.backends]\n{name} = {module}:{attribute}\n")


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[PluginFolder]:
    before = list(sys.path)
    yield PluginFolder(tmp_path / "plug-ins")
    sys.path[:] = before
    for module in [name for name in sys.modules if name.startswith("plugin_") and name.endswith("_for_tests")]:
        del sys.modules[module]
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "name", ["folder", "Folder", "folderbase", "etiket_sync_agent_folderbase", "etiket-sync-agent-folder", " folder "]
)
def test_old_names_lead_to_the_folder_backend(name: str) -> None:
    assert load_backend(name) is FolderBackend


def test_aliases_of_other_agents() -> None:
    assert canonical_name("etiket_sync_agent_qcodes") == "qcodes"
    assert canonical_name("etiket-sync-agent-core-tools") == "core_tools"


def test_unknown_name_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="folder"):
        load_backend("nothing")


def test_plugin_is_found_without_a_restart(plugins: PluginFolder) -> None:
    registry = BackendRegistry(plugins.folder)
    assert "late" not in registry.names()
    plugins.install("late", GOOD)
    backend = registry.get("late")
    assert backend.title == "A good one"
    assert registry.get("late") is backend
    assert {plugin.name: plugin.origin for plugin in registry.plugins()}["late"] == "plugin_late_for_tests 1.0"


def test_listing_imports_nothing(plugins: PluginFolder) -> None:
    plugins.install("lazy", GOOD)
    assert "lazy" in BackendRegistry(plugins.folder).names()
    assert "plugin_lazy_for_tests" not in sys.modules


@pytest.mark.parametrize(
    ("code", "attribute", "reason"),
    [
        ("raise RuntimeError('no such instrument')", "Good", "RuntimeError: no such instrument"),
        ("raise SystemExit(3)", "Good", "SystemExit: 3"),
        ("def broken(:", "Good", "SyntaxError"),
        (GOOD, "Missing", "AttributeError"),
        ("Good = 7", "Good", "7 is not a backend"),
        ("class Good: pass", "Good", "is not a backend"),
        (
            "from etiket_gui.backends.api import Backend\nclass Good(Backend):\n    identifier = {name!r}\n",
            "Good",
            "does not say how to do",
        ),
        (GOOD + "    title = ''\n", "Good", "its title is ''"),
        (GOOD + "    config_class = dict\n", "Good", "its config_class"),
        (GOOD.replace("{name!r}", "'somebody_else'"), "Good", "calls itself 'somebody_else'"),
    ],
)
def test_plugin_that_does_not_work_is_disabled_with_its_reason_and_the_rest_runs(
    plugins: PluginFolder, code: str, attribute: str, reason: str
) -> None:
    plugins.install("bad", code, attribute=attribute)
    plugins.install("good", GOOD)
    registry = BackendRegistry(plugins.folder)
    with pytest.raises(PluginFailed) as failed:
        registry.get("bad")
    assert reason in failed.value.reason
    assert "plugin_bad_for_tests 1.0" in failed.value.reason
    assert {backend.identifier for backend in registry.usable()} >= {"folder", "good"}
    disabled = {plugin.name: plugin.disabled_because for plugin in registry.plugins()}
    assert reason in disabled["bad"]
    assert disabled["good"] == ""


@pytest.mark.fault("F97", guard="plugins-are-fenced")
def test_plugin_that_ends_the_process_on_import_ends_nothing(plugins: PluginFolder) -> None:
    plugins.install("bad", "raise SystemExit(3)")
    plugins.install("good", GOOD)
    registry = BackendRegistry(plugins.folder)
    assert {backend.identifier for backend in registry.usable()} >= {"folder", "good"}
    with pytest.raises(PluginFailed):
        registry.get("bad")


def test_plugin_that_hangs_on_import_is_disabled_until_it_has_ended(plugins: PluginFolder, tmp_path: Path) -> None:
    flag = tmp_path / "go on"
    plugins.install("slow", f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.01)\n" + GOOD)
    registry = BackendRegistry(plugins.folder, import_limit_s=0.2)
    with pytest.raises(PluginFailed, match=r"longer than 0\.2 s"):
        registry.get("slow")
    with pytest.raises(PluginFailed, match=r"longer than 0\.2 s"):
        registry.get("slow")
    assert [backend.identifier for backend in registry.usable() if backend.identifier == "folder"] == ["folder"]
    flag.touch()
    registry_module._registry = None
    for load in list(registry._loading.values()):
        load.thread.join(10)
    assert registry.get("slow").identifier == "slow"


def test_installed_backend_takes_the_place_of_a_built_in_one_and_that_is_told(plugins: PluginFolder) -> None:
    plugins.install("folder", GOOD)
    registry = BackendRegistry(plugins.folder)
    assert registry.get("folder").title == "A good one"
    (info,) = [plugin for plugin in registry.plugins() if plugin.name == "folder"]
    assert (info.origin, info.shadows, info.is_loaded) == ("plugin_folder_for_tests 1.0", ("built-in",), True)


def test_of_two_packages_with_one_name_the_first_by_name_is_used_and_the_other_told(plugins: PluginFolder) -> None:
    plugins.install("twice", GOOD)
    info = plugins.folder / "another_package-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another-package\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[etiket_gui.backends]\ntwice = plugin_twice_for_tests:Good\n")
    (told,) = [plugin for plugin in BackendRegistry(plugins.folder).plugins() if plugin.name == "twice"]
    assert (told.origin, told.shadows) == ("another-package 2.0", ("plugin_twice_for_tests 1.0",))


def test_own_entry_points_shadow_nothing() -> None:
    assert all(not plugin.shadows for plugin in BackendRegistry().plugins())
