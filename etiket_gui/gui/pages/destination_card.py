"""The card of one destination on the overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from etiket_gui.bridge.queries_pages import DestinationFacts
from etiket_gui.bridge.rates import Rate
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import DestinationState
from etiket_gui.gui.icons import kind_icon
from etiket_gui.gui.pages.figures import Figures
from etiket_gui.gui.pages.overview_sentences import destination_told, proof_sentence
from etiket_gui.gui.pages.place_card import PlaceCard
from etiket_gui.gui.sentences import moving_text, size_text
from etiket_gui.gui.theme.tokens import TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel, set_tint
from etiket_gui.gui.widgets.progress_line import ProgressLine


class DestinationCard(PlaceCard):
    """What a destination holds and whether it can be reached. Its signals carry the destination's id."""

    testRequested = Signal(int)
    openRequested = Signal(int)
    editRequested = Signal(int)
    removeRequested = Signal(int)
    signInRequested = Signal(int)

    def __init__(self, facts: DestinationFacts, parent: QWidget | None = None) -> None:
        super().__init__(facts.name, f"destination-{facts.id}", parent)
        self.facts = facts
        self._total_bytes: int | None = None
        self._figures = Figures(
            ((self.tr("archived"), "good"), (self.tr("to go"), "accent"), (self.tr("problems"), "bad"))
        )
        self._space_line = ProgressLine(self.tr("Space used"))
        self._space = ElidedLabel("", TextRole.SMALL, "muted")
        self._moving = ElidedLabel("", TextRole.SMALL, "muted")
        self._proof = SentenceLabel(role=TextRole.SMALL, tint="muted")
        for widget in (self._figures, self._space_line, self._space, self._moving, self._proof):
            self.middle.addWidget(widget)
        self._make_actions()

    def _make_actions(self) -> None:
        number = self.facts.id
        self.test = self.add_button("test", self.tr("Test"), "shield-check", lambda: self.testRequested.emit(number))
        self._open = self.add_button("open", "", "folder-open", lambda: self.openRequested.emit(number))
        self._sign_in = self.add_button(
            "sign-in", self.tr("Sign in…"), "log-in", lambda: self.signInRequested.emit(number)
        )
        self.buttons.addStretch(1)
        self.add_action("edit", self.tr("Edit…"), "pencil", lambda: self.editRequested.emit(number))
        self.more.menu().addSeparator()
        self.add_action("remove", self.tr("Remove…"), "trash-2", lambda: self.removeRequested.emit(number))

    def show_facts(self, facts: DestinationFacts, *, now_ns: int) -> None:
        """Show what is known now."""
        self.facts = facts
        self.show_place(facts.name, facts.place, kind_icon(facts.kind), facts.kind)
        self.show_told(destination_told(facts, now_ns))
        failed = facts.counts.get("failed", 0)
        self._figures.set_numbers(facts.archived, facts.not_archived - failed, failed)
        self._show_space()
        proof = proof_sentence(facts, now_ns)
        self._proof.setText(proof)
        self._proof.setVisible(bool(proof))
        opens = self.tr("Open folder") if facts.is_local else self.tr("Open page")
        self._open.setText(opens)
        self._open.setAccessibleName(f"{opens}: {facts.name}")
        self._open.setVisible(facts.is_local or facts.place.startswith(("http://", "https://")))
        self._sign_in.setVisible(facts.state == DestinationState.SIGN_IN.value)

    def _show_space(self) -> None:
        free_bytes = self.facts.free_bytes
        self._space.setVisible(free_bytes is not None)
        total_bytes = self._total_bytes or self.facts.total_bytes
        self._space_line.setVisible(free_bytes is not None and bool(total_bytes))
        if free_bytes is None:
            return
        if total_bytes:
            self._space_line.set_fraction(1 - free_bytes / total_bytes)
            free, total = size_text(free_bytes), size_text(total_bytes)
            self._space.setText(self.tr("{free} of {total} free").format(free=free, total=total))
        else:
            self._space.setText(self.tr("{free} free").format(free=size_text(free_bytes)))
        set_tint(self._space, "bad" if self.facts.state == DestinationState.FULL.value else "muted")

    def show_moving(self, rate: Rate) -> None:
        """Show how fast everything that is being sent there moves; hides the line where nothing does."""
        self._moving.setVisible(rate.is_anything)
        if rate.is_anything:
            told = moving_text(rate.bytes_per_s, rate.files_per_s)
            self._moving.setText(self.tr("Receives {rate}").format(rate=told))

    def show_testing(self) -> None:
        """A test is under way."""
        self.test.setEnabled(False)
        self.say(self.tr("Is being tested…"))

    def show_test(self, result: Mapping[str, Any]) -> None:
        """Show what a test found; the destination's size is remembered for the line of its space."""
        self.test.setEnabled(True)
        total_bytes = result.get("total_bytes")
        if isinstance(total_bytes, int):
            self._total_bytes = total_bytes
        problems = [f"{item.get('reason', '')} {item.get('advice', '')}".strip() for item in result.get("problems", ())]
        notes = [str(note) for note in result.get("notes", ())]
        good = self.tr("Tested just now: everything that is needed works.")
        self.say(" ".join([*(problems or [good]), *notes]))
        set_tint(self.answer, "bad" if problems else "good")
        self._show_space()

    def show_test_failed(self, error: EtiketError) -> None:
        """Show why a test could not be done."""
        self.test.setEnabled(True)
        self.say(f"{error.reason} {error.advice}".strip())
        set_tint(self.answer, "bad")

    def texts(self) -> dict[str, str]:
        """The figures, by word."""
        return self._figures.texts()
