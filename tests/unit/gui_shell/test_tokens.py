"""Every colour that text is drawn in can be read on every surface it is drawn on, in both palettes."""

from __future__ import annotations

import pytest

from etiket_gui.gui.theme.style_sheet import style_sheet
from etiket_gui.gui.theme.tokens import DARK, LIGHT, Palette, Space, TextRole, contrast

_TEXT = ("text", "muted", "accent", "good", "warning", "bad", "measuring")
_SURFACES = ("window", "surface", "rail", "hover", "accent_soft")
_SOFT = ("accent", "good", "warning", "bad", "measuring")


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half_on_every_surface(palette: Palette) -> None:
    pairs = [(text, surface) for text in _TEXT for surface in _SURFACES]
    pairs += [(text, f"{soft}_soft") for soft in _SOFT for text in ("text", soft)]
    pairs += [("on_accent", name) for name in ("accent", "accent_hover", "accent_pressed")]
    low = [
        (text, surface, round(contrast(palette.colour(text), palette.colour(surface)), 2))
        for text, surface in pairs
        if contrast(palette.colour(text), palette.colour(surface)) < 4.5
    ]
    assert low == []


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_what_can_be_operated_is_outlined_three_to_one(palette: Palette) -> None:
    for surface in ("window", "surface", "rail"):
        assert contrast(palette.outline, palette.colour(surface)) >= 3


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


def test_sizes_follow_the_font_of_the_system_and_distances_lie_on_the_grid() -> None:
    assert [round(13 * role.factor) for role in TextRole] == [11, 13, 13, 15, 20, 28]
    assert all(distance % 4 == 0 for distance in Space)
    assert "font-size: 20.00pt" in style_sheet(LIGHT, 13.0)
    assert "font-size: 40.00pt" in style_sheet(LIGHT, 26.0)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_style_sheet_names_no_colour_that_is_not_in_the_palette(palette: Palette) -> None:
    import re

    named = set(re.findall(r"#[0-9a-fA-F]{6}", style_sheet(palette, 10.0)))
    known = {getattr(palette, name) for name in palette.__dataclass_fields__ if name != "is_dark"}
    assert named <= known
