"""Which password stores of the operating system are good enough, and whether one can be read without asking."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from etiket_gui.domain import guards

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: The stores that keep secrets encrypted. Everything else, a plain file above all, is never used.
ACCEPTED: frozenset[tuple[str, str]] = frozenset(
    {
        ("keyring.backends.SecretService", "Keyring"),
        ("keyring.backends.macOS", "Keyring"),
        ("keyring.backends.Windows", "WinVaultKeyring"),
    }
)
_REFUSED_BY_CHOICE = "keyring.backends.null"
_DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"


def is_accepted(backend: object) -> bool:
    """Whether it is one of the encrypted stores, or made from one."""
    return any((kind.__module__, kind.__qualname__) in ACCEPTED for kind in type(backend).__mro__)


def _may_be_used(backend: object) -> bool:
    return is_accepted(backend) or not guards.is_on("keyring-encrypted-only")


def choose_backend() -> KeyringBackend | None:
    """The encrypted store of this account, also out of a chain; None when there is none. Takes up to 0.1 s."""
    import keyring
    import keyring.backend

    chosen = keyring.get_keyring()
    if type(chosen).__module__ == _REFUSED_BY_CHOICE:
        return None
    candidates: list[Any] = [chosen, *getattr(chosen, "backends", ()), *keyring.backend.get_all_keyring()]
    return next((candidate for candidate in candidates if _may_be_used(candidate)), None)


def is_locked(backend: object) -> bool | None:
    """Whether reading would ask the person for a password; None when there is nothing to read in it yet.

    Asks nothing itself. Only the Secret Service tells; the other stores open with the account's own sign-in.
    """
    if type(backend).__module__ != "keyring.backends.SecretService" or sys.platform in {"win32", "darwin"}:
        return False
    import secretstorage

    connection = secretstorage.dbus_init()
    try:
        return bool(secretstorage.Collection(connection, _DEFAULT_COLLECTION).is_locked())
    except secretstorage.exceptions.ItemNotFoundException:
        return None
    finally:
        connection.close()
