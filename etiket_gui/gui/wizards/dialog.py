"""The frame of the dialogs that change what is set up: a title, a scrolled form, a sentence, and Save."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QFrame, QPushButton, QVBoxLayout, QWidget

from etiket_gui.domain.commands import Command, Reply
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import PageTitle, SentenceLabel, TextLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row, scrolled
from etiket_gui.gui.wizards.adding import failure_of

_WIDTH_CHARACTERS, _HEIGHT_LINES = 92, 38


class SetupDialog(QDialog):
    """Subclasses put their widgets into :attr:`body`, enable :attr:`save_button`, and act in :meth:`save`."""

    def __init__(self, desk: Desk, parent: QWidget | None, *, title: str, save_words: str) -> None:
        super().__init__(parent)
        self._desk = desk
        self.setWindowTitle(title)
        self.heading = PageTitle(title)
        content = QWidget()
        self.body: QVBoxLayout = column(content, margin=Space.XL, spacing=Space.L)
        self._note = SentenceLabel(tint="bad")
        self._note.setObjectName("dialog-note")
        self.save_button = self._button("dialog-save", save_words)
        self.save_button.setProperty("primary", "true")
        self.save_button.setDefault(True)
        self.save_button.setEnabled(False)
        self.save_button.clicked.connect(self.save)
        cancel = self._button("dialog-cancel", self.tr("Cancel"))
        cancel.clicked.connect(self.reject)
        head = QWidget()
        top = column(head)
        top.setContentsMargins(Space.XL, Space.XL, Space.XL, 0)
        top.addWidget(self.heading)
        foot = QFrame()
        foot.setProperty("bar", "bottom")
        self.foot = row(foot, margin=Space.M, spacing=Space.S)
        self.foot.addWidget(cancel)
        self.foot.addWidget(self._note, 1)
        self.foot.addWidget(self.save_button)
        whole = column(self, spacing=0)
        whole.addWidget(head)
        whole.addWidget(scrolled(content), 1)
        whole.addWidget(foot)
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * _WIDTH_CHARACTERS, metrics.height() * _HEIGHT_LINES)

    def showEvent(self, event: QShowEvent) -> None:
        """Enter is for saving alone, whichever button has the keyboard."""
        super().showEvent(event)
        for button in self.findChildren(QPushButton):
            if button is not self.save_button:
                button.setAutoDefault(False)

    def _button(self, name: str, words: str) -> QPushButton:
        button = QPushButton(words)
        button.setObjectName(name)
        button.setAccessibleName(words)
        button.setAutoDefault(False)
        return button

    def add_titled(self, title: str, widget: QWidget, help_text: str = "") -> SentenceLabel:
        """Put a widget with a title above it into the body; returns the hidden label for what is wrong with it."""
        label = TextLabel(title, TextRole.STRONG)
        label.setBuddy(widget)
        error = SentenceLabel(tint="bad")
        error.hide()
        part = column(spacing=Space.XS)
        part.addWidget(label)
        part.addWidget(widget)
        part.addWidget(error)
        if help_text:
            part.addWidget(SentenceLabel(help_text, TextRole.SMALL, "muted"))
        self.body.addLayout(part)
        return error

    def add_sign_in(self, name: str, words: str, clicked: Callable[[], None]) -> QPushButton:
        """A button at the bottom that leads to the password; it is hidden at first."""
        button = QPushButton(words)
        button.setObjectName(name)
        button.setAccessibleName(words)
        button.setAutoDefault(False)
        keep_icon(button, "key-round")
        button.clicked.connect(clicked)
        button.hide()
        self.foot.insertWidget(1, button)
        return button

    def say(self, sentence: str, tint: str = "bad") -> None:
        """Show what keeps from saving, or what goes on."""
        set_tint(self._note, tint)
        self._note.setText(sentence)

    def fail(self, error: EtiketError) -> None:
        """Show a failure; it can be tried again."""
        self.say(f"{error.reason} {error.advice}".strip())
        self.save_button.setEnabled(True)

    def send(self, command: Command) -> None:
        """Have a command carried out; the dialog closes when it was."""
        self.save_button.setEnabled(False)
        self.say(self.tr("Saving…"), "muted")
        self._desk.host.ask(command, self, self.on_reply, self.fail)

    def on_reply(self, reply: Reply) -> None:
        """Close after a yes, show the reason of a no."""
        if reply.is_ok:
            self.accept()
        else:
            self.fail(failure_of(reply))

    def save(self) -> None:
        """The person wants it so."""
