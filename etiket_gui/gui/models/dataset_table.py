"""The table of all datasets, live: the ids of what is shown in their order, and the rows that were looked at."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal

from etiket_gui.bridge.list_changes import ListChange, list_change
from etiket_gui.bridge.queries import Reads
from etiket_gui.bridge.queries_datasets import (
    ChipCounts,
    Column,
    DatasetLine,
    TableQuestion,
    chip_counts,
    dataset_ids,
    dataset_lines,
)
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.events import DatasetProgressed, FileProgressed
from etiket_gui.domain.states import TransferState
from etiket_gui.gui.models.dataset_roles import FIRST_COLUMNS, Role
from etiket_gui.gui.models.dataset_texts import RIGHT_ALIGNED, column_text, column_title, progress_text, state_tip
from etiket_gui.gui.models.plain_tips import plain_tip

BLOCK = 64
MOST_LINES = 4_000
#: So long a paint may wait for rows that were never looked at; then they are painted empty and filled in later.
PATIENCE_S = 0.005
#: The same while the view moves on: a moment later they would be elsewhere.
MOVING_PATIENCE_S, _MOVING_S = 0.002, 0.1
_LIST_PAUSE_S = 1.0
_MOST_PROGRESS = 1000

# Plain numbers: comparing with Qt's enumeration costs several microseconds, a thousand times a paint.
_DISPLAY = 0
_TOOL_TIP = 3
_ALIGNMENT = 7
_NO_INDEX = QModelIndex()
_ROLES = frozenset({_DISPLAY, _TOOL_TIP, _ALIGNMENT, *(int(role) for role in Role)})
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class PaintedRow:
    """A row that was read, another one whenever it changed: its texts are made when they are first painted."""

    __slots__ = ("epoch", "line", "texts")

    def __init__(self, line: DatasetLine, epoch: int) -> None:
        self.line = line
        self.epoch = epoch
        self.texts: dict[Column, str] = {}


@dataclass(frozen=True, slots=True)
class _Listed:
    ids: array[int]
    change: ListChange | None
    first_lines: dict[int, DatasetLine]
    counts: ChipCounts
    took_s: float


class DatasetTableModel(QAbstractTableModel):
    """Rows are datasets. Belongs to the GUI thread; every look into the store is made by ``reads``.

    ``listed`` has the number of rows whenever the list was read; ``countsChanged`` the ChipCounts; ``unavailable``
    the failure while the store cannot be read, None when it can again; ``busyChanged`` whether a list is being made
    that a person asked for. The view tells which rows it shows by :meth:`set_visible_rows` (see TableKeeper).
    """

    listed = Signal(object)
    countsChanged = Signal(object)
    unavailable = Signal(object)
    busyChanged = Signal(bool)

    def __init__(self, reads: StoreReads, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = reads
        self._question = TableQuestion()
        self._columns: tuple[Column, ...] = FIRST_COLUMNS
        self._ids: array[int] = array("q")
        self._lines: dict[int, PaintedRow] = {}
        self._epoch = 0
        self._visible = (0, BLOCK - 1)
        self._asked_blocks: set[int] = set()
        self._list_number = 0
        self._patience_end_s = 0.0
        self._is_in_paint = False
        self._painted_s = 0.0
        self._progress: dict[str, float] = {}
        self._counts: ChipCounts | None = None
        self._away: EtiketError | None = None
        self._is_busy = False
        self._is_listing = False
        self._is_list_due = False
        self._list_due_s = 0.0
        self._list_timer = QTimer(self)
        self._list_timer.setSingleShot(True)
        self._list_timer.timeout.connect(self._list_again)
        self._block_timer = QTimer(self, singleShot=True, interval=0)
        self._block_timer.timeout.connect(self._read_wanted)
        self._wanted_blocks: set[int] = set()
        reads.changed.connect(self.refresh)
        self._list(is_asked=True)

    # --- what is shown --------------------------------------------------------------------------------------

    @property
    def question(self) -> TableQuestion:
        """What is shown, and in which order."""
        return self._question

    @property
    def counts(self) -> ChipCounts | None:
        """How many datasets each chip would show; None before the first look."""
        return self._counts

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, from left to right."""
        return self._columns

    @property
    def away(self) -> EtiketError | None:
        """Why the list may be old: the store cannot be read now. None when it can."""
        return self._away

    def ask(self, question: TableQuestion) -> None:
        """Show something else, or in another order; the old list stays until the new one is there."""
        if question != self._question:
            self._question = question
            self._list(is_asked=True)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show these columns, each at most once."""
        chosen = tuple(dict.fromkeys(columns))
        if chosen and chosen != self._columns:
            self.beginResetModel()
            self._columns = chosen
            self.endResetModel()

    def id_at(self, row: int) -> int:
        """The id of the dataset in a row."""
        return self._ids[row]

    def ids_at(self, rows: Iterable[int]) -> list[int]:
        """The ids of the datasets in these rows."""
        return [self._ids[row] for row in rows]

    def ids_between(self, first: int, last: int) -> array[int]:
        """The ids of the datasets from a row to another, both included."""
        return self._ids[first : last + 1]

    @property
    def ids(self) -> array[int]:
        """All ids in their order; not to be changed."""
        return self._ids

    def row_of(self, dataset_id: int) -> int | None:
        """The row of a dataset, None when it is not in the list."""
        try:
            return self._ids.index(dataset_id)
        except ValueError:
            return None

    def line_at(self, row: int) -> DatasetLine | None:
        """The dataset in a row, None before it was read."""
        shown = self._lines.get(self._ids[row])
        return None if shown is None else shown.line

    def painted_row(self, row: int) -> PaintedRow | None:
        """A row to be painted; None before it was read, which is then asked for."""
        dataset_id = self._ids[row]
        shown = self._lines.get(dataset_id)
        if shown is None:
            return self._read_at_once(row, dataset_id)
        if shown.epoch != self._epoch:
            self._want(row)
        return shown

    @staticmethod
    def text_of(shown: PaintedRow, column: Column) -> str:
        """What stands in a column of a row, without its progress."""
        text = shown.texts.get(column)
        if text is None:
            text = shown.texts[column] = column_text(column, shown.line)
        return text

    def fraction_of(self, line: DatasetLine) -> float | None:
        """0 to 1 while a dataset is being sent, else None."""
        return self._progress.get(line.uuid) if line.state == TransferState.SENDING else None

    # --- what Qt asks ---------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NO_INDEX) -> int:
        """How many datasets are shown."""
        return 0 if parent.isValid() else len(self._ids)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = _NO_INDEX) -> int:
        """How many columns are shown."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY) -> Any:
        """The headings of the columns."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        if role == _DISPLAY:
            return column_title(self._columns[section])
        if role == _ALIGNMENT:
            return _RIGHT if self._columns[section] in RIGHT_ALIGNED else _LEFT
        if role == Role.COLUMN:
            return self._columns[section]
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = _DISPLAY) -> Any:
        """Text, tip, alignment and the roles of :class:`Role`."""
        if role not in _ROLES:
            return None
        row, column = index.row(), index.column()
        if not 0 <= row < len(self._ids):
            return None
        chosen = self._columns[column]
        if role == _ALIGNMENT:
            return _RIGHT if chosen in RIGHT_ALIGNED else _LEFT
        shown = self.painted_row(row)
        if shown is None:
            return self._ids[row] if role == Role.ID else None
        if role == _DISPLAY:
            text = self.text_of(shown, chosen)
            if not text and chosen is Column.PROGRESS:
                fraction = self.fraction_of(shown.line)
                return "" if fraction is None else progress_text(fraction)
            return text
        return self._other(role, chosen, shown.line)

    def _other(self, role: int, column: Column, line: DatasetLine) -> Any:
        if role == _TOOL_TIP:
            return plain_tip(
                state_tip(line) if column in {Column.STATE, Column.PROGRESS} else column_text(column, line)
            )
        if role == Role.STATE:
            return line.state
        if role == Role.PROGRESS:
            return self.fraction_of(line)
        if role == Role.ID:
            return line.id
        if role == Role.LINE:
            return line
        return column

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order by a column; the rows come when they are read."""
        if 0 <= column < len(self._columns):
            is_descending = order == Qt.SortOrder.DescendingOrder
            self.ask(replace(self._question, sort=self._columns[column], is_descending=is_descending))

    # --- the list -------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """The store moved: the rows that are seen are read again now, the list soon."""
        self._epoch += 1
        self._read_visible()
        self._is_list_due = True
        if not self._is_listing and not self._list_timer.isActive():
            self._list_timer.start(max(0, int((self._list_due_s - time.monotonic()) * 1000)))

    def _list_again(self) -> None:
        if self._is_list_due and not self._is_listing:
            self._list(is_asked=False)

    def _list(self, *, is_asked: bool) -> None:
        question, old, number = self._question, self._ids, self._list_number + 1
        self._list_number = number
        self._is_list_due, self._is_listing = False, True
        if is_asked:
            self._set_busy(is_busy=True)

        def work(reads: Reads) -> _Listed:
            begun_s = time.perf_counter()
            ids = dataset_ids(reads.connection, question)
            change = None if is_asked else list_change(old, ids)
            return _Listed(
                ids=old if change is not None and change.is_nothing else ids,
                change=change,
                first_lines=dataset_lines(reads.connection, ids[:BLOCK]) if is_asked else {},
                counts=chip_counts(reads.connection),
                took_s=time.perf_counter() - begun_s,
            )

        self._reads.ask(work, self, self._on_listed, self._on_list_failed, key=("table", id(self)), is_long=True)

    def _on_listed(self, listed: _Listed) -> None:
        self._end_listing(listed.took_s, None)
        self._epoch += 1
        for line in listed.first_lines.values():
            self._keep(line)
        if listed.change is None or not listed.change.is_small:
            self._replace(listed.ids)
        elif not listed.change.is_nothing:
            self._step(listed.change, listed.ids)
        if listed.counts != self._counts:
            self._counts = listed.counts
            self.countsChanged.emit(listed.counts)
        self.listed.emit(len(self._ids))

    def _on_list_failed(self, error: EtiketError) -> None:
        self._is_list_due = True
        self._end_listing(0.25, error)

    def _end_listing(self, took_s: float, away: EtiketError | None) -> None:
        self._is_listing = False
        self._list_due_s = time.monotonic() + max(_LIST_PAUSE_S, 4 * took_s)
        self._set_busy(is_busy=False)
        if (away is None) != (self._away is None) or (away is not None and str(away) != str(self._away)):
            self._away = away
            self.unavailable.emit(away)
        if self._is_list_due:
            self._list_timer.start(max(0, int((self._list_due_s - time.monotonic()) * 1000)))

    def _set_busy(self, *, is_busy: bool) -> None:
        if is_busy != self._is_busy:
            self._is_busy = is_busy
            self.busyChanged.emit(is_busy)

    def _replace(self, ids: array[int]) -> None:
        self.beginResetModel()
        self._ids = ids
        self._forget_blocks()
        self.endResetModel()

    def _step(self, change: ListChange, ids: array[int]) -> None:
        """Take the steps of a small change one by one, so that selection and place in the view stay."""
        self._forget_blocks()
        for first, last in change.removed:
            self.beginRemoveRows(QModelIndex(), first, last)
            self._ids = self._ids[:first] + self._ids[last + 1 :]
            self.endRemoveRows()
        if change.order is not None:
            self._reorder(change.order, change.moved)
        for first, last in change.inserted:
            self.beginInsertRows(QModelIndex(), first, last)
            self._ids = self._ids[:first] + ids[first : last + 1] + self._ids[first:]
            self.endInsertRows()
        self._ids = ids

    def _reorder(self, order: array[int], moved: tuple[int, int]) -> None:
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        first, last = moved
        new_rows = {order[row]: row for row in range(first, last + 1)} if before else {}
        after = [
            self.index(new_rows[self._ids[index.row()]], index.column()) if first <= index.row() <= last else index
            for index in before
        ]
        self._ids = order
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _forget_blocks(self) -> None:
        self._asked_blocks.clear()
        self._wanted_blocks.clear()

    # --- the rows -------------------------------------------------------------------------------------------

    def set_visible_rows(self, first: int, last: int) -> None:
        """The view shows these rows: they are the ones that are kept up to date."""
        before, self._visible = self._visible, (max(0, first), max(0, last))
        if before != self._visible and self._ids:
            # What comes next is read before it is asked for, but after what is painted now.
            page, moved = last - first + 1, first - before[0]
            for distance in (page, page + min(6 * abs(moved), 2 * BLOCK)):
                row = min(max(0, last + distance if moved >= 0 else first - distance), len(self._ids) - 1)
                if self._ids[row] not in self._lines:
                    self._want(row)

    def _keep(self, line: DatasetLine) -> bool:
        """Keep a row that was read; whether it looks otherwise than before."""
        known = self._lines.get(line.id)
        if line.state != TransferState.SENDING:
            self._progress.pop(line.uuid, None)
        if known is not None and known.line == line:
            known.epoch = self._epoch
            return False
        if known is None and len(self._lines) >= MOST_LINES:
            for dataset_id in list(self._lines)[: MOST_LINES // 10]:
                del self._lines[dataset_id]
        self._lines.pop(line.id, None)
        self._lines[line.id] = PaintedRow(line, self._epoch)
        return True

    def _read_at_once(self, row: int, dataset_id: int) -> PaintedRow | None:
        block = row // BLOCK
        if block in self._asked_blocks:
            return None
        now_s = time.monotonic()
        if not self._is_in_paint:
            self._is_in_paint = True
            is_moving = now_s < self._painted_s + _MOVING_S
            self._patience_end_s = now_s + (MOVING_PATIENCE_S if is_moving else PATIENCE_S)
            self._painted_s = now_s
            QTimer.singleShot(0, self, self._end_paint)
        self._read_block(block, within_s=max(0.0, self._patience_end_s - now_s))
        return self._lines.get(dataset_id)

    def _end_paint(self) -> None:
        self._is_in_paint = False

    def _read_block(self, block: int, *, within_s: float) -> None:
        self._asked_blocks.add(block)
        ids = self._ids[block * BLOCK : (block + 1) * BLOCK]
        is_now = [True]

        def arrived(found: dict[int, DatasetLine]) -> None:
            self._asked_blocks.discard(block)
            changed = {line.id for line in found.values() if self._keep(line)}
            if changed and not is_now[0]:
                self._tell_rows(changed)

        def missed(_: EtiketError) -> None:
            self._asked_blocks.discard(block)

        def work(reads: Reads) -> dict[int, DatasetLine]:
            return dataset_lines(reads.connection, ids)

        if within_s > 0:
            self._reads.ask_at_once(work, self, arrived, missed, within_s=within_s)
        else:
            self._reads.ask(work, self, arrived, missed)
        is_now[0] = False

    def _want(self, row: int) -> None:
        block = row // BLOCK
        if block not in self._asked_blocks:
            self._wanted_blocks.add(block)
            if not self._block_timer.isActive():
                self._block_timer.start()

    def _read_wanted(self) -> None:
        blocks, self._wanted_blocks = self._wanted_blocks, set()
        for block in sorted(blocks - self._asked_blocks)[:8]:
            self._read_block(block, within_s=0.0)

    def _read_visible(self) -> None:
        first, last = self._visible
        ids = self._ids[first : last + 1]
        if not ids:
            return

        def arrived(found: dict[int, DatasetLine]) -> None:
            self._tell_rows({line.id for line in found.values() if self._keep(line)})

        self._reads.ask(
            lambda reads: dataset_lines(reads.connection, ids), self, arrived, key=("visible rows", id(self))
        )

    def _tell_rows(self, changed: set[int], first_column: int = 0, last_column: int | None = None) -> None:
        """Have the view paint again those of the rows it shows that changed."""
        if not changed:
            return
        first, last = self._visible
        right = len(self._columns) - 1 if last_column is None else last_column
        start: int | None = None
        end = min(last, len(self._ids) - 1)
        for row in range(first, end + 2):
            is_changed = row <= end and self._ids[row] in changed
            if is_changed and start is None:
                start = row
            elif not is_changed and start is not None:
                self.dataChanged.emit(self.index(start, first_column), self.index(row - 1, right))
                start = None

    # --- progress -------------------------------------------------------------------------------------------

    def note_progress(self, progress: Iterable[DatasetProgressed | FileProgressed]) -> None:
        """Take over how far what is being sent has come (from EngineHost.progressed)."""
        moved = set()
        for event in progress:
            if isinstance(event, DatasetProgressed) and event.size_bytes > 0:
                self._progress[event.uuid] = min(1.0, event.done_bytes / event.size_bytes)
                moved.add(event.uuid)
        while len(self._progress) > _MOST_PROGRESS:
            del self._progress[next(iter(self._progress))]
        if not moved or Column.PROGRESS not in self._columns:
            return
        first, last = self._visible
        seen = {
            dataset_id
            for dataset_id in self._ids[first : last + 1]
            if (shown := self._lines.get(dataset_id)) is not None and shown.line.uuid in moved
        }
        column = self._columns.index(Column.PROGRESS)
        self._tell_rows(seen, column, column)
