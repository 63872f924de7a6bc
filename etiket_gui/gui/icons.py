"""The icons of the window: one set (Lucide), drawn in the colours of the theme in use."""

from __future__ import annotations

import functools

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt
from PySide6.QtGui import QAction, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QLabel

from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.theme.theme import Theme

_SIZES = (16, 20, 24, 32, 48, 64)


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


def icon(name: str, tint: str = "text") -> QIcon:
    """An icon in a colour of the theme in use now; :func:`keep_icon` follows the theme. Raises FileNotFoundError."""
    colours = Theme.colours()
    return _icon(name, colours.colour(tint), colours.disabled)


@functools.lru_cache(maxsize=512)
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    made = QIcon()
    for size in _SIZES:
        made.addPixmap(_pixmap(name, colour, size, 1.0), QIcon.Mode.Normal)
        made.addPixmap(_pixmap(name, colour, size, 1.0), QIcon.Mode.Selected)
        made.addPixmap(_pixmap(name, disabled, size, 1.0), QIcon.Mode.Disabled)
    return made


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
