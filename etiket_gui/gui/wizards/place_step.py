"""The wizard's first page: which folder, file or kind of source; what a path is gets recognised while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QButtonGroup, QFrame, QLabel, QLineEdit, QPushButton, QRadioButton

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon, kind_icon
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft
from etiket_gui.gui.wizards.editors import choose_path
from etiket_gui.gui.wizards.frame import Step

_DELAY_MS = 400


class KindRow(QFrame):
    """One kind of source: a button to choose it, and a sentence about it."""

    def __init__(self, identifier: str, title: str, sentence: str, group: QButtonGroup) -> None:
        super().__init__()
        self.setProperty("card", "true")
        self.identifier = identifier
        self.button = QRadioButton(title)
        self.button.setObjectName(f"kind-{identifier}")
        self.button.setAccessibleName(title)
        group.addButton(self.button)
        picture = QLabel()
        keep_icon(picture, kind_icon(identifier), "accent", self.fontMetrics().height() + Space.S)
        self.sentence = SentenceLabel(sentence, TextRole.SMALL, "muted")
        beside = row(self, margin=Space.M, spacing=Space.M)
        beside.addWidget(picture)
        words = column(spacing=0)
        words.addWidget(self.button)
        words.addWidget(self.sentence)
        beside.addLayout(words, 1)

    def mousePressEvent(self, event: Any) -> None:
        """The whole row chooses."""
        self.button.setChecked(True)
        super().mousePressEvent(event)


class PlaceStep(Step):
    """Fills backend and options of the draft from a path, or takes the kind that a person chooses."""

    def __init__(self, desk: Desk, catalogue: Catalogue, draft: SourceDraft) -> None:
        super().__init__(
            translate("PlaceStep", "Source"),
            translate("PlaceStep", "Where are the measurements?"),
            translate("PlaceStep", "Choose a folder or a database file. It is only read: nothing in it is changed."),
        )
        self._desk = desk
        self._catalogue = catalogue
        self._draft = draft
        self._job: int | None = None
        self._answer: dict[str, Any] | None = None
        self._recognised: dict[str, dict[str, Any]] = {}
        self._group = QButtonGroup(self)
        self._kinds: dict[str, KindRow] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._ask)
        self._path = QLineEdit()
        self._path.setObjectName("source-path")
        self._path.setAccessibleName(self.tr("Folder or file with measurements"))
        self._path.setPlaceholderText(self.tr("A folder or a file"))
        self._path.textEdited.connect(self._on_edited)
        line = row()
        line.addWidget(self._path, 1)
        for name, words, icon_name, is_file in (
            ("choose-folder", self.tr("Folder…"), "folder-open", False),
            ("choose-file", self.tr("File…"), "file", True),
        ):
            button = QPushButton(words)
            button.setObjectName(name)
            button.setAccessibleName(self.tr("Choose a {what}").format(what=words.rstrip("…").lower()))
            keep_icon(button, icon_name)
            button.clicked.connect(lambda _=False, is_file=is_file: self._choose(is_file=is_file))
            line.addWidget(button)
        self.body.addLayout(line)
        self._said = SentenceLabel()
        self._said.setObjectName("recognition")
        self._said.hide()
        self.body.addWidget(self._said)
        self._kinds_title = SectionHeading(self.tr("Or choose what it is"))
        # Until it is known what there is to choose from.
        self._kinds_title.hide()
        self.body.addWidget(self._kinds_title)
        self._list = column(spacing=Space.S)
        self.body.addLayout(self._list)
        self.body.addStretch(1)
        self._group.buttonToggled.connect(lambda *_: self._on_chosen())
        catalogue.when_here(self._show_kinds)
        catalogue.failed.connect(self._on_failure)

    def _show_kinds(self) -> None:
        self._kinds_title.show()
        for identifier, kind in self._catalogue.backends.items():
            made = KindRow(identifier, kind["title"], kind["description"], self._group)
            self._kinds[identifier] = made
            self._list.addWidget(made)
        for item in self._catalogue.disabled:
            if item["group"] == "source":
                self._list.addWidget(SentenceLabel(item["reason"], TextRole.SMALL, "muted"))
        if self._answer is not None:
            self._tell(self._answer)

    # -- recognition -------------------------------------------------------------------------------------------------

    def _choose(self, *, is_file: bool) -> None:
        chosen = choose_path(self, is_file=is_file, start=self._path.text())
        if chosen:
            self._path.setText(chosen)
            self._ask()

    def set_path(self, path: str) -> None:
        """Look at a path, as if it had been typed."""
        self._path.setText(path)
        self._ask()

    def _on_edited(self, _: str) -> None:
        self._answer = None
        self._timer.start()
        self.readyChanged.emit()

    def _ask(self) -> None:
        self._timer.stop()
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None
        path = self._path.text().strip()
        self._answer = None
        self._said.setVisible(bool(path))
        if path:
            self._say(self.tr("Looking what that is…"), "muted")
            self._job = self._desk.jobs.start("recognise", {"paths": [path]}, self, self._on_answer, self._on_failure)
        self.readyChanged.emit()

    def _on_answer(self, result: dict[str, Any]) -> None:
        self._job = None
        self._tell(result["answers"][0])

    def _tell(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        self._recognised = {item["backend"]: item for item in answer["recognised"]}
        if answer["refusal"]:
            self._say(answer["refusal"], "bad")
        else:
            best = answer["recognised"][0]
            warnings = " ".join(best["warnings"])
            self._say(f"{best['sentence']} {warnings}".strip(), "good")
        for identifier, made in self._kinds.items():
            kind = self._catalogue.backends[identifier]
            found = self._recognised.get(identifier)
            made.sentence.setText(found["sentence"] if found else kind["description"])
        if answer["recognised"] and answer["recognised"][0]["backend"] in self._kinds:
            self._kinds[answer["recognised"][0]["backend"]].button.setChecked(True)
        self.readyChanged.emit()

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._say(f"{error.reason} {error.advice}".strip(), "bad")
        self.readyChanged.emit()

    def _say(self, sentence: str, tint: str) -> None:
        set_tint(self._said, tint)
        self._said.setText(sentence)
        self._said.show()

    # -- what is chosen ----------------------------------------------------------------------------------------------

    def _on_chosen(self) -> None:
        self.readyChanged.emit()

    @property
    def chosen(self) -> str:
        """The kind that is chosen, empty for none."""
        return next((name for name, made in self._kinds.items() if made.button.isChecked()), "")

    @property
    def is_ready(self) -> bool:
        """A kind is chosen, and the path, where one was given, is no refused one."""
        is_refused = self._answer is not None and bool(self._answer["refusal"])
        is_looking = self._job is not None or self._timer.isActive()
        return bool(self.chosen) and not is_refused and not is_looking

    def leave(self, then: Callable[[], None]) -> None:
        """Hand what was recognised to the draft."""
        chosen = self.chosen
        found = self._recognised.get(chosen)
        options = dict(found["options"]) if found else self._guessed(chosen)
        if chosen != self._draft.backend or options != {key: self._draft.config.get(key) for key in options}:
            self._draft.config = options
            self._draft.survey = None
        if chosen != self._draft.backend:
            self._draft.backend = chosen
            self._draft.name = ""
        then()

    def _guessed(self, chosen: str) -> dict[str, Any]:
        """Of a kind that did not recognise the path itself, its first field for a path gets it."""
        path = self._path.text().strip()
        fields: list[Mapping[str, Any]] = self._catalogue.backends[chosen]["fields"]
        place = next((field["name"] for field in fields if field["is_path"] and field["required"]), None)
        return {str(place): path} if path and place else {}
