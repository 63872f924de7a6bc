"""The first start: what was found on this computer, where the archive is to be, a summary, and then the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QPushButton, QToolButton, QWidget

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.drops import DropFilter
from etiket_gui.gui.icons import keep_icon, kind_icon
from etiket_gui.gui.sentences import capitalised, translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.adding import Adding
from etiket_gui.gui.wizards.destination_choice import DestinationChoice
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft
from etiket_gui.gui.wizards.editors import choose_path
from etiket_gui.gui.wizards.frame import Step, Wizard
from etiket_gui.gui.wizards.starting_step import StartStep


class FoundPlace(QFrame):
    """One place with measurements, ticked or not."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__()
        self.setProperty("card", "true")
        self.item = item
        self.tick = QCheckBox(item["path"] or item["name"])
        self.tick.setObjectName(f"found-{item['name']}")
        self.tick.setAccessibleName(item["path"] or item["name"])
        self.tick.setChecked(bool(item["is_ticked"]))
        picture = QLabel()
        keep_icon(picture, kind_icon(item["backend"]), "accent", self.fontMetrics().height() + Space.S)
        beside = row(self, margin=Space.M, spacing=Space.M)
        beside.addWidget(picture)
        words = column(spacing=0)
        words.addWidget(self.tick)
        words.addWidget(SentenceLabel(item["sentence"], TextRole.SMALL))
        words.addWidget(SentenceLabel(capitalised(item["why"]), TextRole.SMALL, "muted"))
        beside.addLayout(words, 1)

    def draft(self) -> SourceDraft:
        """The source it would become."""
        return SourceDraft(
            backend=self.item["backend"],
            name=self.item["name"],
            config=dict(self.item["options"]),
            root=self.item["path"],
        )


class PlacesStep(Step):
    """Looks where measuring programs write down that they keep data, and takes other places."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(
            translate("PlacesStep", "Measurements"),
            translate("PlacesStep", "Welcome. Where are your measurements?"),
            translate(
                "PlacesStep", "They stay where they are, and nothing in them is ever changed. Copies go to an archive."
            ),
        )
        self._desk = desk
        self._job: int | None = None
        self._places: dict[str, FoundPlace] = {}
        self.archive_folder = ""
        self._list = column(spacing=Space.S)
        self.body.addLayout(self._list)
        self._said = SentenceLabel(tint="muted")
        self._said.setObjectName("found-sentence")
        self.body.addWidget(self._said)
        buttons = row()
        for name, words, icon_name, is_file in (
            ("add-folder", self.tr("Add a folder…"), "folder-plus", False),
            ("add-file", self.tr("Add a database…"), "file-plus", True),
        ):
            button = QPushButton(words)
            button.setObjectName(name)
            button.setAccessibleName(words)
            button.setAutoDefault(False)
            keep_icon(button, icon_name)
            button.clicked.connect(lambda _=False, is_file=is_file: self._choose(is_file=is_file))
            buttons.addWidget(button)
        self._stop_button = QPushButton(self.tr("Stop looking"))
        self._stop_button.setObjectName("stop-looking")
        self._stop_button.setAccessibleName(self._stop_button.text())
        self._stop_button.setAutoDefault(False)
        self._stop_button.clicked.connect(self.stop)
        self._stop_button.hide()
        buttons.addWidget(self._stop_button)
        buttons.addStretch(1)
        self.body.addLayout(buttons)
        self._where_button = QToolButton()
        self._where_button.setText(self.tr("Where was looked"))
        self._where_button.setAccessibleName(self._where_button.text())
        self._where_button.setObjectName("where-looked")
        self._where_button.setCheckable(True)
        self._where_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        keep_icon(self._where_button, "chevron-right")
        self._where_button.hide()
        self._where = SentenceLabel("", TextRole.SMALL, "muted")
        self._where.hide()
        self._where_button.toggled.connect(self._show_where)
        self.body.addWidget(self._where_button, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self._where)
        self.body.addStretch(1)

    def _show_where(self, is_shown: bool) -> None:  # a slot
        self._where.setVisible(is_shown)
        keep_icon(self._where_button, "chevron-down" if is_shown else "chevron-right")

    # -- looking -----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Begin to look."""
        self._say(self.tr("Looking on this computer…"), "muted")
        self._stop_button.show()
        self._job = self._desk.jobs.start(
            "find_sources", {}, self, self._on_answer, self._on_failure, lambda body: self._add(body["found"])
        )

    def stop(self) -> None:
        """Look no further."""
        self._stop_button.hide()
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None
            self._tell_sum()

    def _on_answer(self, result: dict[str, Any]) -> None:
        self._job = None
        self._stop_button.hide()
        self.archive_folder = result["archive_folder"]
        for item in result["found"]:
            self._add(item)
            self._places[item["path"] or item["name"]].tick.setChecked(bool(item["is_ticked"]))
        self._where.setText("\n".join(result["looked_at"]))
        self._where_button.show()
        self._tell_sum()
        if not result["is_whole"]:
            self._say(self.tr("The time for looking was up. Add what is missing."), "warning")

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._stop_button.hide()
        self._say(error.reason, "bad")

    def _add(self, item: dict[str, Any]) -> None:
        key = item["path"] or item["name"]
        if key in self._places:
            return
        place = FoundPlace(item)
        place.tick.toggled.connect(lambda is_on: self._on_ticked(key, is_on=is_on))
        self._places[key] = place
        self._list.addWidget(place)
        self.readyChanged.emit()

    def _on_ticked(self, key: str, *, is_on: bool) -> None:
        """Of two places inside each other only the one that was ticked last counts: nothing is archived twice."""
        for other, place in self._places.items():
            if is_on and other != key and place.tick.isChecked() and _is_one_in_the_other(key, other):
                place.tick.setChecked(False)
                inner, outer = sorted((key, other), key=len, reverse=True)
                text = self.tr("{inner} lies in {outer}, so only one of them can be a source: {key} is ticked now.")
                self._say(text.format(inner=inner, outer=outer, key=key), "warning")
        self.readyChanged.emit()

    def _choose(self, *, is_file: bool) -> None:
        chosen = choose_path(self, is_file=is_file)
        if chosen:
            self.add_path(chosen)

    def add_path(self, path: str) -> None:
        """Add a place that a person chose."""
        self.add_paths([path])

    def add_paths(self, paths: list[str]) -> None:
        """Add places that a person chose or dropped; what is no source is refused with a sentence."""
        self._say(self.tr("Looking what that is…"), "muted")
        self._desk.jobs.start("recognise", {"paths": paths}, self, self._on_recognised, self._on_failure)

    def _on_recognised(self, result: dict[str, Any]) -> None:
        refusals = [answer["refusal"] for answer in result["answers"] if answer["refusal"]]
        self._tell_sum()
        for answer in result["answers"]:
            if not answer["refusal"]:
                self._add(
                    {
                        **answer["recognised"][0], "path": answer["path"], "name": answer["name"], "is_ticked": True,
                        "why": self.tr("You added it."),
                    }
                )  # fmt: skip
            if not answer["refusal"]:
                self._on_ticked(answer["path"], is_on=self._places[answer["path"]].tick.isChecked())
        if refusals:
            self._say(" ".join(refusals), "bad")

    def _tell_sum(self) -> None:
        if self._places:
            self._say("", "muted")
        else:
            self._say(self.tr("Nothing was found by itself. Add the folder with your measurements."), "")

    def _say(self, sentence: str, tint: str) -> None:
        set_tint(self._said, tint)
        self._said.setText(sentence)
        self._said.setVisible(bool(sentence))

    # -- what is chosen ----------------------------------------------------------------------------------------------

    def drafts(self) -> list[SourceDraft]:
        """The sources that are ticked, each with a name of its own."""
        found: list[SourceDraft] = []
        names: set[str] = set()
        for place in self._places.values():
            if place.tick.isChecked():
                draft = place.draft()
                base, number = draft.name, 1
                while draft.name.casefold() in names:
                    number += 1
                    draft.name = f"{base} {number}"
                names.add(draft.name.casefold())
                found.append(draft)
        return found

    @property
    def is_ready(self) -> bool:
        """Something is ticked."""
        return any(place.tick.isChecked() for place in self._places.values())

    def leave(self, then: Callable[[], None]) -> None:
        """Go on; what is still looked for is no longer waited for."""
        self.stop()
        then()


def _is_one_in_the_other(path: str, other: str) -> bool:
    inner, outer = sorted((path.rstrip("/"), other.rstrip("/")), key=len, reverse=True)
    return bool(outer) and inner.startswith(f"{outer}/")


class ArchiveStep(Step):
    """Where the archive is to be."""

    def __init__(self, desk: Desk, catalogue: Catalogue) -> None:
        super().__init__(
            translate("ArchiveStep", "Archive"),
            translate("ArchiveStep", "Where is the archive to be?"),
            translate(
                "ArchiveStep",
                "A folder on another disk or a share is best: then a broken disk takes nothing with it.",
            ),
        )
        self.choice = DestinationChoice(desk, catalogue)
        self.choice.changed.connect(self.readyChanged)
        self.body.addWidget(self.choice)
        self.body.addStretch(1)

    @property
    def is_ready(self) -> bool:
        """A destination is chosen."""
        return self.choice.is_ready


class FirstRunWizard(Wizard):
    """Sets everything up in three pages."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        self._catalogue = Catalogue(desk, None)
        self.places = PlacesStep(desk)
        self.archive = ArchiveStep(desk, self._catalogue)
        self.start = StartStep(desk)
        self._drafts: list[SourceDraft] = []
        super().__init__(
            translate("FirstRunWizard", "Set up the archive"),
            [self.places, self.archive, self.start],
            parent,
            done_words=translate("FirstRunWizard", "Start archiving"),
        )
        self._catalogue.setParent(self)
        self.setObjectName("first-run-wizard")
        self._adding = Adding(desk, self, self)
        self._adding.done.connect(lambda _: self.accept())
        self._adding.failed.connect(self._on_failure)
        self._adding.told.connect(self.say)
        self.finished.connect(lambda _: self._stop())
        # The wizard lies before the window, so what is meant for the window is dropped here.
        DropFilter(self).dropped.connect(self._on_dropped)
        self._catalogue.load()
        self.places.look()

    def _on_dropped(self, paths: list[str]) -> None:
        if paths and not self.is_busy:
            self.skip_to(0)
            self.places.add_paths(paths)

    def go_on(self) -> None:
        """Hand what is chosen to the next page."""
        if self.current_step is self.places and self.places.is_ready:
            self._drafts = self.places.drafts()
            self.archive.choice.set_sources(self._drafts)
            if self.places.archive_folder:
                self.archive.choice.suggest_path(self.places.archive_folder)
        elif self.current_step is self.archive and self.archive.is_ready:
            for draft in self._drafts:
                draft.destination = self.archive.choice.chosen
                draft.new_destination = self.archive.choice.new
            self.start.show_drafts(self._drafts)
        super().go_on()

    def finish(self) -> None:
        """Add everything; the wizard closes when it is added."""
        self.set_busy(is_busy=True)
        self.start.apply()
        self._adding.start([draft for draft in self._drafts if draft not in self._adding.added])

    def _on_failure(self, error: EtiketError) -> None:
        self.set_busy(is_busy=False)
        self.say(f"{error.reason} {error.advice}".strip())

    def _stop(self) -> None:
        self.places.stop()
        self.start.stop()
