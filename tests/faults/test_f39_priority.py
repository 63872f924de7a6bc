"""F39: what works beside a measurement is below it for the processors, whichever session the measurement runs in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.engine_driver import EngineDriver, write_dataset

_AUTOGROUP = Path("/proc/self/autogroup")

pytestmark = pytest.mark.skipif(
    not _AUTOGROUP.exists(), reason="this kernel does not share the processors between sessions (autogroups)"
)


def _session_nice(process_id: int) -> int | None:
    """What the kernel holds of a process's session; None of one that began before there were sessions."""
    try:
        told = Path(f"/proc/{process_id}/autogroup").read_text("ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        # It has ended meanwhile.
        return None
    return int(told[-1]) if told else None


@pytest.mark.fault("F39", guard="session-is-lowered-too")
def test_the_sessions_of_all_children_are_below_those_in_which_somebody_measures(tmp_path: Path) -> None:
    root = tmp_path / "measurements"
    write_dataset(root, "one")
    before = _session_nice(os.getpid())
    driver = EngineDriver(tmp_path)
    driver.has_low_priority = True
    driver.add_archive()
    driver.add_source("folder", "lab", {"root_directory": str(root), "level": 1, "settle_time": 0.3})
    with driver:
        driver.until_archived("one")
        children = psutil.Process().children()
        nice = [nice for child in children if (nice := _session_nice(child.pid)) is not None]
    assert len(nice) >= 2, "a worker and the one that watches"
    assert set(nice) == {10}
    assert _session_nice(os.getpid()) == before


_TOGETHER = """
import ctypes, os, sys
import psutil
from etiket_gui.osys import priority
if os.geteuid() == 0:
    # Of root the kernel takes any number of wishes; a person's account is what the program runs under.
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
print("ready", flush=True)
sys.stdin.readline()
priority.lower_priority()
print(open("/proc/self/autogroup").read())
"""


def test_sessions_that_begin_at_once_are_all_lowered() -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _TOGETHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate()[0].split()[-1] for child in children]
    assert told == ["10"] * 4


def test_the_session_of_a_terminal_is_left_as_it_is() -> None:
    script = (
        "import os; from etiket_gui.osys.priority import lower_priority; lower_priority();"
        "print(os.getsid(0) == os.getpid(), open('/proc/self/autogroup').read())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["False", *_AUTOGROUP.read_text("ascii").split()]
