"""Where the dataset folders of a source are: walks from the root down to the configured depth and no further."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from etiket_gui.backends.directories import leads_elsewhere, parts_below
from etiket_gui.backends.folder.description import FILE_NAME
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.domain import guards
from etiket_gui.domain.content import Unreadable
from etiket_gui.domain.names import check_relative, display, to_portable
from etiket_gui.domain.stopping import StopToken

#: The identifier of a source's root when the root itself is the dataset.
ROOT_IDENTIFIER = "."
#: A folder with this file in it is an archive of ours or of rmellipse, never measurements.
ARCHIVE_MARK = ".rmearchive"
MARKED = -1


@dataclass(slots=True)
class Tally:
    """What a walk met beside the dataset folders."""

    stray_files: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    def skip(self, rule: str, count: int = 1) -> None:
        """Count something that was left alone, by the name of the rule."""
        self.skipped[rule] = self.skipped.get(rule, 0) + count


class Levels:
    """The tree above the datasets of one source. ``level`` is -1 (marked folders), 0 (the root) or a depth."""

    def __init__(self, root: str, level: int, rules: IgnoreRules) -> None:
        self.root = root
        self.level = level
        self._rules = rules
        self._follow = not guards.is_on("links-are-entries")

    def path_of(self, identifier: str) -> str:
        """The absolute path of a dataset. Raises UnsafeName."""
        if identifier == ROOT_IDENTIFIER:
            return self.root
        return os.path.join(self.root, *check_relative(identifier))

    def is_level_folder(self, identifier: str) -> bool:
        """Whether a dataset can have this identifier at this level, and is a folder, not a link, right now.

        Raises OSError when that cannot be told.
        """
        depth = 0 if identifier == ROOT_IDENTIFIER else identifier.count("/") + 1
        if self.level != MARKED and depth != self.level:
            return False
        path = self.path_of(identifier)
        try:
            mode = (os.stat(path) if depth == 0 else os.lstat(path)).st_mode
            if not stat.S_ISDIR(mode):
                return False
            if self.level != MARKED:
                return True
            return is_marked(path) and not any(
                is_marked(self.path_of(above)) for above in identifiers_above(identifier)
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def base_of(self, path: str) -> str | None:
        """The identifier-like name of the highest folder whose datasets an event at ``path`` can concern.

        None when the path is outside the source. A path above the source concerns all of it.
        """
        relative = parts_below(self.root, path)
        if relative is None:
            return None
        if self.level == 0 or not relative:
            return ROOT_IDENTIFIER
        if self.level != MARKED:
            return to_portable("/".join(relative[: self.level]))
        names = [ROOT_IDENTIFIER, *(to_portable("/".join(relative[: n + 1])) for n in range(len(relative)))]
        for name in names:
            if is_marked(self.path_of(name)):
                return name
        # A mark that vanished turns its folder's datasets loose: look where the path's own folder begins.
        if relative[-1] == FILE_NAME:
            return names[-2]
        return names[-1]

    def below(self, base: str, tally: Tally, stop: StopToken) -> Iterator[tuple[str, str]]:
        """(identifier, path) of the dataset folders at or below ``base``, in a stable order.

        What is met above them goes into ``tally``; a folder that cannot be listed does too, and nothing below it
        is known to be missing. Raises OSError only for the root itself.
        """
        path = self.path_of(base)
        depth = 0 if base == ROOT_IDENTIFIER else base.count("/") + 1
        if depth:
            try:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    tally.stray_files += 1
                    return
            except (FileNotFoundError, NotADirectoryError):
                return
            except OSError as error:
                tally.unreadable.append(unreadable(base, path, error))
                return
        prefix = "" if base == ROOT_IDENTIFIER else f"{base}/"
        if self.level == MARKED:
            yield from self._marked_below(path, prefix, tally, stop)
        else:
            yield from self._deep_below(path, prefix, self.level - depth, tally, stop)

    def _deep_below(
        self, path: str, prefix: str, levels_left: int, tally: Tally, stop: StopToken
    ) -> Iterator[tuple[str, str]]:
        if levels_left <= 0:
            yield prefix[:-1] or ROOT_IDENTIFIER, path
            return
        folders, _ = self._listed(path, prefix, tally, stop)
        for name, below in folders:
            if levels_left == 1:
                yield prefix + name, below
            elif not self.is_left_out(prefix + name, below, tally):
                yield from self._deep_below(below, f"{prefix}{name}/", levels_left - 1, tally, stop)

    def _marked_below(self, path: str, prefix: str, tally: Tally, stop: StopToken) -> Iterator[tuple[str, str]]:
        pending = [(path, prefix)]
        while pending:
            path, prefix = pending.pop()
            before = tally.stray_files
            folders, has_mark = self._listed(path, prefix, tally, stop)
            if has_mark:
                tally.stray_files = before
                yield prefix[:-1] or ROOT_IDENTIFIER, path
                continue
            pending.extend(
                (below, f"{prefix}{name}/")
                for name, below in reversed(folders)
                if not self.is_left_out(prefix + name, below, tally)
            )

    def _listed(self, path: str, prefix: str, tally: Tally, stop: StopToken) -> tuple[list[tuple[str, str]], bool]:
        """The (portable name, path) of the sub-folders, sorted, and whether the folder is marked as a dataset."""
        stop.check()
        folders: list[tuple[str, str]] = []
        has_mark = False
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=self._follow) and not leads_elsewhere(entry):
                        folders.append((to_portable(entry.name), entry.path))
                        continue
                    if entry.name == FILE_NAME and entry.is_file(follow_symlinks=False):
                        has_mark = True
                    if not self._rules.matches(to_portable(entry.name)):
                        tally.stray_files += 1
        except OSError as error:
            if not prefix:
                raise
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                tally.unreadable.append(unreadable(prefix[:-1], path, error))
            return [], False
        folders.sort()
        return folders, has_mark

    def is_left_out(self, identifier: str, path: str, tally: Tally) -> bool:
        """Whether a folder at or above dataset depth is left out by a rule, or is an archive."""
        if identifier != ROOT_IDENTIFIER and self._rules.matches_level_folder(identifier.rpartition("/")[2]):
            tally.skip("ignored folder")
            return True
        if os.path.lexists(os.path.join(path, ARCHIVE_MARK)):
            tally.skip("archive")
            return True
        return False


def identifiers_above(identifier: str) -> Iterator[str]:
    """The folders above an identifier, the root included."""
    if identifier == ROOT_IDENTIFIER:
        return
    yield ROOT_IDENTIFIER
    parts = identifier.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def is_at_or_below(identifier: str, base: str) -> bool:
    """Whether a dataset is that folder or inside it."""
    return base in {ROOT_IDENTIFIER, identifier} or identifier.startswith(f"{base}/")


def is_marked(path: str) -> bool:
    """Whether a folder holds a description file, which makes it a dataset at level -1. Raises OSError."""
    try:
        return stat.S_ISREG(os.lstat(os.path.join(path, FILE_NAME)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def unreadable(identifier: str, path: str, error: OSError) -> Unreadable:
    """The row of a part that could not be read."""
    why = "this account may not read it" if error.errno in {errno.EACCES, errno.EPERM} else error.strerror or str(error)
    return Unreadable(identifier, f"{display(to_portable(path))} could not be looked into: {why}.")
