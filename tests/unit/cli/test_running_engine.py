"""Commands beside a running engine go through it, and one that was killed is no obstacle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLineRunner, make_datasets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends the engine by POSIX signals")


def _until(is_so: Callable[[], bool], at_most_s: float = 20.0) -> None:
    end_s = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def engine(configured: CommandLineRunner) -> Iterator[subprocess.Popen[str]]:
    """``etiket-sync run`` in a process of its own."""
    command = [sys.executable, "-m", "etiket_gui", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _until(lambda: bool(configured.ok("status", "--json").json["is_running"]))
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def _is_all_archived(cli: CommandLineRunner) -> bool:
    return bool(cli.ok("status", "--json").json["is_all_archived"])


def test_a_running_engine_is_configured_steered_and_stopped_by_command(
    engine: subprocess.Popen[str], configured: CommandLineRunner, tmp_path: Path
) -> None:
    cli = configured
    _until(lambda: _is_all_archived(cli))
    assert "No engine runs" not in cli.ok("status").out

    cli.ok("pause")
    other = make_datasets(tmp_path / "other", "run 9")
    cli.ok("add-source", "folder", "two", f"root_directory={other}", "settle_time=0.2s")
    _until(lambda: len(cli.ok("datasets", "--source", "two", "--json").json) == 1)
    assert not _is_all_archived(cli)
    assert cli.ok("status", "--json").json["is_paused"]
    cli.ok("resume")
    _until(lambda: _is_all_archived(cli))

    assert cli.ok("verify", "--json").json["good"] == 4
    ended = cli("run", "--once")
    assert ended.code == 5
    assert str(engine.pid) in ended.err
    assert "runs for this home" in cli.ok("doctor").out

    assert "The engine stops." in cli.ok("stop").out
    engine.wait(60)
    assert engine.returncode == 0
    assert "No engine runs" in cli.ok("stop").out


def test_a_killed_engine_is_no_obstacle(engine: subprocess.Popen[str], configured: CommandLineRunner) -> None:
    _until(lambda: _is_all_archived(configured))
    engine.kill()
    engine.wait(60)
    assert not configured.ok("status", "--json").json["is_running"]
    configured.ok("pause")
    configured.ok("resume")
    assert configured.ok("run", "--once", "--json").json["archived"] == 3
