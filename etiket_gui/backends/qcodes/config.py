"""The options of a QCoDeS source, with the sentences that refuse nonsense."""

from __future__ import annotations

import math
import os

from pydantic import Field, field_validator

from etiket_gui.backends.api import SourceConfig
from etiket_gui.domain.names import from_portable
from etiket_gui.osys.remote import volume_of

_LONGEST_QUIET_TIME_S = 7 * 24 * 3600.0


class QCoDeSConfig(SourceConfig):
    """The options of a QCoDeS source. ``interrupted_after`` in seconds."""

    database_path: str = Field(title="Database", description="The QCoDeS database file, usually named experiments.db.")
    set_up: str = Field(
        default="", title="Set-up", description="The name of the set-up or fridge; it is written to every dataset."
    )
    static_attributes: dict[str, str] = Field(
        default_factory=dict,
        title="Attributes of every dataset",
        description="Names and values that are written to every dataset of this source, such as the sample.",
    )
    keep_database: bool = Field(
        default=False,
        title="Also keep the database file",
        description="Archive a consistent copy of the whole database too, at most once a day; up to 2 GiB.",
    )
    interrupted_after: float = Field(
        default=1800.0,
        title="Interrupted after",
        description="After how many seconds without a new point an unfinished run counts as interrupted.",
    )
    is_network_folder: bool | None = Field(
        default=None,
        title="Network folder",
        description="Whether the database lies on another machine and is read from copies. Left empty: found out.",
    )

    @field_validator("database_path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("The path of the database is empty; give the QCoDeS database file.")
        if "\x00" in value:
            raise ValueError("The path of the database holds a NUL character.")
        if not os.path.isabs(value):
            raise ValueError(f"{value!r} is not an absolute path; write it from the root or the drive on.")
        return os.path.normpath(value)

    @field_validator("interrupted_after")
    @classmethod
    def _possible_time(cls, value: float) -> float:
        if not (math.isfinite(value) and 1 <= value <= _LONGEST_QUIET_TIME_S):
            raise ValueError(f"{value} s is not possible: give 1 s to 7 days.")
        return value

    @property
    def path(self) -> str:
        """The database for the operating system; undecodable names are written in portable form in the option."""
        return from_portable(self.database_path)

    def is_on_network(self) -> bool:
        """Whether the database is only read from copies: as the option says, else as the system says."""
        if self.is_network_folder is not None:
            return self.is_network_folder
        return volume_of(self.path).is_remote
