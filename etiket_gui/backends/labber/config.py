"""The options of a Labber source."""

from __future__ import annotations

from pydantic import Field, field_validator

from etiket_gui.backends.directories import DirectoryConfig, checked_folder

INTERRUPTED_AFTER_S = 600.0


class LabberConfig(DirectoryConfig):
    """The options of a Labber source."""

    log_directory: str = Field(
        title="Log directory",
        description="The folder that Labber calls its database: it holds the logs, in folders by year, month and day.",
    )

    @field_validator("log_directory")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return checked_folder(value)

    @property
    def root_option(self) -> str:
        """The log directory."""
        return self.log_directory

    @property
    def interrupted_after_s(self) -> float:
        """How long an unfinished log may stand still, in seconds."""
        return INTERRUPTED_AFTER_S if self.interrupted_after is None else self.interrupted_after
