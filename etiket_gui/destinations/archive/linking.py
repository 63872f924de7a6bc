"""Whether a second name of a stored file can be made in an archive, and stays read-only."""

from __future__ import annotations

import secrets

from etiket_gui.destinations.archive.layout import STAGING, staging_name
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
