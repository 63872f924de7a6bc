"""Gives workers the secrets of sources: from the password store, over the pipe, never beside the coordinator."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.credentials.keyring_store import KeyringStore
from etiket_gui.domain.errors import EtiketError


class EngineSecrets:
    """Answers on a thread of its own for each question: a password store may take seconds or hang."""

    def __init__(self, make_store: Callable[[], KeyringStore] = KeyringStore) -> None:
        self._make_store = make_store
        self._store: KeyringStore | None = None
        self._lock = threading.Lock()

    def answer(self, question: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> None:
        """Send the secret of an account, or why there is none, as soon as that is known; returns at once."""
        threading.Thread(target=self._answer, args=(dict(question), send), name="secret", daemon=True).start()

    def _answer(self, question: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> None:
        account = str(question["account"])
        told: dict[str, Any] = {"account": account}
        try:
            store = self._opened()
            if question.get("is_refused"):
                # A person may have given another one since, in another process.
                store.forget_session(account)
            told["value"] = store.get(account)
        except EtiketError as error:
            told["error"] = error.to_json()
        with contextlib.suppress(OSError, ValueError):
            # A worker that is gone meanwhile needs no answer.
            send({"secret": told})

    def _opened(self) -> KeyringStore:
        with self._lock:
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
