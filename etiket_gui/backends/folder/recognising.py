"""Answers "what is this folder?" in bounded time: where its datasets are, how many, and how big they are together."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.folder.description import FILE_NAME
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.folder.levels import ARCHIVE_MARK, MARKED
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken

TIME_LIMIT_S = 2.0
ENTRY_LIMIT = 20_000
_DEEPEST = 32
#: What lies there are devices and processes that look like files.
_SYSTEM_FOLDERS = ("/dev", "/proc", "/sys")
_TUID = re.compile(r"\d{8}-\d{6}-\d{3}-[0-9a-f]{6}")
_DAY = re.compile(r"(.*\D)?(\d{4}[-_.]?\d{2}[-_.]?\d{2}|\d{2}[-_.]\d{2}[-_.]\d{4})")
_LABBER_DAY = re.compile(r"Data_\d{4}")


@dataclass(slots=True)
class _Folder:
    name: str
    depth: int
    parent: _Folder | None
    files: int = 0
    size_bytes: int = 0
    is_marked: bool = False
    all_files: int = 0
    all_bytes: int = 0
    sub_folders: int = 0


@dataclass(slots=True)
class _Glance:
    folders: list[_Folder] = field(default_factory=list)
    archives: int = 0
    unreadable: int = 0
    entries: int = 0
    stopped_because: str = ""

    def at(self, depth: int) -> list[_Folder]:
        """The folders at a depth that hold files, here or below."""
        return [folder for folder in self.folders if folder.depth == depth and folder.all_files]


def recognise_folder(
    path: Path, stop: StopToken, *, time_limit_s: float = TIME_LIMIT_S, entry_limit: int = ENTRY_LIMIT
) -> Recognition | None:
    """What a folder is to this program; None for anything but a folder. Opens no file.

    An archive is named as such, with confidence 0 and no options: it is no source.
    """
    root = os.fspath(path)
    if not os.path.isdir(root):
        return None
    archive = archive_around(root)
    if archive is not None:
        return Recognition("folder", f"{_shown(archive)} is an archive, not a source of measurements.", {}, 0.0, 0)
    system = _system_folder(root)
    if system:
        sentence = f"{_shown(root)} belongs to the operating system ({system}): there is nothing to archive in it."
        return Recognition("folder", sentence, {}, 0.0, 0)
    glance = _glance(root, stop, time.monotonic() + time_limit_s, entry_limit)
    return _answer(root, glance)


def _system_folder(path: str) -> str:
    """The folder of the operating system's own devices and processes that a path is or lies in, or ""."""
    if os.name != "posix":
        return ""
    place = os.path.realpath(path)
    for system in _SYSTEM_FOLDERS:
        if f"{place}/".startswith(f"{system}/") and not f"{place}/".startswith("/dev/shm/"):  # noqa: S108 - only a name
            return system
    return ""


def archive_around(path: str) -> str | None:
    """The archive that a folder is or lies in, or None."""
    place = os.path.abspath(path)
    while True:
        if os.path.lexists(os.path.join(place, ARCHIVE_MARK)):
            return place
        place, before = os.path.dirname(place), place
        if place == before:
            return None


def _glance(root: str, stop: StopToken, deadline_s: float, entry_limit: int) -> _Glance:
    """Look at the tree level by level, as far as time and entries allow."""
    glance = _Glance()
    rules = IgnoreRules(DEFAULT_IGNORE)
    top = _Folder("", 0, None)
    glance.folders.append(top)
    waiting: deque[tuple[str, _Folder]] = deque([(root, top)])
    while waiting and not glance.stopped_because:
        stop.check()
        place, folder = waiting.popleft()
        try:
            for entry in _entries(place):
                glance.entries += 1
                if glance.entries > entry_limit:
                    glance.stopped_because = f"after {entry_limit:,} entries".replace(",", " ")
                elif glance.entries % 64 == 0 and time.monotonic() > deadline_s:
                    glance.stopped_because = "when the time was up"
                if glance.stopped_because:
                    break
                _note(entry, folder, glance, waiting, rules)
        except OSError:
            glance.unreadable += 1
    for folder in reversed(glance.folders):
        folder.all_files += folder.files
        folder.all_bytes += folder.size_bytes
        if folder.parent is not None:
            folder.parent.all_files += folder.all_files
            folder.parent.all_bytes += folder.all_bytes
    return glance


def _entries(place: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        yield from entries


def _note(
    entry: os.DirEntry[str], folder: _Folder, glance: _Glance, waiting: deque[tuple[str, _Folder]], rules: IgnoreRules
) -> None:
    name = to_portable(entry.name)
    if entry.is_dir(follow_symlinks=False):
        if folder.depth >= _DEEPEST or rules.matches_level_folder(name):
            return
        if os.path.lexists(os.path.join(entry.path, ARCHIVE_MARK)):
            glance.archives += 1
            return
        below = _Folder(name, folder.depth + 1, folder)
        folder.sub_folders += 1
        glance.folders.append(below)
        waiting.append((entry.path, below))
        return
    if rules.matches(name):
        return
    if entry.is_file(follow_symlinks=False):
        folder.size_bytes += entry.stat(follow_symlinks=False).st_size
        folder.is_marked = folder.is_marked or entry.name == FILE_NAME
    elif not entry.is_symlink():
        return
    folder.files += 1


def _answer(root: str, glance: _Glance) -> Recognition | None:
    warnings = _warnings(glance)
    marked = _outermost_marked(glance)
    if marked:
        depths = {folder.depth for folder in marked}
        unmarked = sum(
            len([folder for folder in glance.at(depth) if not folder.is_marked]) for depth in depths if depth
        )
        if unmarked:
            warnings += (f"{_count(unmarked, 'folder')} beside them without a description file would be left out.",)
        where = f"at depth {min(depths)}" if len(depths) == 1 else f"at depths {min(depths)} to {max(depths)}"
        sentence = _sentence(glance, marked, f"with a description file ({FILE_NAME}) {where}")
        return _recognition(root, MARKED, sentence, 0.8, len(marked), warnings)
    level, confidence, kind = _best_level(glance)
    datasets = glance.at(level)
    if not datasets and glance.at(1):
        level, confidence, kind = 1, 0.1, ""
        datasets = glance.at(1)
    if not datasets:
        if glance.stopped_because or glance.unreadable:
            sentence = f"A folder in which no file was found; the look ended {glance.stopped_because or 'early'}."
            return _recognition(root, 1, sentence, 0.05, None, warnings)
        return _recognition(root, 1, "An empty folder: there is nothing to archive in it yet.", 0.05, 0, warnings)
    if level == 0:
        sentence = _sentence(glance, datasets, "")
        return _recognition(root, 0, sentence, confidence, 1, warnings)
    stray = sum(folder.files for folder in glance.folders if folder.depth < level)
    if stray:
        warnings += (f"{_count(stray, 'file')} above that depth would not be in any dataset.",)
    sentence = _sentence(glance, datasets, f"at depth {level}{kind}")
    return _recognition(root, level, sentence, confidence, len(datasets), warnings)


def _recognition(
    root: str, level: int, sentence: str, confidence: float, count: int | None, warnings: tuple[str, ...]
) -> Recognition:
    options = {"root_directory": to_portable(os.path.abspath(root)), "level": level}
    return Recognition("folder", sentence, options, confidence, count, warnings)


def _outermost_marked(glance: _Glance) -> list[_Folder]:
    found = []
    for folder in glance.folders:
        above = folder.parent
        while above is not None and not above.is_marked:
            above = above.parent
        if folder.is_marked and above is None:
            found.append(folder)
    return found


def _best_level(glance: _Glance) -> tuple[int, float, str]:
    """The depth of the datasets, how sure that is, and words for what they look like."""
    for pattern, confidence, kind in ((_TUID, 0.5, " (Quantify names)"), (_LABBER_DAY, 0.3, " (days of a Labber log)")):
        depths = [folder.depth for folder in glance.folders if folder.depth and pattern.match(folder.name)]
        if depths:
            return max(set(depths), key=depths.count), confidence, kind
    days = [folder for folder in glance.folders if folder.depth and _DAY.fullmatch(folder.name)]
    if days:
        depths = [folder.depth for folder in days]
        depth = max(set(depths), key=depths.count)
        at_depth = [folder for folder in days if folder.depth == depth]
        below = sum(bool(folder.sub_folders) for folder in at_depth)
        return (depth + 1, 0.4, " (in folders by day)") if below * 2 >= len(at_depth) else (depth, 0.3, " (one a day)")
    top = glance.folders[0]
    deepest = max((folder.depth for folder in glance.folders if folder.files), default=0)
    for depth in range(1, deepest + 1):
        at_depth = glance.at(depth)
        if sum(bool(folder.files) for folder in at_depth) * 2 >= len(at_depth) > 0:
            if depth == 1 and len(at_depth) == 1 and top.files:
                return 0, 0.2, ""
            return depth, 0.25, ""
    return 0, 0.2, ""


def _warnings(glance: _Glance) -> tuple[str, ...]:
    warnings = []
    if glance.stopped_because:
        warnings.append(f"Counting stopped {glance.stopped_because}; there is more.")
    if glance.unreadable:
        warnings.append(f"{_count(glance.unreadable, 'folder')} could not be looked into.")
    if glance.archives:
        warnings.append(f"{_count(glance.archives, 'archive')} inside it would be left out.")
    return tuple(warnings)


def _sentence(glance: _Glance, datasets: list[_Folder], where: str) -> str:
    files = sum(folder.all_files for folder in datasets)
    size = _size(sum(folder.all_bytes for folder in datasets))
    least = "at least " if glance.stopped_because else ""
    amount = f"({least}{_count(files, 'file')}, {size})"
    if len(datasets) == 1 and not where:
        return f"A folder that is one dataset {amount}."
    return f"A folder with {least}{_count(len(datasets), 'dataset folder')} {where} {amount}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number:,} {word}s".replace(",", " ")


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return _count(size_bytes, "byte") if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _shown(path: str) -> str:
    return display(to_portable(path))
