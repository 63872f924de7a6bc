"""What a page shows when there is nothing to show: why, and the one thing to do about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column, row

_WIDEST_CHARACTERS = 64


class EmptyState(QWidget):
    """An icon, a title, a sentence, and a button where ``action`` is given; ``acted`` when that is clicked."""

    acted = Signal()

    def __init__(
        self, icon_name: str, title: str, sentence: str = "", action: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        layout = column(self, margin=Space.XL, spacing=Space.M)
        layout.addStretch(1)
        picture = QLabel()
        keep_icon(picture, icon_name, "muted", size=48)
        layout.addWidget(picture, 0, Qt.AlignmentFlag.AlignHCenter)
        self.title = TextLabel(title, TextRole.HEADING)
        layout.addWidget(self.title, 0, Qt.AlignmentFlag.AlignHCenter)
        self.sentence = SentenceLabel(sentence, tint="muted")
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.sentence.setMaximumWidth(self.fontMetrics().averageCharWidth() * _WIDEST_CHARACTERS)
        beside = row()
        beside.addStretch(1)
        beside.addWidget(self.sentence, 100)
        beside.addStretch(1)
        layout.addLayout(beside)
        self.button = QPushButton(action)
        self.button.setProperty("primary", "true")
        self.button.setVisible(bool(action))
        self.button.setAccessibleName(action)
        self.button.clicked.connect(self.acted)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)
