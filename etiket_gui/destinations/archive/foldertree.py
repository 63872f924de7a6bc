"""Creates and looks up names below one folder without ever following a symbolic link on the way.

On POSIX systems every step is relative to an open folder, so that a link swapped in while we work leads nowhere.
Windows has no such calls; there every folder on the way is looked at first.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from etiket_gui.domain import guards
from etiket_gui.domain.errors import ProgramError
from etiket_gui.domain.names import QUOTE, is_windows_safe, to_portable
from etiket_gui.osys.files import extended, is_link_like

Parts = tuple[str, ...]

_HAS_FOLDER_CALLS = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd and os.link in os.supports_dir_fd
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | os.O_RDONLY
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

#: What an operating system or file system answers when it cannot hold a name at all.
CANNOT_HOLD = frozenset({errno.EILSEQ, errno.EINVAL})


def quoted_name(component: str) -> str:
    """A name that every operating system holds, for one component as Python's ``os`` functions have it.

    Reversible: ``from_portable`` turns it back into ``component``.
    """
    portable = to_portable(component)
    if is_windows_safe(portable):
        return portable
    safe = re.sub(r'[<>:"\\|?*]', lambda match: f"{QUOTE}{ord(match.group()):02x}", portable)
    if safe[-1] in ". ":
        safe = f"{safe[:-1]}{QUOTE}{ord(safe[-1]):02x}"
    if not is_windows_safe(safe):
        safe = f"{QUOTE}{ord(safe[0]):02x}{safe[1:]}"
    return safe


def _is_real_folder(path: str) -> bool:
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and not is_link_like(found)


class FolderTree:
    """Names below ``root``, given as tuples of components as Python's ``os`` functions have them.

    Components are joined as they are: they must have been checked before, and one that could lead outside is a bug
    (ProgramError). Every method raises OSError as the operating system does; a symbolic link in the place of a folder
    raises NotADirectoryError or ELOOP.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._here: Parts = ()
        self._root_folder: int | None = None
        self._folder: int | None = None
        if _HAS_FOLDER_CALLS:
            self._root_folder = self._folder = os.open(root, _FOLDER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the open folders."""
        self._go_to_root()
        if self._root_folder is not None:
            os.close(self._root_folder)
            self._root_folder = self._folder = None

    def _go_to_root(self) -> None:
        if self._folder is not None and self._folder != self._root_folder:
            os.close(self._folder)
        self._folder, self._here = self._root_folder, ()

    def _step(self, name: str) -> None:
        if self._folder is not None:
            below = os.open(name, _FOLDER | (_NO_FOLLOW if guards.is_on("no-follow") else 0), dir_fd=self._folder)
            if self._folder != self._root_folder:
                os.close(self._folder)
            self._folder = below
        else:
            path = extended(os.path.join(self.root, *self._here, name))
            if not _is_real_folder(path):
                raise NotADirectoryError(errno.ENOTDIR, "a link stands in the place of a folder", path)
        self._here = (*self._here, name)

    def _enter(self, folder: Parts) -> None:
        if folder == self._here:
            return
        depth = len(self._here)
        if folder[:depth] != self._here:
            self._go_to_root()
            depth = 0
        for name in folder[depth:]:
            self._step(name)

    def at(self, parts: Parts) -> tuple[str, int | None]:
        """The last component and the open folder it is relative to, or the whole path and None."""
        for part in parts:
            if part in {"", ".", ".."} or "/" in part or "\x00" in part:
                raise ProgramError(f"The component {part!r} reached a folder without having been checked.")
        self._enter(parts[:-1])
        if self._folder is not None:
            return parts[-1], self._folder
        return extended(os.path.join(self.root, *parts)), None

    def stat(self, parts: Parts) -> os.stat_result | None:
        """What is there, a link as itself; None where there is nothing."""
        try:
            name, folder = self.at(parts)
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make_folder(self, parts: Parts) -> None:
        """Create one folder whose parent exists; FileExistsError when there is anything."""
        name, folder = self.at(parts)
        os.mkdir(name, 0o777, dir_fd=folder)

    def make_folders(self, parts: Parts) -> None:
        """Create a folder and what is missing above it; existing real folders are used."""
        with suppress(FileNotFoundError):
            self._enter(parts)
            return
        for depth in range(1, len(parts) + 1):
            with suppress(FileExistsError):
                self.make_folder(parts[:depth])
        self._enter(parts)

    def create_file(self, parts: Parts, mode: int = 0o666) -> int:
        """A new file opened for writing, its mode lessened by the umask; FileExistsError when there is anything."""
        name, folder = self.at(parts)
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, mode, dir_fd=folder)

    def open_file(self, parts: Parts) -> int:
        """An existing file opened for reading, never through a link."""
        name, folder = self.at(parts)
        return os.open(name, os.O_RDONLY | _NO_FOLLOW | _BINARY | getattr(os, "O_NONBLOCK", 0), dir_fd=folder)

    def read_file(self, parts: Parts, limit_bytes: int | None = None) -> bytes | None:
        """The content of a regular file, at most ``limit_bytes`` of it; None where there is none."""
        try:
            with os.fdopen(self.open_file(parts), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                return file.read(limit_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    def write_file(self, parts: Parts, content: bytes) -> None:
        """Put a whole file in place by one rename, so that half of it never shows."""
        part = (*parts[:-1], temporary_name(parts[-1]))
        self.discard(part)
        descriptor = self.create_file(part)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            self.replace(part, parts)
        except BaseException:
            self.discard(part)
            raise

    def make_symlink(self, parts: Parts, target: str) -> None:
        """A symbolic link with that text; FileExistsError when there is anything."""
        name, folder = self.at(parts)
        os.symlink(target, name, dir_fd=folder)

    def readlink(self, parts: Parts) -> str | None:
        """The text of a symbolic link; None where there is none."""
        try:
            name, folder = self.at(parts)
            return os.readlink(name, dir_fd=folder)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP}:
                return None
            raise

    def link(self, source: str, parts: Parts, source_folder: int | None = None) -> None:
        """A second name of the file ``source``; FileExistsError when there is anything."""
        name, folder = self.at(parts)
        if folder is None:
            os.link(extended(source), name)
        else:
            os.link(source, name, src_dir_fd=source_folder, dst_dir_fd=folder, follow_symlinks=False)

    def replace(self, old: Parts, new: Parts) -> None:
        """Rename within one folder, over what is there."""
        name, folder = self.at(new)
        if folder is None:
            if sys.platform == "win32" and os.path.isfile(name):
                os.chmod(name, stat.S_IWRITE)
            os.replace(extended(os.path.join(self.root, *old)), name)
        else:
            os.replace(old[-1], name, src_dir_fd=folder, dst_dir_fd=folder)

    def discard(self, parts: Parts) -> None:
        """Remove one file or link of ours; nothing happens where there is none."""
        with suppress(FileNotFoundError, NotADirectoryError):
            name, folder = self.at(parts)
            if sys.platform == "win32" and not os.path.islink(name):
                os.chmod(name, stat.S_IWRITE)
            os.unlink(name, dir_fd=folder)

    def discard_folder(self, parts: Parts) -> bool:
        """Remove a folder if it is empty; returns whether it is gone."""
        if self._here[: len(parts)] == parts:
            self._go_to_root()
        try:
            name, folder = self.at(parts)
            os.rmdir(name, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ELOOP, errno.EBUSY, errno.EACCES, errno.EPERM}:
                return False
            raise
        return True

    def set_time(self, parts: Parts, mtime_ns: int) -> None:
        """Give a file, folder or link its modification time, where the system can."""
        name, folder = self.at(parts)
        if os.utime in os.supports_follow_symlinks:
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=folder, follow_symlinks=False)
        elif not stat.S_ISLNK(os.lstat(name).st_mode):
            os.utime(name, ns=(mtime_ns, mtime_ns))


class FittedNames:
    """Where the names of a dataset lie on one disk: under themselves, or quoted where the disk cannot hold them.

    ``quoted`` lists "name as quoted name" of the latter; ``may_exist`` says that folders may be there already.
    """

    def __init__(self, tree: FolderTree, *, may_exist: bool = False, below: Parts = ()) -> None:
        self.quoted: list[str] = []
        self._tree = tree
        self._may_exist = may_exist
        self._on_disk: dict[Parts, Parts] = {(): below}

    def folder(self, parts: Parts) -> Parts:
        """Where a folder of the dataset lies; made, with those above it, when it is asked for first."""
        found = self._on_disk.get(parts)
        if found is None:
            found = self._on_disk[parts] = self.place(parts, self._make_folder)
        return found

    @property
    def folders(self) -> frozenset[Parts]:
        """Every folder that was asked for, as it lies on the disk."""
        return frozenset(self._on_disk.values())

    def place(self, parts: Parts, make: Callable[[Parts], None]) -> Parts:
        """Call ``make`` with the place of an entry, again with the quoted one where the disk cannot hold the name."""
        above = self.folder(parts[:-1])
        own = (*above, parts[-1])
        if sys.platform != "win32" or is_windows_safe(parts[-1]):
            try:
                make(own)
                return own
            except OSError as error:
                is_quotable = error.errno in CANNOT_HOLD and quoted_name(parts[-1]) != parts[-1]
                if not is_quotable or not guards.is_on("quote-names"):
                    raise
        quoted = (*above, quoted_name(parts[-1]))
        make(quoted)
        self.quoted.append(f"{to_portable(parts[-1])} as {quoted[-1]}")
        return quoted

    def _make_folder(self, where: Parts) -> None:
        try:
            self._tree.make_folder(where)
        except FileExistsError:
            if not self._may_exist:
                raise
            found = self._tree.stat(where)
            if found is None or not stat.S_ISDIR(found.st_mode):
                raise


def temporary_name(name: str) -> str:
    """A name beside ``name`` for what is not finished; never longer than it, or than 40 characters."""
    return f".{name[:8]}.etiket-part" if name.isascii() else ".etiket-part"


@contextmanager
def opened_folder(path: str) -> Iterator[int | None]:
    """A folder opened for calls relative to it; None where the system has no such calls."""
    if not _HAS_FOLDER_CALLS:
        yield None
        return
    folder = os.open(path, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)
