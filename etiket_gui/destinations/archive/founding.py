"""Makes a folder an archive, and looks whether an archive can be written before the first byte is."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import time
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from etiket_gui.destinations.api import Probe, StoredSource
from etiket_gui.destinations.archive.layout import (
    IDENTITY,
    MARKER,
    MARKER_TEXT,
    OWN,
    OWN_FOLDERS,
    SOURCES,
    STAGING,
    ArchiveLayout,
    check_uuid,
    staging_name,
    staging_owner,
)
from etiket_gui.destinations.archive.session import archive_error, archive_errors
from etiket_gui.domain import guards
from etiket_gui.domain.errors import (
    DestinationFull,
    DestinationOffline,
    DestinationRefused,
    EtiketError,
)
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.durability import NotSupported
from etiket_gui.osys.files import FileLayer, Folder

FORMAT = 1
_MAX_IDENTITY_BYTES = 65536
#: Anybody's temporaries are removed after that long, ours after the time the caller gives.
_ABANDONED_S = 7 * 24 * 3600.0
#: What may lie in a folder that counts as empty.
_CLUTTER = frozenset(
    {"lost+found", ".DS_Store", "Thumbs.db", "desktop.ini", "System Volume Information", "$RECYCLE.BIN"}
)
_SOURCE_FILE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")


class Founder:
    """Creates, looks at and tidies one archive."""

    def __init__(self, layout: ArchiveLayout, files: FileLayer, agent: str) -> None:
        self._layout = layout
        self._files = files
        self._agent = agent

    # ------------------------------------------------------------------ create

    def create(self) -> None:
        """Make the folder an archive of ours; harmless where it is one.

        Raises DestinationRefused where it holds something else, DestinationOffline where its disk is away.
        """
        root_path = self._layout.root
        with archive_errors(root_path):
            self._make_root()
            root = self._files.open_root(root_path)
            try:
                names = set(self._files.names(root))
                if MARKER not in names and IDENTITY.split("/", 1)[0] not in names and names - _CLUTTER:
                    raise DestinationRefused(
                        f"{root_path} holds other things and is no archive, so nothing was written there.",
                        advice="Give an empty folder, or one that is an archive already. If it is to become an archive "
                        f"as it is, make an empty file {MARKER} in it first.",
                        path=root_path,
                    )
                self._make_own_folders(root)
                if self._read_identity(root) is None:
                    self._write_new(root, IDENTITY, self._new_identity(), replaces=True)
                if MARKER not in names:
                    self._write_new(root, MARKER, MARKER_TEXT)
                self._files.sync_folder(root)
            finally:
                self._files.close_folder(root)

    def _make_root(self) -> None:
        root_path = self._layout.root
        if os.path.isdir(root_path):
            return
        above = os.path.dirname(root_path)
        if not os.path.isdir(above):
            raise DestinationOffline(
                f"{above}, in which the archive {os.path.basename(root_path)} is to lie, is not there.",
                advice="Plug the disk in, reconnect the share, or make that folder.",
                path=above,
            )
        parent = self._files.open_root(above)
        try:
            with suppress(FileExistsError):
                self._files.make_folder(parent, os.path.basename(root_path))
            self._files.sync_folder(parent)
        finally:
            self._files.close_folder(parent)

    def _make_own_folders(self, root: Folder) -> None:
        for name in OWN_FOLDERS:
            self._files.close_folder(self._files.open_below(root, name, make=True))
        with self._files.folder(root, OWN) as own:
            self._files.sync_folder(own)

    @staticmethod
    def _new_identity() -> bytes:
        identity = {"format": FORMAT, "uuid": str(uuids.uuid4()), "created_ns": time.time_ns()}
        return json.dumps(identity).encode()

    def _write_new(self, root: Folder, relative: str, data: bytes, *, replaces: bool = False) -> None:
        """Write a file whole; where another writer was first, theirs stays unless it is to be replaced."""
        above, _, name = relative.rpartition("/")
        with _place(self._files, root, self._agent) as place:
            fd = self._files.create(place, "new", 0o644)
            try:
                self._files.write(fd, data)
                self._files.sync_file(fd)
            finally:
                self._files.close_file(fd)
            target = self._files.open_below(root, above) if above else root
            try:
                try:
                    self._files.publish_file(place, "new", target, name)
                except FileExistsError:
                    if not replaces or self._read_identity(root) is not None:
                        return
                    self._files.rename(place, "new", target, name)
                except NotSupported:
                    self._files.rename(place, "new", target, name)
                self._files.sync_folder(target)
            finally:
                if above:
                    self._files.close_folder(target)

    # ------------------------------------------------------------------ identity and sources

    def identity(self) -> str:
        """The archive's own uuid. Raises DestinationOffline where there is none."""
        with self._opened() as root:
            found = self._read_identity(root)
        if found is None:
            raise self._no_archive(f"{IDENTITY} cannot be read")
        return found

    def _read_identity(self, root: Folder) -> str | None:
        above, _, name = IDENTITY.rpartition("/")
        try:
            with self._files.folder(root, above) as own:
                value = json.loads(self._files.read_file(own, name, _MAX_IDENTITY_BYTES))
            return check_uuid(str(value["uuid"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, EtiketError):
            return None

    def remember_source(self, source: StoredSource) -> None:
        """Write a source down, over what was written of it before. Raises the known destination failures."""
        name = f"{check_uuid(source.uuid)}.json"
        data = json.dumps(source.to_json(), indent=1).encode()
        with self._opened() as root:
            if self._read_source(root, name) == source:
                return
            with (
                _place(self._files, root, self._agent) as place,
                self._files.folder(root, SOURCES, make=True) as target,
            ):
                fd = self._files.create(place, "source", 0o644)
                try:
                    self._files.write(fd, data)
                    self._files.sync_file(fd)
                finally:
                    self._files.close_file(fd)
                self._files.rename(place, "source", target, name)
                self._files.sync_folder(target)

    def sources(self) -> tuple[StoredSource, ...]:
        """Every source that was written down here and can be read, by uuid."""
        with self._opened() as root:
            try:
                with self._files.folder(root, SOURCES) as folder:
                    names = sorted(name for name in self._files.names(folder) if _SOURCE_FILE.fullmatch(name))
            except FileNotFoundError:
                return ()
            found = (self._read_source(root, name) for name in names)
            return tuple(source for source in found if source is not None)

    def _read_source(self, root: Folder, name: str) -> StoredSource | None:
        try:
            with self._files.folder(root, SOURCES) as folder:
                value = json.loads(self._files.read_file(folder, name, _MAX_IDENTITY_BYTES))
            return StoredSource.from_json(value)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError, KeyError):
            return None

    # ------------------------------------------------------------------ probe

    def probe(self, floor_bytes: Callable[[int], int]) -> Probe:
        """Look whether everything needed works, by a small test write that leaves nothing behind.

        ``floor_bytes`` gives the space to keep free of a disk of that many bytes.
        """
        try:
            with self._opened() as root:
                identity = self._read_identity(root)
                if identity is None:
                    raise self._no_archive(f"{IDENTITY} is missing or broken")
                free_bytes, total_bytes = self._files.space(root)
                problems, notes = self._try_writing(root)
        except EtiketError as error:
            return Probe(problems=(error,))
        if free_bytes < floor_bytes(total_bytes):
            problems.append(
                DestinationFull(
                    f"The disk of {self._layout.root} has only {free_bytes // 1_000_000} MB free, less than what is "
                    "always kept free.",
                    path=self._layout.root,
                )
            )
        return Probe(tuple(problems), identity, free_bytes, total_bytes, tuple(notes))

    def _try_writing(self, root: Folder) -> tuple[list[EtiketError], list[str]]:
        problems: list[EtiketError] = []
        notes: list[str] = []
        name = staging_name(self._agent, secrets.randbits(48))
        with self._files.folder(root, STAGING, make=True) as above:
            steps = _Steps(self._files, above, name)
            for what, step in steps.listed():
                try:
                    step()
                except NotSupported:
                    notes.append(f"This file system cannot {what}; a lock file is used in its place.")
                except OSError as error:
                    problems.append(self._cannot(what, error))
                    break
            left = steps.clean_up()
            if left is not None and not problems:
                notes.append(
                    "This account may not delete in the archive: temporary folders stay there until somebody who may "
                    "removes them, and provisional versions of running measurements are not replaced."
                )
        return problems, notes

    def _cannot(self, what: str, error: OSError) -> EtiketError:
        known = archive_error(error, self._layout.root)
        if isinstance(known, DestinationFull | DestinationOffline) and error.errno != errno.ENOENT:
            return known
        return DestinationRefused(
            f"A test in {self._layout.root} failed: this account cannot {what} there ({error.strerror or error}).",
            advice="Give the account that runs this program the right to create and rename in the archive.",
            path=self._layout.root,
        )

    # ------------------------------------------------------------------ tidying

    def sweep(self, stop: StopToken, minimum_age_s: float) -> int:
        """Remove temporaries of ours of that age, and of anybody after a week; returns how many. Links stay links."""
        removed = 0
        now_s = time.time()
        with self._opened() as root, self._files.folder(root, STAGING, make=True) as above:
            for name in sorted(self._files.names(above)):
                stop.check()
                owner = staging_owner(name)
                if owner is None:
                    continue
                oldest_s = minimum_age_s if owner == self._agent else max(_ABANDONED_S, minimum_age_s)
                with suppress(OSError):
                    if now_s - self._newest_change_s(above, name, stop) >= oldest_s:
                        self._files.remove_tree(above, name)
                        removed += 1
        return removed

    def _newest_change_s(self, above: Folder, name: str, stop: StopToken) -> float:
        status = self._files.status(above, name)
        newest = status.st_mtime
        if stat.S_ISDIR(status.st_mode):
            with self._files.folder(above, name) as here:
                for below in self._files.names(here):
                    stop.check()
                    newest = max(newest, self._newest_change_s(here, below, stop))
        return newest

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _opened(self) -> Iterator[Folder]:
        root_path = self._layout.root
        try:
            root = self._files.open_root(root_path)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise self._no_archive("the folder is not there") from error
            raise archive_error(error, root_path) from error
        try:
            with archive_errors(root_path):
                try:
                    self._files.status(root, MARKER)
                except FileNotFoundError as error:
                    raise self._no_archive(f"{MARKER} is missing") from error
                yield root
        finally:
            self._files.close_folder(root)

    def _no_archive(self, why: str) -> DestinationOffline:
        return DestinationOffline(
            f"There is no archive at {self._layout.root}: {why}. Most often its disk or share is not mounted.",
            advice="Mount it; the program goes on by itself. Nothing is lost.",
            path=self._layout.root,
        )


class _Steps:
    """The test write: what it does, one thing at a time, with the words for it."""

    def __init__(self, files: FileLayer, above: Folder, name: str) -> None:
        self._files = files
        self._above = above
        self._name = name
        self._here: Folder | None = None

    def listed(self) -> tuple[tuple[str, Callable[[], Any]], ...]:
        """(what an account must be able to do, doing it)."""
        return (
            ("make folders", self._make_folder),
            ("create files", self._create),
            ("rename folders to a free name", self._rename_folder),
            ("rename files to a free name", self._publish),
            ("keep a name from being taken twice", self._publish_twice),
            ("rename a file over another", self._replace),
        )

    @property
    def here(self) -> Folder:
        """The test folder. Raises OSError where it could not be made."""
        if self._here is None:
            raise OSError(errno.ENOENT, "the test folder is not there", self._name)
        return self._here

    def _make_folder(self) -> None:
        self._files.make_folder(self._above, self._name)
        self._here = self._files.open_folder(self._above, self._name)
        self._files.make_folder(self._here, "one")

    def _create(self) -> None:
        for name in ("first", "second", "third"):
            fd = self._files.create(self.here, name)
            try:
                self._files.write(fd, name.encode())
                self._files.sync_file(fd)
            finally:
                self._files.close_file(fd)

    def _rename_folder(self) -> None:
        self._files.publish_folder(self.here, "one", self.here, "two")

    def _publish(self) -> None:
        self._files.publish_file(self.here, "first", self.here, "published")

    def _publish_twice(self) -> None:
        try:
            self._files.publish_file(self.here, "second", self.here, "published")
        except FileExistsError:
            return
        raise OSError(errno.EEXIST, "a name was given to a second file")

    def _replace(self) -> None:
        self._files.rename(self.here, "third", self.here, "published")

    def clean_up(self) -> OSError | None:
        """Remove the test folder; what kept it from going, or None."""
        if self._here is None:
            return None
        self._files.close_folder(self._here)
        self._here = None
        try:
            self._files.remove_tree(self._above, self._name)
        except OSError as error:
            return error
        return None


@contextmanager
def _place(files: FileLayer, root: Folder, agent: str) -> Iterator[Folder]:
    """A temporary folder for one small file."""
    name = staging_name(agent, secrets.randbits(48))
    with files.folder(root, STAGING, make=True) as above:
        files.make_folder(above, name)
        try:
            with files.folder(above, name) as place:
                yield place
        finally:
            # An account without the right to delete leaves its small test folders behind, and works.
            with suppress(*((PermissionError,) if guards.is_on("may-not-delete") else ())):
                files.remove_tree(above, name)
