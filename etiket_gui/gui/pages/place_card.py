"""The frame of a card for a source or a destination: kind, name, place, state in words, and what can be done."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.pages.overview_sentences import Told
from etiket_gui.gui.sentences import capitalised
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.card import Card
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row, rule
from etiket_gui.gui.widgets.status_dot import StatusDot


class PlaceCard(Card):
    """Name and place on top, then the state in words, then :attr:`middle`, then :attr:`buttons` and a menu."""

    def __init__(self, name: str, prefix: str, parent: QWidget | None = None) -> None:
        """``prefix`` begins the object names of its controls."""
        super().__init__(parent=parent)
        self._prefix = prefix
        self.setObjectName(prefix)
        self._picture = QLabel()
        self.name = ElidedLabel(name, TextRole.HEADING, mode=Qt.TextElideMode.ElideRight)
        self.place = ElidedLabel("", TextRole.SMALL, "muted")
        self._make_header()
        self._make_state()
        self.middle: QVBoxLayout = column(spacing=Space.S)
        self.body.addSpacing(Space.XS)
        self.body.addLayout(self.middle)
        self.body.addStretch(1)
        self.answer = SentenceLabel(role=TextRole.SMALL)
        self.answer.setObjectName(f"{prefix}-answer")
        self.answer.hide()
        self.body.addWidget(self.answer)
        self.body.addWidget(rule())
        self.buttons: QHBoxLayout = row(spacing=0)
        self.body.addLayout(self.buttons)

    def _make_header(self) -> None:
        self.header.takeAt(self.header.count() - 1)
        self.header.insertWidget(0, self._picture, 0, Qt.AlignmentFlag.AlignTop)
        names = column(spacing=0)
        names.addWidget(self.name)
        names.addWidget(self.place)
        self.header.addLayout(names, 1)
        self.more = QToolButton()
        self.more.setObjectName(f"{self._prefix}-more")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(QMenu(self.more))
        keep_icon(self.more, "ellipsis", "muted")
        self.header.addWidget(self.more, 0, Qt.AlignmentFlag.AlignTop)

    def _make_state(self) -> None:
        line = row(spacing=Space.S)
        self.sign = StatusDot("new")
        self.sentence = SentenceLabel()
        self.detail = SentenceLabel(role=TextRole.SMALL, tint="muted")
        texts = column(spacing=2)
        texts.addWidget(self.sentence)
        texts.addWidget(self.detail)
        line.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(texts, 1)
        self.body.addLayout(line)

    def show_place(self, name: str, place: str, icon_name: str, kind: str) -> None:
        """Show another name and place."""
        self.name.setText(name)
        self.place.setText(place)
        self.place.setVisible(bool(place))
        self.setAccessibleName(name)
        self.more.setAccessibleName(self.tr("More for {name}").format(name=name))
        self.more.setToolTip(self.tr("More"))
        keep_icon(self._picture, icon_name, "muted", size=20)
        self._picture.setToolTip(kind)
        self._picture.setAccessibleName(kind)

    def show_told(self, told: Told) -> None:
        """Show the state in words."""
        self.sign.set_state(told.sign, told.sentence)
        self.sentence.setText(capitalised(told.sentence))
        self.detail.setText(told.detail)
        self.detail.setVisible(bool(told.detail))

    def say(self, sentence: str) -> None:
        """Show what became of what was asked of this card; "" hides it."""
        self.answer.setText(sentence)
        self.answer.setVisible(bool(sentence))

    def add_button(self, name: str, text: str, icon_name: str, clicked: Callable[[], None]) -> QPushButton:
        """A button in the lowest row."""
        button = QPushButton(text)
        button.setObjectName(f"{self._prefix}-{name}")
        button.setProperty("flat", "true")
        button.setAccessibleName(f"{text}: {self.name.text()}")
        keep_icon(button, icon_name, "accent")
        button.clicked.connect(clicked)
        self.buttons.addWidget(button)
        return button

    def add_action(self, name: str, text: str, icon_name: str, triggered: Callable[[], None]) -> QAction:
        """An entry of the menu behind the three dots."""
        action = QAction(text, self)
        action.setObjectName(f"{self._prefix}-{name}")
        keep_icon(action, icon_name)
        action.triggered.connect(triggered)
        self.more.menu().addAction(action)
        return action
