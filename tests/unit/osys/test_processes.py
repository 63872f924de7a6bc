"""Processes are told apart, measured, lowered and ended together with what they started."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from etiket_gui.osys import hostname
from etiket_gui.osys.processes import (
    ProcessIdentity,
    identity_of,
    is_alive,
    kill_tree,
    own_identity,
    resident_bytes,
    wait_gone,
)

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""


def test_own_identity_is_alive_and_a_later_process_with_the_number_is_not() -> None:
    own = own_identity()
    assert own.pid == os.getpid()
    assert is_alive(own)
    assert not is_alive(ProcessIdentity(own.pid, "another boot:17"))
    assert identity_of(0) is None
    assert identity_of(2**22 + 1) is None


def test_ended_process_is_gone_even_before_it_is_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(child.pid)
    assert identity is not None
    assert is_alive(identity)
    assert not wait_gone(identity, 0.0)
    child.kill()
    assert wait_gone(identity, 10.0)
    child.communicate()


def test_resident_memory_is_what_the_system_says() -> None:
    theirs = psutil.Process().memory_info().rss
    assert resident_bytes() == pytest.approx(theirs, rel=0.2)
    assert resident_bytes(2**22 + 1) == 0


def test_killing_a_tree_leaves_no_grandchild() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    grandchild = identity_of(int(parent.stdout.readline()))
    assert grandchild is not None
    kill_tree(parent.pid, grace_s=0.1)
    assert wait_gone(grandchild, 10.0)
    parent.communicate()
    kill_tree(parent.pid)


def test_lowered_process_is_below_the_measurement_and_its_parent_is_not() -> None:
    script = (
        "import os, psutil; from etiket_gui.osys.priority import lower_priority; lower_priority(); lower_priority();"
        "p = psutil.Process(); print(p.nice(), *map(int, p.ionice()) if hasattr(p, 'ionice') else ())"
    )
    before = psutil.Process().nice()
    words = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    if sys.platform == "win32":
        assert int(words[0]) == psutil.BELOW_NORMAL_PRIORITY_CLASS
    else:
        assert int(words[0]) == max(10, before)
    if sys.platform == "linux":
        assert words[1:] == ["2", "7"]
    assert psutil.Process().nice() == before


def test_host_name_can_be_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hostname.VARIABLE, raising=False)
    assert hostname.host_name()
    monkeypatch.setenv(hostname.VARIABLE, "PC-12")
    assert hostname.host_name() == "PC-12"
