"""One stretch of writing to an archive: its open folders, its temporary folder, and what must be made durable."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from etiket_gui.destinations.archive.layout import (
    IDENTITY,
    MARKER,
    QUARANTINE,
    STAGING,
    TITLES,
    ArchiveLayout,
    staging_name,
)
from etiket_gui.domain.errors import DestinationOffline, DestinationRefused, EtiketError, destination_error
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import FileLayer, Folder, LinkOnTheWay

log = logging.getLogger(__name__)

_POLL_S = 0.1
_HURRY_S = 0.5


def archive_error(error: OSError, path: str) -> EtiketError:
    """The known failure for an operating-system error met in an archive."""
    if isinstance(error, LinkOnTheWay):
        where = error.filename or path
        return DestinationRefused(
            f"{where} is a link where the archive has a folder of its own; it was not followed, nothing was written.",
            advice="Find out who made the link, remove it, then retry.",
            path=str(where),
        )
    return destination_error(error, path)


def item_error(error: OSError, path: str) -> EtiketError:
    """The known failure of one dataset; a link planted in its way holds up nobody else."""
    failure = archive_error(error, path)
    if isinstance(error, LinkOnTheWay):
        failure.concerns_all = False
    return failure


@contextmanager
def archive_errors(path: str) -> Iterator[None]:
    """Turn operating-system errors inside into known failures about ``path``."""
    try:
        yield
    except OSError as error:
        raise archive_error(error, path) from error


class WriteSession:
    """The open root, the caches and the temporary folder of one batch. Used by one thread, closed at its end.

    Raises DestinationOffline where the archive is not there, DestinationRefused where it is no archive.
    """

    def __init__(self, layout: ArchiveLayout, files: FileLayer, agent: str) -> None:
        self.layout = layout
        self.files = files
        self.agent = agent
        self._workspaces: dict[str, Folder] = {}
        self._opened: list[Folder] = []
        self._staging: Folder | None = None
        self._staging_name = ""
        self._is_made = False
        #: What :meth:`make_durable` has to sync one by one where one call for everything is not wanted.
        self.unsynced_files: list[tuple[Folder, str]] = []
        self.unsynced_folders: dict[tuple[str, str], tuple[Folder, str]] = {}
        with archive_errors(layout.root):
            self.root = self._open_root()
            try:
                self._check_marker()
                self.titles = self._open(TITLES)
                self._temporaries = self._open(STAGING)
            except BaseException:
                self.close()
                raise

    def _open_root(self) -> Folder:
        try:
            root = self.files.open_root(self.layout.root)
        except FileNotFoundError as error:
            raise DestinationOffline(f"The archive {self.layout.root} is not there.", path=self.layout.root) from error
        self._opened.append(root)
        return root

    def _check_marker(self) -> None:
        for name in (MARKER, IDENTITY):
            above, _, last = name.rpartition("/")
            try:
                if above:
                    with self.files.folder(self.root, above) as folder:
                        self.files.status(folder, last)
                else:
                    self.files.status(self.root, last)
            except FileNotFoundError as error:
                raise DestinationOffline(
                    f"{self.layout.root} is there but is not the archive: {name} is missing. "
                    "Most often the disk or share that belongs there is not mounted.",
                    advice="Mount it; the program goes on by itself. For a new archive, add it as a destination.",
                    path=self.layout.root,
                ) from error

    def _open(self, relative: str) -> Folder:
        folder = self.files.open_below(self.root, relative, make=True)
        self._opened.append(folder)
        return folder

    @property
    def staging(self) -> Folder:
        """The temporary folder of this session, made at its first use."""
        if self._staging is None:
            while True:
                name = staging_name(self.agent, secrets.randbits(48))
                try:
                    self.files.make_folder(self._temporaries, name)
                    break
                except FileExistsError:
                    continue
            self._staging_name = name
            self._is_made = True
            self._staging = self.files.open_folder(self._temporaries, name)
            self._opened.append(self._staging)
            self.note_folder(self._temporaries)
        return self._staging

    @property
    def temporaries(self) -> Folder:
        """The folder of everybody's temporaries."""
        return self._temporaries

    def workspace(self, name: str) -> Folder:
        """The open folder of a workspace, made where there is none yet."""
        found = self._workspaces.get(name)
        if found is None:
            try:
                found = self.files.open_folder(self.root, name)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    self.files.make_folder(self.root, name)
                found = self.files.open_folder(self.root, name)
            self.note_folder(self.root)
            self._workspaces[name] = found
            self._opened.append(found)
        return found

    def note_folder(self, folder: Folder, name: str = "") -> None:
        """The names in a folder changed and must become durable."""
        self.unsynced_folders[folder.path, name] = (folder, name)

    def forget(self, place: str) -> None:
        """A part of the temporary folder is about to be removed and need not become durable."""
        if self._staging is None:
            return
        staging, inside = self._staging, f"{place}/"
        self.unsynced_files = [
            item for item in self.unsynced_files if item[0] is not staging or not item[1].startswith(inside)
        ]
        for key in [key for key in self.unsynced_folders if key[0] == staging.path]:
            if key[1] == place or key[1].startswith(inside):
                del self.unsynced_folders[key]

    def make_durable(self, stop: StopToken, *, is_gentle: bool) -> None:
        """Everything written so far survives a power cut when this returns. Raises OSError and Stopped.

        ``is_gentle`` syncs file by file and with rests between, so that nobody else's unwritten data has to be waited
        for, and nobody else waits for long.
        """
        if is_gentle:
            self.files.sync_gently(self.unsynced_files, list(self.unsynced_folders.values()), stop.check)
        elif not self._sync_all(stop):
            self.files.sync_each(self.unsynced_files, list(self.unsynced_folders.values()), stop.check)
        self.unsynced_files.clear()
        self.unsynced_folders.clear()

    def _sync_all(self, stop: StopToken) -> bool:
        """One sync for everything, in a thread of its own: the call itself cannot be ended, but need not be awaited."""
        sync = _Sync(self.files, self.root)
        sync.start()
        while sync.is_alive():
            sync.join(_POLL_S)
            stop.check()
        if sync.failure is not None:
            raise sync.failure
        return sync.is_done

    def quarantine(self, folder: Folder, name: str, shown: str) -> None:
        """Take a damaged file out of the way, never over an earlier one. Raises OSError."""
        with self.files.folder(self.root, QUARANTINE, make=True) as target:
            self.files.rename(folder, name, target, f"{name}-{secrets.token_hex(6)}")
        self.note_folder(self.root, QUARANTINE)
        log.warning("%s was damaged in the archive and now lies in %s.", shown, QUARANTINE)

    def close(self, *, in_hurry: bool = False) -> None:
        """Remove the temporary folder, as far as this account may, and close everything.

        ``in_hurry`` leaves what half a second is not enough for to the next sweep.
        """
        if self._is_made:
            deadline_s = time.monotonic() + _HURRY_S if in_hurry else None
            try:
                self.files.remove_tree(self._temporaries, self._staging_name, deadline_s=deadline_s)
            except FileNotFoundError:
                pass
            except OSError as error:
                log.info("The temporary folder %s/%s stays for now: %s.", STAGING, self._staging_name, error)
            self._is_made = False
        for folder in reversed(self._opened):
            self.files.close_folder(folder)
        self._opened.clear()
        self._workspaces.clear()


class _Sync(threading.Thread):
    """One call that waits for the disk. Holds a descriptor of its own, so that the session may end before it."""

    def __init__(self, files: FileLayer, root: Folder) -> None:
        super().__init__(name="sync of the archive", daemon=True)
        self._files = files
        self._root = files.second_handle(root)
        self.is_done = False
        self.failure: OSError | None = None

    def run(self) -> None:
        try:
            self.is_done = self._files.sync_all(self._root)
        except OSError as error:
            self.failure = error
        finally:
            self._files.close_folder(self._root)
