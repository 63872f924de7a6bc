"""Which title a dataset has in a workspace, decided once between all writers, and what is stored under it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from etiket_gui.destinations.archive.exclusive import publish_file
from etiket_gui.destinations.archive.layout import (
    check_component,
    parse_pointer,
    pointer_path,
    pointer_text,
    record_name,
    title_of,
    uuid_tail,
)
from etiket_gui.destinations.archive.record import (
    MAX_RECORD_BYTES,
    Record,
    is_live_version,
    parse_record,
    versions_in,
)
from etiket_gui.destinations.archive.session import WriteSession
from etiket_gui.domain.errors import DestinationDamaged
from etiket_gui.osys.files import FileLayer, Folder, LinkOnTheWay

_MAX_POINTER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class TitleState:
    """What one look at a title folder found; versions oldest first. ``damaged`` names records nobody can trust."""

    versions: tuple[str, ...]
    newest_final: Record | None
    provisional: tuple[Record, ...]
    damaged: tuple[str, ...]


def read_record(files: FileLayer, folder: Folder, title: str, version: str) -> Record:
    """One record of a title folder. Raises DestinationDamaged where it is not what its name says, and OSError."""
    name = record_name(title, version)
    record = parse_record(files.read_file(folder, name, MAX_RECORD_BYTES), f"{folder.path}/{name}")
    if record.title != title or record.version != version:
        raise DestinationDamaged(
            f"The record {folder.path}/{name} is about {record.title} {record.version}.",
            advice="Restore it from a backup of the archive, or move it away.",
            path=f"{folder.path}/{name}",
        )
    return record


def look_at_title(files: FileLayer, folder: Folder, title: str) -> TitleState:
    """The versions in a title folder, the newest readable final one and every readable provisional one."""
    versions = versions_in(title, files.names(folder))
    newest: Record | None = None
    provisional: list[Record] = []
    damaged: list[str] = []
    for version in reversed(versions):
        is_live = is_live_version(version)
        if newest is not None and not is_live:
            continue
        try:
            record = read_record(files, folder, title, version)
        except DestinationDamaged:
            damaged.append(version)
            continue
        except FileNotFoundError:
            continue
        if record.is_altered:
            damaged.append(version)
            continue
        if is_live and record.facts is not None and record.facts.is_provisional:
            provisional.append(record)
        elif not is_live:
            newest = record
    return TitleState(tuple(versions), newest, tuple(reversed(provisional)), tuple(reversed(damaged)))


class TitleBook:
    """Looks titles up and decides new ones for one session."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._files = session.files
        self._numbers = count()

    def decide(self, uuid: str, workspace: str, name: str) -> tuple[str, bool]:
        """(title, whether its folder exists). ``name`` gives a new title its slug. Raises OSError.

        The first writer to place the pointer file decides; everybody else follows it.
        """
        folder = self._session.workspace(workspace)
        pointer = pointer_path(uuid, workspace)
        pointer_folder, _, pointer_name = pointer.removeprefix(".etiket/titles/").rpartition("/")
        title, is_torn = self._read_pointer(pointer_folder, pointer_name, workspace)
        if title is None:
            title = self._new_title(folder, uuid, name, look_around=is_torn)
            title = self._place_pointer(pointer_folder, pointer_name, workspace, title, is_torn=is_torn)
        return title, self._is_folder(folder, title)

    def _read_pointer(self, below: str, name: str, workspace: str) -> tuple[str | None, bool]:
        try:
            with self._files.folder(self._session.titles, below) as folder:
                data = self._files.read_file(folder, name, _MAX_POINTER_BYTES)
        except FileNotFoundError:
            return None, False
        title = parse_pointer(data, workspace)
        return title, title is None

    def _new_title(self, folder: Folder, uuid: str, name: str, *, look_around: bool) -> str:
        if look_around:
            # The pointer was torn by a power cut; the title it named may hold versions already.
            tail = f"-{uuid_tail(uuid)}"
            for there in sorted(self._files.names(folder)):
                if tail in there and self._is_ours(folder, there, uuid):
                    return there
        attempt = 1
        while True:
            title = check_component(title_of(uuid, name, attempt=attempt))
            if not self._is_taken(folder, title) or self._is_ours(folder, title, uuid):
                return title
            attempt += 1

    def _place_pointer(self, below: str, name: str, workspace: str, title: str, *, is_torn: bool) -> str:
        session, files = self._session, self._files
        temporary = f"pointer-{next(self._numbers)}"
        fd = files.create(session.staging, temporary, 0o644)
        try:
            files.write(fd, pointer_text(workspace, title))
        finally:
            files.close_file(fd)
        try:
            folder = files.open_folder(session.titles, below)
        except FileNotFoundError:
            folder = files.open_below(session.titles, below, make=True)
            session.note_folder(session.titles)
        with_name = (session.titles, f"{below}/{name}")
        try:
            if is_torn:
                files.rename(session.staging, temporary, folder, name)
            else:
                publish_file(session, session.staging, temporary, folder, name)
        except FileExistsError:
            decided, is_torn = self._read_pointer(below, name, workspace)
            if decided is None:
                # Torn after all: put ours in its place.
                files.rename(session.staging, temporary, folder, name)
            else:
                files.discard(session.staging, temporary)
                return decided
        finally:
            files.close_folder(folder)
        session.unsynced_files.append(with_name)
        session.note_folder(session.titles, below)
        return title

    def _is_taken(self, folder: Folder, title: str) -> bool:
        try:
            self._files.status(folder, title)
        except FileNotFoundError:
            return False
        return True

    def _is_folder(self, folder: Folder, title: str) -> bool:
        try:
            self._files.close_folder(self._files.open_folder(folder, title))
        except FileNotFoundError:
            return False
        return True

    def _is_ours(self, folder: Folder, title: str, uuid: str) -> bool:
        """Whether a title folder holds a version of this dataset, or nothing but what a writer left behind."""
        try:
            with self._files.folder(folder, title) as opened:
                versions = versions_in(title, self._files.names(opened))
                for version in reversed(versions):
                    try:
                        record = read_record(self._files, opened, title, version)
                    except (DestinationDamaged, FileNotFoundError):
                        continue
                    return record.facts is not None and record.facts.reference.uuid == uuid
                return False
        except (LinkOnTheWay, NotADirectoryError, FileNotFoundError):
            return False
