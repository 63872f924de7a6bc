"""Changed paths arrive in batches, and a watcher in trouble says so and recovers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from etiket_gui.osys import watch_limits
from etiket_gui.osys.watching import WatchServer
from tests.support.watching import FakeObserver, Told


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = Path(os.path.realpath(tmp_path)) / "source µ"
    folder.mkdir()
    return folder


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(told: Told) -> Iterator[WatchServer]:
    server = told.server(look_s=0.1)
    yield server
    server.stop()


def test_created_changed_renamed_and_deleted_files_are_told(root: Path, told: Told, server: WatchServer) -> None:
    server.watch([(str(root), True)])
    (root / "a").write_text("1")
    assert told.wait(lambda: str(root / "a") in told.paths)
    (root / "a").rename(root / "b")
    assert told.wait(lambda: str(root / "b") in told.paths)
    told.paths.clear()
    (root / "b").unlink()
    assert told.wait(lambda: str(root / "b") in told.paths)


def test_reading_a_file_is_no_change(root: Path, told: Told, server: WatchServer) -> None:
    (root / "a").write_text("1")
    server.watch([(str(root), True)])
    assert (root / "a").read_text() == "1"
    assert os.listdir(root) == ["a"]
    (root / "b").write_text("1")
    assert told.wait(lambda: str(root / "b") in told.paths)
    assert str(root / "a") not in told.paths
    assert str(root) not in told.paths


def test_files_in_fresh_nested_folders_are_told(root: Path, told: Told, server: WatchServer) -> None:
    server.watch([(str(root), True)])
    folder = root / "x" / "y" / "z"
    folder.mkdir(parents=True)
    (folder / "f").write_text("1")
    assert told.wait(lambda: any(path.startswith(str(root / "x")) for path in told.paths))
    time.sleep(0.3)  # the watcher takes the new folders in on a thread of its own
    (folder / "g").write_text("1")
    assert told.wait(lambda: str(folder / "g") in told.paths)


def test_hundreds_of_fresh_nested_folders_neither_end_watching_nor_go_unnoticed(
    root: Path, told: Told, server: WatchServer
) -> None:
    """Watchdog looks into a new folder twice; what is made in between makes its reader raise."""
    server.watch([(str(root), True)])
    files = set()
    for number in range(300):
        folder = root / f"{number}" / "b" / "c"
        folder.mkdir(parents=True)
        (folder / "f").write_text("1")
        files.add(str(folder / "f"))
    assert told.wait(lambda: files <= set(told.paths) or bool(told.lost))
    (root / "299" / "b" / "c" / "late").write_text("1")
    end_s = time.monotonic() + 10
    while str(root / "299" / "b" / "c" / "late") not in told.paths and time.monotonic() < end_s:
        (root / "299" / "b" / "c" / "late").write_text("1")
        told.wait(lambda: str(root / "299" / "b" / "c" / "late") in told.paths, 0.3)
    assert str(root / "299" / "b" / "c" / "late") in told.paths


def test_flat_watch_tells_nothing_from_below(root: Path, told: Told, server: WatchServer) -> None:
    (root / "sub").mkdir()
    server.watch([(str(root), False)])
    (root / "sub" / "f").write_text("1")
    (root / "f").write_text("1")
    assert told.wait(lambda: str(root / "f") in told.paths)
    assert str(root / "sub" / "f") not in told.paths


def test_many_files_of_one_folder_arrive_as_that_folder(root: Path, told: Told, server: WatchServer) -> None:
    (root / "many").mkdir()
    server.watch([(str(root), True)])
    for number in range(1500):
        (root / "many" / f"{number}").write_text("")
    assert told.wait(lambda: str(root / "many") in told.paths)
    assert len(told.paths) < 1500


def test_source_named_through_a_link_still_excludes_what_is_excluded(
    root: Path, told: Told, server: WatchServer
) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    (root / "archive").mkdir()
    server.watch([(str(link), True)], [str(root / "archive")])
    (root / "archive" / "f").write_text("1")
    (root / "f").write_text("1")
    assert told.wait(lambda: str(link / "f") in told.paths)
    assert not [path for path in told.paths if "archive" in path]


def test_watching_something_else_ends_what_was_watched(root: Path, told: Told, server: WatchServer) -> None:
    (root / "a").mkdir()
    (root / "b").mkdir()
    server.watch([(str(root / "a"), True)])
    server.watch([(str(root / "b"), True)])
    (root / "a" / "f").write_text("1")
    (root / "b" / "f").write_text("1")
    assert told.wait(lambda: str(root / "b" / "f") in told.paths)
    assert str(root / "a" / "f") not in told.paths


def test_folder_that_went_away_is_told_once_and_watched_again_when_it_is_back(
    root: Path, told: Told, server: WatchServer
) -> None:
    folder = root / "disk"
    folder.mkdir()
    server.watch([(str(folder), True)])
    shutil.rmtree(folder)
    assert told.wait(lambda: len(told.lost) == 1)
    assert told.lost[0][0] == str(folder)
    time.sleep(0.5)  # several looks later
    assert len(told.lost) == 1
    folder.mkdir()
    assert told.wait(lambda: len(told.lost) == 2)
    (folder / "f").write_text("1")
    assert told.wait(lambda: str(folder / "f") in told.paths)


def test_folder_replaced_by_another_of_the_same_name_is_watched(root: Path, told: Told, server: WatchServer) -> None:
    (root / "disk").mkdir()
    (root / "other").mkdir()
    server.watch([(str(root / "disk"), True)])
    (root / "disk").rename(root / "old")
    (root / "other").rename(root / "disk")
    assert told.wait(lambda: bool(told.lost))
    (root / "disk" / "f").write_text("1")
    assert told.wait(lambda: str(root / "disk" / "f") in told.paths)


def test_missing_folder_is_told_and_the_others_are_watched(root: Path, told: Told, server: WatchServer) -> None:
    (root / "here").mkdir()
    server.watch([(str(root / "gone"), True), (str(root / "here"), True)])
    assert [folder for folder, _ in told.lost] == [str(root / "gone")]
    (root / "here" / "f").write_text("1")
    assert told.wait(lambda: str(root / "here" / "f") in told.paths)


def test_flood_of_changes_asks_for_a_look_at_the_whole_folder(root: Path, told: Told) -> None:
    """The system's queue overflows without a word; so many changes at once are the only sign of it."""
    observer = FakeObserver()
    server = told.server(new_observer=lambda: observer)
    try:
        server.watch([(str(root), True)])
        for number in range(max(watch_limits.queue_limit() // 2, 4096) + 1):
            event = SimpleNamespace(event_type="created", src_path=str(root / str(number % 7)), dest_path="")
            observer.handler.dispatch(event)
        assert told.wait(lambda: bool(told.lost))
    finally:
        server.stop()
    assert told.lost[0][0] == str(root)


@pytest.mark.allows_log("batch of changes could not be reported")
def test_trouble_in_one_report_does_not_end_watching(root: Path, told: Told) -> None:
    troubles = [RuntimeError("the engine's pipe is in trouble")]
    gathered = Told()

    def changed(paths: list[str]) -> None:
        if troubles:
            raise troubles.pop()
        gathered._changed(paths)

    server = WatchServer(changed=changed, limited=lambda *_: None, lost=lambda *_: None)
    try:
        server.watch([(str(root), True)])
        (root / "a").write_text("1")
        end_s = time.monotonic() + 10
        while troubles and time.monotonic() < end_s:
            time.sleep(0.01)
        (root / "b").write_text("1")
        assert gathered.wait(lambda: str(root / "b") in gathered.paths)
    finally:
        server.stop()


def test_stopping_leaves_no_thread(root: Path, told: Told) -> None:
    before = set(threading.enumerate())
    server = told.server()
    server.watch([(str(root), True)])
    assert set(threading.enumerate()) > before
    server.stop()
    server.stop()
    assert set(threading.enumerate()) <= before


_LIMITED = """
import sys
from pathlib import Path
from tests.support.watching import Told
big, small = sys.argv[1:]
told = Told()
server = told.server()
server.watch([(big, True), (small, True)])
(Path(small) / "f").write_text("1")
assert told.wait(lambda: bool(told.paths)), "the small folder is not watched"
(Path(big) / "f").write_text("1")
server.stop()
assert told.paths == [str(Path(small) / "f")], told.paths
print(len(told.limited), told.limited[0][0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the number of watched folders")
def test_real_limit_of_the_system_is_noticed_and_costs_only_the_large_folder(root: Path) -> None:
    for number in range(40):
        (root / "big" / str(number)).mkdir(parents=True)
    (root / "small").mkdir()
    words = [sys.executable, "-c", _LIMITED, str(root / "big"), str(root / "small")]
    limit = 'echo 20 > /proc/sys/user/max_inotify_watches && exec "$@"'
    if subprocess.run(["unshare", "-Ur", "sh", "-c", limit, "sh", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not let an account make a user name space with a limit of its own")
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", limit, "sh", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 ")
    assert "41 folders" in done.stdout
    assert "fs.inotify.max_user_watches=" in done.stdout
