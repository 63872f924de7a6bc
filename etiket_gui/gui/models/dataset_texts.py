"""What the table of datasets says in each column, in words; made once per row and kept until the row changes."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from etiket_gui.bridge.queries_datasets import Column, DatasetLine
from etiket_gui.domain.states import RunState, TransferState
from etiket_gui.gui import sentences

translate = QCoreApplication.translate

#: Numbers and times that are compared down a column stand at its right edge.
RIGHT_ALIGNED = frozenset({Column.SIZE, Column.FILES, Column.PROGRESS})

#: What a dataset shows while it is being measured.
_MEASURING = frozenset({TransferState.WAITING.value, TransferState.HELD.value, TransferState.SENDING.value})


def column_title(column: Column) -> str:
    """The heading of a column."""
    titles = {
        Column.STATE: translate("datasets", "State"),
        Column.NAME: translate("datasets", "Name"),
        Column.SOURCE: translate("datasets", "Source"),
        Column.COLLECTED: translate("datasets", "Collected"),
        Column.SIZE: translate("datasets", "Size"),
        Column.FILES: translate("datasets", "Files"),
        Column.DESTINATIONS: translate("datasets", "Where"),
        Column.ARCHIVED: translate("datasets", "Archived"),
        Column.PROGRESS: translate("datasets", "Progress"),
        Column.KEYWORDS: translate("datasets", "Keywords"),
        Column.RUN_STATE: translate("datasets", "Measurement"),
        Column.CHANGED: translate("datasets", "Last change"),
        Column.IDENTIFIER: translate("datasets", "Identifier"),
        Column.UUID: translate("datasets", "UUID"),
    }
    return titles[column]


def column_text(column: Column, line: DatasetLine) -> str:
    """What stands in a column for a dataset; empty where there is nothing to say."""
    match column:
        case Column.STATE:
            return _state(line)
        case Column.NAME:
            return line.name
        case Column.SOURCE:
            return line.source
        case Column.COLLECTED:
            return sentences.time_text(line.collected_ns)
        case Column.SIZE:
            return sentences.size_text(line.size_bytes)
        case Column.FILES:
            return sentences.number_text(line.file_count)
        case Column.DESTINATIONS:
            return " · ".join(_where(item.destination, item.version) for item in line.transfers)
        case Column.ARCHIVED:
            return sentences.time_text(line.archived_ns)
        case Column.PROGRESS:
            return ""
        case Column.KEYWORDS:
            return ", ".join(line.keywords)
        case Column.RUN_STATE:
            return sentences.run_state_title(line.run_state.value)
        case Column.CHANGED:
            return sentences.time_text(line.newest_change_ns)
        case Column.IDENTIFIER:
            return line.identifier
        case Column.UUID:
            return line.uuid


def _state(line: DatasetLine) -> str:
    """One word, or two where a measurement was cut short: that stays true when it is archived."""
    if is_measuring(line):
        return sentences.run_state_title(RunState.LIVE.value)
    if line.run_state is RunState.INTERRUPTED and line.state == TransferState.ARCHIVED.value:
        return translate("datasets", "Archived, interrupted")
    return sentences.state_title(line.state)


def is_measuring(line: DatasetLine) -> bool:
    """Whether a dataset is being measured and therefore waits; the chip "Measuring" shows the same ones."""
    return line.run_state is RunState.LIVE and line.state in _MEASURING


def _where(destination: str, version: str | None) -> str:
    return f"{destination} {version}" if version else destination


def progress_text(fraction: float) -> str:
    """``42 %``."""
    return f"{int(fraction * 100)}{sentences.FIXED}%"


def state_tip(line: DatasetLine) -> str:
    """Why a dataset shows its state: one line per destination. Plain text: names of a source are never markup."""
    if line.state == "gone":
        return sentences.capitalised(sentences.transfer_sentence("gone", ""))
    told = []
    for item in line.transfers:
        sentence = sentences.transfer_sentence(
            item.state.value, item.reason, verified_at_ns=item.verified_at_ns, due_ns=item.due_ns
        )
        told.append(f"{item.destination}: {sentence}")
    return "\n".join(told)
