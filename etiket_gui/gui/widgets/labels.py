"""Labels on the one type scale: headings, sentences, texts that are shortened, and badges."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle, QStyleOption, QWidget

from etiket_gui.gui.theme.tokens import TextRole

_ELLIPSIS_ROOM_CHARACTERS = 6
#: What would make a second line; spaces that hold a number and its unit together stay.
_BREAKS = re.compile(r"[ \t]*[\r\n\v\f\u2028\u2029]+[ \t]*")


def set_role(label: QLabel, role: TextRole, tint: str = "") -> None:
    """Give a label a step of the type scale and, if named, a colour: muted, accent, good, warning, bad, measuring."""
    label.setProperty("textRole", role.value)
    set_tint(label, tint)


def set_tint(label: QLabel, tint: str) -> None:
    """Give a label another colour of the theme; "" for the usual one."""
    if label.property("tint") == tint:
        return
    label.setProperty("tint", tint)
    restyle(label)


def restyle(widget: QWidget) -> None:
    """Have the style sheet looked at again after a property that it names was changed."""
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)


class TextLabel(QLabel):
    """One line of plain text; markup is shown as it is written, never obeyed."""

    def __init__(
        self, text: str = "", role: TextRole = TextRole.BODY, tint: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self, role, tint)
        self.setText(text)


class SentenceLabel(TextLabel):
    """A sentence that wraps, and that can be marked and copied with the mouse."""

    def __init__(
        self, text: str = "", role: TextRole = TextRole.BODY, tint: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(text, role, tint, parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def setText(self, text: str) -> None:
        """Say something else."""
        super().setText(text)
        if self.isVisible():
            self._keep_height()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where room is short, something else gives way: a sentence is never cut."""
        super().resizeEvent(event)
        self._keep_height()

    def _keep_height(self) -> None:
        needed = max(0, self.heightForWidth(self.width())) if self.text() else 0
        if needed != self.minimumHeight():
            self.setMinimumHeight(needed)


class PageTitle(TextLabel):
    """The title of a page."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, TextRole.TITLE, parent=parent)


class SectionHeading(TextLabel):
    """The heading of a part of a page."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, TextRole.HEADING, parent=parent)


class ElidedLabel(TextLabel):
    """One line that is shortened with an ellipsis where there is too little room; the tooltip then has all of it."""

    def __init__(
        self,
        text: str = "",
        role: TextRole = TextRole.BODY,
        tint: str = "",
        parent: QWidget | None = None,
        *,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        super().__init__(text, role, tint, parent)
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Room for a few characters."""
        hint = super().minimumSizeHint()
        return QSize(
            min(hint.width(), self.fontMetrics().averageCharWidth() * _ELLIPSIS_ROOM_CHARACTERS), hint.height()
        )

    def setText(self, text: str) -> None:
        """Show another text, on one line."""
        super().setText(_BREAKS.sub(" ", text))
        self._tell_all()

    @property
    def shown_text(self) -> str:
        """What there is room for."""
        return self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The tooltip is only there when the text is shortened."""
        super().resizeEvent(event)
        self._tell_all()

    def _tell_all(self) -> None:
        is_short = self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width()
        self.setToolTip(self.text() if is_short else "")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what there is room for."""
        painter = QPainter(self)
        option = QStyleOption()
        option.initFrom(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)
        self.style().drawItemText(
            painter, self.contentsRect(), int(self.alignment()), self.palette(), self.isEnabled(), self.shown_text,
            self.foregroundRole(),
        )  # fmt: skip


class Badge(TextLabel):
    """A short word or a number on a soft colour: neutral, accent, good, warning, bad, measuring."""

    def __init__(self, text: str = "", kind: str = "neutral", parent: QWidget | None = None) -> None:
        super().__init__(text, TextRole.SMALL, parent=parent)
        self.setProperty("badge", kind)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_kind(self, kind: str) -> None:
        """Change the colour."""
        self.setProperty("badge", kind)
        restyle(self)
