"""The dialog for a password or token: it says what the password store can do, and keeps a secret nowhere else."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFrame, QPushButton, QWidget

from etiket_gui.domain.commands import SignInChanged
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import PageTitle, SentenceLabel, TextLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.status_dot import StatusDot
from etiket_gui.gui.wizards.editors import SecretEditor
from etiket_gui.gui.wizards.form import secret_field


class KeyringLine(QFrame):
    """The state of the password store in a sentence, with a button to unlock a locked one. ``told`` has the state."""

    told = Signal(str)

    def __init__(self, desk: Desk, account: str = "") -> None:
        super().__init__()
        self._desk = desk
        self._account = account
        self.state = ""
        self.has_secret: bool | None = None
        self._sign = StatusDot("new", self.tr("Password store"))
        self._said = SentenceLabel("", TextRole.SMALL, "muted")
        self._said.setObjectName("keyring-sentence")
        self._unlock = QPushButton(self.tr("Unlock…"))
        self._unlock.setObjectName("keyring-unlock")
        self._unlock.setAccessibleName(self.tr("Unlock the password store"))
        self._unlock.setAutoDefault(False)
        self._unlock.clicked.connect(lambda: self.look(may_ask=True))
        self._unlock.hide()
        layout = row(self, spacing=Space.S)
        layout.addWidget(self._sign)
        layout.addWidget(self._said, 1)
        layout.addWidget(self._unlock)

    def look(self, *, may_ask: bool = False) -> None:
        """Ask for the state; ``may_ask``: the system may ask the person to unlock it."""
        self._unlock.setEnabled(False)
        parameters: dict[str, Any] = {"may_ask": may_ask}
        if self._account:
            parameters["account"] = self._account
        self._desk.jobs.start("keyring_state", parameters, self, self._on_state, self._on_failure)

    def _on_state(self, result: dict[str, Any]) -> None:
        self.state = str(result["state"])
        self.has_secret = result["has_secret"]
        words = {
            "ready": ("ok", self.tr("Kept by the password store of this computer.")),
            "locked": ("attention", self.tr("The password store of this computer is locked. Unlock it first.")),
            "missing": (
                "problem",
                self.tr(
                    "This computer has no password store that encrypts, so the password cannot be kept. "
                    "On Linux, install gnome-keyring or KWallet."
                ),
            ),
        }
        sign, sentence = words.get(self.state, ("attention", str(result["sentence"])))
        if self.state == "ready" and self.has_secret:
            sentence = self.tr("A password is kept by the password store of this computer.")
        self._sign.set_state(sign, sentence)
        self._said.setText(sentence)
        self._unlock.setVisible(self.state == "locked")
        self._unlock.setEnabled(True)
        self.told.emit(self.state)

    def _on_failure(self, error: EtiketError) -> None:
        self.state = "missing"
        self._sign.set_state("problem", error.reason)
        self._said.setText(error.reason)
        self._unlock.setVisible(True)
        self._unlock.setEnabled(True)
        self.told.emit(self.state)


class CredentialDialog(QDialog):
    """Takes, keeps or removes the password of one destination or source.

    ``account`` is its uuid, under which the password store keeps it; ``kept`` after something was kept or removed.
    """

    kept = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None, *, account: str, name: str, title: str) -> None:
        super().__init__(parent)
        self._desk = desk
        self._account = account
        self.setObjectName("credential-dialog")
        self.setWindowTitle(self.tr("Sign in"))
        layout = column(self, margin=Space.XL, spacing=Space.L)
        layout.addWidget(PageTitle(self.tr("Sign in: {name}").format(name=name)))
        label = TextLabel(title, TextRole.STRONG)
        self._secret = SecretEditor(secret_field(title, ""))
        line = self._secret.focus_widget
        line.setObjectName("secret")
        line.setAccessibleName(title)
        label.setBuddy(line)
        self._secret.changed.connect(self._tell)
        fields = column(spacing=Space.XS)
        fields.addWidget(label)
        fields.addWidget(self._secret)
        layout.addLayout(fields)
        self._line = KeyringLine(desk, account)
        self._line.told.connect(self._on_keyring)
        layout.addWidget(self._line)
        self._error = SentenceLabel(tint="bad")
        self._error.setObjectName("credential-error")
        self._error.hide()
        layout.addWidget(self._error)
        layout.addStretch(1)
        box = QDialogButtonBox()
        self._keep = box.addButton(self.tr("Keep"), QDialogButtonBox.ButtonRole.AcceptRole)
        self._keep.setObjectName("credential-keep")
        self._remove = box.addButton(self.tr("Remove"), QDialogButtonBox.ButtonRole.DestructiveRole)
        self._remove.setObjectName("credential-remove")
        self._remove.hide()
        cancel = box.addButton(self.tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        cancel.setObjectName("credential-cancel")
        for button in (self._keep, self._remove, cancel):
            button.setAccessibleName(button.text())
        self._keep.setDefault(True)
        box.accepted.connect(self._store)
        box.rejected.connect(self.reject)
        self._remove.clicked.connect(self._forget)
        layout.addWidget(box)
        self.resize(self.fontMetrics().averageCharWidth() * 70, self.sizeHint().height())
        self._tell()
        self._line.look()

    def _on_keyring(self, _: str) -> None:
        self._remove.setVisible(bool(self._line.has_secret))
        if self._line.has_secret:
            self._secret.set_placeholder(self.tr("Type a new one to replace it"))
        self._tell()

    def _tell(self) -> None:
        self._keep.setEnabled(self._line.state == "ready" and bool(self._secret.value()))

    def _store(self) -> None:
        self._busy(is_busy=True)
        parameters = {"account": self._account, "secret": self._secret.value()}
        self._desk.jobs.start("keyring_store", parameters, self, self._on_done, self._on_failure)

    def _forget(self) -> None:
        self._busy(is_busy=True)
        self._desk.jobs.start("keyring_forget", {"account": self._account}, self, self._on_forgotten, self._on_failure)

    def _on_forgotten(self, result: dict[str, Any]) -> None:
        if result["is_gone"]:
            self._on_done(result)
        else:
            self._say(self.tr("It could not be removed. Unlock the password store and try again."))

    def _on_done(self, _: dict[str, Any]) -> None:
        self._secret.set_value(None)
        # The engine remembers the one before as long as nobody tells it.
        self._desk.host.ask(SignInChanged(self._account), None, lambda _: None)
        self.kept.emit()
        self.accept()

    def _on_failure(self, error: EtiketError) -> None:
        self._say(f"{error.reason} {error.advice}".strip())

    def _say(self, sentence: str) -> None:
        self._busy(is_busy=False)
        set_tint(self._error, "bad")
        self._error.setText(sentence)
        self._error.show()

    def _busy(self, *, is_busy: bool) -> None:
        self._keep.setEnabled(not is_busy)
        self._remove.setEnabled(not is_busy)
