"""The wizard that adds a source of any kind: place, settings, what is found, destination, summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtWidgets import QWidget

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.wizards.adding import Adding
from etiket_gui.gui.wizards.destination_step import DestinationStep
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft
from etiket_gui.gui.wizards.found_step import FoundStep
from etiket_gui.gui.wizards.frame import Wizard
from etiket_gui.gui.wizards.place_step import PlaceStep
from etiket_gui.gui.wizards.settings_step import SettingsStep
from etiket_gui.gui.wizards.summary_step import SummaryStep


class AddSourceWizard(Wizard):
    """Adds one source.

    ``recognition`` is an answer of the job "recognise" that has something recognised: the wizard then begins with its
    settings.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None, recognition: Mapping[str, Any] | None = None) -> None:
        self.draft = SourceDraft()
        self._catalogue = Catalogue(desk, None)
        self.place = PlaceStep(desk, self._catalogue, self.draft)
        self.settings = SettingsStep(desk, self._catalogue, self.draft)
        self.found = FoundStep(desk, self.draft)
        self.destination = DestinationStep(desk, self._catalogue, self.draft)
        self.summary = SummaryStep(desk, self.draft)
        steps = [self.place, self.settings, self.found, self.destination, self.summary]
        super().__init__(
            translate("AddSourceWizard", "Add a source"),
            steps,
            parent,
            done_words=translate("AddSourceWizard", "Add"),
        )
        self._catalogue.setParent(self)
        self.setObjectName("add-source-wizard")
        self._adding = Adding(desk, self, self)
        self._adding.done.connect(lambda _: self.accept())
        self._adding.failed.connect(self._on_failure)
        self._adding.told.connect(self.say)
        self.finished.connect(lambda _: self._stop())
        self._catalogue.load()
        if recognition is not None and recognition["recognised"]:
            best = recognition["recognised"][0]
            self.draft.backend = best["backend"]
            self.draft.config = dict(best["options"])
            self.draft.name = str(recognition["name"])
            self.skip_to(1)

    def finish(self) -> None:
        """Add the source; the wizard closes when it is added."""
        self.set_busy(is_busy=True)
        self._adding.start([self.draft])

    def _on_failure(self, error: EtiketError) -> None:
        self.set_busy(is_busy=False)
        self.say(f"{error.reason} {error.advice}".strip())

    def _stop(self) -> None:
        self.found.stop()
        self.summary.stop()
