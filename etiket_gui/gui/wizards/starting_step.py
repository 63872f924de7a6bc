"""The last page of the first start: what all the chosen places hold together, and whether to start at login."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtWidgets import QCheckBox

from etiket_gui.bridge.background import Background
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.login_start import command_for
from etiket_gui.gui.sentences import datasets_text, translate
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel, set_tint
from etiket_gui.gui.wizards.draft import Amount, SourceDraft, amount_since
from etiket_gui.gui.wizards.frame import Step
from etiket_gui.gui.wizards.summary import Facts, amount_figures, amount_sentence, amount_tiles, size_words
from etiket_gui.osys.autostart import Autostart, for_this_system, set_enabled


class StartStep(Step):
    """Surveys the chosen places one after the other and sums up. Nothing waits for it."""

    def __init__(self, desk: Desk, autostart: Autostart | None = None) -> None:
        super().__init__(
            translate("StartStep", "Start"),
            translate("StartStep", "Ready to start"),
            translate("StartStep", "Nothing was sent or written so far."),
        )
        self._desk = desk
        self._autostart = for_this_system() if autostart is None else autostart
        self._background = Background(self)
        self._drafts: list[SourceDraft] = []
        self._failures: dict[str, str] = {}
        self._job: int | None = None
        self._tiles = amount_tiles()
        self.body.addWidget(self._tiles)
        self._said = SentenceLabel()
        self._said.setObjectName("start-sentence")
        self.body.addWidget(self._said)
        self.body.addWidget(SectionHeading(self.tr("From")))
        self._facts = Facts()
        self.body.addWidget(self._facts)
        self.body.addWidget(SectionHeading(self.tr("To")))
        self._to = SentenceLabel()
        self.body.addWidget(self._to)
        self._login = QCheckBox(self.tr("Start when I log in, so that new measurements are always archived"))
        self._login.setObjectName("start-at-login")
        self._login.setAccessibleName(self._login.text())
        self._login.setChecked(True)
        self.body.addWidget(self._login)
        self.body.addStretch(1)

    def show_drafts(self, drafts: Sequence[SourceDraft]) -> None:
        """What is to be added."""
        self.stop()
        self._drafts = list(drafts)
        self._failures = {}
        new = next((draft.new_destination for draft in drafts if draft.new_destination is not None), None)
        if new is None:
            self._to.setText(drafts[0].destination if drafts else "")
        else:
            where = next((str(value) for key, value in new.config.items() if key in {"path", "url"}), "")
            self._to.setText(f"{new.name} · {where}" if where else new.name)
        self._show()
        self._survey_next()

    def stop(self) -> None:
        """Look no more."""
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    def _survey_next(self) -> None:
        draft = next((item for item in self._drafts if item.survey is None and item.name not in self._failures), None)
        if draft is None:
            return

        def found(survey: dict[str, Any]) -> None:
            self._job = None
            draft.survey = survey
            self._show()
            self._survey_next()

        def failed(error: EtiketError) -> None:
            self._job = None
            self._failures[draft.name] = error.reason
            self._show()
            self._survey_next()

        parameters = {"backend": draft.backend, "config": dict(draft.config), "destination": draft.destination}
        self._job = self._desk.jobs.start("survey", parameters, self, found, failed)

    def _show(self) -> None:
        facts = []
        for draft in self._drafts:
            if draft.name in self._failures:
                words = self._failures[draft.name]
            elif draft.survey is None:
                words = self.tr("looking…")
            else:
                size = size_words(draft.survey["size_bytes"], is_estimated=draft.survey["is_size_estimated"])
                words = f"{datasets_text(draft.survey['count'])}, {size}"
            facts.append((draft.name, f"{words} · {draft.root}" if draft.root else words))
        self._facts.show_facts(facts)
        surveys = [draft.survey for draft in self._drafts if draft.survey is not None]
        if not surveys:
            self._tiles.show_figures({"count": "…", "size": "…", "oldest": "…", "newest": "…"})
            self._said.setText(self.tr("Looking through the places; you need not wait for it."))
            return
        amount = _sum([amount_since(survey, 0) for survey in surveys])
        self._tiles.show_figures(amount_figures(amount))
        set_tint(self._said, "bad" if self._failures else "")
        self._said.setText(amount_sentence(amount))

    def apply(self) -> None:
        """Have the program start at login, or not, as it is ticked. What the system refuses is no obstacle."""
        is_wanted = self._login.isChecked()
        command = command_for(self._desk.home)
        self._background.run(
            lambda: set_enabled(self._autostart, command, is_enabled=is_wanted), self, lambda _: None, lambda _: None
        )


def _sum(amounts: Sequence[Amount]) -> Amount:
    oldest = [item.oldest_ns for item in amounts if item.oldest_ns is not None]
    newest = [item.newest_ns for item in amounts if item.newest_ns is not None]
    return Amount(
        count=sum(item.count for item in amounts),
        size_bytes=sum(item.size_bytes for item in amounts),
        oldest_ns=min(oldest, default=None),
        newest_ns=max(newest, default=None),
        older_count=0,
        duration_s=sum(item.duration_s for item in amounts),
        basis=amounts[0].basis,
        is_size_estimated=any(item.is_size_estimated for item in amounts),
    )
