"""Faults of the machine around the program: watchers, locks, sleep, logs, password stores."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import keyring
import keyring.backend
import pytest
import watchdog.observers  # noqa: F401  # its thread of its own starts here and not within a test

from etiket_gui.credentials import keyring_backends, redaction
from etiket_gui.credentials.keyring_store import SERVICE, KeyringLocked, KeyringState, KeyringStore
from etiket_gui.credentials.logs import LOG_FILE, ProgramLog
from etiket_gui.domain.errors import HomeInUse, PermissionRefused
from etiket_gui.osys import locking, watching
from etiket_gui.osys.early_checks import check_writable
from etiket_gui.osys.locking import HomeLock, read_owner
from etiket_gui.osys.sleeping import ClockReading, SleepWatch
from tests.support.clock import FakeClock
from tests.support.keyring_in_memory import MemoryKeyring
from tests.support.watching import FakeObserver, Told

CANARY = "c4n4ry-S3cr3t"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = Path(os.path.realpath(tmp_path)) / "source"
    folder.mkdir()
    return folder


# -- watching --------------------------------------------------------------------------------------------------------


@pytest.mark.allows_log("cannot be watched")
@pytest.mark.parametrize(
    ("number", "setting"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")]
)
@pytest.mark.fault("F31", guard="watch-limit")
def test_limit_of_watched_folders_is_said_once_with_setting_and_number(root: Path, number: int, setting: str) -> None:
    (root / "big" / "a").mkdir(parents=True)
    (root / "small").mkdir()
    told = Told()
    clock = FakeClock()

    def fail(path: str) -> OSError | None:
        return OSError(number, "limit reached") if path.endswith("big") else None

    observer = FakeObserver(fail)
    server = told.server(new_observer=lambda: observer, is_limit_reached=lambda _: False, now_s=clock.monotonic)
    try:
        server.watch([(str(root / "big"), True), (str(root / "small"), True)])
        server.watch([(str(root / "big"), True), (str(root / "small"), True)])
    finally:
        server.stop()
    assert len(told.limited) == 1
    sentence, needed = told.limited[0]
    assert str(root / "big") in sentence
    assert f"fs.inotify.{setting}={needed}" in sentence
    assert "looking through it" in sentence
    assert not told.lost
    assert observer.handler is not None  # the small folder is watched all the same


@pytest.mark.allows_log("Watching stopped")
@pytest.mark.fault("F32", guard="watcher-restart")
def test_dead_watcher_is_started_again_within_a_minute_and_logged_once(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    clock = FakeClock()
    made: list[FakeObserver] = []

    def new_observer() -> FakeObserver:
        made.append(FakeObserver())
        return made[-1]

    server = watching.WatchServer(
        changed=told.paths.extend,
        limited=lambda *report: told.limited.append(report),
        lost=lambda *report: told.lost.append(report),
        new_observer=new_observer,
        is_limit_reached=lambda _: False,
        now_s=clock.monotonic,
    )
    server._thread = threading.current_thread()  # this test is the server's thread: it looks when it wants to
    server.watch([(str(root), True)])
    for death in range(1, 6):
        made[-1].is_dead = True
        for _ in range(12):
            clock.advance(5)
            server._look_after()
            if len(made) > death:
                break
        assert len(made) == death + 1, "not started again within 60 s"
        assert len(told.lost) == death
        assert made[-1].emitters
    server.stop()
    assert sum("Watching stopped" in record.getMessage() for record in caplog.records if record.levelno > 20) == 1


@pytest.mark.allows_log("Watching stopped")
@pytest.mark.fault("F32", guard="watcher-restart")
def test_real_watcher_whose_reader_died_tells_of_new_files_again(root: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the reader thread is a part of the watcher for Linux")
    told = Told()
    server = told.server(look_s=0.1)
    try:
        server.watch([(str(root), True)])
        assert server._observer is not None
        for emitter in server._observer.emitters:
            next(
                thread
                for thread in (getattr(emitter, name, None) for name in ("_inotify_fd", "_inotify"))
                if isinstance(thread, threading.Thread)
            ).stop()  # type: ignore[attr-defined]
        assert told.wait(lambda: bool(told.lost), 5.0)
        end_s = time.monotonic() + 10
        number = 0
        while not told.paths and time.monotonic() < end_s:
            number += 1
            (root / f"{number}").write_text("x")
            told.wait(lambda: bool(told.paths), 0.2)
        assert told.paths
    finally:
        server.stop()


@pytest.mark.fault("F38", guard="own-writes-excluded")
def test_own_archive_below_a_source_never_triggers_itself(root: Path) -> None:
    (root / "archive" / ".etiket" / "tmp").mkdir(parents=True)
    (root / "archive 2").mkdir()
    told = Told()
    server = told.server()
    try:
        server.watch([(str(root), True)], [str(root / "archive")])
        (root / "archive" / ".etiket" / "tmp" / "a").write_text("1")
        (root / "archive" / ".etiket" / "tmp" / "a").rename(root / "archive" / "a")
        (root / "archive 2" / "not ours").write_text("1")
        assert told.wait(lambda: str(root / "archive 2" / "not ours") in told.paths)
    finally:
        server.stop()
    assert not [path for path in told.paths if path.startswith(f"{root / 'archive'}{os.sep}")]
    assert str(root / "archive") not in told.paths


# -- one engine per home ---------------------------------------------------------------------------------------------

_HOLDER = """
import sys
from pathlib import Path
from etiket_gui.osys.locking import HomeLock
lock = HomeLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    yield holder
    holder.kill()
    holder.communicate()


@pytest.mark.usefixtures("holder")
@pytest.mark.fault("F80", guard="home-lock")
def test_second_engine_is_impossible_even_when_the_lock_file_lost_its_text(tmp_path: Path) -> None:
    os.truncate(tmp_path / "run" / locking.LOCK_FILE, 0)
    with pytest.raises(HomeInUse):
        HomeLock(tmp_path / "run").acquire()


@pytest.mark.usefixtures("holder")
@pytest.mark.fault("F80", guard="lock-owner-lives")
def test_second_engine_is_impossible_where_the_file_system_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_lock", lambda fd: None)
    with pytest.raises(HomeInUse):
        HomeLock(tmp_path / "run").acquire()


@pytest.mark.fault("F91", guard="stale-lock")
def test_lock_left_by_a_crash_is_no_obstacle(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    holder.wait(60)
    owner = read_owner(tmp_path / "run")
    assert owner is not None
    assert owner.process.pid == holder.pid
    with HomeLock(tmp_path / "run") as lock:
        assert lock.is_held


# -- folders, logs, sleep --------------------------------------------------------------------------------------------


@pytest.mark.fault("F90", guard="home-writable")
def test_home_that_cannot_be_written_is_said_with_path_and_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionRefused) as refused:
        check_writable(tmp_path / "file" / "home")
    assert str(tmp_path / "file" / "home") in refused.value.reason
    assert "--home" in refused.value.advice


@pytest.mark.allows_log("No log is written")
@pytest.mark.fault("F90", guard="log-unwritable")
def test_log_folder_that_cannot_be_written_is_said_and_the_program_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").write_text("a file is in the way")
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgramLog(tmp_path / "logs").open() as log:
        logging.getLogger("etiket_gui").info("it works")
    assert str(tmp_path / "logs") in log.complaint
    assert "it works" in screen.getvalue()


@pytest.fixture
def quiet_logger() -> logging.Logger:
    return logging.Logger("etiket_gui.storm")  # noqa: LOG001  # one that nobody else listens to


@pytest.mark.slow
@pytest.mark.fault("F94", guard="log-collapse")
def test_a_million_equal_errors_are_a_few_lines_that_say_how_many(tmp_path: Path, quiet_logger: logging.Logger) -> None:
    with ProgramLog(tmp_path).open() as log:
        quiet_logger.addHandler(log._handlers[0])
        for number in range(1_000_000):
            quiet_logger.error("%s cannot be read: %s", "/data/x", "Input/output error")
            if number % 100_000 == 0:
                assert (tmp_path / LOG_FILE).stat().st_size <= 100_000
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(sizes) <= 100_000
    text = (tmp_path / LOG_FILE).read_text()
    assert text.count("/data/x cannot be read: Input/output error") <= 10
    assert "repeated" in text


@pytest.mark.fault("F94", guard="log-budget")
def test_storm_of_different_errors_stays_within_the_budget(tmp_path: Path, quiet_logger: logging.Logger) -> None:
    with ProgramLog(tmp_path, file_bytes=50_000).open() as log:
        quiet_logger.addHandler(log._handlers[0])
        for number in range(20_000):
            quiet_logger.error("dataset %d cannot be read: Input/output error", number)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5 * 50_000
    assert "dataset 19999 " in (tmp_path / LOG_FILE).read_text()


@pytest.mark.fault("F62", guard="wake-detection")
def test_sleep_of_eight_hours_is_noticed_at_the_next_look() -> None:
    hours_ns = 8 * 3600 * 10**9
    readings = iter([ClockReading(0, 0, 0), ClockReading(10**10, 10**10 + hours_ns, 10**10 + hours_ns)])
    change = SleepWatch(lambda: next(readings)).look(meant_after_s=10)
    assert change is not None
    assert change.is_wake
    assert change.slept_ns == hours_ns
    assert change.wall_jump_ns == 0


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F69", guard="keyring-locked-waits")
def test_locked_password_store_is_waited_for_and_loses_nothing(memory_keyring: MemoryKeyring) -> None:
    memory_keyring.secrets[SERVICE, "cdcs"] = CANARY
    memory_keyring.is_locked = True
    asked: list[str] = []

    class Asking(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            asked.append(username)
            return memory_keyring.get_password(service, username)

    store = KeyringStore(choose=Asking, ask_locked=lambda _: memory_keyring.is_locked)
    clock = FakeClock()
    try:
        assert store.wait_until_ready(sleep=clock.advance, now_s=clock.monotonic).state is KeyringState.LOCKED
        with pytest.raises(KeyringLocked):
            store.get("cdcs")
        assert not asked, "a prompt was shown that nobody asked for"
        memory_keyring.is_locked = False
        assert store.get("cdcs") == CANARY
    finally:
        store.close()


@pytest.mark.fault("F70", guard="keyring-encrypted-only")
def test_missing_password_store_never_means_a_plain_file(monkeypatch: pytest.MonkeyPatch, account_folder: Path) -> None:
    class PlaintextKeyring(MemoryKeyring):
        __module__ = "keyrings.alt.file"

        def set_password(self, service: str, username: str, password: str) -> None:
            (account_folder / "passwords").write_text(password)

    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [PlaintextKeyring()])
    keyring.set_keyring(PlaintextKeyring())
    store = KeyringStore(choose=keyring_backends.choose_backend)
    try:
        assert store.report().state is KeyringState.MISSING
        assert not store.set("cdcs", CANARY)
        assert store.get("cdcs") == CANARY
    finally:
        store.close()
    assert not (account_folder / "passwords").exists()


@pytest.mark.fault("F72", guard="redaction")
def test_secret_in_an_error_never_reaches_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_known_pattern", None)
    redaction.remember_secret(CANARY)
    logger = logging.getLogger("etiket_gui.x")
    with ProgramLog(tmp_path).open():
        logger.info("GET https://alice:%s@example.org/?token=%s", CANARY, CANARY)
        logger.info("headers %s", {"Authorization": f"Bearer {CANARY}"})
        try:
            raise ConnectionError(f"refused {CANARY}")
        except ConnectionError:
            logger.info("it failed", exc_info=True)
        logger.info("%s", SimpleNamespace(password=CANARY))
    text = (tmp_path / LOG_FILE).read_text()
    assert "it failed" in text
    assert CANARY not in text
