"""The dialog that changes a source: its name, options, destinations, beginning, and whether it is looked into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtWidgets import QCheckBox, QLineEdit, QWidget

from etiket_gui.bridge.queries_wizards import DestinationSetup, SourceSetup, destination_setups, source_setup
from etiket_gui.domain.commands import EditSource
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.states import ScopePolicy
from etiket_gui.gui.credential_dialog import CredentialDialog
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.checking import Checker
from etiket_gui.gui.wizards.dialog import SetupDialog
from etiket_gui.gui.wizards.draft import Catalogue
from etiket_gui.gui.wizards.form import ConfigForm
from etiket_gui.gui.wizards.ignore_preview import IgnorePreview
from etiket_gui.gui.wizards.summary_step import SinceChoice
from etiket_gui.settings.configuration_rules import check_name


class RouteRow(QWidget):
    """One destination, ticked where the source goes there, and the scope there."""

    def __init__(self, setup: DestinationSetup, policy: ScopePolicy) -> None:
        super().__init__()
        self._policy = policy
        self.tick = QCheckBox(setup.name)
        self.tick.setObjectName(f"route-{setup.name}")
        self.tick.setAccessibleName(setup.name)
        self.scope = QLineEdit()
        self.scope.setObjectName(f"scope-{setup.name}")
        self.scope.setAccessibleName(self.tr("Scope at {name}").format(name=setup.name))
        is_needed = policy is ScopePolicy.REQUIRED
        self.scope.setPlaceholderText(self.tr("scope (needed)") if is_needed else self.tr("scope (usual one)"))
        self.scope.setVisible(policy is not ScopePolicy.DISABLED)
        self.scope.setEnabled(False)
        self.tick.toggled.connect(self.scope.setEnabled)
        layout = row(self, spacing=Space.M)
        layout.addWidget(self.tick, 1)
        layout.addWidget(self.scope, 1)

    @property
    def is_ready(self) -> bool:
        """Whether a needed scope is there."""
        return not self.tick.isChecked() or self._policy is not ScopePolicy.REQUIRED or bool(self.scope.text().strip())


class EditSourceDialog(SetupDialog):
    """Changes the source of that number."""

    def __init__(self, desk: Desk, parent: QWidget | None, source_id: int) -> None:
        super().__init__(
            desk,
            parent,
            title=translate("EditSourceDialog", "Change a source"),
            save_words=translate("EditSourceDialog", "Save"),
        )
        self.setObjectName("edit-source-dialog")
        self._id = source_id
        self._setup: SourceSetup | None = None
        self._routes: dict[str, RouteRow] = {}
        self._form: ConfigForm | None = None
        self._name = QLineEdit()
        self._name.setObjectName("source-name")
        self._name.setAccessibleName(self.tr("Name of the source"))
        self._name.textEdited.connect(lambda _: self._tell())
        self._name_error = self.add_titled(self.tr("Name"), self._name)
        self._enabled = QCheckBox(self.tr("Look into it; untick to leave it alone for a while"))
        self._enabled.setObjectName("source-enabled")
        self._enabled.setAccessibleName(self._enabled.text())
        self.body.addWidget(self._enabled)
        self._place = column()
        self.body.addLayout(self._place)
        self._ignore = IgnorePreview(desk)
        self._ignore.edited.connect(self._on_patterns)
        self._ignore.hide()
        self.body.addWidget(self._ignore)
        self.body.addWidget(SectionHeading(self.tr("Goes to")))
        self._route_list = column(spacing=Space.S)
        self.body.addLayout(self._route_list)
        self._route_error = SentenceLabel(tint="bad")
        self._route_error.hide()
        self.body.addWidget(self._route_error)
        self.body.addWidget(SectionHeading(self.tr("Which datasets")))
        self._since = SinceChoice()
        self.body.addWidget(self._since)
        self.body.addStretch(1)
        self._sign_in = self.add_sign_in("source-sign-in", self.tr("Password…"), self._open_credentials)
        self._checker = Checker(desk, "backend", self._values, self)
        self._checker.checked.connect(self._on_checked)
        self._checker.failed.connect(self.fail)
        self._catalogue = Catalogue(desk, self)
        self._catalogue.arrived.connect(self._ask_setup)
        self._catalogue.failed.connect(self.fail)
        self._catalogue.load()
        self.finished.connect(lambda _: self._ignore.stop())

    def _ask_setup(self) -> None:
        number = self._id
        self._desk.reads.ask(
            lambda reads: (source_setup(reads.connection, number), destination_setups(reads.connection)),
            self, self._on_setup, self.fail,
        )  # fmt: skip

    def _on_setup(self, answer: tuple[SourceSetup | None, tuple[DestinationSetup, ...]]) -> None:
        setup, destinations = answer
        if setup is None:
            self.say(self.tr("This source is not there any more."))
            return
        self._setup = setup
        self._name.setText(setup.name)
        self._enabled.setChecked(setup.is_enabled)
        self._since.set_since(setup.since_ns)
        kind = self._catalogue.backends.get(setup.backend)
        policy = ScopePolicy.OPTIONAL if kind is None else ScopePolicy(kind["scope_policy"])
        scopes = dict(setup.routes)
        for destination in destinations:
            made = RouteRow(destination, policy)
            made.tick.setChecked(destination.name in scopes)
            made.scope.setText(scopes.get(destination.name, ""))
            made.tick.toggled.connect(lambda _: self._tell())
            made.scope.textEdited.connect(lambda _: self._tell())
            self._routes[destination.name] = made
            self._route_list.addWidget(made)
        if kind is None:
            self.say(
                self.tr("Its plug-in {name} cannot be used, so its options are not shown.").format(name=setup.backend)
            )
            return
        self.heading.setText(self.tr("Change {name}").format(name=setup.name))
        self._sign_in.setVisible(bool(kind["sign_in_title"]))
        has_patterns = isinstance(setup.config.get("ignore"), list)
        fields = [field for field in kind["fields"] if not (has_patterns and field["name"] == "ignore")]
        self._form = ConfigForm(fields)
        self._form.set_values(setup.config)
        self._form.edited.connect(self._on_edited)
        self._place.addWidget(self._form)
        self._ignore.setVisible(has_patterns)
        if has_patterns:
            self._ignore.show_source(setup.backend, setup.config)
        self._checker.set_plugin(setup.backend, setup.name)
        self._checker.check_now()

    # -- checking ----------------------------------------------------------------------------------------------------

    def _values(self) -> Mapping[str, Any]:
        return {} if self._form is None else self._form.values()

    def _on_edited(self) -> None:
        self._checker.check_soon()
        self._tell()

    def _on_patterns(self, patterns: list[str]) -> None:
        if self._form is not None:
            self._form.set_value("ignore", list(patterns))

    def _on_checked(self, result: dict[str, Any]) -> None:
        if self._form is not None:
            self._form.set_errors(result["errors"])
        self._tell()

    def _tell(self) -> None:
        wrong_name = ""
        try:
            check_name("source", self._name.text().strip())
        except UsageError as error:
            wrong_name = error.reason
        self._name_error.setText(wrong_name)
        self._name_error.setVisible(bool(wrong_name))
        wrong_route = ""
        if self._routes and not any(made.tick.isChecked() for made in self._routes.values()):
            wrong_route = self.tr("Without a destination nothing of it would be archived.")
        elif not all(made.is_ready for made in self._routes.values()):
            wrong_route = self.tr("This kind of source needs a scope at each destination.")
        self._route_error.setText(wrong_route)
        self._route_error.setVisible(bool(wrong_route))
        is_sound = self._form is None or self._checker.config is not None
        self.save_button.setEnabled(self._setup is not None and is_sound and not wrong_name and not wrong_route)

    # -- saving ------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Send what was changed."""
        setup = self._setup
        if setup is None:
            return
        config = self._checker.config
        routes = tuple(
            (name, made.scope.text().strip()) for name, made in self._routes.items() if made.tick.isChecked()
        )
        name, since_ns = self._name.text().strip(), self._since.since_ns
        self.send(
            EditSource(
                setup.name,
                new_name=None if name == setup.name else name,
                config=None if config is None or config == dict(setup.config) else config,
                routes=None if routes == setup.routes else routes,
                is_enabled=None if self._enabled.isChecked() == setup.is_enabled else self._enabled.isChecked(),
                since_ns=None if since_ns == setup.since_ns else since_ns,
            )
        )

    def _open_credentials(self) -> None:
        setup = self._setup
        if setup is None:
            return
        title = self._catalogue.backends[setup.backend]["sign_in_title"]
        CredentialDialog(self._desk, self, account=setup.uuid, name=setup.name, title=title).open()
