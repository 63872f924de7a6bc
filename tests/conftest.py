"""What every test stands on: its own home and keyring, no network, no unexpected log line, nothing left running."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import keyring
import pytest
from pytestqt.qtbot import QtBot

from tests.support import leaks, network
from tests.support.keyring_in_memory import MemoryKeyring
from tests.support.patience import make_patient

_KEPT_VARIABLES = re.compile(r"ETIKET_GUI_(CORPUS|TEST_.*|.*_PYTHON)")
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Once per run, before anything is collected."""
    hypothesis.settings.register_profile(
        "core", deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
    )
    hypothesis.settings.load_profile("core")
    network.forbid_network()
    leaks.remember_births()
    leaks.adopt_orphans()
    for name in [name for name in os.environ if name.startswith("ETIKET_GUI_") and not _KEPT_VARIABLES.fullmatch(name)]:
        del os.environ[name]
    # Children of a test find no real keyring either; this process gets one of its own for each test.
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    # Without a bus or a display nothing can ask a person anything.
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def pytest_collection_finish() -> None:
    """What is imported and collected stays until the end: the garbage collector need not look through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts")


@pytest.fixture(autouse=True)
def account_folder(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the user's own: HOME and everything like it point below it, and it is empty."""
    folder = _homes / f"{next(_numbers)}"
    folder.mkdir()
    for variable, place in (
        ("HOME", "."), ("USERPROFILE", "."), ("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"), ("XDG_CACHE_HOME", ".cache"), ("APPDATA", "AppData/Roaming"),
        ("LOCALAPPDATA", "AppData/Local"), ("XDG_RUNTIME_DIR", ".run"),
    ):  # fmt: skip
        monkeypatch.setenv(variable, str(folder / place) if place != "." else str(folder))
    (folder / ".run").mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def home_folder(account_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's home of this test (ETIKET_GUI_HOME); not made yet, the program makes it."""
    folder = account_folder / "etiket home"
    monkeypatch.setenv("ETIKET_GUI_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def memory_keyring() -> Iterator[MemoryKeyring]:
    """The keyring of this test: empty, in memory, and gone afterwards."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(MemoryKeyring())


class _WarningCollector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not any(record is seen for seen in self.records):
            self.records.append(record)


@pytest.fixture(autouse=True)
def _unexpected_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test on every log line of level WARNING or above that ``allows_log("pattern")`` does not allow."""
    collector = _WarningCollector()
    loggers = [logging.getLogger(), logging.getLogger("etiket_gui")]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(collector)
    yield
    for logger, handlers, level, propagate in before:
        for handler in [handler for handler in logger.handlers if handler not in handlers]:
            logger.removeHandler(handler)
            if handler is not collector:
                handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
    allowed = [re.compile(mark.args[0]) for mark in request.node.iter_markers("allows_log")]
    lines = [f"{record.levelname} {record.name}: {record.getMessage()}" for record in collector.records]
    unexpected = [line for line in lines if not any(pattern.search(line) for pattern in allowed)]
    if unexpected:
        pytest.fail("unexpected log lines (allow with @pytest.mark.allows_log):\n" + "\n".join(unexpected), False)


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """pytest-qt's bot; it waits longer than asked before it gives up."""
    make_patient(qtbot)
    return qtbot


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fails the test when a thread or a child process it started is still there after a grace time."""
    threads = leaks.running_threads()
    children = leaks.running_children()
    yield
    left = leaks.leaked_children(children) + leaks.leaked_threads(threads)
    if left:
        pytest.fail("left running:\n" + "\n".join(left), False)
