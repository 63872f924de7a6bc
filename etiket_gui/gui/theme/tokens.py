"""The named values of the design: two palettes, one spacing grid, one type scale; every text is at least 4.5 : 1."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Space(enum.IntEnum):
    """Distances in logical pixels, all on a grid of four."""

    XS = 4
    S = 8
    M = 12
    L = 16
    XL = 24
    XXL = 32


class Radius(enum.IntEnum):
    """Corner radii in logical pixels."""

    SMALL = 4
    NORMAL = 8
    ROUND = 12


class TextRole(enum.Enum):
    """The steps of the type scale, as factors of the system's font size."""

    SMALL = "small"
    BODY = "body"
    STRONG = "strong"
    HEADING = "heading"
    TITLE = "title"
    FIGURE = "figure"

    @property
    def factor(self) -> float:
        """How large it is beside the system's font."""
        return _FACTORS[self]

    @property
    def is_strong(self) -> bool:
        """Whether it is drawn in a heavier weight."""
        return self in {TextRole.STRONG, TextRole.HEADING, TextRole.TITLE, TextRole.FIGURE}


_FACTORS = {
    TextRole.SMALL: 11 / 13,
    TextRole.BODY: 1.0,
    TextRole.STRONG: 1.0,
    TextRole.HEADING: 15 / 13,
    TextRole.TITLE: 20 / 13,
    TextRole.FIGURE: 28 / 13,
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one appearance, as ``#rrggbb``. ``…_soft`` is a surface on which the colour itself is text.

    ``window`` is behind everything, ``surface`` are cards, tables and fields, ``rail`` is the navigation. ``text`` and
    ``muted`` are readable on each of them. ``border`` only separates, ``outline`` marks what can be operated (3 : 1).
    """

    is_dark: bool
    window: str
    surface: str
    rail: str
    hover: str
    border: str
    outline: str
    text: str
    muted: str
    disabled: str
    accent: str
    accent_hover: str
    accent_pressed: str
    accent_soft: str
    on_accent: str
    good: str
    good_soft: str
    warning: str
    warning_soft: str
    bad: str
    bad_soft: str
    measuring: str
    measuring_soft: str

    def colour(self, name: str) -> str:
        """The colour of that name; a value that already is ``#rrggbb`` is returned as it is. Raises AttributeError."""
        return name if name.startswith("#") else str(getattr(self, name))


LIGHT = Palette(
    is_dark=False,
    window="#f5f6f8",
    surface="#ffffff",
    rail="#eceff2",
    hover="#e4e8ed",
    border="#dde2e7",
    outline="#7d8894",
    text="#1b2026",
    muted="#56606b",
    disabled="#8d96a0",
    accent="#1d5fc2",
    accent_hover="#1853ac",
    accent_pressed="#134691",
    accent_soft="#e3edfb",
    on_accent="#ffffff",
    good="#196f35",
    good_soft="#e3f3e7",
    warning="#835400",
    warning_soft="#fcf1d8",
    bad="#b9242b",
    bad_soft="#fbe8e8",
    measuring="#6136b3",
    measuring_soft="#efe9fb",
)

DARK = Palette(
    is_dark=True,
    window="#14171b",
    surface="#1c2126",
    rail="#101316",
    hover="#2a3138",
    border="#2e353c",
    outline="#74808c",
    text="#e9ecef",
    muted="#a6b0bb",
    disabled="#6a747f",
    accent="#86b4ff",
    accent_hover="#9dc2ff",
    accent_pressed="#6fa3f5",
    accent_soft="#1f3049",
    on_accent="#0c1826",
    good="#57c878",
    good_soft="#17301f",
    warning="#e5b84b",
    warning_soft="#352a12",
    bad="#ff8a82",
    bad_soft="#3b1c1d",
    measuring="#bba0f5",
    measuring_soft="#2a2140",
)


def contrast(first: str, second: str) -> float:
    """The contrast of two colours ``#rrggbb`` after WCAG 2: from 1 (equal) to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
