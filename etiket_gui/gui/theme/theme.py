"""The appearance in use: light, dark or as the system has it; tells Qt and everybody when it changes."""

from __future__ import annotations

import weakref
from typing import ClassVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from etiket_gui.gui.theme.style_sheet import style_sheet
from etiket_gui.gui.theme.tokens import DARK, LIGHT, Palette

SYSTEM, LIGHT_MODE, DARK_MODE = "system", "light", "dark"
_FALLBACK_POINTS = 10.0


class Theme(QObject):
    """One per program. :attr:`palette` are the colours in use; ``changed`` comes after Qt was told of new ones."""

    changed = Signal()
    _current: ClassVar[weakref.ref[Theme] | None] = None

    def __init__(self, mode: str = SYSTEM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mode = mode
        self._palette = LIGHT
        self._base_font: QFont | None = None
        Theme._current = weakref.ref(self)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._palette = self._wanted()

    @staticmethod
    def colours() -> Palette:
        """The colours in use in this program; the light ones where there is no theme (a widget tested alone)."""
        current = None if Theme._current is None else Theme._current()
        return LIGHT if current is None else current.palette

    @staticmethod
    def current() -> Theme | None:
        """The theme of this program, None where there is none."""
        return None if Theme._current is None else Theme._current()

    @property
    def palette(self) -> Palette:
        """The colours in use."""
        return self._palette

    @property
    def mode(self) -> str:
        """ "system", "light" or "dark"."""
        return self._mode

    def set_mode(self, mode: str) -> None:
        """Use "light" or "dark" from now on, or follow the "system"."""
        if mode == self._mode:
            return
        self._mode = mode
        self.apply()

    def apply(self) -> None:
        """Tell Qt: style, palette, style sheet. Costs a repaint of everything."""
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        if self._base_font is None:
            application.setStyle("Fusion")
            self._base_font = QFont(application.font())
        self._tell_system()
        self._palette = self._wanted()
        application.setPalette(_qt_palette(self._palette))
        application.setStyleSheet(style_sheet(self._palette, self.base_points))
        self.changed.emit()

    @property
    def base_points(self) -> float:
        """The size of the system's font in points, from which all sizes come."""
        size = (self._base_font or QGuiApplication.font()).pointSizeF()
        return size if size > 0 else _FALLBACK_POINTS

    def _tell_system(self) -> None:
        """The frame around the window and the system's own dialogs follow, where the system can do that."""
        hints = QGuiApplication.styleHints()
        schemes = {LIGHT_MODE: Qt.ColorScheme.Light, DARK_MODE: Qt.ColorScheme.Dark}
        hints.setColorScheme(schemes.get(self._mode, Qt.ColorScheme.Unknown))

    def _wanted(self) -> Palette:
        if self._mode != SYSTEM:
            return DARK if self._mode == DARK_MODE else LIGHT
        is_dark = QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark
        return DARK if is_dark else LIGHT

    def _system_changed(self) -> None:
        if self._mode == SYSTEM and self._base_font is not None and self._wanted() != self._palette:
            self.apply()


def _qt_palette(colours: Palette) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for which, name in (
        (role.Window, colours.window), (role.WindowText, colours.text), (role.Base, colours.surface),
        (role.AlternateBase, colours.window), (role.Text, colours.text), (role.Button, colours.surface),
        (role.ButtonText, colours.text), (role.BrightText, colours.bad), (role.ToolTipBase, colours.surface),
        (role.ToolTipText, colours.text), (role.PlaceholderText, colours.muted), (role.Highlight, colours.accent_soft),
        (role.HighlightedText, colours.text), (role.Link, colours.accent), (role.LinkVisited, colours.accent),
        (role.Light, colours.surface), (role.Midlight, colours.hover), (role.Mid, colours.border),
        (role.Dark, colours.outline), (role.Shadow, colours.outline), (role.Accent, colours.accent),
    ):  # fmt: skip
        palette.setColor(which, QColor(name))
    for which in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.disabled))
    return palette
