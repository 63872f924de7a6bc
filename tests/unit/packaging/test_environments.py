"""The scripts that install and start the program: made once, nothing half left, sentences that say what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
LIBRARY = PROJECT / "packaging" / "lib"


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module, with an empty cache folder in a place with a space in its name."""
    spec = importlib.util.spec_from_file_location("packaging_environments", LIBRARY / "environments.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "a cache"))
    return module


def test_failed_installation_leaves_nothing_half(
    environments: types.ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "no such package.whl")
    with pytest.raises(environments.CannotPrepare, match="Installing the packages with pip did not work") as problem:
        environments.environment("run", [missing])
    assert "no such package" in str(problem.value)
    assert "start again" in str(problem.value)
    left = [path.name for path in environments.cache_folder().iterdir() if not path.name.endswith(".lock")]
    assert left == []
    assert capsys.readouterr().out == "", "stdout belongs to the program"


def _complete(environments: types.ModuleType, name: str, wanted: list[str]) -> Path:
    """An environment as if it had been made: an interpreter and a stamp."""
    calls: list[list[str]] = []

    def run(command: list[str], what: str, advice: str) -> None:
        calls.append([str(part) for part in command])
        if "venv" in calls[-1]:
            python = environments.python_of(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()

    environments._run, kept = run, environments._run
    try:
        folder = environments.environment(name, wanted)
    finally:
        environments._run = kept
    assert isinstance(folder, Path)
    return folder


def _never(*arguments: object, **options: object) -> None:
    raise AssertionError("the second time nothing is to be run")


def test_second_time_nothing_is_run(environments: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _complete(environments, "run", ["a==1"])
    monkeypatch.setattr(subprocess, "run", _never)
    assert environments.environment("run", ["a==1"]) == folder


def test_other_pins_are_another_environment(environments: types.ModuleType) -> None:
    assert _complete(environments, "run", ["a==1"]) != _complete(environments, "run", ["a==2"])


def test_interrupted_installation_is_made_again(environments: types.ModuleType) -> None:
    folder = _complete(environments, "run", ["a==1"])
    (folder / "complete").unlink()
    (folder / "half").touch()
    assert _complete(environments, "run", ["a==1"]) == folder
    assert not (folder / "half").exists()
    assert (folder / "complete").is_file()


def test_environments_nobody_started_for_long_are_removed(environments: types.ModuleType) -> None:
    old = _complete(environments, "run", ["a==1"])
    long_ago = time.time() - (environments.UNUSED_DAYS + 1) * 86_400
    os.utime(old / "complete", (long_ago, long_ago))
    new = _complete(environments, "run", ["a==2"])
    assert not old.exists()
    assert new.exists()


def test_tree_hash_follows_content_and_not_times(
    environments: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    (tree / "etiket_gui" / "__pycache__").mkdir(parents=True)
    (tree / "resources").mkdir()
    (tree / "pyproject.toml").write_text("")
    module = tree / "etiket_gui" / "a.py"
    module.write_text("1")
    monkeypatch.setattr(environments, "CHECKOUT", tree)
    first = environments.tree_hash()
    os.utime(module, (1, 1))
    (tree / "etiket_gui" / "__pycache__" / "a.pyc").write_text("x")
    assert environments.tree_hash() == first
    module.write_text("2")
    assert environments.tree_hash() != first


@pytest.mark.skipif(os.name == "nt", reason="apt-get is Debian's")
def test_without_root_the_one_line_is_printed(environments: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "is_root", lambda: False)
    monkeypatch.setattr(environments.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", _never)
    with pytest.raises(environments.CannotPrepare) as problem:
        environments.install_system_packages(["python3.11-venv"], "Python 3.11 lacks a part")
    lines = [line.strip() for line in str(problem.value).splitlines() if "apt-get" in line]
    assert lines == ["sudo apt-get update && sudo apt-get install -y --no-install-recommends python3.11-venv"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere Qt brings what it needs")
def test_libraries_that_cannot_be_opened_are_named_by_their_packages(environments: types.ModuleType) -> None:
    wanted = {"libc6": "libc.so.6", "libnowhere1": "libnowhere.so.1"}
    assert environments.missing_libraries(wanted) == ["libnowhere1"]


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="dpkg is Debian's")
def test_packages_that_are_not_installed_are_found(environments: types.ModuleType) -> None:
    assert environments.missing_system_packages(["dpkg", "no-such-package"]) == ["no-such-package"]


@pytest.fixture
def launch(environments: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module that starts the program, on a machine without Qt's libraries, where nobody is root."""
    monkeypatch.setitem(sys.modules, "environments", environments)
    spec = importlib.util.spec_from_file_location("packaging_launch", LIBRARY / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(environments, "is_root", lambda: False)
    monkeypatch.setattr(environments, "missing_venv", list)
    monkeypatch.setattr(environments, "missing_libraries", list)
    monkeypatch.setattr(environments.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(environments, "_run", _never)
    return module


def test_without_root_and_qt_the_line_is_printed_and_commands_still_work(
    launch: types.ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":1")
    launch.prepare_system()
    told = capsys.readouterr().err
    assert "sudo apt-get install -y --no-install-recommends libgl1 " in told
    assert "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0 libxcb-shape0" in told
    assert "The commands work without them" in told


def test_without_root_and_display_nobody_is_told_of_qt(
    launch: types.ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    launch.prepare_system()
    assert capsys.readouterr().err == ""


def test_without_the_part_for_environments_nothing_can_start(
    launch: types.ModuleType, environments: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "missing_venv", lambda: ["python3.11-venv"])
    with pytest.raises(environments.CannotPrepare, match=r"python3\.11-venv libgl1"):
        launch.prepare_system()


def test_as_root_qt_is_installed_without_a_display(
    launch: types.ModuleType, environments: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(environments, "is_root", lambda: True)
    monkeypatch.setattr(environments, "_run", lambda command, what, advice: commands.append(command))
    monkeypatch.delenv("DISPLAY", raising=False)
    launch.prepare_system()
    assert commands[0][:2] == ["apt-get", "update"]
    assert commands[1][-len(environments.QT_WINDOWS) :] == list(environments.QT_WINDOWS)


@pytest.mark.skipif(os.name == "nt", reason="a folder that cannot be made is a file on POSIX")
def test_unwritable_cache_falls_back_to_the_checkout(
    environments: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a cache").touch()
    monkeypatch.setattr(environments, "CHECKOUT", tmp_path / "checkout")
    assert environments.cache_folder() == tmp_path / "checkout" / ".venv"


def test_everything_the_program_needs_is_installed(environments: types.ModuleType) -> None:
    wanted = environments.requirements()
    assert any(requirement.startswith("SQLAlchemy") for requirement in wanted)
    assert any(requirement.startswith("hatchling") for requirement in wanted)
    assert not any(requirement.startswith("pytest") for requirement in wanted)
    assert any(requirement.startswith("pytest") for requirement in environments.requirements("test"))
    assert environments.entry_point() == ("etiket_gui.cli.main", "main")


@pytest.mark.skipif(os.name == "nt", reason="Windows starts run.ps1")
def test_missing_python_is_told_with_the_line_that_installs_it(tmp_path: Path) -> None:
    for tool in ("sh", "dirname", "id"):
        (tmp_path / tool).symlink_to(
            next(p for p in ("/bin", "/usr/bin") if os.path.exists(f"{p}/{tool}")) + f"/{tool}"
        )
    done = subprocess.run(
        [str(tmp_path / "sh"), str(PROJECT / "packaging" / "run.sh")],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert "apt-get install -y python3.11" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows starts run.ps1")
def test_unsuitable_python_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "python3.11"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "python3.12").symlink_to(sys.executable)
    script = f'. "{LIBRARY}/find_python.sh"; echo "$python"'
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(tmp_path / "python3.12")
