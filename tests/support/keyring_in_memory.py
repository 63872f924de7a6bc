"""A keyring that lives in memory, so that no test ever touches a real one."""

from __future__ import annotations

from typing import ClassVar

import keyring.backend
import keyring.errors


class MemoryKeyring(keyring.backend.KeyringBackend):
    """Secrets in a dictionary; ``is_locked`` and ``is_missing`` play the two ways a real keyring refuses."""

    priority: ClassVar[float] = 9

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.secrets: dict[tuple[str, str], str] = {}
        self.is_locked = False
        self.is_missing = False

    def _refuse(self) -> None:
        if self.is_missing:
            raise keyring.errors.NoKeyringError("no keyring on this machine")
        if self.is_locked:
            raise keyring.errors.KeyringLocked("the keyring is locked")

    def get_password(self, service: str, username: str) -> str | None:
        """The secret, or None; raises what a locked or missing keyring raises."""
        self._refuse()
        return self.secrets.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret until the test ends."""
        self._refuse()
        self.secrets[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret; raises PasswordDeleteError where there is none."""
        self._refuse()
        if self.secrets.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("there is no such secret")
