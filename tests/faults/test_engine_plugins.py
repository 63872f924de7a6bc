"""Plug-ins that misbehave and machines that run out of things: the rest of the engine goes on."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from etiket_gui.domain.events import TransferFailed
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.manifest import take_manifest

_BACKEND = """
from etiket_gui.backends.api import SourceConfig
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig

class {name}(FolderBackend):
    identifier = "{identifier}"
    title = "{identifier}"
    config_class = FolderConfig

{body}
"""

_PLUGINS = {
    "raises_on_import": "raise RuntimeError('no driver for this machine')",
    "exits_on_import": "raise SystemExit(7)",
    "hangs_on_import": "import time\ntime.sleep(3600)",
    "is_no_backend": "Backend = 42",
}
_METHODS = {
    "tells_rubbish": "def discover(self, request, known, report, stop):\n    return 'three datasets'",
    "raises_on_look": "def discover(self, request, known, report, stop):\n    raise ZeroDivisionError('of all things')",
    "raises_on_one": textwrap.dedent(
        """
        def read(self, identifier, stop):
            if identifier == "cursed":
                raise KeyError("of all things")
            return super().read(identifier, stop)
        """
    ),
    "raises_in_fingerprint": textwrap.dedent(
        """
        def fingerprint(self, identifier):
            if identifier == "cursed":
                raise RuntimeError("the driver is gone")
            return super().fingerprint(identifier)
        """
    ),
    "exits_on_one": textwrap.dedent(
        """
        def read(self, identifier, stop):
            if identifier == "cursed":
                raise SystemExit(3)
            return super().read(identifier, stop)
        """
    ),
    "reads_rubbish": textwrap.dedent(
        """
        def read(self, identifier, stop):
            return ["a", "b"] if identifier == "cursed" else super().read(identifier, stop)
        """
    ),
    "exits_on_look": "def discover(self, request, known, report, stop):\n    raise SystemExit(0)",
    "exits_when_described": "def watch_plan(self):\n    raise SystemExit(0)",
}


def _install(folder: Path) -> None:
    """Put the plug-ins where a worker's Python finds them, as an installed distribution."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for identifier, code in _PLUGINS.items():
        (folder / f"plugin_{identifier}.py").write_text(code, encoding="utf-8")
        entries.append(f"{identifier} = plugin_{identifier}:Backend")
    for identifier, code in _METHODS.items():
        body = textwrap.indent(code.strip(), "    ")
        text = _BACKEND.format(name="Backend", identifier=identifier, body=body)
        (folder / f"plugin_{identifier}.py").write_text(text, encoding="utf-8")
        entries.append(f"{identifier} = plugin_{identifier}:Backend")
    information = folder / "bad_plugins-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugins\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(
        "[etiket_gui.backends]\n" + "\n".join(entries) + "\n", encoding="utf-8"
    )


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    code = (
        "from etiket_gui.backends import registry\n"
        "registry.BackendRegistry.__init__.__kwdefaults__.update(import_limit_s=1.0)"
    )
    patch_workers(tmp_path / "plugins", code, monkeypatch)
    _install(tmp_path / "plugins")
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


def _add(driver: EngineDriver, backend: str, root: Path) -> None:
    root.mkdir(exist_ok=True)
    config = {"root_directory": str(root), "level": 1, "settle_time": 0.3}
    driver.add_source(backend, backend.replace("_", " "), config)


@pytest.mark.allows_log("Worker .* (ended|sent nonsense)")
@pytest.mark.fault("F97", guard="plugins-are-fenced")
def test_bad_plugins_are_disabled_with_a_reason_and_the_other_sources_run(driver: EngineDriver, tmp_path: Path) -> None:
    bad = [*_PLUGINS, "tells_rubbish", "raises_on_look", "exits_on_look", "exits_when_described"]
    for backend in bad:
        _add(driver, backend, tmp_path / backend)
        write_dataset(tmp_path / backend, "run")
    root = driver.add_folder(tmp_path / "measurements", name="good")
    write_dataset(root, "run")
    with driver:
        driver.until(lambda: driver.states().get("run") == "archived", "the good source is archived", timeout_s=25)
        driver.until(
            lambda: all(driver.source(name.replace("_", " "))["state"] == "problem" for name in bad),
            "every bad one is told",
            timeout_s=25,
        )
        reasons = {row["source_id"]: row for row in driver.problems() if row["kind"] == "source"}
        told = {name: reasons[driver.source(name.replace("_", " "))["id"]] for name in bad}
        assert "no driver for this machine" in told["raises_on_import"]["reason"]
        assert "takes longer" in told["hangs_on_import"]["reason"]
        assert "42 is not a backend" in told["is_no_backend"]["reason"]
        assert "of all things" in told["raises_on_look"]["reason"]
        assert {told[name]["problem_kind"] for name in _PLUGINS} == {"PluginFailed"}
        assert all(row["advice"] for row in told.values())
        write_dataset(root, "another")
        driver.until(lambda: driver.states().get("another") == "archived", "the good source goes on", timeout_s=20)
        assert driver.stop() < 5.0
    driver.check(take_manifest(root))


@pytest.mark.parametrize("backend", ["raises_on_one", "raises_in_fingerprint", "exits_on_one", "reads_rubbish"])
@pytest.mark.fault("F97", guard="backends-are-fenced")
def test_what_a_plugin_raises_at_one_dataset_is_its_problem_and_holds_up_no_other(
    driver: EngineDriver, tmp_path: Path, backend: str
) -> None:
    root = tmp_path / "measurements"
    _add(driver, backend, root)
    names = [f"run {number}" for number in range(6)]
    for name in (*names[:3], "cursed", *names[3:]):
        write_dataset(root, name)
    with driver:
        driver.until_archived(*names)
        driver.until(lambda: driver.states()["cursed"] == "failed", "it is told of the one")
        [problem] = driver.problems()
        assert problem["problem_kind"] == "BackendRaised"
        assert problem["retry_class"] == "soon", "what is over soon needs nobody"
        assert backend in problem["reason"]
        assert {event.name for event in driver.told(TransferFailed)} == {"cursed"}
    log = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("workers.log*"))
    assert "Traceback" in log
    driver.check(take_manifest(root))


_OUR_BUG = """
from etiket_gui.worker import transferring
_real = transferring._outgoing

def _outgoing(backend, item, content):
    if item.reference.identifier == "cursed":
        raise KeyError("a bug of ours")
    return _real(backend, item, content)

transferring._outgoing = _outgoing
"""


@pytest.mark.fault("F97", guard="bug-has-a-culprit")
def test_bug_of_ours_at_one_dataset_is_told_once_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_workers(tmp_path / "patch", _OUR_BUG, monkeypatch)
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    names = [f"run {number}" for number in range(6)]
    for name in (*names[:3], "cursed", *names[3:]):
        write_dataset(root, name)
    with driver:
        driver.until_archived(*names)
        driver.for_a_while(0.5)
        assert driver.states()["cursed"] == "failed"
        [problem] = driver.problems()
        assert problem["problem_kind"] == "ProgramError"
        assert problem["retry_class"] == "never"
    assert len(driver.told(TransferFailed)) == 1
    driver.check(take_manifest(root))


_FEW_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""


@pytest.mark.fault("F93", guard="descriptor-budget")
def test_few_open_files_are_enough_and_none_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("limits of POSIX")
    patch_workers(tmp_path / "patch", _FEW_DESCRIPTORS, monkeypatch)
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    root = driver.add_folder(tmp_path / "measurements")
    for number in range(30):
        write_dataset(root, f"run {number:02}", **{f"file{part}": os.urandom(20) for part in range(20)})
    with driver:
        driver.until_archived(timeout_s=30)
        assert len(driver.states()) == 30
        [worker] = [psutil.Process(pid) for pid in driver.worker_ids()]
        first = worker.num_fds()
        for number in range(30, 60):
            write_dataset(root, f"run {number:02}", **{f"file{part}": os.urandom(20) for part in range(20)})
        driver.until(lambda: list(driver.states().values()) == ["archived"] * 60, "all are archived", timeout_s=30)
        driver.until(lambda: driver.coordinator.is_drained, "nothing more to do")
        assert driver.worker_ids() == (worker.pid,)
        assert worker.num_fds() <= first + 2
        assert driver.problems() == []
    assert not driver.told(TransferFailed)
    driver.check(take_manifest(root))


_NO_MEMORY = """
import os
_real, _flag = os.scandir, {flag!r}

def _scandir(path="."):
    if isinstance(path, str) and path.endswith("hungry") and os.path.exists(_flag):
        raise {error}
    return _real(path)

os.scandir = _scandir
"""


@pytest.mark.parametrize("error", ["MemoryError()", "OSError(24, 'Too many open files')"])
@pytest.mark.fault("F93", guard="bugs-have-a-name")
def test_look_without_memory_or_descriptors_is_a_row_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    flag = tmp_path / "exhausted"
    patch_workers(tmp_path / "patch", _NO_MEMORY.format(flag=str(flag), error=error), monkeypatch)
    driver = EngineDriver(tmp_path)
    driver.add_archive()
    hungry = driver.add_folder(tmp_path / "hungry", name="hungry")
    other = driver.add_folder(tmp_path / "other", name="other")
    write_dataset(hungry, "large")
    write_dataset(other, "small")
    flag.touch()
    with driver:
        driver.until(lambda: driver.states().get("small") == "archived", "the other source is archived")
        driver.until(driver.problems, "it is told")
        assert driver.source("hungry")["state"] in {"problem", "offline"}
        assert all(state != "gone" for state in driver.states().values())
        flag.unlink()
        driver.until(lambda: driver.states().get("large") == "archived", "it goes on by itself", timeout_s=20)
        driver.until(lambda: not driver.problems(), "nothing is left to tell")
    driver.check(take_manifest(hungry), take_manifest(other))
