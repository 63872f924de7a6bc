"""What sources that are one measuring program's folder have in common: their options, their root, derived files."""

from __future__ import annotations

import errno
import math
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from etiket_gui.backends.api import SourceConfig, WatchPlan
from etiket_gui.domain.content import FileEntry, SourceFile
from etiket_gui.domain.errors import EtiketError, PermissionRefused, SourceOffline
from etiket_gui.domain.names import from_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.osys.long_paths import extended_path
from etiket_gui.osys.remote import volume_of

LOCAL_SETTLE_TIME_S = 10.0
NETWORK_SETTLE_TIME_S = 60.0
#: How often a network folder is looked through, because nobody tells when something happens there.
NETWORK_POLL_INTERVAL_S = 60.0
_LONGEST_TIME_S = 7 * 24 * 3600.0


class PlaceOptions:
    """What follows from a folder and from whether it is on another machine; the same for every folder's options."""

    if TYPE_CHECKING:
        is_network_folder: bool | None
        settle_time: float | None

        @property
        def root_option(self) -> str:
            """The folder as it is written in the options."""

    @property
    def root_path(self) -> str:
        """The root for the operating system; undecodable names are written in portable form in the option."""
        return from_portable(self.root_option)

    def is_on_network(self) -> bool:
        """Whether the folder is polled instead of watched: as the option says, else as the system says."""
        if self.is_network_folder is not None:
            return self.is_network_folder
        return volume_of(self.root_path).is_remote

    def settle_time_s(self) -> float:
        """The settle time in seconds."""
        if self.settle_time is not None:
            return self.settle_time
        return NETWORK_SETTLE_TIME_S if self.is_on_network() else LOCAL_SETTLE_TIME_S

    def watch_plan(self) -> WatchPlan:
        """Watch a local folder with everything below it, poll a network folder."""
        if self.is_on_network():
            return WatchPlan(poll_interval_s=NETWORK_POLL_INTERVAL_S)
        return WatchPlan(folders=(self.root_path,))


class DirectoryConfig(PlaceOptions, SourceConfig):
    """Options of a source that is a measuring program's data folder. Times in seconds."""

    set_up: str = Field(
        default="",
        title="Set-up",
        description="The name of the set-up that measures there; every dataset carries it as an attribute.",
    )
    is_network_folder: bool | None = Field(
        default=None,
        title="Network folder",
        description="Whether the folder is on another machine and must be polled. Left empty: the program finds out.",
    )
    settle_time: float | None = Field(
        default=None,
        title="Settle time",
        description=(
            "How long a measurement must have been quiet before it is sent, in seconds. Left empty: 10 s, and 60 s on "
            "a network folder."
        ),
    )
    interrupted_after: float | None = Field(
        default=None,
        title="Interrupted after",
        description=(
            "How long an unfinished measurement may stand still before it counts as interrupted, in seconds. Left "
            "empty: the time that fits the measuring program."
        ),
    )

    @field_validator("settle_time", "interrupted_after")
    @classmethod
    def _possible_time(cls, value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and 0 <= value <= _LONGEST_TIME_S):
            raise ValueError(f"The time {value} is not possible: give 0 s to 7 days.")
        return value

    @property
    def root_option(self) -> str:
        """The folder as it is written in the options."""
        raise TypeError(f"{type(self).__name__} does not say where its folder is")


def checked_folder(value: str) -> str:
    """An absolute folder path as it is kept. Raises ValueError with a sentence."""
    if not value.strip():
        raise ValueError("The folder's path is empty; give the folder that holds the measurements.")
    if "\x00" in value:
        raise ValueError("The folder's path holds a NUL character.")
    if not os.path.isabs(value):
        raise ValueError(f"{value!r} is not an absolute path; write it from the root or the drive on.")
    return os.path.normpath(value)


def root_status(root: str) -> os.stat_result:
    """The root folder's stat. Raises SourceOffline and PermissionRefused."""
    try:
        status = os.stat(root)
    except OSError as error:
        raise root_error(error, root) from error
    if not stat.S_ISDIR(status.st_mode):
        raise SourceOffline(f"{root} is not a folder any more.", path=root)
    return status


def root_error(error: OSError, root: str) -> EtiketError:
    """The failure for an error met at the root itself."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionRefused(f"{root} may not be looked into by this account.", path=root)
    return SourceOffline(f"{root} cannot be reached: {error.strerror or error}.", path=root)


def leads_elsewhere(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a Windows junction, which leads elsewhere as a symbolic link does."""
    if sys.platform != "win32":
        return False
    return entry.stat(follow_symlinks=False).st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT


def parts_below(root: str, path: str) -> list[str] | None:
    """The names from the root down to a path that was seen to change (portable), in the system's form.

    Empty for the root itself and for what lies above it: that concerns all of it. None for what lies elsewhere.
    """
    path = extended_path(from_portable(path))
    below = _relative(root, path)
    if below is not None:
        return below
    return [] if _relative(path, root) is not None else None


def _relative(base: str, path: str) -> list[str] | None:
    base, path = os.path.normpath(base), os.path.normpath(path)
    if os.path.normcase(base) == os.path.normcase(path):
        return []
    start = base if base.endswith(os.sep) else base + os.sep
    if not os.path.normcase(path).startswith(os.path.normcase(start)):
        return None
    return path[len(start) :].split(os.sep)


def derived_file(path: Path, name: str, mtime_ns: int) -> SourceFile:
    """A file made in the work folder, as a part of a dataset; ``mtime_ns`` is that of what it was made from."""
    entry = FileEntry(name=name, kind=EntryKind.FILE, size_bytes=os.stat(path).st_size, mtime_ns=mtime_ns)
    return SourceFile(entry, os.fspath(path), is_derived=True)


def conversion(output: str, source: str, converter: str, version: str) -> dict[str, str]:
    """One line of a description's ``details["conversions"]``: which file was made of which, and by what."""
    return {"output": output, "input": source, "converter": converter, "version": version}


def free_name(wanted: str, taken: Mapping[str, Any] | set[str]) -> str:
    """``wanted``, or the nearest name that no file of the dataset has in whatever case."""
    lower = {name.lower() for name in taken}
    stem, dot, ending = wanted.rpartition(".")
    name, number = wanted, 1
    while name.lower() in lower:
        number += 1
        name = f"{stem} ({number}){dot}{ending}"
    return name


def signed_64(number: int) -> int:
    """A number folded into the signed 64-bit integers, as fingerprints are kept."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >= 1 << 63 else number
