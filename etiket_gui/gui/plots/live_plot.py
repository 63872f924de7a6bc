"""The live plot of one running measurement: lines or a map, renewed while points arrive."""

from __future__ import annotations

import threading
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from etiket_gui.bridge.live_pictures import LivePicture, live_picture
from etiket_gui.domain.events import LivePointsArrived
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.theme.tokens import Palette, Space

_LIBRARY_LOOK_MS = 30
_SMALLEST_HEIGHT_EM = 11


class LivePlot(QWidget):
    """Shows what was measured so far of the dataset given to :meth:`follow`; empty until points are known.

    The drawing library is loaded beside the window the first time, so that nothing stands still for it.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._uuid = ""
        self._chosen = ""
        self._picture: LivePicture | None = None
        self._is_asking = False
        self._is_news = False
        self._canvas: _Canvas | None = None
        self._loading: threading.Thread | None = None
        self._quantity = QComboBox()
        self._quantity.setObjectName("live-quantity")
        self._quantity.setAccessibleName(self.tr("Measured quantity to draw"))
        self._quantity.currentTextChanged.connect(self._choose)
        self._progress = QLabel()
        self._progress.setObjectName("live-progress")
        self._progress.setProperty("tint", "measuring")
        head = QHBoxLayout()
        head.setSpacing(Space.S)
        head.addWidget(self._quantity)
        head.addWidget(self._progress, 1)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(Space.S)
        self._layout.addLayout(head)
        self._waiting = QLabel(self.tr("Waiting for the first points…"))
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._waiting.setProperty("tint", "muted")
        self._waiting.setMinimumHeight(self.fontMetrics().height() * _SMALLEST_HEIGHT_EM // 2)
        self._layout.addWidget(self._waiting, 1)
        self._quantity.hide()
        self._library_looker = QTimer(self, interval=_LIBRARY_LOOK_MS)
        self._library_looker.timeout.connect(self._look_for_library)
        desk.host.eventHappened.connect(self._take_event)
        desk.theme.changed.connect(self._recolour)

    @property
    def picture(self) -> LivePicture | None:
        """What is drawn."""
        return self._picture

    def follow(self, uuid: str) -> None:
        """Draw this measurement from now on; an empty uuid draws nothing."""
        if uuid == self._uuid:
            return
        self._uuid, self._chosen, self._picture = uuid, "", None
        self._progress.clear()
        if self._canvas is not None:
            self._canvas.hide()
        self._quantity.hide()
        self._waiting.show()
        self._ask()

    def sizeHint(self) -> QSize:
        """No more than is needed: the plot is seen whole where little space is, and takes what more there is."""
        return self.minimumSizeHint()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while nobody looked."""
        super().showEvent(event)
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is drawn while nobody looks."""
        super().hideEvent(event)
        self._library_looker.stop()

    def _take_event(self, event: object) -> None:
        if isinstance(event, LivePointsArrived) and event.uuid == self._uuid:
            self._ask()

    def _choose(self, name: str) -> None:
        self._chosen = name
        self._ask()

    def _ask(self) -> None:
        if not self._uuid or not self.isVisible():
            return
        if self._is_asking:
            self._is_news = True
            return
        self._is_asking, self._is_news = True, False
        folder, uuid, chosen = self._desk.home.live, self._uuid, self._chosen
        self._desk.reads.ask(
            lambda reads: live_picture(folder, uuid, chosen),
            self,
            self._take_picture,
            lambda error: self._done_asking(),
        )

    def _done_asking(self) -> None:
        self._is_asking = False
        if self._is_news:
            self._ask()

    def _take_picture(self, picture: LivePicture | None) -> None:
        if picture is not None and picture.uuid == self._uuid:
            self._picture = picture
            self._draw()
        self._done_asking()

    # --- drawing --------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        picture = self._picture
        if picture is None:
            return
        if self._canvas is None:
            self._load_library()
            return
        self._waiting.hide()
        self._canvas.show()
        self._canvas.draw(picture)
        with QSignalBlocker(self._quantity):
            shown = [self._quantity.itemText(index) for index in range(self._quantity.count())]
            if shown != list(picture.quantities):
                self._quantity.clear()
                self._quantity.addItems(list(picture.quantities))
            self._quantity.setCurrentText(picture.chosen)
        self._quantity.setVisible(len(picture.quantities) > 1)
        if picture.expected_count:
            done = min(100, round(100 * picture.point_count / picture.expected_count))
            text = self.tr("{done} of {expected} points ({percent} %)").format(
                done=picture.point_count, expected=picture.expected_count, percent=done
            )
        else:
            text = self.tr("{done} points so far").format(done=picture.point_count)
        self._progress.setText(text)

    def _load_library(self) -> None:
        if self._loading is None:
            self._loading = threading.Thread(target=_load_pyqtgraph, name="load-plots", daemon=True)
            self._loading.start()
        self._library_looker.start()

    def _look_for_library(self) -> None:
        if self._loading is not None and self._loading.is_alive():
            return
        self._library_looker.stop()
        if self._canvas is None:
            self._canvas = _Canvas(self._desk.theme.palette, self)
            self._layout.addWidget(self._canvas.widget, 1)
        self._draw()

    def _recolour(self) -> None:
        if self._canvas is not None:
            self._canvas.recolour(self._desk.theme.palette)


def _load_pyqtgraph() -> None:
    """Import what drawing needs; on a thread of its own, once."""
    import pyqtgraph  # noqa: F401


class _Canvas:
    """The pyqtgraph part: one plot with either lines or an image and its colour bar."""

    def __init__(self, palette: Palette, owner: LivePlot) -> None:
        import pyqtgraph

        self._library: Any = pyqtgraph
        self._owner = owner
        self.widget: Any = pyqtgraph.GraphicsLayoutWidget()
        self.widget.setObjectName("live-plot")
        self.widget.setAccessibleName(owner.tr("Plot of the running measurement"))
        self.widget.setMinimumHeight(owner.fontMetrics().height() * _SMALLEST_HEIGHT_EM)
        self._plot = self.widget.addPlot()
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._curves: list[Any] = []
        self._image: Any = None
        self._bar: Any = None
        self._palette = palette
        self.recolour(palette)

    def show(self) -> None:
        """Make it visible."""
        self.widget.show()

    def hide(self) -> None:
        """Hide it."""
        self.widget.hide()

    def recolour(self, palette: Palette) -> None:
        """Use other colours."""
        self._palette = palette
        self.widget.setBackground(QColor(palette.surface))
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(QColor(palette.outline))
            axis.setTextPen(QColor(palette.text))
        for curve in self._curves:
            curve.setPen(self._pen())
        if self._bar is not None:
            self._bar.axis.setTextPen(QColor(palette.text))
            self._bar.axis.setPen(QColor(palette.outline))

    def _pen(self) -> Any:
        return self._library.mkPen(QColor(self._palette.accent), width=2)

    def draw(self, picture: LivePicture) -> None:
        """Draw a picture, keeping the view where the user zoomed."""
        for side, quantity in (("bottom", picture.x), ("left", picture.y)):
            axis = self._plot.getAxis(side)
            axis.setLabel(quantity.label, units=quantity.unit or None)
            # A prefix belongs to a unit: without one the figures stay as they are, instead of "(x0.001)". Turning the
            # prefix off would scale them all the same and not say so. The label forgets the ranges, so they follow it.
            if not quantity.unit and hasattr(axis, "setSIPrefixEnableRanges"):
                axis.setSIPrefixEnableRanges(())
                axis.updateAutoSIPrefix()
        if picture.map is not None:
            self._draw_map(picture)
        else:
            self._draw_lines(picture)

    def _draw_lines(self, picture: LivePicture) -> None:
        if self._image is not None:
            self._plot.removeItem(self._image)
            self.widget.removeItem(self._bar)
            self._image = self._bar = None
        while len(self._curves) < len(picture.lines):
            self._curves.append(self._plot.plot(pen=self._pen()))
        while len(self._curves) > len(picture.lines):
            self._plot.removeItem(self._curves.pop())
        for curve, line in zip(self._curves, picture.lines, strict=True):
            curve.setData(line.x, line.y)

    def _draw_map(self, picture: LivePicture) -> None:
        import numpy as np
        from PySide6.QtCore import QRectF

        grid = picture.map
        assert grid is not None
        for curve in self._curves:
            self._plot.removeItem(curve)
        self._curves.clear()
        if self._image is None:
            self._image = self._library.ImageItem(axisOrder="col-major")
            self._plot.addItem(self._image)
            self._bar = self._library.ColorBarItem(colorMap=self._library.colormap.get("viridis"), interactive=False)
            self._bar.setImageItem(self._image)
            self.widget.addItem(self._bar)
            self.recolour(self._palette)
        finite = grid.values[np.isfinite(grid.values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if low == high:
            high = low + (abs(low) or 1.0) * 1e-9
        self._image.setImage(grid.values, autoLevels=False)
        self._bar.setLevels((low, high))
        if picture.z is not None:
            self._bar.axis.setLabel(picture.z.label, units=picture.z.unit or None, color=self._palette.text)
        columns, rows = grid.values.shape
        left, bottom = grid.x0 - grid.dx / 2, grid.y0 - grid.dy / 2
        self._image.setRect(QRectF(left, bottom, columns * grid.dx, rows * grid.dy))
