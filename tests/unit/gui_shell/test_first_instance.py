"""A second start: it raises the first one, notices one that hangs or has no window, and can take over from it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.commands import Reply
from etiket_gui.domain.errors import HomeInUse, UsageError
from etiket_gui.gui.first_instance import First, end_first, note_shown, show_first
from etiket_gui.osys.control import ControlServer
from etiket_gui.osys.locking import HomeLock
from etiket_gui.settings.home import Home
from tests.support.patience import patient_s

_HOLDER = """
import sys, threading
from pathlib import Path
from etiket_gui.domain.commands import Reply
from etiket_gui.osys.control import ControlServer
from etiket_gui.osys.locking import HomeLock
run, how = Path(sys.argv[1]), sys.argv[2]
end = threading.Event()
def answer(request):
    if how == "hangs":
        threading.Event().wait()
    end.set()
    return Reply(is_ok=True).to_json()
lock = HomeLock(run); lock.acquire()
with ControlServer(run, answer):
    print("ready", flush=True)
    end.wait()
lock.release()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


class FirstProgram:
    """Answers on the control channel as an engine with a window does; ``raises``: its window comes up."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.raises = True
        self.has_window = True
        self.asked: list[str] = []

    def __call__(self, request: dict[str, Any]) -> Mapping[str, Any]:
        self.asked.append(str(request["command"]))
        if not self.has_window:
            return Reply(is_ok=False, sentence="The running engine has no window.").to_json()
        if self.raises:
            note_shown(self.home.run)
        return Reply(is_ok=True).to_json()


@pytest.fixture
def first(home: Home) -> Iterator[FirstProgram]:
    program = FirstProgram(home)
    with ControlServer(home.run, program):
        yield program


def test_where_nothing_runs_there_is_no_first(home: Home) -> None:
    assert show_first(home) is First.NONE


def test_second_start_raises_the_window_of_the_first(home: Home, first: FirstProgram) -> None:
    assert show_first(home) is First.SHOWN
    assert first.asked == ["ShowWindow"]


@pytest.mark.alone
def test_second_start_takes_no_time(home: Home, first: FirstProgram) -> None:
    begun_s = time.monotonic()
    show_first(home)
    assert time.monotonic() - begun_s < patient_s(1.0)


def test_engine_without_a_window_is_told_apart(home: Home, first: FirstProgram) -> None:
    first.has_window = False
    assert show_first(home) is First.NO_WINDOW


def test_window_that_hangs_is_noticed_although_its_engine_answers(home: Home, first: FirstProgram) -> None:
    first.raises = False
    assert show_first(home, timeout_s=0.3) is First.HANGS


def test_engine_that_hangs_is_noticed(home: Home) -> None:
    stuck = threading.Event()

    def never(request: dict[str, Any]) -> Mapping[str, Any]:
        stuck.wait(60)
        return Reply(is_ok=True).to_json()

    with ControlServer(home.run, never):
        assert show_first(home, timeout_s=0.3) is First.HANGS
        stuck.set()


def test_what_a_crash_left_is_no_first(home: Home) -> None:
    (home.run / "control.json").write_text('{"address": "/nowhere/control", "secret": "x", "pid": 1}', "utf-8")
    assert show_first(home) is First.NONE


def holder(home: Home, how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(home.run), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


@pytest.mark.parametrize("how", ["ends", "hangs"])
@pytest.mark.allows_log("ended by force")
def test_taking_over_ends_the_first_and_frees_the_home(home: Home, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from etiket_gui.gui import first_instance

    monkeypatch.setattr(first_instance, "ANSWERS_WITHIN_S", 0.3)
    process = holder(home, how)
    # The child is ours: it counts as gone only when somebody looks at how it ended.
    waiting = threading.Thread(target=process.wait)
    waiting.start()
    end_first(home, wait_s=3.0 if how == "ends" else 0.2)
    waiting.join(10)
    assert process.poll() is not None
    assert process.stdout is not None
    process.stdout.close()
    with HomeLock(home.run):
        pass


def test_program_on_another_machine_is_not_ended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from etiket_gui.osys import locking

    with HomeLock(home.run):
        monkeypatch.setattr(locking, "host_name", lambda: "elsewhere")
        with pytest.raises(HomeInUse, match="cannot be ended from here"):
            end_first(home, wait_s=0.1)


def test_program_does_not_end_itself(home: Home) -> None:
    with HomeLock(home.run), pytest.raises(UsageError, match="cannot end itself"):
        end_first(home, wait_s=0.1)
