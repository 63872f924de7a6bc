"""Which stored version a person means, and how the folder of a restored dataset is called."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from etiket_gui.destinations.api import StoredVersion
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.names import is_windows_safe

_LONGEST_NAME_BYTES = 200
_NOT_IN_A_NAME = re.compile(
    "[\x00-\x1f\x7f/\ud800-\udfff]" if sys.platform != "win32" else r'[\x00-\x1f\x7f<>:"/\\|?*]'
)


def chosen_version(versions: Sequence[StoredVersion], wanted: str | None, *, dataset: str, place: str) -> StoredVersion:
    """The wanted version, else the newest complete one, else the newest. Raises UsageError that lists what there is."""
    if wanted is not None:
        for version in versions:
            if version.version == wanted:
                return version
        known = ", ".join(version.version for version in versions) or "none"
        raise UsageError(f"{place} has no version {wanted} of {dataset}. It has: {known}.")
    complete = [version for version in versions if not version.is_provisional]
    if not versions:
        raise UsageError(f"{place} has no version of {dataset}.")
    return (complete or list(versions))[-1]


def folder_name(name: str) -> str:
    """A dataset's name as the name of one folder that this operating system can hold; never empty, never hidden."""
    safe = _NOT_IN_A_NAME.sub("_", name).strip()
    while len(safe.encode("utf-8", "replace")) > _LONGEST_NAME_BYTES:
        safe = safe[:-1]
    safe = safe.rstrip() if sys.platform != "win32" else safe.rstrip(". ")
    if sys.platform == "win32" and safe and not is_windows_safe(safe):
        safe = f"_{safe}"
    return f"_{safe}" if safe.startswith((".", "-")) else safe or "dataset"


def incomplete_name(folder: str) -> str:
    """What the folder is called into which only the intact files of a damaged version came."""
    return f"{folder} (incomplete)"
