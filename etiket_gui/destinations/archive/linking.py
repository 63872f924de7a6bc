"""Second names of stored files: whether an archive takes them and keeps them read-only, and which are damaged."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from etiket_gui.destinations.archive.layout import QUARANTINE, STAGING, staging_name
from etiket_gui.osys.files import FileLayer

#: Whose temporaries a test write makes where nobody is named.
ANYBODY = "00000000-0000-4000-8000-000000000000"


def links_hold(files: FileLayer, root: str, agent: str = ANYBODY) -> bool:
    """Whether a test write in the archive shows that hard links and read-only modes hold there; nothing stays."""
    try:
        top = files.open_root(root)
    except OSError:
        return False
    name = staging_name(agent, secrets.randbits(48))
    try:
        with files.folder(top, STAGING) as above:
            files.make_folder(above, name)
            try:
                with files.folder(above, name) as here:
                    files.close_file(files.create(here, "first", 0o444))
                    files.link(here, "first", here, "second")
                    first, second = files.status(here, "first"), files.status(here, "second")
            finally:
                files.remove_tree(above, name)
    except OSError:
        return False
    finally:
        files.close_folder(top)
    is_one_file = first.st_ino != 0 and (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
    return is_one_file and second.st_nlink == 2 and not second.st_mode & 0o222


def is_in_quarantine(root: str, sha256: str, found: os.stat_result) -> bool:
    """Whether a file is a second name of a damaged blob, so that nothing is lost when the good one takes its place."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(os.path.join(root, QUARANTINE)) as damaged:
        for item in damaged:
            if item.name.startswith(sha256):
                status = os.lstat(item.path)
                if (status.st_dev, status.st_ino) == (found.st_dev, found.st_ino) and status.st_ino != 0:
                    return True
    return False
