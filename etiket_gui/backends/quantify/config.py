"""The options of a Quantify source."""

from __future__ import annotations

from pydantic import Field, field_validator

from etiket_gui.backends.directories import DirectoryConfig, checked_folder


class QuantifyConfig(DirectoryConfig):
    """The options of a Quantify source."""

    data_directory: str = Field(
        title="Data directory",
        description="The folder that quantify-core calls datadir: it holds a folder for each day.",
    )

    @field_validator("data_directory")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return checked_folder(value)

    @property
    def root_option(self) -> str:
        """The data directory."""
        return self.data_directory
