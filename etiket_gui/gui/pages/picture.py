"""A preview picture that keeps its proportions and is never drawn larger than it is."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

_HIGHEST_LINES = 18


class Picture(QWidget):
    """As wide as there is room, as high as that makes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixmap = QPixmap()
        self.setAccessibleName(self.tr("Preview"))
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def has_picture(self) -> bool:
        """Whether there is something to show."""
        return not self._pixmap.isNull()

    def show_png(self, content: bytes) -> bool:
        """Show a PNG; returns whether it is one."""
        pixmap = QPixmap()
        is_picture = bool(content) and pixmap.loadFromData(content, "PNG")
        self._pixmap = pixmap if is_picture else QPixmap()
        self.updateGeometry()
        self.update()
        return is_picture

    def _fitted(self, width: int) -> QSize:
        highest = self.fontMetrics().height() * _HIGHEST_LINES
        wanted = self._pixmap.size()
        bounds = QSize(min(width, wanted.width()), min(highest, wanted.height()))
        return wanted.scaled(bounds, Qt.AspectRatioMode.KeepAspectRatio)

    def hasHeightForWidth(self) -> bool:
        """Wider is higher."""
        return True

    def heightForWidth(self, width: int) -> int:
        """As high as the picture is at that width."""
        return self._fitted(width).height() if self.has_picture else 0

    def sizeHint(self) -> QSize:
        """Its own size, within bounds."""
        return self._fitted(self.fontMetrics().averageCharWidth() * 48) if self.has_picture else QSize(0, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        if not self.has_picture:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._fitted(self.width())
        painter.drawPixmap(QRect((self.width() - size.width()) // 2, 0, size.width(), size.height()), self._pixmap)
