"""The navigation at the left of the window: one button per page, with a number where something needs attention."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import TextLabel
from etiket_gui.gui.widgets.layouts import column

_ICON = 20
#: Qt leaves hardly any room between icon and word.
_GAP = "\u2002"
_MOST_SHOWN_COUNT = 999


class NavigationButton(QToolButton):
    """One page; a number in a soft red field at its right when there is something to see to."""

    def __init__(self, key: str, text: str, icon_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = text
        self._icon_name = icon_name
        self._count = 0
        self._is_narrow = False
        self.setObjectName(f"nav-{key}")
        self.setProperty("nav", "true")
        self.setCheckable(True)
        self.setText(f"{_GAP}{text}")
        self.setIconSize(QSize(_ICON, _ICON))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.toggled.connect(self._tint)
        self._tint()
        self._name()

    def set_count(self, count: int) -> None:
        """Show a number; 0 for none."""
        if count != self._count:
            self._count = count
            self._name()
            self.updateGeometry()
            self.update()

    def set_narrow(self, *, is_narrow: bool) -> None:
        """Show the icon alone; the word is then in the tooltip."""
        self._is_narrow = is_narrow
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if is_narrow else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        self.setToolButtonStyle(style)
        self._name()

    def _name(self) -> None:
        name = f"{self._label} ({self._count})" if self._count else self._label
        self.setAccessibleName(name)
        self.setToolTip(name if self._is_narrow else "")

    def _tint(self) -> None:
        keep_icon(self, self._icon_name, "accent" if self.isChecked() else "muted")

    @property
    def count_text(self) -> str:
        """The number as it is shown."""
        return f"{_MOST_SHOWN_COUNT}+" if self._count > _MOST_SHOWN_COUNT else str(self._count)

    def sizeHint(self) -> QSize:
        """With room for a number of two digits, so that nothing moves when the first problem comes."""
        hint = super().sizeHint()
        if self._is_narrow:
            return hint
        longest = max((self.count_text, "99"), key=len)
        return QSize(hint.width() + self.fontMetrics().horizontalAdvance(longest) + Space.M, hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The button, and the number on it."""
        super().paintEvent(event)
        if not self._count:
            return
        colours = Theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._is_narrow:
            painter.setBrush(QColor(colours.bad))
            painter.drawEllipse(self.width() - Space.L, Space.XS, Space.S, Space.S)
            return
        metrics = self.fontMetrics()
        height = metrics.height()
        width = max(height, metrics.horizontalAdvance(self.count_text) + Space.S + Space.XS)
        box = self.rect().adjusted(0, 0, -Space.S, 0)
        box.setLeft(box.right() - width)
        box.setTop((self.height() - height) // 2)
        box.setHeight(height)
        painter.setBrush(QColor(colours.bad_soft))
        painter.drawRoundedRect(box, height / 2, height / 2)
        painter.setPen(QColor(colours.bad))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.count_text)


class Rail(QFrame):
    """Pages above, what is about the program below. ``chosen`` has the index of a page, ``acted`` an action's key."""

    chosen = Signal(int)
    acted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("rail", "true")
        self._layout = column(self, spacing=Space.XS)
        self._layout.setContentsMargins(Space.S, Space.L, Space.S, Space.M)
        self._brand = TextLabel("etiket", TextRole.HEADING)
        self._brand.setContentsMargins(Space.M, 0, 0, Space.M)
        self._layout.addWidget(self._brand)
        self._layout.addStretch(1)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._group.idClicked.connect(self.chosen)
        self._buttons: list[NavigationButton] = []
        self._actions: list[NavigationButton] = []
        self._is_narrow = False

    def add_page(self, key: str, text: str, icon_name: str) -> None:
        """Another page, below those before."""
        button = NavigationButton(key, text, icon_name)
        self._group.addButton(button, len(self._buttons))
        self._layout.insertWidget(1 + len(self._buttons), button)
        self._buttons.append(button)

    def add_action(self, key: str, text: str, icon_name: str) -> None:
        """Something to open, at the bottom."""
        button = NavigationButton(key, text, icon_name)
        button.setCheckable(False)
        button.clicked.connect(lambda: self.acted.emit(key))
        self._layout.addWidget(button)
        self._actions.append(button)

    def button(self, index: int) -> NavigationButton:
        """The button of a page."""
        return self._buttons[index]

    def choose(self, index: int) -> None:
        """Mark a page as the one that is shown."""
        self._buttons[index].setChecked(True)

    @property
    def is_narrow(self) -> bool:
        """Whether only icons are shown."""
        return self._is_narrow

    def set_narrow(self, *, is_narrow: bool) -> None:
        """Show icons alone, where the window is narrow."""
        if is_narrow == self._is_narrow:
            return
        self._is_narrow = is_narrow
        self._brand.setVisible(not is_narrow)
        for button in (*self._buttons, *self._actions):
            button.set_narrow(is_narrow=is_narrow)
