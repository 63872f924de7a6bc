"""Secrets live in the system's password store or in memory, never anywhere else, whatever the store does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest

from etiket_gui.credentials import keyring_backends
from etiket_gui.credentials.keyring_store import SERVICE, KeyringLocked, KeyringState, KeyringStore
from etiket_gui.credentials.redaction import redact
from tests.support.clock import FakeClock
from tests.support.keyring_in_memory import MemoryKeyring

ACCOUNT = "0f0e0d0c-0000-4000-8000-000000000001"
SECRET = "a very secret token"


@pytest.fixture
def store(memory_keyring: MemoryKeyring) -> Iterator[KeyringStore]:
    store = KeyringStore(choose=lambda: memory_keyring, ask_locked=lambda _: memory_keyring.is_locked)
    yield store
    store.close()


def _second(backend: Any, **options: Any) -> KeyringStore:
    return KeyringStore(choose=lambda: backend, ask_locked=lambda _: getattr(backend, "is_locked", False), **options)


def test_secret_outlasts_the_program_and_is_found_under_the_service(
    store: KeyringStore, memory_keyring: MemoryKeyring
) -> None:
    assert store.report().state is KeyringState.READY
    assert store.get(ACCOUNT) is None
    assert store.set(ACCOUNT, SECRET)
    assert memory_keyring.secrets == {(SERVICE, ACCOUNT): SECRET}
    again = _second(memory_keyring)
    assert again.get(ACCOUNT) == SECRET
    again.close()


def test_secret_that_was_read_or_written_is_hidden_in_every_text(store: KeyringStore) -> None:
    store.set(ACCOUNT, "unguessable-1")
    assert "unguessable-1" not in redact("said: unguessable-1")


def test_deleting_forgets_here_and_there(store: KeyringStore, memory_keyring: MemoryKeyring) -> None:
    store.set(ACCOUNT, SECRET)
    assert store.delete(ACCOUNT)
    assert store.delete(ACCOUNT)
    assert not memory_keyring.secrets
    assert store.get(ACCOUNT) is None


def test_locked_store_raises_and_keeps_what_is_in_it(store: KeyringStore, memory_keyring: MemoryKeyring) -> None:
    memory_keyring.secrets[SERVICE, ACCOUNT] = SECRET
    memory_keyring.is_locked = True
    assert store.report().state is KeyringState.LOCKED
    with pytest.raises(KeyringLocked):
        store.get(ACCOUNT)
    assert memory_keyring.secrets == {(SERVICE, ACCOUNT): SECRET}
    memory_keyring.is_locked = False
    assert store.get(ACCOUNT) == SECRET


def test_secret_of_this_session_is_found_while_the_store_is_locked_again(
    store: KeyringStore, memory_keyring: MemoryKeyring
) -> None:
    store.set(ACCOUNT, SECRET)
    memory_keyring.is_locked = True
    assert store.get(ACCOUNT) == SECRET
    store.forget_session(ACCOUNT)
    with pytest.raises(KeyringLocked):
        store.get(ACCOUNT)


@pytest.mark.allows_log("password store")
def test_prompt_that_is_dismissed_is_locked_not_empty(memory_keyring: MemoryKeyring) -> None:
    memory_keyring.is_locked = True
    store = _second(memory_keyring)
    with pytest.raises(KeyringLocked):
        store.get(ACCOUNT, may_prompt=True)
    store.close()


def test_login_waits_for_a_late_store_and_no_longer_than_two_minutes(
    store: KeyringStore, memory_keyring: MemoryKeyring
) -> None:
    clock = FakeClock()
    memory_keyring.is_locked = True

    def sleep(delay_s: float) -> None:
        clock.advance(delay_s)
        memory_keyring.is_locked = clock.monotonic() < 1050

    assert store.wait_until_ready(sleep=sleep, now_s=clock.monotonic).state is KeyringState.READY
    assert 1050 <= clock.monotonic() <= 1053
    memory_keyring.is_locked = True
    began_s = clock.monotonic()
    report = store.wait_until_ready(sleep=clock.advance, now_s=clock.monotonic)
    assert report.state is KeyringState.LOCKED
    assert 120 <= clock.monotonic() - began_s <= 123


class _HangingKeyring(MemoryKeyring):
    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.calls = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.calls += 1
        self.go_on.wait(20)
        return super().get_password(service, username)


@pytest.mark.allows_log("does not answer")
def test_store_that_hangs_costs_one_thread_and_one_timeout() -> None:
    backend = _HangingKeyring()
    backend.secrets[SERVICE, ACCOUNT] = SECRET
    store = _second(backend, call_timeout_s=0.2)
    for _ in range(20):
        assert store.get(ACCOUNT) is None
    assert store.report().state is KeyringState.MISSING
    assert sum(thread.name == "keyring" for thread in threading.enumerate()) == 1
    assert backend.calls == 1
    backend.go_on.set()
    backend.go_on.wait()
    while store.report().state is not KeyringState.READY:
        pass
    assert store.get(ACCOUNT) == SECRET
    store.close()


def test_only_one_person_is_asked_at_a_time() -> None:
    backend = _HangingKeyring()
    backend.is_locked = True
    store = _second(backend, prompt_timeout_s=20)
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(store.get(ACCOUNT, may_prompt=True))
        except KeyringLocked as error:
            answers.append(error)

    first = threading.Thread(target=ask)
    first.start()
    while not backend.calls:
        pass
    with pytest.raises(KeyringLocked):
        store.get(ACCOUNT, may_prompt=True)
    assert store.report().state is KeyringState.LOCKED
    backend.is_locked = False
    backend.secrets[SERVICE, ACCOUNT] = SECRET
    backend.go_on.set()
    first.join()
    assert answers == [SECRET]
    assert backend.calls == 1
    store.close()


@pytest.mark.allows_log("this session only|cannot be read|could not be removed")
@pytest.mark.parametrize("error", [keyring.errors.InitError("no"), RuntimeError("D-Bus fell over"), OSError("gone")])
def test_store_that_throws_keeps_the_secret_for_the_session(memory_keyring: MemoryKeyring, error: Exception) -> None:
    class Broken(MemoryKeyring):
        def _refuse(self) -> None:
            raise error

    store = _second(Broken())
    assert store.get(ACCOUNT) is None
    assert not store.set(ACCOUNT, SECRET)
    assert store.get(ACCOUNT) == SECRET
    assert not store.delete(ACCOUNT)
    assert store.get(ACCOUNT) is None
    store.close()


def test_without_a_store_the_secret_lasts_for_the_session_and_touches_no_disk(account_folder: Path) -> None:
    store = KeyringStore(choose=lambda: None)
    report = store.report()
    assert report.state is KeyringState.MISSING
    assert "until the program ends" in report.sentence
    assert not store.set(ACCOUNT, SECRET)
    assert store.get(ACCOUNT) == SECRET
    store.close()
    assert store.get(ACCOUNT) is None
    store.close()
    assert not [path for path in account_folder.rglob("*") if path.is_file()]


def test_empty_secret_service_is_not_made_by_looking(memory_keyring: MemoryKeyring) -> None:
    store = KeyringStore(choose=lambda: memory_keyring, ask_locked=lambda _: None)
    memory_keyring.is_missing = True
    assert store.get(ACCOUNT) is None
    store.close()


def _of(module: str, name: str) -> keyring.backend.KeyringBackend:
    kind = type(name, (MemoryKeyring,), {"__module__": module, "__qualname__": name})
    return kind()  # type: ignore[no-any-return]


_ENCRYPTED = [
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.macOS", "Keyring"),
    ("keyring.backends.Windows", "WinVaultKeyring"),
]


@pytest.mark.parametrize(("module", "name"), _ENCRYPTED)
def test_store_that_encrypts_is_chosen_also_out_of_a_chain(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    good, plain = _of(module, name), _of("keyrings.alt.file", "PlaintextKeyring")
    monkeypatch.setattr(keyring.backend, "get_all_keyring", list)
    keyring.set_keyring(good)
    assert keyring_backends.choose_backend() is good
    monkeypatch.setattr(keyring.backends.chainer.ChainerBackend, "backends", [plain, good])
    keyring.set_keyring(keyring.backends.chainer.ChainerBackend())  # type: ignore[no-untyped-call]
    assert keyring_backends.choose_backend() is good


def test_plain_file_and_switched_off_keyring_are_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _of("keyrings.alt.file", "PlaintextKeyring")
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [plain])
    for chosen in (plain, keyring.backends.fail.Keyring()):  # type: ignore[no-untyped-call]
        keyring.set_keyring(chosen)
        assert keyring_backends.choose_backend() is None
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [_of(*_ENCRYPTED[0])])
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    assert keyring_backends.choose_backend() is None
