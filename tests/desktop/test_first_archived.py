"""From nothing to archived datasets, with a real mouse: few clicks, little time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.desktop import Desktop, RobotReport, read_report
from tests.support.engine_runs import PROJECT
from tests.support.lab_folders import write_lab

pytestmark = [pytest.mark.desktop, pytest.mark.slow]

_SCRIPTS = "tests.desktop.first_archived"
_MOST_S, _MOST_CLICKS, _MOST_CLICKS_OF_A_DROP = 90.0, 6, 3
#: The account's own, seen before a test gets a folder of its own: the program's environment is made once a machine.
_CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")

needs_pcmanfm = pytest.mark.skipif(not shutil.which("pcmanfm"), reason="pcmanfm is not installed")


def _is_good(report: RobotReport, account: Path) -> None:
    assert report.told["archived_after_s"] <= _MOST_S
    assert report.said.strip() == "", "nothing is said on the terminal"
    records = [*account.rglob("*.yml")]
    assert len(records) >= 6, "the archive holds a record of each dataset"


def test_first_start_to_the_first_archived_dataset(
    desktop: Desktop, measurements: Path, account_folder: Path, home_folder: Path
) -> None:
    report = desktop.robot(f"{_SCRIPTS}:first_run", home_folder, account_folder)
    assert report.clicks <= _MOST_CLICKS
    _is_good(report, account_folder)


@needs_pcmanfm
def test_folder_dragged_from_a_file_manager_onto_the_window(
    desktop: Desktop, tmp_path: Path, account_folder: Path, home_folder: Path
) -> None:
    source = tmp_path / "dragged" / "fridge µ 2"
    write_lab(source, range(6), a_day=3)
    desktop.environment["DROP_FROM"] = str(source.parent)
    before = sorted((path, path.lstat().st_mtime_ns) for path in source.rglob("*"))
    report = desktop.robot(f"{_SCRIPTS}:drop_on_window", home_folder, account_folder)
    assert report.told["clicks_after_drop"] <= _MOST_CLICKS_OF_A_DROP
    _is_good(report, account_folder)
    assert sorted((path, path.lstat().st_mtime_ns) for path in source.rglob("*")) == before, "a drop moves nothing"


@needs_pcmanfm
def test_folder_dragged_onto_the_wizard_of_the_first_start(
    desktop: Desktop, tmp_path: Path, account_folder: Path, home_folder: Path
) -> None:
    source = tmp_path / "dragged" / "fridge µ 2"
    write_lab(source, range(6), a_day=3)
    desktop.environment["DROP_FROM"] = str(source.parent)
    report = desktop.robot(f"{_SCRIPTS}:drop_on_wizard", home_folder, account_folder)
    assert report.clicks <= _MOST_CLICKS_OF_A_DROP
    _is_good(report, account_folder)


_ROBOT_IN_THE_PROGRAM = """
import sys
if sys.orig_argv[1:3] == ["-m", "etiket_gui"] and "--worker" not in sys.orig_argv:
    from tests.support.robot import join
    join({script!r}, {report!r})
"""


@pytest.mark.timeout(900)
def test_the_one_command_of_the_readme_opens_the_window_and_leads_to_archived_datasets(
    desktop: Desktop, measurements: Path, account_folder: Path, home_folder: Path, tmp_path: Path
) -> None:
    command = ["sh", str(PROJECT / "packaging" / "run.sh")]
    environment = {**desktop.environment, "HOME": str(account_folder), "XDG_CACHE_HOME": _CACHE}
    made = subprocess.run([*command, "--version"], env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"the program's environment cannot be made here: {made.stderr[-300:]}")
    hook = tmp_path / "hook"
    hook.mkdir()
    report = tmp_path / "report.json"
    (hook / "sitecustomize.py").write_text(
        _ROBOT_IN_THE_PROGRAM.format(script=f"{_SCRIPTS}:first_run", report=str(report)), encoding="utf-8"
    )
    environment["PYTHONPATH"] = f"{hook}:{PROJECT}"
    done = subprocess.run(
        command, env=environment, cwd=account_folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip
    told = read_report(report, done.stderr)
    assert done.returncode == 0, done.stderr[-3000:]
    assert told.clicks <= _MOST_CLICKS
    _is_good(told, account_folder)
    assert home_folder.is_dir(), "the program's things are in its own folder"
