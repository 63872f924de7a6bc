"""Start at login: one contract for the three systems, and what the readers of the entries make of them."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etiket_gui.domain.errors import UsageError
from etiket_gui.osys import autostart
from etiket_gui.osys.autostart import Autostart, keep_up_to_date, own_command, set_enabled
from etiket_gui.osys.autostart_mac import LABEL, LaunchAgent
from etiket_gui.osys.autostart_windows import RUN_KEY, VALUE_NAME, RunKey, split_command
from etiket_gui.osys.autostart_xdg import XdgEntry, quoted, split_exec

COMMAND = ("/opt/my app/etiket", "--hidden", "100%", 'a"b', "c\\d\\", "e$f", "`z`", "")


class MemoryRegistry:
    """The five functions of ``winreg`` that are used, over a dictionary."""

    HKEY_CURRENT_USER = "HKCU"
    REG_SZ = 1
    KEY_SET_VALUE = 2

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}

    @contextmanager
    def OpenKey(self, key: Any, sub_key: str, reserved: int = 0, access: int = 0) -> Iterator[Any]:  # noqa: N802
        if (key, sub_key) not in self.keys:
            raise FileNotFoundError(sub_key)
        yield self.keys[key, sub_key]

    @contextmanager
    def CreateKey(self, key: Any, sub_key: str) -> Iterator[Any]:  # noqa: N802
        yield self.keys.setdefault((key, sub_key), {})

    def SetValueEx(self, key: Any, name: str, reserved: int, kind: int, value: str) -> None:  # noqa: N802
        key[name] = (value, kind)

    def QueryValueEx(self, key: Any, name: str) -> tuple[Any, int]:  # noqa: N802
        if name not in key:
            raise FileNotFoundError(name)
        return key[name]  # type: ignore[no-any-return]

    def DeleteValue(self, key: Any, name: str) -> None:  # noqa: N802
        if name not in key:
            raise FileNotFoundError(name)
        del key[name]


@pytest.fixture(
    params=[
        lambda folder: XdgEntry(folder, delay_s=15),
        LaunchAgent,
        lambda folder: RunKey(MemoryRegistry()),
    ],
    ids=["xdg", "launch agent", "run key"],
)
def seam(request: pytest.FixtureRequest, tmp_path: Path) -> Autostart:
    make: Callable[[Path], Autostart] = request.param
    return make(tmp_path)


def test_there_is_none_at_first_and_removing_none_is_harmless(seam: Autostart) -> None:
    assert seam.command() is None
    seam.disable()
    assert seam.command() is None


def test_command_comes_back_as_it_was_given(seam: Autostart) -> None:
    seam.enable(COMMAND)
    assert seam.command() == COMMAND


def test_second_entry_replaces_the_first_and_removal_leaves_none(seam: Autostart) -> None:
    seam.enable(COMMAND)
    seam.enable(("/new/place",))
    assert seam.command() == ("/new/place",)
    seam.disable()
    assert seam.command() is None


def test_entry_of_a_program_that_was_moved_is_rewritten_and_one_that_is_right_is_left(seam: Autostart) -> None:
    assert not keep_up_to_date(seam, COMMAND)
    assert seam.command() is None, "what a person did not switch on stays off"
    seam.enable(("/old/place/etiket", "--hidden"))
    assert keep_up_to_date(seam, COMMAND)
    assert seam.command() == COMMAND
    assert not keep_up_to_date(seam, COMMAND)


def test_entry_for_another_home_is_left_alone(seam: Autostart) -> None:
    seam.enable(("/opt/etiket", "--home", "/other", "--hidden"))
    assert not keep_up_to_date(seam, ("/new/etiket", "--hidden"))
    assert keep_up_to_date(seam, ("/new/etiket", "--home", "/other", "--hidden"))


def test_entry_that_a_desktop_switched_off_counts_as_none(tmp_path: Path) -> None:
    for line in ("Hidden=true", "X-GNOME-Autostart-enabled=false"):
        entry = XdgEntry(tmp_path, delay_s=15)
        entry.enable(COMMAND)
        text = entry.path.read_text("utf-8")
        entry.path.write_text(text.replace("X-GNOME-Autostart-enabled=true", line), "utf-8")
        assert entry.command() is None


def test_xdg_entry_waits_for_the_panel(tmp_path: Path) -> None:
    entry = XdgEntry(tmp_path, delay_s=15)
    entry.enable(COMMAND)
    assert "X-GNOME-Autostart-Delay=15" in entry.path.read_text("utf-8")


@pytest.mark.skipif(not shutil.which("desktop-file-validate"), reason="desktop-file-validate is not installed here")
def test_xdg_entry_is_valid(tmp_path: Path) -> None:
    entry = XdgEntry(tmp_path, delay_s=15)
    entry.enable(("/opt/my app/etiket", "--hidden", "100%", 'a"b'))
    done = subprocess.run(["desktop-file-validate", str(entry.path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("gio"), reason="gio is not installed here")
def test_glib_starts_the_very_command(tmp_path: Path) -> None:
    probe, out = tmp_path / "my probe.sh", tmp_path / "out"
    probe.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{out}.tmp"\nmv "{out}.tmp" "{out}"\n', "utf-8")
    probe.chmod(0o755)
    entry = XdgEntry(tmp_path, delay_s=15)
    words = ["100%", 'a"b', "c\\d", "e$f", "plain", "x y", "`z`"]
    entry.enable([str(probe), *words])
    fifo_free_wait = f'while [ ! -e "{out}" ]; do sleep 0.05; done'
    subprocess.run(["gio", "launch", str(entry.path)], check=True, timeout=20)
    subprocess.run(["sh", "-c", fifo_free_wait], check=True, timeout=20)
    assert out.read_text("utf-8").splitlines() == words


def test_launch_agent_is_what_launchd_reads(tmp_path: Path) -> None:
    agent = LaunchAgent(tmp_path)
    agent.enable(COMMAND)
    value = plistlib.loads(agent.path.read_bytes())
    assert value["Label"] == LABEL
    assert value["ProgramArguments"] == list(COMMAND)
    assert value["RunAtLoad"] is True


def test_launch_agent_that_is_disabled_or_broken_counts_as_none(tmp_path: Path) -> None:
    agent = LaunchAgent(tmp_path)
    agent.enable(COMMAND)
    agent.path.write_bytes(plistlib.dumps({**plistlib.loads(agent.path.read_bytes()), "Disabled": True}))
    assert agent.command() is None
    agent.path.write_bytes(b"<plist>")
    assert agent.command() is None


def test_run_key_quotes_a_path_with_spaces() -> None:
    registry = MemoryRegistry()
    RunKey(registry).enable(("C:\\Program Files\\etiket\\etiket.exe", "--hidden"))
    value, kind = registry.keys["HKCU", RUN_KEY][VALUE_NAME]
    assert value == '"C:\\Program Files\\etiket\\etiket.exe" --hidden'
    assert kind == registry.REG_SZ


_WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=12), max_size=5)


@given(_WORDS)
def test_words_of_a_windows_command_come_back(words: list[str]) -> None:
    assert split_command(subprocess.list2cmdline(words)) == tuple(words)


@given(_WORDS)
def test_words_of_an_exec_line_come_back(words: list[str]) -> None:
    assert split_exec(" ".join(quoted(word) for word in words)) == tuple(words)


def test_own_command_starts_hidden_and_names_a_home_only_where_one_was_named() -> None:
    assert own_command()[-3:] == ("-m", "etiket_gui", "--hidden")
    assert own_command(Path("/x y"))[-3:] == ("--home", "/x y", "--hidden")


def test_frozen_program_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_command() == (sys.executable, "--hidden")


def test_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "autostart").write_text("in the way", "utf-8")
    with pytest.raises(UsageError, match="start at login cannot be changed"):
        set_enabled(XdgEntry(tmp_path, delay_s=15), COMMAND, is_enabled=True)


def test_each_system_gets_its_side(account_folder: Path) -> None:
    assert isinstance(autostart.for_this_system("linux"), XdgEntry)
    assert isinstance(autostart.for_this_system("darwin"), LaunchAgent)
