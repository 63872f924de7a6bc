"""A converter that takes too much is asked to end, and the process around it is ended when it does not."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etiket_gui.converters.bounds import Bounds, bounded
from etiket_gui.domain.errors import ConversionFailed, Stopped
from etiket_gui.domain.stopping import StopToken
from tests.support.patience import patient_s

SMALL = Bounds(result_bytes=1000, times_input=2, free_bytes=0, memory_bytes=1 << 60, every_s=0.01)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A source of 100 bytes and a folder for what is made of it."""
    source, output = tmp_path / "trace.csv", tmp_path / "output"
    source.write_bytes(b"x" * 100)
    output.mkdir()
    return source, output


def write_until_stopped(output: Path, token: StopToken) -> None:
    """As a converter with a bug does, that asks its token."""
    end_s = time.monotonic() + patient_s(5)
    with open(output / "result", "wb") as stream:
        while time.monotonic() < end_s:
            token.check()
            stream.write(b"x" * 100)
            stream.flush()
            token.wait(0.001)


def test_what_stays_within_its_bounds_is_left_alone(folders: tuple[Path, Path]) -> None:
    source, output = folders
    with bounded(source, output, StopToken(), SMALL) as token:
        (output / "result").write_bytes(b"x" * 900)
        assert not token.wait(0.1)
        token.check()


def test_result_without_end_is_stopped_and_told(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ConversionFailed, match="more than"), bounded(*folders, StopToken(), SMALL) as token:
        write_until_stopped(folders[1], token)


def test_large_input_may_have_a_large_result(folders: tuple[Path, Path]) -> None:
    source, output = folders
    with bounded(source, output, StopToken(), dataclasses.replace(SMALL, times_input=100)) as token:
        (output / "result").write_bytes(b"x" * 9000)
        assert not token.wait(0.1)


def test_disk_that_fills_up_is_left_room(folders: tuple[Path, Path]) -> None:
    bounds = dataclasses.replace(SMALL, result_bytes=1 << 60, free_bytes=1 << 60)
    with pytest.raises(ConversionFailed, match="free on the disk"), bounded(*folders, StopToken(), bounds) as token:
        write_until_stopped(folders[1], token)


def fill_memory(token: StopToken) -> None:
    """As a converter does that reads everything at once."""
    held = [b"%d" % number * (1 << 20) for number in range(60)]
    assert token.wait(patient_s(5)), len(held)
    token.check()


def stop_meanwhile(stop: StopToken, token: StopToken) -> None:
    """The work is held while something is converted."""
    stop.stop()
    assert token.is_stopped
    token.check()


def test_memory_is_left_to_others(folders: tuple[Path, Path]) -> None:
    bounds = dataclasses.replace(SMALL, memory_bytes=20 << 20)
    with pytest.raises(ConversionFailed, match="of memory"), bounded(*folders, StopToken(), bounds) as token:
        fill_memory(token)


def test_stop_of_the_work_is_no_failure_of_the_converter(folders: tuple[Path, Path]) -> None:
    stop = StopToken()
    with pytest.raises(Stopped), bounded(*folders, stop, SMALL) as token:
        stop_meanwhile(stop, token)


_DEAF = """
import sys, time
from pathlib import Path
from etiket_gui.converters.bounds import Bounds, bounded
from etiket_gui.domain.stopping import StopToken
source, output = Path(sys.argv[1]), Path(sys.argv[2])
bounds = Bounds(1000, 2, 0, 1 << 60, 0.01, 0.1)
with bounded(source, output, StopToken(), bounds):
    (output / "result").write_bytes(b"x" * 5000)
    time.sleep(600)
"""


def test_one_that_does_not_listen_is_ended_with_its_process(folders: tuple[Path, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DEAF, *map(str, folders)], timeout=patient_s(20), capture_output=True, text=True
    )
    assert done.returncode == 70
    assert "did not end when it was asked" in done.stderr
