"""Makes the pictures of the documents: ``python -m tests.desktop.pictures --to docs/images [--account DIR]``.

The account's folder is made, shown in the pictures, and removed afterwards. Needs what the desktop tests need, and
ImageMagick.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from etiket_gui.record import Recorder
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, save_settings
from tests.support.desktop import Desktop, wait_for
from tests.support.engine_runs import Lab
from tests.support.lab_folders import write_lab
from tests.support.qcodes_database import QCoDeSFile

_SCENES = "tests.desktop.picture_scenes"
_COLOURS = "200"


def main() -> int:
    """Take all pictures, or those of the scenes that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.desktop.pictures", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help="first_run, everyday, trays")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--account", type=Path, default=Path(tempfile.gettempdir()) / "lab-pc")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    for name in asked.scenes or ("first_run", "everyday", "trays"):
        if asked.account.exists():
            parser.error(f"{asked.account} exists already")
        shots = Path(tempfile.mkdtemp(prefix="shots-"))
        try:
            asked.account.mkdir(parents=True)
            {"first_run": first_run, "everyday": everyday, "trays": trays}[name](asked.account, shots)
        finally:
            shutil.rmtree(asked.account, ignore_errors=True)
            for path in sorted(shots.glob("*.png")):
                if path.stem != "screen":
                    _keep(path, asked.to / path.name)
            shutil.rmtree(shots)
    return 0


def _keep(path: Path, target: Path) -> None:
    """The picture, with as few colours as it needs."""
    subprocess.run(
        ["convert", str(path), "-strip", "+dither", "-colors", _COLOURS, "-define", "png:compression-level=9",
         f"PNG8:{target}"], check=True,
    )  # fmt: skip
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


def _desktop(shots: Path, account: Path, size: str) -> Desktop:
    desktop = Desktop(shots, size=size)
    desktop.environment.update(HOME=str(account), XDG_RUNTIME_DIR=str(account / ".run"))
    (account / ".run").mkdir(mode=0o700)
    return desktop


def first_run(account: Path, shots: Path) -> None:
    """From nothing."""
    write_lab(account / "data", range(120))
    desktop = _desktop(shots, account, "1400x1000")
    try:
        desktop.robot(f"{_SCENES}:first_run", account / ".local" / "home", account)
    finally:
        desktop.end()


def everyday(account: Path, shots: Path) -> None:
    """A home with a source, an archive and recordings."""
    write_lab(account / "data", range(240))
    write_lab(account / "cooldown 12", range(300, 412))
    for number, folder in enumerate(sorted((account / "cooldown 12").glob("*/*"))):
        (folder / "trace.csv.tmp").write_bytes(b"x" * 900)
        if number % 3 == 0:
            (folder / "Thumbs.db").write_bytes(b"t" * 4000)
    (account / "qcodes").mkdir()
    database = QCoDeSFile(account / "qcodes" / "experiments.db")
    database.many(48)
    database.close()
    records = account / "records"
    records.mkdir()
    _record_chevron(records)
    lab = Lab(account / ".local")
    archive = lab.add_archive(account / "archive", "group archive")
    lab.add_folder(account / "data", to=["group archive"], name="Triton 7", is_converting=True, settle_s=1)
    lab.ask("add-source", "native", "recorder", f"data_directory={records}", "--to", "group archive")
    assert archive.is_dir()
    save_settings(Home.locate(lab.home), Settings(worker_count=2))
    lab.run_once()
    desktop = _desktop(shots, account, "2600x1500")
    desktop.environment.update(
        LAB_DATA=str(account / "data"), LAB_OTHER=str(account / "cooldown 12"), LAB_RECORDS=str(records)
    )
    try:
        desktop.robot(f"{_SCENES}:everyday", lab.home, account, timeout_s=900)
    finally:
        desktop.end()


def _record_chevron(folder: Path) -> None:
    """A measurement with two axes, as Rabi oscillations beside their resonance are."""
    times, detunings = [4.0 * number for number in range(60)], [0.5 * number - 12 for number in range(49)]
    attributes = {"sample": "SQ22", "fridge": "Triton 7", "attenuation_dB": 60}
    with Recorder(
        "Rabi chevron Q3", folder=folder, attributes=attributes, keywords=("rabi", "qubit 3"), shape=(49, 60),
        description="Drive frequency against pulse length.",
    ) as run:  # fmt: skip
        run.axis("pulse_length", times, unit="ns")
        run.quantity("detuning", unit="MHz")
        run.quantity("population", axes=("detuning", "pulse_length"))
        for detuning in detunings:
            rabi = math.hypot(5.0, detuning)
            depth = (5.0 / rabi) ** 2
            run.add(
                detuning=detuning,
                population=[depth * math.sin(math.pi * rabi * time_ns / 1000) ** 2 for time_ns in times],
            )


def trays(account: Path, shots: Path) -> None:
    """The menu of the tray in a panel of either kind."""
    write_lab(account / "data", range(3))
    lab = Lab(account / ".local")
    lab.add_archive(account / "archive", "group archive")
    lab.add_folder(account / "data", to=["group archive"], name="Triton 7")
    lab.run_once()
    for kind in ("trayer", "xfce4-panel"):
        desktop = _desktop(shots, account, "1280x800")
        bus = None
        try:
            if kind == "trayer":
                desktop.start(
                    "trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", "32"
                )
            else:
                bus = _bus(desktop)
                desktop.start("xfce4-panel", "--disable-wm-check")
            program = desktop.start(sys.executable, "-m", "etiket_gui", "--home", str(lab.home))
            _menu(desktop, shots, kind)
            program.terminate()
            program.wait(60)
        finally:
            desktop.end()
            if bus is not None:
                bus.terminate()
                bus.wait(60)
            shutil.rmtree(account / ".run")


def _bus(desktop: Desktop) -> subprocess.Popen[str]:
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"], env=desktop.environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert bus.stdout is not None
    desktop.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    return bus


def _menu(desktop: Desktop, shots: Path, kind: str) -> None:
    """Open the menu, and keep the part of the screen around it."""
    from tests.gui.shell.test_tray_hosts import find_icon

    top, bottom = (760, 800) if kind == "trayer" else (0, 60)
    wait_for(lambda: desktop.windows("^etiket$"))
    wait_for(lambda: find_icon(desktop, top, bottom), 60)
    time.sleep(2)
    place = find_icon(desktop, top, bottom)
    assert place is not None
    desktop.click(*place, 3)
    time.sleep(1.5)
    desktop.run("xdotool", "key", "Down")
    time.sleep(0.5)
    picture = desktop.picture()
    left = max(0, min(place[0] - 400, picture.width() - 640))
    upper = picture.height() - 420 if kind == "trayer" else 0
    assert picture.copy(left, upper, 640, 420).save(str(shots / f"tray-{kind}.png"))


if __name__ == "__main__":
    sys.exit(main())
