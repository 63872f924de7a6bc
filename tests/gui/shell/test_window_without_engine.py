"""A window whose engine cannot start is one window all the same: found by a second start, tried again, and quit."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from etiket_gui.bootstrap import check_home
from etiket_gui.domain.commands import AskStatus
from etiket_gui.domain.errors import EtiketError, HomeInUse
from etiket_gui.gui.first_instance import First, end_first, is_window_there, show_first
from etiket_gui.gui.first_instance_door import WindowDoor, door_folders
from etiket_gui.osys.control import ControlClient, NobodyAnswers
from etiket_gui.osys.locking import read_owner
from etiket_gui.settings.home import Home
from tests.gui.shell.conftest import StartProgram
from tests.support.patience import patient_s

Start = Callable[[Home], "subprocess.Popen[str]"]


@pytest.fixture
def start_process() -> Iterator[Start]:
    """Starts the real program on a home, as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(home: Home) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "etiket_gui", "--home", str(home.root)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def store_is_a_folder(tmp_path: Path) -> Home:
    home = Home(tmp_path / "broken store")
    home.prepare()
    home.store.mkdir()
    (home.store / "in the way").touch()
    return home


def home_is_in_a_file(tmp_path: Path) -> Home:
    (tmp_path / "file").write_text("in the way", "utf-8")
    return Home(tmp_path / "file" / "home")


def engine_answers(home: Home) -> bool:
    with contextlib.suppress(NobodyAnswers, EtiketError):
        return bool(ControlClient(home.run).ask(AskStatus().to_json(), 5.0)["is_ok"])
    return False


def until(is_so: Callable[[], object], process: subprocess.Popen[str], timeout_s: float = 30.0) -> None:
    end_s = time.monotonic() + patient_s(timeout_s)
    while not is_so():
        assert process.poll() is None, "the program ended"
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [store_is_a_folder, home_is_in_a_file])
@pytest.mark.fault("F91", guard="window-has-a-door")
def test_second_start_finds_the_window_that_has_no_engine(
    broken: Callable[[Path], Home], tmp_path: Path, start_process: Start
) -> None:
    home = broken(tmp_path)
    first = start_process(home)
    until(lambda: is_window_there(home), first, 10.0)
    second = start_process(home)
    assert second.wait(patient_s(20)) == 0, "it shows the first window and goes"
    assert first.poll() is None
    assert not engine_answers(home), "there is no engine that could have been asked"
    owners = [read_owner(folder) for folder in door_folders(home)]
    assert first.pid in [owner.process.pid for owner in owners if owner is not None]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a session ends by a message of the window system")
@pytest.mark.parametrize("broken", [store_is_a_folder, home_is_in_a_file])
def test_window_without_engine_quits_and_leaves_nothing_in_the_way_of_the_next(
    broken: Callable[[Path], Home], tmp_path: Path, start_process: Start
) -> None:
    home = broken(tmp_path)
    first = start_process(home)
    until(lambda: is_window_there(home), first)
    assert show_first(home) is First.SHOWN, "it serves: its event loop runs"
    first.send_signal(signal.SIGTERM)
    assert first.wait(patient_s(10)) == 0
    assert show_first(home) is First.NONE
    with contextlib.closing(WindowDoor(home)) as door:
        door.open()
        assert door.is_open


@pytest.mark.slow
def test_window_without_engine_is_ended_by_who_takes_over(tmp_path: Path, start_process: Start) -> None:
    home = store_is_a_folder(tmp_path)
    first = start_process(home)
    until(lambda: show_first(home) is First.SHOWN, first)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # The child is ours: it counts as gone only when somebody looks at how it ended.
        ended = pool.submit(first.wait, patient_s(20))
        end_first(home)
        assert ended.result() == 0


def test_window_that_hangs_without_engine_is_noticed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with contextlib.closing(WindowDoor(home)) as door:
        door.open()
        asked: list[concurrent.futures.Future[bool]] = []
        door.serve(asked.append, lambda: None)
        assert show_first(home, timeout_s=0.3) is First.HANGS
        asked[0].set_result(True)


def test_window_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with contextlib.closing(WindowDoor(home)) as door:
        door.open()
        door.serve(lambda asked: asked.set_result(False), lambda: None)
        from etiket_gui.gui import first_instance

        with pytest.MonkeyPatch.context() as patch:
            waited: list[float] = []

            def gone(_: object, timeout_s: float) -> bool:
                waited.append(timeout_s)
                return True

            patch.setattr(first_instance, "wait_gone", gone)
            assert show_first(home) is First.NONE
            assert waited, "the home is free when the other program has gone"


def test_there_is_one_door_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with contextlib.closing(WindowDoor(home)) as door:
        door.open()
        with pytest.raises(HomeInUse):
            WindowDoor(home).open()


def test_other_orders_are_refused_at_the_door(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with contextlib.closing(WindowDoor(home)) as door:
        door.open()
        reply = ControlClient(door_folders(home)[0]).ask(AskStatus().to_json())
        assert not reply["is_ok"]


@pytest.mark.skipif(os.name != "posix", reason="on Windows each account has temporary folders of its own")
def test_folder_that_others_can_write_is_no_place_for_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home = home_is_in_a_file(tmp_path)
    (_, elsewhere) = door_folders(home)
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    assert door_folders(home) == (home.run / "window",)
    elsewhere.rmdir()
    elsewhere.symlink_to(tmp_path)
    assert door_folders(home) == (home.run / "window",)


def test_try_again_goes_on_once_the_home_can_be_written(
    start_program: StartProgram, home: Home, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "lab").write_text("in the way", "utf-8")
    refused = Home(tmp_path / "lab")
    with pytest.raises(EtiketError) as obstacle:
        check_home(refused)
    program = start_program(home=refused, obstacle=obstacle.value, prepare=lambda: check_home(refused))
    program.act("restart-engine")
    qtbot.waitUntil(lambda: program.watch.facts.failure is not None, timeout=5000)
    assert not program.host.is_alive
    (tmp_path / "lab").unlink()
    program.act("restart-engine")
    qtbot.waitUntil(lambda: program.watch.facts.is_running, timeout=15_000)
    assert program.watch.facts.failure is None
