"""Time-based unique identifiers: how Quantify names the folder of a measurement, and where such folders are."""

from __future__ import annotations

import datetime
import errno
import os
import re
from dataclasses import dataclass, field

from etiket_gui.backends import directory_scan
from etiket_gui.backends.directories import leads_elsewhere
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.backends.folder.levels import ARCHIVE_MARK
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.stopping import StopToken

TUID_LENGTH = 26
SECOND = "second folder with the same TUID"
_TUID = re.compile(r"\d{8}-\d{6}-\d{3}-[0-9a-f]{6}")
_DAY = re.compile(r"\d{8}")


def tuid_of(folder_name: str) -> str | None:
    """The TUID at the beginning of a folder's name, or None where there is none."""
    return folder_name[:TUID_LENGTH] if _TUID.match(folder_name) else None


def is_day(folder_name: str) -> bool:
    """Whether a folder has the name of a day, as quantify-core makes them."""
    return bool(_DAY.fullmatch(folder_name))


def name_in(folder_name: str) -> str:
    """What a person called the measurement: the text behind the TUID; the TUID itself where there is none."""
    return folder_name[TUID_LENGTH:].lstrip("-_ ").strip() or folder_name[:TUID_LENGTH]


def collected_at(tuid: str) -> str | None:
    """The local time in a TUID as ISO 8601 text without a zone, or None where its digits are no time."""
    digits = tuid[:19].replace("-", "")
    try:
        moment = datetime.datetime(  # noqa: DTZ001 - the laboratory's local time, kept as it was written
            int(digits[0:4]), int(digits[4:6]), int(digits[6:8]),
            int(digits[8:10]), int(digits[10:12]), int(digits[12:14]), int(digits[14:17]) * 1000,
        )  # fmt: skip
    except ValueError:
        return None
    return moment.isoformat(timespec="milliseconds")


def collected_ns(tuid: str) -> int | None:
    """The time in a TUID as ns since 1970 UTC, taken as local time of this machine."""
    text = collected_at(tuid)
    if text is None:
        return None
    try:
        seconds = datetime.datetime.fromisoformat(text).astimezone().timestamp()
    except (OSError, OverflowError, ValueError):
        return None
    return round(seconds * 1000) * 1_000_000


@dataclass(slots=True)
class Walk(directory_scan.Walk):
    """What lies in a data directory: the measurements by TUID, and what else was met."""

    folders: dict[str, str] = field(default_factory=dict)

    def is_hidden(self, tuid: str) -> bool:
        """Whether a measurement may lie in a folder that could not be listed."""
        return any(not is_day(name) or tuid.startswith(name) for name in self.unlisted)


def walk(root: str, rules: IgnoreRules, stop: StopToken) -> Walk:
    """Look through a data directory down to the measurements. Raises OSError for the root alone."""
    found = Walk()
    for name, path, is_folder in sorted(_entries(root, stop)):
        if not is_folder:
            found.stray_files += not rules.matches(name)
        elif rules.matches_level_folder(name):
            found.skip("ignored folder")
        elif os.path.lexists(os.path.join(path, ARCHIVE_MARK)):
            found.skip("archive")
        else:
            walk_day(name, path, rules, found, stop)
    return found


def walk_day(name: str, path: str, rules: IgnoreRules, found: Walk, stop: StopToken) -> None:
    """Look through one day's folder; what cannot be listed is noted."""
    try:
        entries = sorted(_entries(path, stop))
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
            found.hide(name, path, error)
        return
    for below, place, is_folder in entries:
        tuid = tuid_of(below) if is_folder else None
        if not is_folder:
            found.stray_files += not rules.matches(below)
        elif tuid is None:
            found.skip("folder without a TUID")
        elif tuid in found.folders:
            found.skip(SECOND)
        else:
            found.folders[tuid] = place


def folder_of(root: str, tuid: str, stop: StopToken) -> str | None:
    """The folder of one measurement, looked for in its day first, or None. Raises OSError."""
    day = os.path.join(root, tuid[:8])
    days = [day, *(path for name, path, is_folder in sorted(_entries(root, stop)) if is_folder and path != day)]
    for place in days:
        try:
            for name, path, is_folder in sorted(_entries(place, stop)):
                if is_folder and tuid_of(name) == tuid:
                    return path
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            if place == day:
                raise
    return None


def _entries(path: str, stop: StopToken) -> list[tuple[str, str, bool]]:
    """(portable name, path, whether it is a real folder) of what is in a folder."""
    stop.check()
    with os.scandir(path) as listing:
        return [
            (to_portable(entry.name), entry.path, entry.is_dir(follow_symlinks=False) and not leads_elsewhere(entry))
            for entry in listing
        ]
