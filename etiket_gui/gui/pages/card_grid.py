"""Cards side by side: as many columns as there is room for, all equally wide."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel

_LEAST_CHARACTERS = 52


class CardGrid(QWidget):
    """Lays its cards out anew whenever its width allows another number of columns."""

    def __init__(self, parent: QWidget | None = None, *, most_columns: int = 3) -> None:
        super().__init__(parent)
        self._cards: list[QWidget] = []
        self._most = most_columns
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(Space.L)

    @property
    def columns(self) -> int:
        """How many cards stand side by side."""
        return self._columns

    def set_cards(self, cards: Sequence[QWidget]) -> None:
        """Show exactly these cards in this order; those that are not among them any more are deleted."""
        if list(cards) == self._cards:
            return
        for card in self._cards:
            self._grid.removeWidget(card)
            if card not in cards:
                card.hide()
                card.deleteLater()
        self._cards = list(cards)
        self._columns = 0
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width may hold another number of columns."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """One card has to fit, so that the page may be made narrow."""
        return QSize(max((card.minimumSizeHint().width() for card in self._cards), default=0), 0)

    def _arrange(self) -> None:
        least = self.fontMetrics().averageCharWidth() * _LEAST_CHARACTERS
        room = (self.width() + Space.L) // (least + Space.L)
        columns = max(1, min(room, self._most))
        if columns == self._columns:
            return
        for column in range(self._columns):
            self._grid.setColumnStretch(column, 0)
        self._columns = columns
        for place, card in enumerate(self._cards):
            self._grid.addWidget(card, place // columns, place % columns)
            card.show()
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)


class Tile(QFrame):
    """A card that is one large button: an icon, a title and a sentence; ``clicked`` also by Space and Return."""

    clicked = Signal()

    def __init__(self, icon_name: str, title: str, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", "true")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(title)
        self.setAccessibleDescription(sentence)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(Space.L, Space.L, Space.L, Space.L)
        layout.setSpacing(Space.S)
        layout.addStretch(1)
        picture = QLabel()
        keep_icon(picture, icon_name, "accent", size=24)
        layout.addWidget(picture, 0, Qt.AlignmentFlag.AlignHCenter)
        self._title = TextLabel(title, TextRole.STRONG, "accent")
        layout.addWidget(self._title, 0, Qt.AlignmentFlag.AlignHCenter)
        told = SentenceLabel(sentence, tint="muted")
        told.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        told.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(told)
        layout.addStretch(1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """It is pressed like a button."""
        if event.key() in {Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.clicked.emit()
            return
        super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """It is clicked like a button."""
        super().mouseReleaseEvent(event)
        if event.button() is Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()
