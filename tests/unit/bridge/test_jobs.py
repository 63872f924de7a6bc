"""The client of the child process that works for the window: answers, failures, limits, deaths and a clean end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QObject
from pytestqt.qtbot import QtBot

from etiket_gui.bridge.jobs import JobClient
from etiket_gui.domain.errors import EtiketError, PluginFailed, UsageError, WorkerLost


@pytest.fixture
def client(qtbot: QtBot, tmp_path: Path) -> Iterator[JobClient]:
    made = JobClient(tmp_path / "home", grace_s=0.5)
    yield made
    with qtbot.waitSignal(made.stopped, timeout=8000):
        made.stop()
    assert made.process_ids == ()
    made.wait()


class Heard(QObject):
    """An owner that keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[dict[str, Any]] = []
        self.failures: list[EtiketError] = []
        self.progress: list[dict[str, Any]] = []

    def ask(self, client: JobClient, kind: str, **parameters: Any) -> int:
        return client.start(kind, parameters, self, self.results.append, self.failures.append, self.progress.append)


def test_a_job_is_answered_on_the_thread_that_asked(qtbot: QtBot, client: JobClient) -> None:
    threads: list[int] = []
    owner = QObject()
    client.start("plugins", {}, owner, lambda result: threads.append(threading.get_ident()))
    qtbot.waitUntil(lambda: bool(threads), timeout=20_000)
    assert threads == [threading.get_ident()]


def test_a_failure_arrives_as_the_class_it_was(qtbot: QtBot, client: JobClient) -> None:
    heard = Heard()
    heard.ask(client, "validate", group="backend", identifier="no-such", values={})
    heard.ask(client, "there is no such job")
    qtbot.waitUntil(lambda: len(heard.failures) == 2, timeout=20_000)
    assert all(isinstance(error, UsageError) for error in heard.failures)
    assert not heard.results


def test_two_jobs_share_one_child_which_ends_when_nothing_is_asked(qtbot: QtBot, tmp_path: Path) -> None:
    client = JobClient(tmp_path / "home", idle_s=0.2)
    heard = Heard()
    heard.ask(client, "recognise", paths=[str(tmp_path)])
    heard.ask(client, "recognise", paths=[str(tmp_path / "nothing")])
    qtbot.waitUntil(lambda: len(heard.results) == 2, timeout=20_000)
    assert len(client.process_ids) <= 1
    qtbot.waitUntil(lambda: client.process_ids == (), timeout=5000)
    heard.ask(client, "recognise", paths=[str(tmp_path)])
    qtbot.waitUntil(lambda: len(heard.results) == 3, timeout=20_000)
    client.stop()
    client.wait()
    QCoreApplication.processEvents()


def test_a_child_that_dies_is_told_in_a_sentence_and_the_next_job_gets_a_new_one(
    qtbot: QtBot, client: JobClient, tmp_path: Path
) -> None:
    heard = Heard()
    heard.ask(client, "plugins")
    qtbot.waitUntil(lambda: len(client.process_ids) == 1, timeout=5000)
    os.kill(client.process_ids[0], signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    qtbot.waitUntil(lambda: bool(heard.failures), timeout=5000)
    assert isinstance(heard.failures[0], WorkerLost)
    assert "ended unexpectedly" in heard.failures[0].reason
    heard.ask(client, "recognise", paths=[str(tmp_path)])
    qtbot.waitUntil(lambda: bool(heard.results), timeout=20_000)


def test_a_cancelled_job_is_heard_of_no_more(qtbot: QtBot, client: JobClient, tmp_path: Path) -> None:
    heard = Heard()
    client.cancel(heard.ask(client, "recognise", paths=[str(tmp_path)]))
    heard.ask(client, "validate", group="backend", identifier="folder", values={"root_directory": str(tmp_path)})
    qtbot.waitUntil(lambda: bool(heard.results), timeout=20_000)
    assert "config" in heard.results[0]
    assert len(heard.results) == 1
    assert not heard.failures


def test_an_owner_that_is_gone_hears_nothing(qtbot: QtBot, client: JobClient, tmp_path: Path) -> None:
    from shiboken6 import delete

    results: list[dict[str, Any]] = []
    owner, other = QObject(), Heard()
    client.start("recognise", {"paths": [str(tmp_path)]}, owner, results.append)
    delete(owner)
    other.ask(client, "recognise", paths=[str(tmp_path)])
    qtbot.waitUntil(lambda: bool(other.results), timeout=20_000)
    assert not results


@pytest.mark.skipif(sys.platform == "win32", reason="a process is stopped by a signal that Windows does not have")
def test_a_child_that_hangs_is_given_up_after_its_time_and_replaced(qtbot: QtBot, tmp_path: Path) -> None:
    client = JobClient(tmp_path / "home", grace_s=0.3, limits_s={"recognise": 1.0, "validate": 20.0})
    heard = Heard()
    heard.ask(client, "validate", group="backend", identifier="folder", values={"root_directory": str(tmp_path)})
    qtbot.waitUntil(lambda: bool(heard.results), timeout=20_000)
    (hung,) = client.process_ids
    os.kill(hung, signal.SIGSTOP)
    heard.ask(client, "recognise", paths=[str(tmp_path)])
    qtbot.waitUntil(lambda: bool(heard.failures), timeout=5000)
    assert "takes longer than 1 s" in heard.failures[0].reason
    qtbot.waitUntil(lambda: not psutil.pid_exists(hung), timeout=5000)
    heard.ask(client, "validate", group="backend", identifier="folder", values={"root_directory": str(tmp_path)})
    qtbot.waitUntil(lambda: len(heard.results) == 2, timeout=20_000)
    client.stop()
    client.wait()
    QCoreApplication.processEvents()


def test_the_child_keeps_normal_priority_because_a_person_waits(
    qtbot: QtBot, client: JobClient, tmp_path: Path
) -> None:
    heard = Heard()
    heard.ask(client, "recognise", paths=[str(tmp_path)])
    qtbot.waitUntil(lambda: bool(heard.results), timeout=20_000)
    assert psutil.Process(client.process_ids[0]).nice() == psutil.Process().nice()


def test_stopping_without_any_job_is_told_too(qtbot: QtBot, tmp_path: Path) -> None:
    client = JobClient(tmp_path / "home")
    with qtbot.waitSignal(client.stopped, timeout=1000):
        client.stop()


def test_a_failure_of_a_plug_in_keeps_its_class() -> None:
    from etiket_gui.domain.errors import error_from_json

    assert isinstance(error_from_json(PluginFailed("It broke.").to_json()), PluginFailed)
