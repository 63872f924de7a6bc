"""Where things lie on this computer, and how a person is shown them."""

from __future__ import annotations

import os

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from etiket_gui.domain.names import from_portable

#: Backends whose identifier is the path of the dataset's folder below the root of the source.
_FOLDER_BACKENDS = {"folder", "quantify"}


def dataset_place(backend: str, root: str, identifier: str) -> str:
    """The folder of a dataset, or what its source reads where datasets have no folder of their own; "" if unknown.

    Nothing is looked at: the disk may be slow or away.
    """
    if not root or not os.path.isabs(root):
        return ""
    if backend not in _FOLDER_BACKENDS:
        return root
    relative = from_portable(identifier)
    return root if relative in {"", "."} else os.path.normpath(os.path.join(root, *relative.split("/")))


def folder_of(path: str) -> str:
    """What to open for a person who wants to see a path: a file's folder, judged by its name alone."""
    return os.path.dirname(path) if os.path.splitext(path)[1] in {".db", ".hdf5", ".h5", ".sqlite"} else path


def open_place(path: str) -> bool:
    """Open a folder, a file or an address with what the desktop has for it; whether something took it."""
    url = QUrl(path) if path.startswith(("http://", "https://")) else QUrl.fromLocalFile(folder_of(path))
    return QDesktopServices.openUrl(url)
