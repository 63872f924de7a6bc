"""The options of a folder source, with the sentences that refuse nonsense."""

from __future__ import annotations

import math
import re

from pydantic import Field, field_validator

from etiket_gui.backends.api import SourceConfig
from etiket_gui.backends.directories import PlaceOptions, checked_folder
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, check_pattern

DEEPEST_LEVEL = 64
_LONGEST_SETTLE_TIME_S = 7 * 24 * 3600.0


class FolderConfig(PlaceOptions, SourceConfig):
    """The options of a folder source. ``settle_time`` in seconds."""

    root_directory: str = Field(title="Folder", description="The folder that holds the measurements.")
    level: int = Field(
        default=1,
        title="Depth of the datasets",
        description=(
            "1: each sub-folder is a dataset. 2, 3, …: the folders at that depth. 0: the folder itself is one dataset. "
            "-1: the outermost folders that hold a file _QH_dataset_info.yaml."
        ),
    )
    ignore: list[str] = Field(
        default_factory=lambda: list(DEFAULT_IGNORE),
        title="Files to leave out",
        description="Patterns as in a .gitignore file, relative to the dataset; upper and lower case differ.",
    )
    settle_time: float | None = Field(
        default=None,
        title="Settle time",
        description=(
            "How long a dataset must have been quiet before it is sent, in seconds. Left empty: 10 s, and 60 s on a "
            "network folder."
        ),
    )
    is_network_folder: bool | None = Field(
        default=None,
        title="Network folder",
        description="Whether the folder is on another machine and must be polled. Left empty: the program finds out.",
    )

    converters: dict[str, str] = Field(
        default_factory=dict,
        title="Converters",
        json_schema_extra={"advanced": True},
        description=(
            "Every installed converter whose kind of file is found runs, and its result is sent beside the original. "
            "A conversion such as csv_to_hdf5 set to off is not made; set to a converter's name, that one alone makes "
            "it. all set to off: none is made."
        ),
    )

    @field_validator("converters")
    @classmethod
    def _understandable_converters(cls, value: dict[str, str]) -> dict[str, str]:
        for conversion, choice in value.items():
            if conversion.lower() != "all" and not re.fullmatch(r"[A-Za-z0-9_+.-]+_to_[A-Za-z0-9_+.-]+", conversion):
                raise ValueError(
                    f"{conversion!r} is no conversion: write csv_to_hdf5=off, csv_to_hdf5=NAME or all=off, for example."
                )
            if not choice.strip() or (conversion.lower() == "all" and choice.strip().lower() != "off"):
                raise ValueError(
                    f"{conversion}={choice!r} says nothing: a conversion is off or has a converter's name."
                )
        choices = {conversion.lower(): choice.strip() for conversion, choice in value.items()}
        return {conversion: "off" if choice.lower() == "off" else choice for conversion, choice in choices.items()}

    @field_validator("root_directory")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return checked_folder(value)

    @field_validator("level")
    @classmethod
    def _possible_level(cls, value: int) -> int:
        if not -1 <= value <= DEEPEST_LEVEL:
            raise ValueError(
                f"The level {value} is not possible: -1 is for folders with a description file, 0 for the folder "
                f"itself, 1 to {DEEPEST_LEVEL} for sub-folders at that depth."
            )
        return value

    @field_validator("ignore")
    @classmethod
    def _understandable(cls, value: list[str]) -> list[str]:
        for pattern in value:
            check_pattern(pattern)
        return value

    @field_validator("settle_time")
    @classmethod
    def _possible_time(cls, value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and 0 <= value <= _LONGEST_SETTLE_TIME_S):
            raise ValueError(f"The settle time {value} is not possible: give 0 s to 7 days.")
        return value

    @property
    def root_option(self) -> str:
        """The folder, with undecodable names in portable form."""
        return self.root_directory
