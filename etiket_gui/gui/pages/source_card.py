"""The card of one source on the overview."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from etiket_gui.bridge.queries_pages import SourceFacts
from etiket_gui.bridge.rates import Rate
from etiket_gui.domain.states import SourceState
from etiket_gui.gui.icons import kind_icon
from etiket_gui.gui.pages.figures import Figures
from etiket_gui.gui.pages.overview_sentences import oldest_sentence, source_footnote, source_told
from etiket_gui.gui.pages.place_card import PlaceCard
from etiket_gui.gui.sentences import moving_text, rest_text
from etiket_gui.gui.theme.tokens import TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel
from etiket_gui.gui.widgets.progress_line import ProgressLine


class SourceCard(PlaceCard):
    """What was found in a source and how far it is. Its signals carry the source's id."""

    datasetsRequested = Signal(int)
    problemsRequested = Signal(int)
    lookRequested = Signal(int)
    editRequested = Signal(int)
    removeRequested = Signal(int)
    switchRequested = Signal(int, bool)

    def __init__(self, facts: SourceFacts, parent: QWidget | None = None) -> None:
        super().__init__(facts.name, f"source-{facts.id}", parent)
        self.facts = facts
        self._figures = Figures(
            (
                (self.tr("found"), ""),
                (self.tr("waiting"), "accent"),
                (self.tr("measuring"), "measuring"),
                (self.tr("archived"), "good"),
                (self.tr("problems"), "bad"),
            )
        )
        self._progress = ProgressLine(self.tr("Archived"))
        self._moving = ElidedLabel("", TextRole.SMALL, "muted")
        self._oldest = ElidedLabel("", TextRole.SMALL, "warning")
        self._footnote = SentenceLabel(role=TextRole.SMALL, tint="muted")
        for widget in (self._figures, self._progress, self._moving, self._oldest, self._footnote):
            self.middle.addWidget(widget)
        self._make_actions()

    def _make_actions(self) -> None:
        number = self.facts.id
        self.add_button("datasets", self.tr("Datasets"), "table", lambda: self.datasetsRequested.emit(number))
        self._look = self.add_button("look", self.tr("Look now"), "refresh-cw", lambda: self.lookRequested.emit(number))
        self._problems = self.add_button(
            "problems", self.tr("Problems"), "triangle-alert", lambda: self.problemsRequested.emit(number)
        )
        self.buttons.addStretch(1)
        self.add_action("edit", self.tr("Edit…"), "pencil", lambda: self.editRequested.emit(number))
        self._switch = self.add_action("switch", "", "power", self._ask_switch)
        self.more.menu().addSeparator()
        self.add_action("remove", self.tr("Remove…"), "trash-2", lambda: self.removeRequested.emit(number))

    def _ask_switch(self) -> None:
        self.switchRequested.emit(self.facts.id, not self.facts.is_enabled)

    def show_facts(self, facts: SourceFacts, *, is_looking: bool, looking_s: float | None = None, now_ns: int) -> None:
        """Show what is known now."""
        self.facts = facts
        self.show_place(facts.name, facts.root, kind_icon(facts.backend), facts.backend)
        self.show_told(source_told(facts, is_looking=is_looking, looking_s=looking_s, now_ns=now_ns))
        self._figures.set_numbers(facts.found, facts.waiting, facts.live, facts.archived, facts.failed)
        wanted = facts.found - facts.ignored
        is_under_way = bool(facts.not_archived and facts.is_enabled and wanted)
        self._progress.setVisible(is_under_way)
        self._progress.set_fraction(facts.archived / wanted if wanted else None)
        oldest = oldest_sentence(facts, now_ns)
        self._oldest.setText(oldest)
        self._oldest.setVisible(bool(oldest))
        self._footnote.setText(source_footnote(facts, now_ns))
        self._look.setEnabled(facts.is_enabled)
        self._problems.setVisible(bool(facts.problems))
        # The question stands first on that page, chosen, with its "Yes, that is meant".
        words = self.tr("Answer…") if facts.state == SourceState.ASKING.value else self.tr("Problems")
        self._problems.setText(words)
        self._problems.setAccessibleName(f"{words}: {facts.name}")
        self._switch.setText(self.tr("Switch off") if facts.is_enabled else self.tr("Switch on"))

    def show_moving(self, name: str, count: int, rate: Rate, rest_s: float | None) -> None:
        """Show what is being sent: ``count`` datasets, of which one is called ``name``; none hides the line.

        ``rate`` is that of all transfers over the last seconds, also of those that are over already.
        """
        self._moving.setVisible(count > 0)
        if not count:
            return
        what = name if count == 1 else self.tr("{n} datasets").format(n=count)
        told = [moving_text(rate.bytes_per_s, rate.files_per_s)] if rate.is_anything else []
        self._moving.setText(" · ".join([what, *told, rest_text(rest_s)]))

    def texts(self) -> dict[str, str]:
        """The figures, by word."""
        return self._figures.texts()
