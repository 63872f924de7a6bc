"""Where datasets go: a destination that is there, or a new one with its form and a test; used by wizards and sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QLineEdit, QPushButton, QRadioButton, QWidget

from etiket_gui.bridge.queries_wizards import DestinationSetup, destination_setups
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.sentences import destination_state_title, size_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.checking import Checker
from etiket_gui.gui.wizards.draft import Catalogue, NewDestination, SourceDraft
from etiket_gui.gui.wizards.form import ConfigForm, password_fields

_INDENT = Space.XL


class DestinationTester(QWidget):
    """The button "Test" with what came of it. ``tested`` has the answer of the job "test_destination"."""

    tested = Signal(object)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._job: int | None = None
        self._parameters: dict[str, Any] | None = None
        self._button = QPushButton(self.tr("Test"))
        self._button.setObjectName("destination-test")
        self._button.setAccessibleName(self.tr("Test this destination"))
        keep_icon(self._button, "zap")
        self._button.setEnabled(False)
        self._button.setAutoDefault(False)
        self._button.clicked.connect(self.test)
        self._said = SentenceLabel()
        self._said.setObjectName("destination-test-result")
        layout = row(self, spacing=Space.M)
        layout.addWidget(self._button)
        layout.addWidget(self._said, 1)

    def set_parameters(self, parameters: Mapping[str, Any] | None) -> None:
        """What is tested; None while that makes no sense."""
        wanted = None if parameters is None else dict(parameters)
        if wanted == self._parameters:
            return
        self._parameters = wanted
        self._button.setEnabled(wanted is not None)
        self._said.setText("")
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    def test(self) -> None:
        """Test now."""
        if self._parameters is None:
            return
        self._button.setEnabled(False)
        self._say(self.tr("Testing…"), "muted")
        self._job = self._desk.jobs.start("test_destination", self._parameters, self, self._on_answer, self._on_failure)

    def _on_answer(self, result: dict[str, Any]) -> None:
        self._job = None
        self._button.setEnabled(True)
        if result["same_as"]:
            self._say(self.tr("That is {name}, which is there already.").format(name=result["same_as"]), "bad")
        elif result["problems"]:
            problem = result["problems"][0]
            self._say(f"{problem['reason']} {problem['advice']}".strip(), "bad")
        else:
            self._say(words_of_test(result), "good")
        self.tested.emit(result)

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._button.setEnabled(True)
        self._say(f"{error.reason} {error.advice}".strip(), "bad")
        self.tested.emit(None)

    def _say(self, sentence: str, tint: str) -> None:
        set_tint(self._said, tint)
        self._said.setText(sentence)

    @property
    def said(self) -> str:
        """What the last test came to."""
        return self._said.text()


def words_of_test(result: Mapping[str, Any]) -> str:
    """A good test in words."""
    from etiket_gui.gui.sentences import translate

    parts = [translate("wizards", "Works.")]
    if result["will_create"]:
        parts.append(result["will_create"])
    if result["free_bytes"] is not None:
        parts.append(translate("wizards", "{size} free.").format(size=size_text(result["free_bytes"])))
    return " ".join(parts)


class DestinationChoice(QWidget):
    """Choose or make a destination. ``changed`` whenever :attr:`is_ready` or the choice may be another."""

    changed = Signal()

    def __init__(self, desk: Desk, catalogue: Catalogue, *, suggested_path: str = "") -> None:
        super().__init__()
        self._desk = desk
        self._catalogue = catalogue
        self._suggested_path = suggested_path
        self._rows: tuple[DestinationSetup, ...] = ()
        self._is_loaded = False
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QRadioButton] = {}
        self._form: ConfigForm | None = None
        self._checker = Checker(desk, "destination", self._values, self)
        self._checker.checked.connect(self._on_checked)
        self._checker.failed.connect(lambda error: self._on_checked({"errors": {"": error.reason}, "config": None}))
        layout = column(self, spacing=Space.M)
        self._list = column(spacing=Space.S)
        layout.addLayout(self._list)
        self._new_button = QRadioButton(self.tr("A new destination"))
        self._new_button.setObjectName("destination-new")
        self._new_button.setAccessibleName(self._new_button.text())
        self._group.addButton(self._new_button)
        layout.addWidget(self._new_button)
        self._new = QWidget()
        inside = self._inside = column(self._new, spacing=Space.M)
        inside.setContentsMargins(_INDENT, 0, 0, 0)
        self._kind = QComboBox()
        self._kind.setObjectName("destination-kind")
        self._kind.setAccessibleName(self.tr("Kind of destination"))
        self._kind.activated.connect(lambda _: self._show_kind())
        self._name = QLineEdit()
        self._name.setObjectName("destination-name")
        self._name.setAccessibleName(self.tr("Name of the destination"))
        self._name.textEdited.connect(lambda _: self.changed.emit())
        self._kind_row = QWidget()
        kind_line = column(self._kind_row, spacing=Space.XS)
        kind_line.addWidget(TextLabel(self.tr("Kind"), TextRole.STRONG))
        kind_line.addWidget(self._kind)
        inside.addWidget(self._kind_row)
        self._form_place = column()
        inside.addLayout(self._form_place)
        names = column(spacing=Space.XS)
        names.addWidget(TextLabel(self.tr("Name"), TextRole.STRONG))
        names.addWidget(self._name)
        inside.addLayout(names)
        self.test_line = DestinationTester(desk)
        inside.addWidget(self.test_line)
        layout.addWidget(self._new)
        self._group.buttonToggled.connect(lambda *_: self._on_chosen())
        catalogue.when_here(self._show_kinds)
        desk.reads.ask(lambda reads: destination_setups(reads.connection), self, self._on_rows, self._on_no_rows)

    # -- filling -----------------------------------------------------------------------------------------------------

    def _on_no_rows(self, _: EtiketError) -> None:
        self._on_rows(())

    def _on_rows(self, rows: Sequence[DestinationSetup]) -> None:
        self._rows = tuple(rows)
        self._is_loaded = True
        for setup in self._rows:
            button = QRadioButton(setup.name)
            button.setObjectName(f"destination-{setup.name}")
            button.setAccessibleName(setup.name)
            self._group.addButton(button)
            self._buttons[setup.name] = button
            self._list.addWidget(button)
            described = SentenceLabel(self._described(setup), TextRole.SMALL, "muted")
            described.setContentsMargins(_INDENT, 0, 0, 0)
            self._list.addWidget(described)
        first = next(iter(self._buttons.values()), self._new_button)
        self._new_button.setVisible(bool(self._buttons))
        if not self._buttons:
            self._inside.setContentsMargins(0, 0, 0, 0)
            self._name.setText(self._name.text() or self.tr("archive"))
        first.setChecked(True)
        self._on_chosen()

    def _described(self, setup: DestinationSetup) -> str:
        where = next(
            (str(setup.config[key]) for key in ("path", "url", "address") if setup.config.get(key)), setup.kind
        )
        state = destination_state_title(setup.state)
        free = "" if setup.free_bytes is None else self.tr(", {size} free").format(size=size_text(setup.free_bytes))
        return f"{where} · {state}{free}"

    def _show_kinds(self) -> None:
        for identifier, kind in sorted(self._catalogue.destinations.items(), key=lambda item: item[0] != "archive"):
            self._kind.addItem(kind["title"], identifier)
        self._kind_row.setVisible(self._kind.count() > 1)
        self._show_kind()

    def _show_kind(self) -> None:
        identifier = str(self._kind.currentData() or "")
        kind = self._catalogue.destinations.get(identifier)
        if kind is None:
            return
        if self._form is not None:
            self._form.deleteLater()
        self._form = ConfigForm([*kind["fields"], *password_fields(kind)], is_short=True)
        self._form_place.addWidget(self._form)
        self._checker.set_plugin(identifier)
        self._form.edited.connect(self._checker.check_soon)
        self._form.edited.connect(self._on_edited)
        if identifier == "archive" and self._suggested_path:
            self._form.set_values({"path": self._suggested_path})
        self._checker.check_now()

    def suggest_path(self, path: str) -> None:
        """Put a folder into the empty form of a new archive."""
        self._suggested_path = path
        if self._form is not None and self._kind.currentData() == "archive" and not self._form.values().get("path"):
            self._form.set_values({"path": path})
            self._checker.check_now()

    def set_sources(self, drafts: Sequence[SourceDraft]) -> None:
        """What is to go there: an archive must not lie in it, nor hold it."""
        self._checker.set_beside(
            [{"name": draft.name or draft.backend, "config": dict(draft.config)} for draft in drafts]
        )

    def choose(self, name: str) -> None:
        """Choose the destination of that name, where there is one."""
        button = self._buttons.get(name)
        if button is not None:
            button.setChecked(True)

    # -- what is chosen ----------------------------------------------------------------------------------------------

    def _values(self) -> Mapping[str, Any]:
        return {} if self._form is None else self._form.values()

    def _on_edited(self) -> None:
        self.test_line.set_parameters(None)
        self.changed.emit()

    def _on_checked(self, result: Mapping[str, Any]) -> None:
        if self._form is not None:
            self._form.set_errors(result["errors"])
        config = result["config"]
        kind = str(self._kind.currentData() or "")
        self.test_line.set_parameters(None if config is None else {"kind": kind, "config": config})
        if self._new_button.isChecked():
            self.test_line.test()
        self.changed.emit()

    def _on_chosen(self) -> None:
        self._new.setVisible(self._new_button.isChecked())
        self.changed.emit()

    @property
    def chosen(self) -> str:
        """The name of the destination that is there and was chosen; empty for a new one."""
        return next((name for name, button in self._buttons.items() if button.isChecked()), "")

    @property
    def new(self) -> NewDestination | None:
        """The new destination, None where one that is there was chosen or the form is not in order."""
        config = self._checker.config
        if self.chosen or config is None or self._form is None or not self._name.text().strip():
            return None
        return NewDestination(str(self._kind.currentData()), self._name.text().strip(), config, self._form.secret())

    @property
    def kind(self) -> str:
        """The kind of what is chosen."""
        chosen = self.chosen
        return next((row.kind for row in self._rows if row.name == chosen), str(self._kind.currentData() or ""))

    @property
    def is_ready(self) -> bool:
        """Whether the choice can be used."""
        return bool(self.chosen) or self.new is not None

    def show_errors(self) -> None:
        """Show what is missing."""
        if self._form is not None and not self.chosen:
            self._form.show_all_errors()
