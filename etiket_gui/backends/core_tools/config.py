"""The options of a core-tools source, with the sentences that refuse nonsense; the password is no option."""

from __future__ import annotations

import math
import os

from pydantic import Field, field_validator

from etiket_gui.backends.api import SourceConfig

DEFAULT_PORT = 5432
INTERRUPTED_AFTER_S = 30 * 60.0
_LONGEST_INTERRUPTED_AFTER_S = 30 * 24 * 3600.0


class CoreToolsConfig(SourceConfig):
    """The options of a core-tools source. ``interrupted_after`` in seconds."""

    host: str = Field(
        default="localhost", title="Computer", description="Name or address of the computer that runs PostgreSQL."
    )
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535, title="Port", description="The port PostgreSQL listens on.")
    dbname: str = Field(
        title="Database", description="The name of the database, as in the settings file of core-tools."
    )
    user: str = Field(
        title="User", description="The database user that core-tools uses. Its password is kept by the password store."
    )
    interrupted_after: float = Field(
        default=INTERRUPTED_AFTER_S,
        title="Interrupted after",
        description="A run without a new point for so many seconds counts as interrupted and is archived as such.",
    )

    @field_validator("host", "dbname", "user")
    @classmethod
    def _given(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("It is empty; the settings file of core-tools says what belongs here.")
        if "\x00" in value:
            raise ValueError("It holds a NUL character.")
        return value.strip()

    @field_validator("interrupted_after")
    @classmethod
    def _possible_time(cls, value: float) -> float:
        if not (math.isfinite(value) and 1 <= value <= _LONGEST_INTERRUPTED_AFTER_S):
            raise ValueError(f"{value} is not possible: give 1 s to 30 days.")
        return value

    def address(self) -> str:
        """Where the database is, for people; never a secret."""
        place = "" if os.path.isabs(self.host) else self.host
        query = f"?host={self.host}" if os.path.isabs(self.host) else ""
        return f"postgresql://{self.user}@{place}:{self.port}/{self.dbname}{query}"
