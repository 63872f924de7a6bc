"""The nets under every test hold: each kind of leak turns a test red, and a clean test stays green."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import keyring
import pytest

from tests.support.clock import SECOND_NS, FakeClock
from tests.support.network import NetworkForbidden

PROJECT = Path(__file__).resolve().parents[2]


ORPHAN = """
import subprocess, sys
parent = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
subprocess.run([sys.executable, "-c", parent])
"""
LEAKS = {
    "log line": ("import logging; logging.getLogger('etiket_gui.x').warning('disk is slow')", "disk is slow"),
    "thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "daemon",
    ),
    "child": (
        "import subprocess, sys; kept.append(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1))",
        "process",
    ),
    "orphan": (ORPHAN, "orphan"),
}


@pytest.mark.parametrize("kind", [kind for kind in LEAKS if kind != "orphan" or sys.platform == "linux"])
def test_what_a_test_leaves_behind_turns_it_red(kind: str, tmp_path: Path) -> None:
    body, words = LEAKS[kind]
    # What stays for ever is found as well after a short time as after a long one.
    lines = [
        "from tests.support import leaks",
        "leaks.GRACE_S = 0.3",
        "kept = []",
        "def test_leaks():",
        *(f"    {line}" for line in body.strip().splitlines()),
    ]
    (tmp_path / "test_leaky.py").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", os.devnull, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout


@pytest.mark.allows_log("the share is slow")
def test_an_expected_log_line_is_allowed() -> None:
    logging.getLogger("etiket_gui.somewhere").warning("the share is slow today")


def test_no_other_machine_can_be_reached() -> None:
    with socket.socket() as connection, pytest.raises(NetworkForbidden):
        connection.connect(("192.0.2.1", 80))
    with pytest.raises(NetworkForbidden):
        socket.getaddrinfo("example.invalid", 443)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            server.accept()[0].close()

        answer = threading.Thread(target=accept)
        answer.start()
        with socket.create_connection(server.getsockname()) as connection:
            assert connection.getpeername() == server.getsockname()
        answer.join()


def test_home_and_keyring_are_the_tests_own(account_folder: Path, home_folder: Path) -> None:
    assert Path.home() == account_folder
    assert os.environ["ETIKET_GUI_HOME"] == str(home_folder)
    assert not home_folder.exists()
    assert keyring.get_password("etiket-gui", "anybody") is None
    keyring.set_password("etiket-gui", "anybody", "secret")
    assert keyring.get_password("etiket-gui", "anybody") == "secret"


def test_a_clock_set_back_moves_no_monotonic_time() -> None:
    clock = FakeClock()
    wall_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    clock.jump(-86_400)
    assert clock.now_ns() == wall_ns - 86_400 * SECOND_NS
    assert clock.monotonic_ns() == monotonic_ns


def test_what_is_due_happens_on_the_way_and_in_order() -> None:
    clock = FakeClock()
    start = clock.monotonic()
    seen: list[tuple[str, float]] = []
    clock.call_at(5, lambda: seen.append(("second", clock.monotonic() - start)))
    clock.call_at(2, lambda: seen.append(("first", clock.monotonic() - start)))
    clock.sleep(10)
    assert seen == [("first", 2.0), ("second", 5.0)]
    assert clock.monotonic() - start == 10
