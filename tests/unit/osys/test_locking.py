"""One holder of a home at a time; what a crash leaves is no obstacle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from etiket_gui.domain.errors import HomeInUse, PermissionRefused, StoreProblem
from etiket_gui.osys import locking
from etiket_gui.osys.hostname import host_name
from etiket_gui.osys.locking import HomeLock, read_owner
from etiket_gui.osys.processes import own_identity

_HOLDER = """
import sys, time
from pathlib import Path
from etiket_gui.osys.locking import HomeLock
lock = HomeLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "a home" / "run"


def _start_holder(run_folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(run_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def _end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_second_lock_in_another_process_is_refused_and_names_the_holder(run_folder: Path) -> None:
    holder = _start_holder(run_folder)
    try:
        with pytest.raises(HomeInUse, match=f"process {holder.pid} on "):
            HomeLock(run_folder).acquire()
    finally:
        _end(holder)


def test_second_lock_in_the_same_process_is_refused(run_folder: Path) -> None:
    with HomeLock(run_folder), pytest.raises(HomeInUse):
        HomeLock(run_folder).acquire()


def test_lock_of_a_killed_process_is_free_at_once(run_folder: Path) -> None:
    holder = _start_holder(run_folder)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert read_owner(run_folder) is not None
    with HomeLock(run_folder) as lock:
        assert lock.is_held


def test_lock_can_be_taken_again_after_release(run_folder: Path) -> None:
    lock = HomeLock(run_folder)
    for _ in range(3):
        lock.acquire()
        lock.acquire()
        lock.release()
        lock.release()
    assert read_owner(run_folder) is None
    assert (run_folder / locking.LOCK_FILE).exists()


def test_file_of_an_earlier_process_with_the_same_number_is_stale(run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    earlier = {"pid": os.getppid(), "start": "another boot:1", "host": host_name(), "since_ns": 1}
    (run_folder / locking.LOCK_FILE).write_text(json.dumps(earlier))
    with HomeLock(run_folder):
        owner = read_owner(run_folder)
    assert owner is not None
    assert owner.process == own_identity()


@pytest.mark.parametrize("text", ["", "{", "null", '{"pid": "x"}', "\x00" * 100])
def test_rubbish_in_the_lock_file_is_no_obstacle(run_folder: Path, text: str) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / locking.LOCK_FILE).write_text(text)
    with HomeLock(run_folder) as lock:
        assert lock.is_held


def test_waiting_for_the_lock_gets_it_when_it_is_released(run_folder: Path) -> None:
    holder = _start_holder(run_folder)
    assert holder.stdin is not None
    holder.stdin.close()
    lock = HomeLock(run_folder)
    lock.acquire(wait_s=20.0)
    lock.release()
    assert holder.stdout is not None
    holder.stdout.close()
    assert holder.wait(60) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only systems that fork pass open files on")
def test_forked_child_does_not_keep_the_lock(run_folder: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from etiket_gui.osys.locking import HomeLock
lock = HomeLock(Path({str(run_folder)!r}))
lock.acquire()
pid = os.fork()
if pid == 0:
    os.close(1)
    time.sleep(30)
print(pid, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20
    )
    child = int(done.stdout)
    try:
        with HomeLock(run_folder) as lock:
            assert lock.is_held
    finally:
        os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def test_place_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((PermissionRefused, StoreProblem), match=r"cannot|may not"):
        HomeLock(tmp_path / "file" / "run").acquire()


def test_living_signer_is_respected_where_the_file_system_locks_nothing(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_lock", lambda fd: None)
    holder = _start_holder(run_folder)
    try:
        with pytest.raises(HomeInUse):
            HomeLock(run_folder).acquire()
    finally:
        _end(holder)
    with HomeLock(run_folder), pytest.raises(HomeInUse):
        HomeLock(run_folder).acquire()
