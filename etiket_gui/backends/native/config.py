"""The options of a native source."""

from __future__ import annotations

from pydantic import Field, field_validator

from etiket_gui.backends.directories import DirectoryConfig, checked_folder

#: A recording without a new point for so long counts as interrupted.
INTERRUPTED_AFTER_S = 30 * 60.0


class NativeConfig(DirectoryConfig):
    """The options of a native source."""

    data_directory: str = Field(
        title="Data directory",
        description="The folder of the recordings, or the shared folder of an eTiKeT client (it holds sql and data).",
    )

    @field_validator("data_directory")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return checked_folder(value)

    @property
    def root_option(self) -> str:
        """The data directory."""
        return self.data_directory

    def interrupted_after_s(self) -> float:
        """How long an unfinished measurement may stand still, in seconds."""
        return INTERRUPTED_AFTER_S if self.interrupted_after is None else self.interrupted_after
