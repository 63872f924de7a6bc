"""The start at login names this home only where it is not the usual one, and follows a program that was moved."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path

from etiket_gui.gui.login_start import command_for, follow_program
from etiket_gui.osys.autostart_xdg import XdgEntry
from etiket_gui.settings.home import Home


def test_usual_home_is_not_named(tmp_path: Path) -> None:
    usual = Home(user_data_path("etiket-gui", appauthor=False))
    assert "--home" not in command_for(usual)
    assert command_for(Home(tmp_path))[-3:] == ("--home", str(tmp_path), "--hidden")


def test_entry_follows_the_program(tmp_path: Path) -> None:
    entry = XdgEntry(tmp_path, delay_s=1)
    home = Home(tmp_path / "home")
    follow_program(home, entry)
    assert entry.command() is None
    entry.enable(("/old/python", "-m", "etiket_gui", "--home", str(home.root), "--hidden"))
    follow_program(home, entry)
    assert entry.command() == command_for(home)


def test_entry_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    class Refusing(XdgEntry):
        def enable(self, command: object) -> None:
            raise PermissionError(13, "no")

    entry = XdgEntry(tmp_path, delay_s=1)
    home = Home(tmp_path / "home")
    entry.enable(("/old/python", "--home", str(home.root), "--hidden"))
    follow_program(home, Refusing(tmp_path, delay_s=1))
    command = entry.command()
    assert command is not None
    assert command[0] == "/old/python"
