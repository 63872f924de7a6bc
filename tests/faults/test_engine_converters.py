"""Installed converters that raise, exit, hang, die or write without end: each costs its own result and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.engine import workers
from tests.support.engine_driver import EngineDriver, patch_workers, write_dataset
from tests.support.manifest import take_manifest

_CODE = {
    "raises": "raise KeyError('of all things')",
    "exits": "raise SystemExit(3)",
    "nonsense": "return 42",
    "dies": "os._exit(11)",
    "hangs": "time.sleep(3600)",
    "fills": "write_without_end(self, output_dir / 'full.out')",
}
_TOLD = {
    "raises": "KeyError",
    "exits": "SystemExit",
    "nonsense": "TypeError",
    "dies": "ended the program",
    "hangs": "never came to an end",
}
_MODULE = """
import os, time
from pathlib import Path
from etiket_gui.converters.api import Converter

def write_without_end(converter, path):
    with open(path, "wb") as stream:
        while True:
            converter.stop.check()
            stream.write(b"x" * 65536)
            time.sleep(0.001)

class Bad(Converter):
    input_type, output_type, version = {name!r}, "out", "1"

    def convert(self, input_path, output_dir):
        {code}
"""
_PATCH = """
from etiket_gui.converters import bounds
bounds.BOUNDS = bounds.Bounds(result_bytes=1 << 20, free_bytes=0, every_s=0.05)
from etiket_gui.worker import process
process._BEAT_EVERY_S = 0.2
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDriver]:
    folder = tmp_path / "plugins"
    patch_workers(folder, _PATCH, monkeypatch)
    entries = []
    for name, code in _CODE.items():
        (folder / f"bad_{name}.py").write_text(_MODULE.format(name=name, code=code), encoding="utf-8")
        entries.append(f"bad_{name} = bad_{name}:Bad\n")
    information = folder / "bad_converters-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-converters\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[etiket_gui.converters]\n" + "".join(entries))
    monkeypatch.setitem(workers.SILENCE_S, "move", 2.0)
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


def _problem_of(driver: EngineDriver, root: Path, name: str) -> str:
    (root / name).mkdir(parents=True)
    write_dataset(root, "good")
    (root / name / f"trace.{name}").write_bytes(b"measured")
    with driver:
        driver.until(
            lambda: driver.states() == {name: "archived", "good": "archived"},
            "both datasets are archived, whatever their converter does",
            timeout_s=25,
        )
        driver.until(lambda: len(driver.problems()) == 1, "what was not converted is told", timeout_s=10)
        [problem] = driver.problems()
    driver.check(take_manifest(root))
    assert not list((root.parent / "home").rglob("*.out")), "nothing of it is left"
    return str(problem["reason"])


@pytest.mark.parametrize("name", ["raises", "exits", "nonsense"])
def test_what_a_converter_raises_is_told_and_everything_is_archived(
    driver: EngineDriver, tmp_path: Path, name: str
) -> None:
    root = driver.add_folder(tmp_path / "measurements", converters={})
    assert _TOLD[name] in _problem_of(driver, root, name)


@pytest.mark.allows_log("gave no sign of life|Worker .* ended with code")
@pytest.mark.parametrize("name", ["dies", "hangs"])
@pytest.mark.fault("F97", guard="converters-leave-notes")
def test_converter_that_ends_or_stops_its_process_is_left_out_the_third_time(
    driver: EngineDriver, tmp_path: Path, name: str
) -> None:
    root = driver.add_folder(tmp_path / "measurements", converters={})
    assert _TOLD[name] in _problem_of(driver, root, name)


@pytest.mark.fault("F97", guard="converters-are-bounded")
def test_converter_that_writes_without_end_is_stopped(driver: EngineDriver, tmp_path: Path) -> None:
    root = driver.add_folder(tmp_path / "measurements", converters={})
    assert "more than" in _problem_of(driver, root, "fills")
