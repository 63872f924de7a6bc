"""Where sign-in secrets are kept: the operating system's password store, else this session's memory; never a file."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from etiket_gui.credentials.keyring_backends import choose_backend, is_locked
from etiket_gui.credentials.redaction import redact, remember_secret
from etiket_gui.domain import guards
from etiket_gui.domain.errors import SignInNeeded

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)

SERVICE = "etiket-gui"
_CALL_TIMEOUT_S = 10.0
_PROMPT_TIMEOUT_S = 120.0
_LOGIN_WAIT_S = 120.0
_POLL_S = 2.0

_Result = TypeVar("_Result")


class KeyringState(StrEnum):
    """Whether the password store can be used."""

    READY = "ready"
    LOCKED = "locked"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class KeyringReport:
    """The state of the password store and a sentence about it."""

    state: KeyringState
    sentence: str


class KeyringLocked(SignInNeeded):
    """The password store is there but locked; what is in it stays there, and it is asked again later."""

    title = "Password store is locked"
    default_advice = "Unlock it (sign in to the desktop, or open the password manager); the work goes on by itself."


class _Unanswered(Exception):
    """The password store gave no answer in time."""


class _BeingAsked(Exception):
    """A person is being asked to unlock the password store at this moment."""


class KeyringStore:
    """Secrets by account (a destination's uuid), for any thread; fits ``destinations.api.CredentialLookup``.

    Every call of the operating system's store happens on one helper thread: it may hang, and it must never show two
    prompts. Nothing is ever deleted because it could not be read.
    """

    def __init__(
        self,
        *,
        choose: Callable[[], KeyringBackend | None] = choose_backend,
        ask_locked: Callable[[object], bool | None] = is_locked,
        call_timeout_s: float = _CALL_TIMEOUT_S,
        prompt_timeout_s: float = _PROMPT_TIMEOUT_S,
    ) -> None:
        self._choose = choose
        self._ask_locked = ask_locked
        self._call_timeout_s = call_timeout_s
        self._prompt_timeout_s = prompt_timeout_s
        self._session: dict[str, str] = {}
        self._thread = _HelperThread()
        self._lock = threading.Lock()
        self._is_prompting = False

    def close(self) -> None:
        """Forget the session's secrets and end the helper thread, unless it hangs; nobody waits for it then."""
        with self._lock:
            self._session.clear()
        self._thread.stop()

    def report(self) -> KeyringReport:
        """The state now. Shows no prompt; takes at most the time of two calls."""
        try:
            backend, locked = self._look()
        except _BeingAsked:
            return KeyringReport(KeyringState.LOCKED, "The password store of this computer waits to be unlocked.")
        except _Unanswered:
            return KeyringReport(KeyringState.MISSING, "The password store of this computer does not answer.")
        except _StoreFailed as error:
            return KeyringReport(KeyringState.MISSING, f"The password store of this computer cannot be used: {error}.")
        if backend is None:
            return KeyringReport(
                KeyringState.MISSING,
                "This computer has no password store that encrypts; sign-ins last until the program ends.",
            )
        if locked:
            return KeyringReport(KeyringState.LOCKED, "The password store of this computer is locked.")
        return KeyringReport(KeyringState.READY, "The password store of this computer is ready.")

    def wait_until_ready(
        self,
        *,
        at_most_s: float = _LOGIN_WAIT_S,
        sleep: Callable[[float], Any] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> KeyringReport:
        """Right after a login the store may come late or still be locked: ask until it is ready or the time is over."""
        end_s = now_s() + at_most_s
        while True:
            report = self.report()
            if report.state is KeyringState.READY or now_s() >= end_s:
                return report
            sleep(_POLL_S)

    def get(self, account: str, *, may_prompt: bool = False) -> str | None:
        """The secret, or None when there is none.

        Raises KeyringLocked when the store is locked and ``may_prompt`` is False, or the person did not unlock it.
        A store that is missing, fails or hangs counts as empty: what was given for this session is still found.
        """
        with self._lock:
            kept = self._session.get(account)
        if kept is not None:
            return kept
        locked: bool | None = False
        try:
            backend, locked = self._look()
            if backend is None or locked is None:
                return None
            if locked and not may_prompt and guards.is_on("keyring-locked-waits"):
                raise KeyringLocked("The password store of this computer is locked.")
            secret = self._call(lambda: backend.get_password(SERVICE, account), is_prompt=bool(locked))
        except _BeingAsked as error:
            raise KeyringLocked("The password store of this computer waits to be unlocked.") from error
        except _Unanswered as error:
            if locked:
                raise KeyringLocked("The password store of this computer was not unlocked in time.") from error
            logger.warning("The password store of this computer does not answer.")
            return None
        except _StoreFailed as error:
            if error.is_locked:
                raise KeyringLocked("The password store of this computer was not unlocked.") from error
            logger.warning("The password store of this computer cannot be read: %s", error)
            return None
        if secret is not None:
            remember_secret(secret)
            with self._lock:
                self._session[account] = secret
        return secret

    def set(self, account: str, secret: str, *, may_prompt: bool = True) -> bool:
        """Keep a secret; returns whether it outlasts this session. It is usable at once in any case."""
        remember_secret(secret)
        with self._lock:
            self._session[account] = secret
        try:
            backend, locked = self._look()
            if backend is None or (locked is not False and not may_prompt):
                return False
            self._call(lambda: backend.set_password(SERVICE, account, secret), is_prompt=locked is not False)
        except (_BeingAsked, _Unanswered, _StoreFailed) as error:
            logger.warning("The sign-in is kept for this session only: %s", error)
            return False
        return True

    def delete(self, account: str, *, may_prompt: bool = True) -> bool:
        """Forget a secret because a person asked for it; returns whether none is left in the password store."""
        with self._lock:
            self._session.pop(account, None)
        try:
            backend, locked = self._look()
            if backend is None or locked is None:
                return True
            if locked and not may_prompt:
                return False
            if self._call(lambda: backend.get_password(SERVICE, account), is_prompt=bool(locked)) is None:
                return True
            self._call(lambda: backend.delete_password(SERVICE, account))
        except (_BeingAsked, _Unanswered, _StoreFailed) as error:
            logger.warning("The sign-in could not be removed from the password store: %s", error)
            return False
        return True

    def forget_session(self, account: str) -> None:
        """Drop what is remembered for this session (a secret that was refused); the password store is not touched."""
        with self._lock:
            self._session.pop(account, None)

    def _look(self) -> tuple[KeyringBackend | None, bool | None]:
        """The store and whether it is locked (None: it is empty); asked each time, for both may change."""
        if self._is_prompting:
            raise _BeingAsked("a person is being asked to unlock the password store")
        backend = self._call(self._choose)
        if backend is None:
            return None, None
        return backend, self._call(lambda: self._ask_locked(backend))

    def _call(self, function: Callable[[], _Result], *, is_prompt: bool = False) -> _Result:
        future = self._thread.submit(function)
        if is_prompt:
            self._is_prompting = True
            future.add_done_callback(self._prompt_is_over)
        try:
            error = future.exception(self._prompt_timeout_s if is_prompt else self._call_timeout_s)
        except TimeoutError:
            self._thread.overdue = future
            raise _Unanswered("the password store does not answer") from None
        if error is None:
            return future.result()
        if isinstance(error, _Unanswered):
            raise error
        raise _StoreFailed(error) from None

    def _prompt_is_over(self, _: Future[Any]) -> None:
        self._is_prompting = False


class _StoreFailed(Exception):
    """The password store answered with a failure; its text never repeats a secret."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(redact(f"{type(error).__name__}: {error}"))
        self.is_locked = type(error).__name__ == "KeyringLocked"


class _HelperThread:
    """One thread that runs one call after the other; while a call hangs, new ones are refused at once."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: The call that somebody stopped waiting for.
        self.overdue: Future[Any] | None = None

    def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
        future: Future[_Result] = Future()
        with self._lock:
            if self.overdue is not None and not self.overdue.done():
                future.set_exception(_Unanswered("the password store is still busy with an earlier call"))
                return future
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="keyring", daemon=True)
                self._thread.start()
            self._calls.put((function, future))
        return future

    def stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._calls.put(None)
        thread.join(0.5)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, future = call
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001  # handed to the caller, who gives it its name
                future.set_exception(error)
            else:
                future.set_result(result)
