"""The wizard's page with the options of a source: a form of its plug-in, checked while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.widgets.layouts import column
from etiket_gui.gui.wizards.checking import Checker
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft
from etiket_gui.gui.wizards.form import ConfigForm, password_fields
from etiket_gui.gui.wizards.frame import Step


class SettingsStep(Step):
    """The form of the draft's backend."""

    def __init__(self, desk: Desk, catalogue: Catalogue, draft: SourceDraft) -> None:
        super().__init__(translate("SettingsStep", "Settings"), translate("SettingsStep", "How is it read?"))
        self._catalogue = catalogue
        self._draft = draft
        self._form: ConfigForm | None = None
        self._backend = ""
        self._then: Callable[[], None] | None = None
        self._place = column()
        self.body.addLayout(self._place)
        self.body.addStretch(1)
        self._checker = Checker(desk, "backend", self._values, self)
        self._checker.checked.connect(self._on_checked)
        self._checker.failed.connect(self._on_failed)

    @property
    def form(self) -> ConfigForm | None:
        """The form that is shown."""
        return self._form

    def _values(self) -> Mapping[str, Any]:
        return {} if self._form is None else self._form.values()

    def enter(self) -> None:
        """Show the form of the chosen backend with what is known."""
        self._catalogue.when_here(self._show_form)

    def _show_form(self) -> None:
        kind = self._catalogue.backends.get(self._draft.backend)
        if kind is None:
            return
        if self._form is None or self._backend != self._draft.backend:
            if self._form is not None:
                self._form.deleteLater()
            # The patterns of a file source are edited on the next page, where the files that they hit are seen.
            is_on_next_page = kind["reads"] == "files"
            fields = [field for field in kind["fields"] if not (is_on_next_page and field["name"] == "ignore")]
            self._form = ConfigForm([*fields, *password_fields(kind)])
            self._form.edited.connect(self._on_edited)
            self._place.addWidget(self._form)
            self._backend = self._draft.backend
            self._checker.set_plugin(self._backend)
            self.title = kind["title"]
            self.subtitle = kind["description"]
        self._form.set_values(self._draft.config)
        self._checker.check_now()
        self.readyChanged.emit()

    def _on_edited(self) -> None:
        self._draft.survey = None
        self._checker.check_soon()

    def _on_checked(self, result: dict[str, Any]) -> None:
        if self._form is None:
            return
        self._form.set_errors(result["errors"])
        then, self._then = self._then, None
        config = result["config"]
        if config is None:
            if then is not None:
                self._form.show_all_errors()
            return
        if config != self._draft.config:
            self._draft.survey = None
        self._draft.config = dict(config)
        self._draft.root = result["root"]
        self._draft.secret = self._form.secret()
        if not self._draft.name:
            self._draft.name = result["suggested_name"]
        if then is not None:
            then()

    def _on_failed(self, error: EtiketError) -> None:
        self._then = None
        if self._form is not None:
            self._form.set_errors({"": f"{error.reason} {error.advice}".strip()})

    def leave(self, then: Callable[[], None]) -> None:
        """Go on when the values were checked and are in order."""
        self._then = then
        self._checker.check_now()
