"""What a delegate or a page may ask of a cell in the table of datasets, and what a table shows at first."""

from __future__ import annotations

import enum

from PySide6.QtCore import Qt

from etiket_gui.bridge.queries_datasets import Column

#: What a table shows until somebody chooses otherwise.
FIRST_COLUMNS = (
    Column.STATE, Column.NAME, Column.SOURCE, Column.COLLECTED, Column.SIZE, Column.DESTINATIONS, Column.ARCHIVED,
    Column.PROGRESS,
)  # fmt: skip


class Role(enum.IntEnum):
    """Beside text, tip and alignment."""

    ID = int(Qt.ItemDataRole.UserRole) + 1
    #: A word of TransferState or ``gone``: the key of the state's shape.
    STATE = int(Qt.ItemDataRole.UserRole) + 2
    #: 0 to 1 while it is being sent, else None.
    PROGRESS = int(Qt.ItemDataRole.UserRole) + 3
    #: The DatasetLine, None before it was read.
    LINE = int(Qt.ItemDataRole.UserRole) + 4
    COLUMN = int(Qt.ItemDataRole.UserRole) + 5
