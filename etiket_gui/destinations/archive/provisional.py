"""Takes provisional versions of our own away again, with the blobs only they name."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from etiket_gui.destinations.archive.layout import BLOBS, record_name
from etiket_gui.destinations.archive.record import Record, is_live_version, versions_in
from etiket_gui.destinations.archive.titles import read_record
from etiket_gui.domain.errors import DestinationDamaged, DestinationRefused
from etiket_gui.osys.files import FileLayer, Folder


def withdraw_versions(files: FileLayer, folder: Folder, title: str, versions: Iterable[str], agent: str) -> list[str]:
    """Remove those provisional versions of a title; returns which.

    Raises DestinationRefused for a version that is final or somebody else's, DestinationDamaged for a record nobody
    can read, and OSError. Blobs go only after the removal of the records is durable, and only where every other
    record of the title can be read and does not name them.
    """
    removed: list[Record] = []
    for version in versions:
        try:
            record = read_record(files, folder, title, version)
        except FileNotFoundError:
            continue
        _check_ours(record, agent)
        with suppress(FileNotFoundError):
            files.unlink(folder, record_name(title, version))
        removed.append(record)
    if removed:
        files.sync_folder(folder)
        _remove_blobs(files, folder, title, removed)
    return [record.version for record in removed]


def _check_ours(record: Record, agent: str) -> None:
    facts = record.facts
    if facts is None or not facts.is_provisional or not is_live_version(record.version):
        raise _refused(f"Version {record.version} of {record.title} is not provisional, so it is never removed.")
    if facts.agent != agent:
        raise _refused(f"Version {record.version} of {record.title} was written by another computer ({facts.host}).")


def _refused(reason: str) -> DestinationRefused:
    error = DestinationRefused(reason, advice="Nothing to do: it stays.")
    error.concerns_all = False
    return error


def _remove_blobs(files: FileLayer, folder: Folder, title: str, removed: list[Record]) -> None:
    still_named: set[str] = set()
    for version in versions_in(title, files.names(folder)):
        try:
            still_named.update(read_record(files, folder, title, version).blobs())
        except DestinationDamaged:
            # What it names is not known, so every blob stays.
            return
        except FileNotFoundError:
            continue
    for record in removed:
        for sha256 in record.blobs():
            if sha256 in still_named:
                continue
            with suppress(FileNotFoundError), files.folder(folder, f"{BLOBS}/{sha256[:2]}") as below:
                files.unlink(below, sha256)
