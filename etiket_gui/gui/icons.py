"""The icons of the window: one set (Lucide), drawn in the colours of the theme in use."""

from __future__ import annotations

import functools

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QLabel, QPushButton, QStyle

from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.theme.theme import Theme

_SIZES = (16, 20, 24, 32, 48, 64)
_GAP_PART = 4


#: What a kind of source or destination is drawn as, by its identifier.
_KINDS = {
    "folder": "folder", "qcodes": "database", "quantify": "chart-line", "labber": "flask-conical",
    "core_tools": "server", "native": "microscope", "archive": "folder-archive", "etiket": "cloud-upload",
    "cdcs": "server", "scicat": "server",
}  # fmt: skip


def kind_icon(identifier: str) -> str:
    """The name of the icon of a kind of source or destination; that of a plug for one that is not ours."""
    return _KINDS.get(identifier, "plug")


@functools.cache
def _text(name: str) -> str:
    return (resources_folder() / "icons" / "lucide" / f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, colour: str, size: int, ratio: float = 1.0) -> QPixmap:
    """One icon as a picture of ``size`` logical pixels. ``colour`` is ``#rrggbb`` or the name of a theme colour.

    Raises FileNotFoundError for a name that is not in the set.
    """
    return _pixmap(name, Theme.colours().colour(colour), size, ratio)


@functools.lru_cache(maxsize=1024)
def _pixmap(name: str, colour: str, size: int, ratio: float) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_text(name).replace("currentColor", colour).encode()))
    side = round(size * ratio)
    picture = QPixmap(side, side)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    renderer.render(painter, QRectF(0, 0, side, side))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def icon(name: str, tint: str = "text", *, has_gap: bool = False) -> QIcon:
    """An icon in a colour of the theme in use now; :func:`keep_icon` follows the theme. Raises FileNotFoundError.

    ``has_gap``: with empty room at its right, a quarter of its width.
    """
    colours = Theme.colours()
    return _icon(name, colours.colour(tint), colours.disabled, has_gap)


@functools.lru_cache(maxsize=512)
def _icon(name: str, colour: str, disabled: str, has_gap: bool) -> QIcon:
    made = QIcon()
    for size in _SIZES:
        drawn, pale = _pixmap(name, colour, size, 1.0), _pixmap(name, disabled, size, 1.0)
        if has_gap:
            drawn, pale = _with_gap(drawn), _with_gap(pale)
        made.addPixmap(drawn, QIcon.Mode.Normal)
        made.addPixmap(drawn, QIcon.Mode.Selected)
        made.addPixmap(pale, QIcon.Mode.Disabled)
    return made


def _with_gap(drawn: QPixmap) -> QPixmap:
    wider = QPixmap(drawn.width() + drawn.width() // _GAP_PART, drawn.height())
    wider.fill(Qt.GlobalColor.transparent)
    painter = QPainter(wider)
    painter.drawPixmap(0, 0, drawn)
    painter.end()
    return wider


class _Keeper(QObject):
    """Sets the icon of its parent again whenever the theme changes; goes with its parent."""

    def __init__(self, target: QAbstractButton | QAction | QLabel, name: str, tint: str, size: int) -> None:
        super().__init__(target)
        self._target = target
        self._name, self._tint, self._size = name, tint, size
        self.renew()
        theme = Theme.current()
        if theme is not None:
            theme.changed.connect(self.renew)

    def change(self, name: str, tint: str, size: int) -> None:
        self._name, self._tint, self._size = name, tint, size
        self.renew()

    def renew(self) -> None:
        if isinstance(self._target, QLabel):
            self._target.setPixmap(pixmap(self._name, self._tint, self._size, self._target.devicePixelRatioF()))
        elif isinstance(self._target, QPushButton) and self._target.text():
            # Qt puts the words of a button four pixels behind its picture, whatever the style sheet says.
            self._target.setIcon(icon(self._name, self._tint, has_gap=True))
            height = self._target.style().pixelMetric(QStyle.PixelMetric.PM_ButtonIconSize)
            self._target.setIconSize(QSize(height + height // _GAP_PART, height))
        else:
            self._target.setIcon(icon(self._name, self._tint))


def keep_icon(target: QAbstractButton | QAction | QLabel, name: str, tint: str = "text", size: int = 20) -> None:
    """Give a button, an action or a label an icon that follows the theme. Raises FileNotFoundError.

    ``size`` in logical pixels counts for labels only. Called again for the same target, the icon is replaced.
    """
    keeper = target.findChild(_Keeper, options=Qt.FindChildOption.FindDirectChildrenOnly)
    if keeper is None:
        _Keeper(target, name, tint, size)
    else:
        keeper.change(name, tint, size)
