"""What all pages have in common: they read the store while they are seen, and say what became of a command."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from etiket_gui.domain.commands import Command, Reply
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.sentences import capitalised
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import SentenceLabel, restyle, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.status_dot import StatusDot

#: A page that is seen reads the store at most this often.
_QUIET_MS = 300
#: How old something is is said anew this often.
_AGES_MS = 15_000


class ReplyLine(QWidget):
    """What became of the last thing a person asked for; hidden until there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout: QHBoxLayout = row(self, spacing=Space.S)
        self._sign = StatusDot("ok")
        self._sentence = SentenceLabel()
        self._sentence.setObjectName("reply")
        self._close = QToolButton()
        keep_icon(self._close, "x", "muted")
        self._close.setAccessibleName(self.tr("Hide this message"))
        self._close.setToolTip(self.tr("Hide"))
        self._close.clicked.connect(self.hide)
        layout.addWidget(self._sign)
        layout.addWidget(self._sentence, 1)
        layout.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        """What it says; "" when it is hidden."""
        return "" if self.isHidden() else self._sentence.text()

    def say(self, sentence: str, *, is_bad: bool = False) -> None:
        """Show a sentence; an empty one hides the line."""
        self._sign.set_state("problem" if is_bad else "ok", self.tr("Problem") if is_bad else self.tr("Done"))
        set_tint(self._sentence, "bad" if is_bad else "")
        self._sentence.setText(capitalised(sentence))
        self.setVisible(bool(sentence))
        restyle(self._sentence)

    def say_error(self, error: EtiketError) -> None:
        """Show a failure: why, and what to do."""
        self.say(" ".join(part for part in (capitalised(error.reason), error.advice) if part), is_bad=True)

    def say_reply(self, reply: Reply) -> None:
        """Show the engine's answer to a command."""
        self.say(reply.sentence, is_bad=not reply.is_ok)


def page_column(parent: QWidget) -> QVBoxLayout:
    """The layout of a page that fills its room: its edges stand under those of the window's header."""
    layout = column(parent, spacing=Space.M)
    layout.setContentsMargins(Space.XL, Space.L, Space.XL, Space.L)
    return layout


class Page(QWidget):
    """A page of the window. While it is seen it asks the store again whenever that moved, at most three times a second.

    Subclasses give :meth:`ask_store`, and :meth:`tell_ages` where they say how old something is.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.reply = ReplyLine()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_QUIET_MS)
        self._soon.timeout.connect(self._refresh_if_seen)
        self._ages = QTimer(self)
        self._ages.setInterval(_AGES_MS)
        self._ages.timeout.connect(self.tell_ages)
        self._is_stale = True
        desk.reads.changed.connect(self.refresh_soon)
        desk.reads.availabilityChanged.connect(self._on_availability)

    def ask_store(self) -> None:
        """Ask the store for what the page shows."""

    def tell_ages(self) -> None:
        """Say anew how old things are."""

    def refresh(self) -> None:
        """Ask the store now."""
        self._is_stale = False
        self.ask_store()

    def refresh_soon(self) -> None:
        """Ask the store in a moment if the page is seen, else when it is seen again."""
        self._is_stale = True
        if self.isVisible() and not self._soon.isActive():
            self._soon.start()

    def _on_availability(self, _: object) -> None:
        self.refresh_soon()

    def _refresh_if_seen(self) -> None:
        if self._is_stale and self.isVisible():
            self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """What may have changed meanwhile is read again."""
        super().showEvent(event)
        self._ages.start()
        if self._is_stale:
            self.refresh()
        else:
            self.tell_ages()

    def hideEvent(self, event: QHideEvent) -> None:
        """A page that is not seen costs nothing."""
        super().hideEvent(event)
        self._ages.stop()
        self._soon.stop()

    def command(self, command: Command, then: Callable[[Reply], None] | None = None) -> None:
        """Ask the engine for something and say what became of it."""

        def answered(reply: Reply) -> None:
            self.reply.say_reply(reply)
            self.refresh_soon()
            if then is not None:
                then(reply)

        self.desk.host.ask(command, self, answered, self.reply.say_error)
