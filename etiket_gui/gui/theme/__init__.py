"""How the window looks: colours, spacing, radii and type sizes as named values, and what Qt is told of them."""

from __future__ import annotations

from etiket_gui.gui.theme.theme import Theme
from etiket_gui.gui.theme.tokens import DARK, LIGHT, Palette, Radius, Space, TextRole

__all__ = ["DARK", "LIGHT", "Palette", "Radius", "Space", "TextRole", "Theme"]
