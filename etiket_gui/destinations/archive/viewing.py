"""Finds the folder in which a person can look at a dataset of an archive; makes nothing."""

from __future__ import annotations

import os

from etiket_gui.destinations.archive.browsing import MOST_TWINS, FolderMark, browse_parts
from etiket_gui.destinations.archive.foldertree import FolderTree
from etiket_gui.destinations.archive.layout import split_remote, title_folder
from etiket_gui.destinations.archive.reading import ArchiveReader, reading_error


def view_folder(reader: ArchiveReader, remote: str) -> str:
    """The absolute folder of a dataset in the browsable tree, else the one that holds its records and blobs.

    Raises UsageError where there is no such dataset, DestinationDamaged where its record is broken, and
    DestinationOffline.
    """
    workspace, title = split_remote(remote)
    _, record = reader.newest(remote)
    stored = reader.layout.absolute(title_folder(workspace, title))
    if record.facts is None:
        return stored
    wanted = browse_parts(record.facts.browse)
    root = reader.layout.root
    try:
        with FolderTree(root) as tree:
            for number in range(1, MOST_TWINS):
                folder = wanted if number == 1 else (*wanted[:-1], f"{wanted[-1]} -{number}")
                if tree.stat(folder) is None:
                    return stored
                mark = FolderMark.read(tree, folder)
                if mark is not None and mark.remote == remote:
                    return os.path.join(root, *folder)
    except OSError as error:
        raise reading_error(error, str(error.filename or root)) from error
    return stored
