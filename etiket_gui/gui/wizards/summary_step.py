"""The wizard's last page: from when on, what that amounts to, how long it takes; only then anything is added."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QDate, QDateTime, QTime
from PySide6.QtWidgets import QButtonGroup, QDateEdit, QLineEdit, QRadioButton

from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import NS_PER_S, datasets_text, translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel, TextLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.draft import SourceDraft, amount_since
from etiket_gui.gui.wizards.frame import Step
from etiket_gui.gui.wizards.summary import Facts, amount_figures, amount_sentence, amount_tiles
from etiket_gui.settings.configuration_rules import check_name


class SinceChoice(Step):
    """Every dataset, from a date on, or from now on. ``readyChanged`` at each choice."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(Space.S)
        self._group = QButtonGroup(self)
        #: The very moment that was given, until a person chooses another.
        self._given_ns: int | None = None
        self._all = self._button("since-all", translate("SinceChoice", "Every dataset that is there, and new ones"))
        self._date_button = self._button("since-date", translate("SinceChoice", "From a date on"))
        self._now = self._button("since-now", translate("SinceChoice", "Only new ones, from now on"))
        self._date = QDateEdit()
        self._date.setObjectName("since-date-field")
        self._date.setAccessibleName(self.tr("Date from which on datasets are archived"))
        self._date.setCalendarPopup(True)
        self._date.setDisplayFormat("yyyy-MM-dd")
        self._date.setDate(QDate.currentDate().addMonths(-1))
        self._date.dateChanged.connect(self._on_toggled)
        line = row(spacing=Space.M)
        line.addWidget(self._date_button)
        line.addWidget(self._date)
        line.addStretch(1)
        self.body.addWidget(self._all)
        self.body.addLayout(line)
        self.body.addWidget(self._now)
        self._all.setChecked(True)
        self._date.setEnabled(False)
        self._group.buttonToggled.connect(self._on_toggled)

    def _button(self, name: str, words: str) -> QRadioButton:
        button = QRadioButton(words)
        button.setObjectName(name)
        button.setAccessibleName(words)
        self._group.addButton(button)
        return button

    def _on_toggled(self, *_: object) -> None:
        self._given_ns = None
        self._date.setEnabled(self._date_button.isChecked())
        self.readyChanged.emit()

    @property
    def since_ns(self) -> int:
        """From when on (ns since 1970 UTC), 0 for everything."""
        if self._given_ns is not None:
            return self._given_ns
        if self._now.isChecked():
            return time.time_ns()
        if not self._date_button.isChecked():
            return 0
        moment = QDateTime(self._date.date(), QTime(0, 0))
        return int(moment.toSecsSinceEpoch()) * NS_PER_S

    def set_since(self, since_ns: int) -> None:
        """Show a date, or that everything counts (0)."""
        if since_ns:
            self._date.setDate(QDateTime.fromSecsSinceEpoch(since_ns // NS_PER_S).date())
            self._date_button.setChecked(True)
        else:
            self._all.setChecked(True)
        self._given_ns = since_ns


class SummaryStep(Step):
    """Name, from when on, and the sums of it."""

    def __init__(self, desk: Desk, draft: SourceDraft) -> None:
        super().__init__(
            translate("SummaryStep", "Summary"),
            translate("SummaryStep", "Add this source?"),
            translate("SummaryStep", "Nothing is sent before you add it. The measurements stay where they are."),
        )
        self._desk = desk
        self._draft = draft
        self._job: int | None = None
        self._name = QLineEdit()
        self._name.setObjectName("source-name")
        self._name.setAccessibleName(self.tr("Name of the source"))
        self._name.textEdited.connect(self._on_name)
        self._name_error = SentenceLabel(tint="bad")
        self._name_error.hide()
        names = column(spacing=Space.XS)
        names.addWidget(TextLabel(self.tr("Name"), TextRole.STRONG))
        names.addWidget(self._name)
        names.addWidget(self._name_error)
        self.body.addLayout(names)
        self.body.addWidget(SectionHeading(self.tr("Which datasets")))
        self.since = SinceChoice()
        self.since.readyChanged.connect(self._on_since)
        self.body.addWidget(self.since)
        self._tiles = amount_tiles()
        self.body.addWidget(self._tiles)
        self._said = SentenceLabel()
        self._said.setObjectName("summary-sentence")
        self.body.addWidget(self._said)
        self._facts = Facts()
        self.body.addWidget(self._facts)
        self.body.addStretch(1)

    def enter(self) -> None:
        """Show the draft; look again where the patterns were changed after the last look."""
        self._name.setText(self._draft.name)
        if self._draft.survey is None and self._job is None:
            parameters = {
                "backend": self._draft.backend, "config": dict(self._draft.config), "secret": self._draft.secret,
                "destination": self._draft.destination,
            }  # fmt: skip
            self._job = self._desk.jobs.start("survey", parameters, self, self._on_survey, self._on_failure)
        self._show()

    def stop(self) -> None:
        """Look no more."""
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    def _on_survey(self, survey: dict[str, Any]) -> None:
        self._job = None
        self._draft.survey = survey
        self._show()

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        set_tint(self._said, "bad")
        self._said.setText(f"{error.reason} {error.advice}".strip())

    def _on_since(self) -> None:
        self._draft.since_ns = self.since.since_ns
        self._show()

    def _on_name(self, text: str) -> None:
        self._draft.name = text.strip()
        try:
            check_name("source", self._draft.name)
        except UsageError as error:
            self._name_error.setText(error.reason)
            self._name_error.show()
        else:
            self._name_error.hide()
        self.readyChanged.emit()

    def _show(self) -> None:
        survey = self._draft.survey
        set_tint(self._said, "")
        if survey is None:
            self._said.setText(self.tr("Still looking through the source; you need not wait for it."))
            self._tiles.show_figures({"count": "…", "size": "…", "oldest": "…", "newest": "…"})
        else:
            amount = amount_since(survey, self._draft.since_ns)
            self._tiles.show_figures(amount_figures(amount))
            sentence = amount_sentence(amount)
            if amount.older_count:
                sentence += " " + self.tr("{datasets} from before are ignored.").format(
                    datasets=datasets_text(amount.older_count)
                )
            self._said.setText(sentence)
        new = self._draft.new_destination
        to = self._draft.destination or (new.name if new is not None else "")
        facts = [(self.tr("From"), self._draft.root), (self.tr("To"), to)]
        if self._draft.scope:
            facts.append((self.tr("Scope"), self._draft.scope))
        self._facts.show_facts(facts)

    @property
    def is_ready(self) -> bool:
        """Whether the name can be used."""
        return bool(self._draft.name) and self._name_error.isHidden()
