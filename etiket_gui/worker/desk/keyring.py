"""The jobs about secrets: the state of the password store, keeping a secret, removing one. No secret is ever told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from etiket_gui.credentials.keyring_store import KeyringLocked, KeyringState, KeyringStore
from etiket_gui.domain.errors import SignInNeeded, UsageError
from etiket_gui.worker.desk.job import DeskJob


@contextlib.contextmanager
def _keyring() -> Iterator[KeyringStore]:
    store = KeyringStore()
    try:
        yield store
    finally:
        store.close()


def state(job: DeskJob) -> dict[str, Any]:
    """``state`` (ready, locked or missing) and a ``sentence``; with ``account`` also ``has_secret`` (None: unknown).

    ``may_ask``: where it is locked, the person is asked to unlock it first.
    """
    with _keyring() as store:
        report = store.report()
        if report.state is KeyringState.LOCKED and job.parameters.get("may_ask"):
            with contextlib.suppress(KeyringLocked):
                store.get("unlock", may_prompt=True)
            report = store.report()
        has_secret: bool | None = None
        account = job.parameters.get("account")
        if isinstance(account, str) and report.state is KeyringState.READY:
            has_secret = store.get(account) is not None
        return {"state": report.state.value, "sentence": report.sentence, "has_secret": has_secret}


def store(job: DeskJob) -> dict[str, Any]:
    """Keep ``secret`` for ``account``; returns ``is_kept``. May ask the person to unlock the password store.

    Raises SignInNeeded when the password store does not take it: it is never kept anywhere else.
    """
    account, secret = job.text("account"), job.text("secret")
    if not account or not secret:
        raise UsageError("The password is empty.")
    with _keyring() as keyring:
        if not keyring.set(account, secret):
            report = keyring.report()
            raise SignInNeeded(
                f"The sign-in cannot be kept. {report.sentence}",
                advice="Unlock or install a password store (on Linux gnome-keyring or KWallet), then try again.",
            )
    return {"is_kept": True}


def forget(job: DeskJob) -> dict[str, Any]:
    """Remove the secret of ``account``; returns ``is_gone``."""
    with _keyring() as keyring:
        return {"is_gone": keyring.delete(job.text("account"))}
