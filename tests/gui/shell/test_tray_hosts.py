"""The tray in real panels: an XEmbed one and a StatusNotifier one, clicked as a person does."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.commands import AskStatus
from etiket_gui.osys.control import ControlClient, NobodyAnswers
from etiket_gui.settings.home import Home
from tests.support.desktop import NEEDED, Desktop, wait_for

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(shutil.which(name) for name in NEEDED),
        reason="Xvfb, openbox, xdotool or scrot is not installed",
    ),
]

_GREEN = (0x1A, 0x7F, 0x37)
_XEMBED_PANEL = (
    "trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", "32", "--SetDockType",
    "true", "--expand", "true",
)  # fmt: skip
_WATCHER = ("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home: the program is idle, so its icon has the green badge."""
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    made = Desktop(tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def session_bus(desktop: Desktop) -> Iterator[None]:
    """A session bus of the desktop's own."""
    if not all(shutil.which(name) for name in ("dbus-daemon", "gdbus", "xfce4-panel")):
        pytest.skip("dbus-daemon, gdbus or xfce4-panel is not installed")
    process = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"], env=desktop.environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    desktop.environment["DBUS_SESSION_BUS_ADDRESS"] = process.stdout.readline().strip()
    yield
    process.terminate()
    process.wait(60)
    process.stdout.close()


def find_icon(desktop: Desktop, top: int, bottom: int) -> tuple[int, int] | None:
    """Where the green badge of the idle icon is, between two lines of the screen."""
    image = desktop.picture()
    found = [
        (x, y)
        for y in range(top, min(bottom, image.height()))
        for x in range(image.width())
        if image.pixelColor(x, y).getRgb()[:3] == _GREEN
    ]
    if len(found) < 3:
        return None
    return sum(x for x, _ in found) // len(found), sum(y for _, y in found) // len(found)


def start_program(desktop: Desktop, home: Home, *options: str) -> subprocess.Popen[bytes]:
    return desktop.start(sys.executable, "-m", "etiket_gui", "--home", str(home.root), *options)


def answers(home: Home) -> bool:
    with contextlib.suppress(NobodyAnswers):
        return bool(ControlClient(home.run).ask(AskStatus().to_json(), 5.0)["is_ok"])
    return False


def quit_by_menu(desktop: Desktop, process: subprocess.Popen[bytes], place: tuple[int, int]) -> None:
    """The last row of the menu that the panel shows."""
    desktop.click(*place, 3)
    time.sleep(1.0)
    desktop.run("xdotool", "key", "Up", "sleep", "0.3", "key", "Return")
    process.wait(60)


@pytest.mark.skipif(not shutil.which("trayer"), reason="trayer is not installed")
def test_icon_in_an_xembed_panel_opens_the_window_and_quits(desktop: Desktop, home: Home) -> None:
    desktop.start(*_XEMBED_PANEL)
    process = start_program(desktop, home, "--hidden")
    wait_for(lambda: answers(home))
    wait_for(lambda: find_icon(desktop, 760, 800))
    assert desktop.windows("^etiket$") == []
    place = find_icon(desktop, 760, 800)
    assert place is not None
    desktop.click(*place, 1)
    wait_for(lambda: desktop.windows("^etiket$"))
    quit_by_menu(desktop, process, place)
    assert process.returncode == 0


@pytest.mark.skipif(not shutil.which("trayer"), reason="trayer is not installed")
def test_panel_that_comes_late_gets_the_icon(desktop: Desktop, home: Home) -> None:
    start_program(desktop, home, "--hidden")
    wait_for(lambda: answers(home))
    assert find_icon(desktop, 760, 800) is None
    desktop.start(*_XEMBED_PANEL)
    wait_for(lambda: find_icon(desktop, 760, 800))


@pytest.mark.usefixtures("session_bus")
def test_icon_in_a_status_notifier_panel_may_come_late_and_go(desktop: Desktop, home: Home) -> None:
    def registered() -> bool:
        said = desktop.run(
            "gdbus", "call", "--session", "--dest", _WATCHER[0], "--object-path", _WATCHER[1], "--method",
            "org.freedesktop.DBus.Properties.Get", _WATCHER[0], "RegisteredStatusNotifierItems",
        )  # fmt: skip
        return "/StatusNotifierItem" in said

    process = start_program(desktop, home, "--hidden")
    wait_for(lambda: answers(home))
    panel = desktop.start("xfce4-panel", "--disable-wm-check")
    wait_for(registered)
    desktop.run("xfce4-panel", "--quit")
    panel.wait(60)
    wait_for(lambda: not registered())
    desktop.start("xfce4-panel", "--disable-wm-check")
    wait_for(registered)
    wait_for(lambda: find_icon(desktop, 0, 60))
    place = find_icon(desktop, 0, 60)
    assert place is not None
    desktop.click(*place, 1)
    wait_for(lambda: desktop.windows("^etiket$"))
    quit_by_menu(desktop, process, place)
    assert process.returncode == 0
