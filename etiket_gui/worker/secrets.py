"""The secrets of sources in a worker: asked of the engine over the pipe when they are needed, kept in memory only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.credentials.redaction import remember_secret
from etiket_gui.domain.errors import SignInNeeded, error_from_json
from etiket_gui.domain.states import RetryClass

#: How long the engine may take: the password store of the computer may have to be asked.
_LONGEST_WAIT_S = 25.0


class SecretDesk:
    """Shared by all lanes of a worker. An answer is kept until it was refused somewhere, and never written down."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._send = send
        self._answered = threading.Condition()
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._refused: set[str] = set()
        #: Asked for and not answered yet.
        self._asked: set[str] = set()

    def take(self, answer: Mapping[str, Any]) -> None:
        """The engine's answer."""
        if answer.get("value"):
            remember_secret(str(answer["value"]))
        with self._answered:
            self._answers[str(answer["account"])] = answer
            self._asked.discard(str(answer["account"]))
            self._answered.notify_all()

    def refuse(self, account: str) -> None:
        """The secret was missing or refused: ask anew the next time.

        Another lane may be waiting for it at this moment, so it is woken to ask as well.
        """
        with self._answered:
            self._answers.pop(account, None)
            self._asked.discard(account)
            self._refused.add(account)
            self._answered.notify_all()

    def get(self, account: str) -> str | None:
        """The secret, or None when none is kept. Raises SignInNeeded where the password store is locked."""
        end_s = time.monotonic() + _LONGEST_WAIT_S
        with self._answered:
            while account not in self._answers:
                if account not in self._asked:
                    self._ask(account)
                elif not self._answered.wait(max(0.0, end_s - time.monotonic())):
                    self._asked.discard(account)
                    raise SignInNeeded(
                        "The password store of this computer gave no answer in time.", retry_class=RetryClass.SOON
                    )
            answer = self._answers[account]
            if answer.get("error"):
                del self._answers[account]
                raise error_from_json(dict(answer["error"]))
        value = answer.get("value")
        return None if value is None else str(value)

    def _ask(self, account: str) -> None:
        is_refused = account in self._refused
        self._refused.discard(account)
        self._asked.add(account)
        self._send({"event": "secret_wanted", "account": account, "is_refused": is_refused})
