"""The filters above the table of datasets: a chip for each state with its number, sources, and words to search for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QLineEdit, QWidget

from etiket_gui.bridge.queries_datasets import TableQuestion
from etiket_gui.bridge.queries_pages import StateCounts
from etiket_gui.domain.states import RunState
from etiket_gui.gui.icons import icon
from etiket_gui.gui.pages.flow import Flow
from etiket_gui.gui.sentences import number_text
from etiket_gui.gui.widgets.chip import Chip
from etiket_gui.gui.widgets.layouts import row

translate = QCoreApplication.translate

_TYPING_MS = 250
_NOT_LIVE = frozenset(state for state in RunState if state is not RunState.LIVE)


@dataclass(frozen=True, slots=True)
class Filter:
    """One chip: what it asks for."""

    key: str
    states: frozenset[str] = frozenset()
    run_states: frozenset[RunState] = frozenset()


FILTERS: tuple[Filter, ...] = (
    Filter("all"),
    Filter("waiting", frozenset({"waiting", "held"}), _NOT_LIVE),
    Filter("sending", frozenset({"sending"}), _NOT_LIVE),
    Filter("live", frozenset({"waiting", "held", "sending"}), frozenset({RunState.LIVE})),
    Filter("archived", frozenset({"archived"})),
    Filter("problems", frozenset({"failed"})),
    Filter("ignored", frozenset({"ignored"})),
    Filter("gone", frozenset({"gone"})),
)


def filter_title(key: str) -> str:
    """The word on a chip."""
    titles = {
        "all": translate("DatasetFilters", "All"),
        "waiting": translate("DatasetFilters", "Waiting"),
        "sending": translate("DatasetFilters", "Sending"),
        "live": translate("DatasetFilters", "Measuring"),
        "archived": translate("DatasetFilters", "Archived"),
        "problems": translate("DatasetFilters", "Problems"),
        "ignored": translate("DatasetFilters", "Ignored"),
        "gone": translate("DatasetFilters", "Gone"),
    }
    return titles[key]


def chip_number(chip: Filter, counts: StateCounts) -> int:
    """How many datasets a chip shows; they add up to all, but for what is gone."""
    if chip.key == "all":
        return sum(number for shown, number in counts.by_state.items() if shown != "gone")
    if chip.key == "live":
        return sum(counts.live.values())
    number = sum(counts.by_state.get(state, 0) for state in chip.states)
    if chip.run_states:
        number -= sum(counts.live.get(state, 0) for state in chip.states)
    return max(0, number)


class SearchLine(QWidget):
    """Words to search for and which source; ``changed`` comes when somebody stopped typing."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line: QHBoxLayout = row(self)
        self.search = QLineEdit()
        self.search.setObjectName("dataset-search")
        self.search.setPlaceholderText(self.tr("Search names, attributes and keywords (Ctrl+F)"))
        self.search.setAccessibleName(self.tr("Search datasets"))
        self.search.setClearButtonEnabled(True)
        self.search.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._typing.timeout.connect(self.changed)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.search.returnPressed.connect(self._now)
        self.sources = QComboBox()
        self.sources.setObjectName("dataset-source")
        self.sources.setAccessibleName(self.tr("Which source"))
        self.sources.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.sources.setMinimumContentsLength(18)
        self.sources.addItem(self.tr("All sources"), None)
        self.sources.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.line.addWidget(self.search, 1)
        self.line.addWidget(self.sources)
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.activated.connect(self.focus_search)

    def focus_search(self) -> None:
        """Let somebody type words to search for, in place of those before."""
        self.search.setFocus()
        self.search.selectAll()

    def _now(self) -> None:
        self._typing.stop()
        self.changed.emit()

    @property
    def source_id(self) -> int | None:
        """The source that is chosen, None for all."""
        chosen = self.sources.currentData()
        return chosen if isinstance(chosen, int) else None

    def choose_source(self, source_id: int | None) -> None:
        """Choose a source; one that is not there chooses all."""
        self.sources.setCurrentIndex(max(0, self.sources.findData(source_id)))

    def show_sources(self, names: Sequence[tuple[int, str]], counts: Mapping[int, int]) -> None:
        """Offer these sources with their numbers; the chosen one stays chosen."""
        chosen = self.source_id
        wanted = [(number, f"{name}  {number_text(counts.get(number, 0))}") for number, name in names]
        present = [(self.sources.itemData(at), self.sources.itemText(at)) for at in range(1, self.sources.count())]
        if wanted == present:
            return
        self.sources.blockSignals(True)
        if [number for number, _ in wanted] == [number for number, _ in present]:
            for place, (_, text) in enumerate(wanted, start=1):
                self.sources.setItemText(place, text)
        else:
            while self.sources.count() > 1:
                self.sources.removeItem(1)
            for number, text in wanted:
                self.sources.addItem(text, number)
            self.sources.setCurrentIndex(max(0, self.sources.findData(chosen)))
        self.sources.blockSignals(False)
        if self.source_id != chosen:
            self.changed.emit()


class FilterChips(Flow):
    """One chip is down at any time; ``changed`` when it is another."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._chips: dict[str, Chip] = {}
        for chip_filter in FILTERS:
            chip = Chip(filter_title(chip_filter.key))
            chip.setObjectName(f"chip-{chip_filter.key}")
            chip.toggled.connect(self._toggled)
            self._group.addButton(chip)
            self._chips[chip_filter.key] = chip
            self.add(chip)
        self._chips["all"].setChecked(True)

    def _toggled(self, is_down: bool) -> None:
        if is_down:
            self.changed.emit()

    @property
    def chosen(self) -> Filter:
        """The filter of the chip that is down."""
        return next((item for item in FILTERS if self._chips[item.key].isChecked()), FILTERS[0])

    def choose(self, key: str) -> None:
        """Have another chip down."""
        self._chips.get(key, self._chips["all"]).setChecked(True)

    def show_counts(self, counts: StateCounts) -> None:
        """Show how many datasets each chip would show."""
        for chip_filter in FILTERS:
            self._chips[chip_filter.key].set_count(chip_number(chip_filter, counts))

    def question(self, before: TableQuestion, source_id: int | None, search: str) -> TableQuestion:
        """What the table is to show, in the order it has."""
        chosen = self.chosen
        return TableQuestion(
            sort=before.sort,
            is_descending=before.is_descending,
            states=chosen.states,
            run_states=chosen.run_states,
            source_ids=frozenset() if source_id is None else frozenset({source_id}),
            search=search.strip(),
        )
