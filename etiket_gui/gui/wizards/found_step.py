"""The wizard's page that shows what will be found: figures, examples, and the files that patterns leave out."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QPushButton, QTableWidget, QTableWidgetItem

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.sentences import files_text, number_text, run_state_title, size_text, time_text, translate
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.draft import SourceDraft
from etiket_gui.gui.wizards.frame import Step
from etiket_gui.gui.wizards.ignore_preview import CELLS, IgnorePreview
from etiket_gui.gui.wizards.summary import amount_tiles, survey_figures

_ROWS = 7


def _name(item: dict[str, Any]) -> str:
    """A dataset as a person finds it: its path in the source where it has one, else its name."""
    identifier, name = str(item["identifier"]), str(item["name"])
    return identifier if identifier.endswith(f"/{name}") else name


class FoundStep(Step):
    """Looks through the source of the draft without sending anything, and shows what it finds as it finds it."""

    def __init__(self, desk: Desk, draft: SourceDraft) -> None:
        super().__init__(
            translate("FoundStep", "What is found"),
            translate("FoundStep", "This will be archived"),
            translate("FoundStep", "A look without sending anything. You can go on before it ends."),
        )
        self._desk = desk
        self._draft = draft
        self._job: int | None = None
        self._shown_config: dict[str, Any] | None = None
        self._tiles = amount_tiles()
        self.body.addWidget(self._tiles)
        self._said = SentenceLabel(tint="muted")
        self._said.setObjectName("survey-sentence")
        self._again = QPushButton(self.tr("Look again"))
        self._again.setObjectName("survey-again")
        self._again.setAccessibleName(self._again.text())
        keep_icon(self._again, "refresh-cw")
        self._again.clicked.connect(self._look)
        line = row(spacing=Space.M)
        line.addWidget(self._said, 1)
        line.addWidget(self._again, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(line)
        self._table = self._made_table()
        self.body.addWidget(self._table)
        self._ignore = IgnorePreview(desk)
        self._ignore.edited.connect(self._on_patterns)
        holder = column()
        holder.addWidget(self._ignore)
        self.body.addLayout(holder)
        self.body.addStretch(1)

    def _made_table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setObjectName("survey-examples")
        table.setAccessibleName(self.tr("The newest datasets that were found"))
        table.setHorizontalHeaderLabels(
            [self.tr("Dataset"), self.tr("Newest change"), self.tr("Files"), self.tr("Size")]
        )
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for place in range(4):
            item = table.horizontalHeaderItem(place)
            side = Qt.AlignmentFlag.AlignRight if place > 1 else Qt.AlignmentFlag.AlignLeft
            if item is not None:
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            if place:
                header.setSectionResizeMode(place, QHeaderView.ResizeMode.ResizeToContents)
        table.setStyleSheet(CELLS)
        table.setMinimumHeight(self.fontMetrics().lineSpacing() * (_ROWS * 2))
        return table

    def enter(self) -> None:
        """Look, unless this very source was looked at already."""
        has_patterns = isinstance(self._draft.config.get("ignore"), list)
        self._ignore.setVisible(has_patterns)
        if has_patterns and self._shown_config != self._draft.config:
            self._ignore.show_source(self._draft.backend, self._draft.config)
        self._shown_config = dict(self._draft.config)
        if self._draft.survey is None:
            self._look()

    def stop(self) -> None:
        """Look no more."""
        self._ignore.stop()
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    def _look(self) -> None:
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
        self._draft.survey = None
        self._table.setRowCount(0)
        self._tiles.show_figures({"count": "…", "size": "…", "oldest": "…", "newest": "…"})
        self._say(self.tr("Looking…"), "muted")
        self._again.setEnabled(False)
        parameters = {
            "backend": self._draft.backend, "config": dict(self._draft.config), "secret": self._draft.secret,
            "destination": self._draft.destination,
        }  # fmt: skip
        self._job = self._desk.jobs.start(
            "survey", parameters, self, self._on_survey, self._on_failure, self._on_progress
        )
        self.readyChanged.emit()

    def _on_progress(self, sums: dict[str, Any]) -> None:
        self._tiles.show_figures(survey_figures(sums))
        self._say(self.tr("Looking… {n} found so far.").format(n=number_text(sums["count"])), "muted")
        self._show_examples(sums["examples"])

    def _on_survey(self, survey: dict[str, Any]) -> None:
        self._job = None
        self._again.setEnabled(True)
        self._draft.survey = survey
        self._tiles.show_figures(survey_figures(survey))
        self._show_examples(survey["examples"])
        sentence, tint = self._sentence(survey)
        self._say(sentence, tint)
        self.readyChanged.emit()

    def _sentence(self, survey: dict[str, Any]) -> tuple[str, str]:
        if not survey["count"]:
            words = self.tr("No dataset was found here. Check the settings; new ones are archived as they come.")
            return words, "warning"
        parts = []
        if survey["running"]:
            one, many = self.tr("1 of them is still being measured."), self.tr("{n} of them are still being measured.")
            parts.append(one if survey["running"] == 1 else many.format(n=number_text(survey["running"])))
        if survey["stray_files"]:
            parts.append(
                self.tr("{files} above the datasets belong to none and are not archived.").format(
                    files=files_text(survey["stray_files"])
                )
            )
        if survey["unreadable_count"]:
            first = survey["unreadable"][0]
            parts.append(
                self.tr("{n} could not be read, for example {path}: {reason}.").format(
                    n=number_text(survey["unreadable_count"]), path=first["path"], reason=first["reason"].rstrip(".")
                )
            )
        return " ".join(parts) or self.tr("Everything could be read."), "warning" if parts else "muted"

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._again.setEnabled(True)
        self._tiles.show_figures({"count": "–", "size": "–", "oldest": "–", "newest": "–"})
        self._say(f"{error.reason} {error.advice}".strip(), "bad")
        self.readyChanged.emit()

    def _show_examples(self, examples: list[dict[str, Any]]) -> None:
        self._table.setRowCount(len(examples))
        for number, item in enumerate(examples):
            state = "" if item["run_state"] == "complete" else f" ({run_state_title(item['run_state'])})"
            cells = (
                f"{_name(item)}{state}", time_text(item["time_ns"]), number_text(item["file_count"]),
                size_text(item["size_bytes"]),
            )  # fmt: skip
            for place, text in enumerate(cells):
                cell = QTableWidgetItem(text)
                if place > 1:
                    cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if place == 0:
                    cell.setToolTip(item["identifier"])
                self._table.setItem(number, place, cell)

    def _on_patterns(self, patterns: list[str]) -> None:
        self._draft.config["ignore"] = list(patterns)
        self._shown_config = dict(self._draft.config)
        self._draft.survey = None

    def _say(self, sentence: str, tint: str) -> None:
        set_tint(self._said, tint)
        self._said.setText(sentence)
