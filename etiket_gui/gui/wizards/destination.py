"""The dialog that adds a destination, or changes one: its form, a test, and its sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from etiket_gui.bridge.queries_wizards import DestinationSetup, destination_setup
from etiket_gui.domain.commands import AddDestination, EditDestination, Reply
from etiket_gui.domain.errors import EtiketError, UsageError, error_from_json
from etiket_gui.gui.credential_dialog import CredentialDialog
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.widgets.layouts import column
from etiket_gui.gui.wizards.adding import failure_of
from etiket_gui.gui.wizards.checking import Checker
from etiket_gui.gui.wizards.destination_choice import DestinationTester
from etiket_gui.gui.wizards.dialog import SetupDialog
from etiket_gui.gui.wizards.draft import Catalogue
from etiket_gui.gui.wizards.form import ConfigForm, password_fields
from etiket_gui.settings.configuration_rules import check_name


class DestinationDialog(SetupDialog):
    """Adds a destination, or changes the one of that number."""

    def __init__(self, desk: Desk, parent: QWidget | None = None, destination_id: int | None = None) -> None:
        is_new = destination_id is None
        title = translate("DestinationDialog", "Add a destination" if is_new else "Change a destination")
        words = translate("DestinationDialog", "Add" if is_new else "Save")
        super().__init__(desk, parent, title=title, save_words=words)
        self.setObjectName("destination-dialog")
        self._id = destination_id
        self._setup: DestinationSetup | None = None
        self._form: ConfigForm | None = None
        self._form_kind = ""
        self._kind = QComboBox()
        self._kind.setObjectName("destination-kind")
        self._kind.setAccessibleName(self.tr("Kind of destination"))
        self._kind.activated.connect(lambda _: self._show_form())
        self._kind_place = QWidget()
        self.body.addWidget(self._kind_place)
        column(self._kind_place).addWidget(self._kind)
        self._name = QLineEdit()
        self._name.setObjectName("destination-name")
        self._name.setAccessibleName(self.tr("Name of the destination"))
        self._name.textEdited.connect(lambda _: self._tell())
        self._name_error = self.add_titled(self.tr("Name"), self._name)
        self._place = column()
        self.body.addLayout(self._place)
        self._tester = DestinationTester(desk)
        self.body.addWidget(self._tester)
        self._sign_in = self.add_sign_in("destination-sign-in", self.tr("Sign in…"), self._open_credentials)
        self.body.addStretch(1)
        self._checker = Checker(desk, "destination", self._values, self)
        self._checker.checked.connect(self._on_checked)
        self._checker.failed.connect(self.fail)
        self._catalogue = Catalogue(desk, self)
        self._catalogue.arrived.connect(self._fill)
        self._catalogue.failed.connect(self.fail)
        self._catalogue.load()

    # -- filling -----------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        for identifier, kind in sorted(self._catalogue.destinations.items(), key=lambda item: item[0] != "archive"):
            self._kind.addItem(kind["title"], identifier)
        self._kind_place.setVisible(self._id is None and self._kind.count() > 1)
        number = self._id
        if number is None:
            self._show_form()
            return
        self._desk.reads.ask(lambda reads: destination_setup(reads.connection, number), self, self._on_setup, self.fail)

    def _on_setup(self, setup: DestinationSetup | None) -> None:
        if setup is None:
            self.say(self.tr("This destination is not there any more."))
            return
        self._setup = setup
        self._name.setText(setup.name)
        self._kind.setCurrentIndex(max(0, self._kind.findData(setup.kind)))
        if setup.kind not in self._catalogue.destinations:
            self.say(
                self.tr("Its plug-in {kind} cannot be used, so its options are not shown.").format(kind=setup.kind)
            )
            return
        self._show_form()

    def _show_form(self) -> None:
        identifier = str(self._kind.currentData() or "")
        kind = self._catalogue.destinations.get(identifier)
        if kind is None:
            return
        if self._form is not None:
            self._form.deleteLater()
        fields = [*kind["fields"], *(password_fields(kind) if self._setup is None else ())]
        self._sign_in.setVisible(self._setup is not None and bool(kind["needs_sign_in"]))
        self._form = ConfigForm(fields)
        self._form.edited.connect(self._on_edited)
        self._place.addWidget(self._form)
        if self._setup is not None:
            self._form.set_values(self._setup.config)
        elif not self._name.text():
            self._name.setText(identifier)
        self._checker.set_plugin(identifier, "" if self._setup is None else self._setup.name)
        self._checker.check_now()

    # -- checking ----------------------------------------------------------------------------------------------------

    def _values(self) -> Mapping[str, Any]:
        return {} if self._form is None else self._form.values()

    def _on_edited(self) -> None:
        self._tester.set_parameters(None)
        self._checker.check_soon()
        self._tell()

    def _on_checked(self, result: dict[str, Any]) -> None:
        if self._form is not None:
            self._form.set_errors(result["errors"])
        config = result["config"]
        if config is None:
            self._tester.set_parameters(None)
        else:
            setup = self._setup
            named = {} if setup is None else {"name": setup.name, "account": setup.uuid}
            self._tester.set_parameters({"kind": str(self._kind.currentData()), "config": config, **named})
        self._tell()

    def _tell(self) -> None:
        sentence = ""
        try:
            check_name("destination", self._name.text().strip())
        except UsageError as error:
            sentence = error.reason
        is_told = bool(sentence) and self._name.isModified()
        self._name_error.setText(sentence)
        self._name_error.setVisible(is_told)
        self.save_button.setEnabled(not sentence and self._checker.config is not None)

    # -- saving ------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Add or change it."""
        config = self._checker.config
        name = self._name.text().strip()
        if config is None:
            return
        if self._setup is not None:
            new_name = None if name == self._setup.name else name
            changed = None if config == dict(self._setup.config) else config
            self.send(EditDestination(self._setup.name, new_name, changed))
            return
        kind = str(self._kind.currentData())
        self.save_button.setEnabled(False)
        self.say(self.tr("Making it ready…"), "muted")
        self._desk.jobs.start(
            "create_destination", {"kind": kind, "config": config}, self,
            lambda probe: self._add(name, kind, config, probe), self.fail,
        )  # fmt: skip

    def _add(self, name: str, kind: str, config: dict[str, Any], probe: dict[str, Any]) -> None:
        if probe["problems"] and not probe["needs_sign_in"]:
            self.fail(error_from_json(probe["problems"][0]))
            return
        command = AddDestination(name, kind, config, probe["identity"])
        self._desk.host.ask(command, self, self._on_added, self.fail)

    def _on_added(self, reply: Reply) -> None:
        if not reply.is_ok:
            self.fail(failure_of(reply))
            return
        secret = "" if self._form is None else self._form.secret()
        if not secret:
            self.accept()
            return
        parameters = {"account": str(reply.value.get("uuid")), "secret": secret}
        self._desk.jobs.start("keyring_store", parameters, self, lambda _: self.accept(), self._on_not_kept)

    def _on_not_kept(self, error: EtiketError) -> None:
        """It is added; only its password is not kept."""
        self.save_button.setEnabled(False)
        self.say(f"{error.reason} {error.advice}".strip())

    def _open_credentials(self) -> None:
        setup = self._setup
        if setup is None:
            return
        title = self._catalogue.destinations[setup.kind]["sign_in_title"]
        dialog = CredentialDialog(self._desk, self, account=setup.uuid, name=setup.name, title=title)
        dialog.kept.connect(self._tester.test)
        dialog.open()
