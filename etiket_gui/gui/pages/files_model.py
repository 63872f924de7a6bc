"""The files of one dataset, read from the store a page at a time: twenty thousand of them cost no more than forty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from etiket_gui.bridge.queries_pages_dataset import FileFact, file_count, files
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain.events import DatasetProgressed, FileProgressed
from etiket_gui.domain.names import display
from etiket_gui.gui.models.plain_tips import plain_tip
from etiket_gui.gui.pages.grouped_model import AnyIndex
from etiket_gui.gui.sentences import FIXED, size_text, time_text

NAME, SIZE, CHANGED, PROGRESS = range(4)
BLOCK = 200
_MOST_BLOCKS = 60
_NOWHERE = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class FilesModel(QAbstractTableModel):
    """Rows are the entries of the dataset given to :meth:`follow`; those that are not read yet are empty."""

    def __init__(self, reads: StoreReads, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = reads
        self._columns = (self.tr("Name"), self.tr("Size"), self.tr("Changed"), self.tr("Sent"))
        self._dataset_id: int | None = None
        self._uuid = ""
        self._count = 0
        self._blocks: dict[int, tuple[FileFact, ...]] = {}
        self._asked: set[int] = set()
        self._sent: dict[str, float] = {}

    def follow(self, dataset_id: int | None, uuid: str = "") -> None:
        """Show the files of another dataset; None for none."""
        if dataset_id == self._dataset_id:
            self.refresh()
            return
        self._dataset_id, self._uuid = dataset_id, uuid
        self._replace(0)
        self.refresh()

    def refresh(self) -> None:
        """Read again what is known of the dataset's files."""
        dataset_id = self._dataset_id
        if dataset_id is None:
            return
        self._reads.ask(
            lambda reads: (file_count(reads.connection, dataset_id), files(reads.connection, dataset_id, limit=BLOCK)),
            self, lambda found: self._take_first(dataset_id, *found), key=("files", id(self)),
        )  # fmt: skip

    def _take_first(self, dataset_id: int, count: int, first: tuple[FileFact, ...]) -> None:
        if dataset_id != self._dataset_id:
            return
        if count == self._count and self._blocks.get(0, first) == first:
            # Later pages are read again when they are next seen; what is seen of them stays until then.
            self._blocks = {0: first, **{block: rows for block, rows in self._blocks.items() if block}}
            return
        self._replace(count)
        if first:
            self._blocks[0] = first

    def _replace(self, count: int) -> None:
        self.beginResetModel()
        self._count = count
        self._blocks.clear()
        self._asked.clear()
        self._sent.clear()
        self.endResetModel()

    def note_progress(self, progress: Iterable[object]) -> None:
        """Take over how far single files have come (from EngineHost.progressed)."""
        moved = False
        for event in progress:
            if isinstance(event, FileProgressed) and event.uuid == self._uuid and event.size_bytes:
                self._sent[event.file] = min(1.0, event.done_bytes / event.size_bytes)
                moved = True
            elif isinstance(event, DatasetProgressed) and event.uuid == self._uuid and event.done_bytes == 0:
                self._sent.clear()
        if moved and self._count:
            self.dataChanged.emit(self.index(0, PROGRESS), self.index(self._count - 1, PROGRESS))

    def fact_at(self, row: int) -> FileFact | None:
        """The entry in a row, None before it was read; asks for it then."""
        block = row // BLOCK
        rows = self._blocks.get(block)
        if rows is None:
            self._read(block)
            return None
        place = row - block * BLOCK
        return rows[place] if place < len(rows) else None

    def _read(self, block: int) -> None:
        dataset_id = self._dataset_id
        if block in self._asked or dataset_id is None:
            return
        self._asked.add(block)
        self._reads.ask(
            lambda reads: files(reads.connection, dataset_id, offset=block * BLOCK, limit=BLOCK),
            self,
            lambda rows: self._take(dataset_id, block, rows),
            lambda _: self._asked.discard(block),
        )

    def _take(self, dataset_id: int, block: int, rows: tuple[FileFact, ...]) -> None:
        if dataset_id != self._dataset_id or block not in self._asked:
            return
        self._asked.discard(block)
        while len(self._blocks) >= _MOST_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[block] = rows
        last = min(self._count, block * BLOCK + len(rows)) - 1
        if last >= block * BLOCK:
            self.dataChanged.emit(self.index(block * BLOCK, 0), self.index(last, len(self._columns) - 1))

    # -- what Qt asks ------------------------------------------------------------------------------------------------

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """How many entries the dataset has."""
        return 0 if parent.isValid() else self._count

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Name, size, time of the last change, how much is sent."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The names of the columns."""
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole and section in {SIZE, PROGRESS}:
            return _RIGHT
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        if not index.isValid():
            return None
        column = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column in {SIZE, PROGRESS} else None
        if role not in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole}:
            return None
        fact = self.fact_at(index.row())
        if fact is None:
            return None
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(_tip(fact)) if column == NAME else None
        match column:
            case 0:
                return display(fact.name) + ("/" if fact.kind == "folder" else "")
            case 1:
                return (
                    self.tr("link")
                    if fact.kind == "link"
                    else ""
                    if fact.kind == "folder"
                    else size_text(fact.size_bytes)
                )
            case 2:
                return time_text(fact.mtime_ns)
        sent = self._sent.get(fact.name)
        return "" if sent is None else f"{int(sent * 100)}{FIXED}%"


def _tip(fact: FileFact) -> str:
    lines = [display(fact.name)]
    if fact.link_target:
        lines.append(f"→ {display(fact.link_target)}")
    if fact.sha256:
        lines.append(f"SHA-256 {fact.sha256}")
    return "\n".join(lines)
