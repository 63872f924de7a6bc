"""Quitting in the middle of a transfer, by the menu of the tray: quick, quiet, whole, and taken up again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from etiket_gui.domain.commands import AskStatus
from etiket_gui.osys.control import ControlClient, NobodyAnswers
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, save_settings
from tests.support.archive_reader import read_archive
from tests.support.desktop import Desktop, wait_for
from tests.support.engine_runs import Lab

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("trayer"), reason="trayer is not installed"),
]

_QUIT_WITHIN_S = 5.0
_SIZE_BYTES = 60_000_000


def _sending(home: Home) -> bool:
    with contextlib.suppress(NobodyAnswers):
        return bool(ControlClient(home.run).ask(AskStatus().to_json(), 5.0)["value"]["sending"])
    return False


def test_quit_by_the_menu_in_the_middle_of_a_transfer(desktop: Desktop, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    run = tmp_path / "data" / "run 1"
    run.mkdir(parents=True)
    (run / "large.dat").write_bytes(os.urandom(1000) * (_SIZE_BYTES // 1000))
    lab.add_folder(run.parent, level=1, to=["lab-archive"])
    home = Home.locate(lab.home)
    save_settings(home, Settings(worker_count=1, rate_limit_bytes_per_s=1e6))
    panel = desktop.start("trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", "32")

    said = tmp_path / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "etiket_gui", "--home", str(lab.home), "--hidden"], env=desktop.environment,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            wait_for(lambda: _sending(home), 40)
            whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            assert len(whole) > 1, "a worker sends"
            (window,) = desktop.run("xdotool", "search", "--onlyvisible", "--class", "trayer").split()[-1:]
            left, top, width, height = desktop.geometry(window)
            desktop.click(left + width // 2, top + height // 2, 3)
            time.sleep(1.0)
            # The last entry of the menu.
            desktop.run("xdotool", "key", "Up", "sleep", "0.3", "key", "Return")
            begun_s = time.monotonic()
            process.wait(60)
            taken_s = time.monotonic() - begun_s
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert process.returncode == 0
    assert taken_s <= _QUIT_WITHIN_S
    assert said.read_text("utf-8") == "", "Qt and Python have nothing to complain about"
    wait_for(lambda: not any(part.is_running() for part in whole), 5)
    assert not read_archive(archive).records, "what was under way is not called archived"
    panel.terminate()

    save_settings(home, Settings(worker_count=1))
    again = desktop.start(sys.executable, "-m", "etiket_gui", "--home", str(lab.home))
    wait_for(lambda: len(read_archive(archive).records) == 1, 60)
    desktop.run("xdotool", "search", "--sync", "--onlyvisible", "--name", "^etiket$", "windowactivate")
    desktop.run("xdotool", "key", "ctrl+q")
    assert again.wait(60) == 0
    (row,) = lab.store().datasets
    assert row["identifier"] == "run 1"
