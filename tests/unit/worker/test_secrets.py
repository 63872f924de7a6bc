"""A password on its way from the password store to a worker: asked once, asked anew when it was refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from etiket_gui.credentials.keyring_store import KeyringLocked, KeyringStore
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import RetryClass
from etiket_gui.engine.secrets import EngineSecrets
from etiket_gui.worker import secrets as secrets_module
from etiket_gui.worker.secrets import SecretDesk
from tests.support.keyring_in_memory import MemoryKeyring


class Pipe:
    """Both ends: what the worker asks, and the engine's answers."""

    def __init__(self, keyring: MemoryKeyring) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.keyring = keyring
        self.engine = EngineSecrets(
            lambda: KeyringStore(choose=lambda: keyring, ask_locked=lambda _: keyring.is_locked)
        )
        self.desk = SecretDesk(self._ask)

    def _ask(self, message: Mapping[str, Any]) -> None:
        self.asked.append(message)
        self.engine.answer(message, lambda answer: self.desk.take(answer["secret"]))


@pytest.fixture
def pipe(memory_keyring: MemoryKeyring) -> Iterator[Pipe]:
    made = Pipe(memory_keyring)
    yield made
    made.engine.close()


def test_secret_is_asked_for_once(pipe: Pipe) -> None:
    pipe.keyring.set_password("etiket-gui", "source-1", "µ secret")
    assert pipe.desk.get("source-1") == "µ secret"
    assert pipe.desk.get("source-1") == "µ secret"
    assert pipe.asked == [{"event": "secret_wanted", "account": "source-1", "is_refused": False}]
    assert pipe.desk.get("source-2") is None


def test_refused_secret_is_looked_up_anew(pipe: Pipe) -> None:
    pipe.keyring.set_password("etiket-gui", "source-1", "old")
    assert pipe.desk.get("source-1") == "old"
    pipe.keyring.set_password("etiket-gui", "source-1", "new")
    pipe.desk.refuse("source-1")
    assert pipe.desk.get("source-1") == "new"


def test_locked_password_store_is_told_and_asked_again_later(pipe: Pipe) -> None:
    pipe.keyring.set_password("etiket-gui", "source-1", "secret")
    pipe.keyring.is_locked = True
    with pytest.raises(EtiketError) as locked:
        pipe.desk.get("source-1")
    assert locked.value.kind == KeyringLocked.__name__
    pipe.keyring.is_locked = False
    assert pipe.desk.get("source-1") == "secret"


def test_engine_that_gives_no_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_module, "_LONGEST_WAIT_S", 0.05)
    with pytest.raises(EtiketError, match="no answer in time"):
        SecretDesk(lambda _: None).get("source-1")


def test_answer_that_another_lane_found_refused_is_asked_for_anew_by_the_one_that_waits() -> None:
    asked: list[Mapping[str, Any]] = []
    two_asked = threading.Event()

    def ask(message: Mapping[str, Any]) -> None:
        asked.append(message)
        if len(asked) == 2:
            two_asked.set()

    desk = SecretDesk(ask)
    told: list[str | None] = []
    waiting = threading.Thread(target=lambda: told.append(desk.get("source-1")))
    with desk._answered:
        waiting.start()
    # The answer comes, and before who waits wakes up the other lane says that what it had was refused.
    with desk._answered:
        while not asked:
            desk._answered.wait(0.01)
        desk.take({"account": "source-1", "value": "new"})
        desk.refuse("source-1")
    assert two_asked.wait(10)
    assert [message["is_refused"] for message in asked] == [False, True]
    desk.take({"account": "source-1", "value": "newer"})
    waiting.join(10)
    assert told == ["newer"]


def test_password_store_that_gives_no_answer_is_asked_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_module, "_LONGEST_WAIT_S", 0.05)
    desk = SecretDesk(lambda _: None)
    with pytest.raises(EtiketError) as failed:
        desk.get("source-1")
    assert failed.value.retry_class is RetryClass.SOON


def test_answer_to_a_worker_that_is_gone_is_dropped(pipe: Pipe) -> None:
    sent = threading.Event()

    def broken(_: Mapping[str, Any]) -> None:
        sent.set()
        raise BrokenPipeError

    pipe.engine.answer({"account": "source-1"}, broken)
    assert sent.wait(5)
