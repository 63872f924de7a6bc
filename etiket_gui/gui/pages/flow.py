"""Small widgets side by side, on as many lines as they need."""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QSizePolicy, QWidget

from etiket_gui.gui.theme.tokens import Space


class FlowLayout(QLayout):
    """Like words of a text: what does not fit on a line goes onto the next."""

    def __init__(self, parent: QWidget | None = None, *, spacing: int = Space.S) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(QMargins(0, 0, 0, 0))
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:
        """Put one more at the end."""
        self._items.append(item)

    def count(self) -> int:
        """How many there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """The one at a place, None beyond the end."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Take one out."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """It never wants more room than it is given."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Narrower is higher."""
        return True

    def heightForWidth(self, width: int) -> int:
        """How high it is at that width."""
        return self._arrange(QRect(0, 0, width, 0), is_trial=True)

    def setGeometry(self, rectangle: QRect) -> None:
        """Lay out."""
        super().setGeometry(rectangle)
        self._arrange(rectangle, is_trial=False)

    def sizeHint(self) -> QSize:
        """All on one line."""
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(hint.width() for hint in shown) + self.spacing() * max(0, len(shown) - 1)
        return QSize(width, max((hint.height() for hint in shown), default=0))

    def minimumSize(self) -> QSize:
        """The widest one alone."""
        smallest = [item.minimumSize() for item in self._items if not item.isEmpty()]
        return QSize(
            max((size.width() for size in smallest), default=0), max((size.height() for size in smallest), default=0)
        )

    def _arrange(self, rectangle: QRect, *, is_trial: bool) -> int:
        x, y, line_height = rectangle.x(), rectangle.y(), 0
        parent = self.parentWidget()
        is_mirrored = parent is not None and parent.layoutDirection() is Qt.LayoutDirection.RightToLeft
        for item in self._items:
            if item.isEmpty():
                continue
            hint = item.sizeHint().boundedTo(QSize(max(1, rectangle.width()), 1 << 20))
            if x > rectangle.x() and x + hint.width() > rectangle.x() + rectangle.width():
                x, y, line_height = rectangle.x(), y + line_height + self.spacing(), 0
            if not is_trial:
                left = x if not is_mirrored else rectangle.x() + rectangle.right() - x - hint.width() + 1
                item.setGeometry(QRect(QPoint(left, y), hint))
            x += hint.width() + self.spacing()
            line_height = max(line_height, hint.height())
        return y + line_height - rectangle.y()


class Flow(QWidget):
    """A widget whose children flow; ``add`` puts one more at the end."""

    def __init__(self, parent: QWidget | None = None, *, spacing: int = Space.S) -> None:
        super().__init__(parent)
        self._layout = FlowLayout(self, spacing=spacing)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def add(self, widget: QWidget) -> None:
        """Put a widget at the end."""
        self._layout.addWidget(widget)

    def clear(self) -> None:
        """Delete all that are in it."""
        while (item := self._layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
