"""Draws resources/icons: the archive box with one badge per state, for light and dark panels and as a mask.

Each state differs in shape and not only in colour. Only what every SVG renderer draws alike is used: no masks, no
filters; the signs in the badges are holes.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "icons"
CENTRE, RADIUS = 23.0, 7.5

Point = tuple[float, float]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _polygon(points: list[Point]) -> str:
    return "M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points) + " Z"


def _around(offsets: list[Point]) -> str:
    return _polygon([(CENTRE + x, CENTRE + y) for x, y in offsets])


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    return _around([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def _disc(radius: float = RADIUS) -> str:
    left, r = _number(CENTRE - radius), _number(radius)
    right = _number(CENTRE + radius)
    return (
        f"M{left} {_number(CENTRE)} A{r} {r} 0 1 1 {right} {_number(CENTRE)} A{r} {r} 0 1 1 {left} {_number(CENTRE)} Z"
    )


def _octagon() -> str:
    angles = [math.pi / 8 + math.pi / 4 * step for step in range(8)]
    return _around([(8 * math.cos(angle), 8 * math.sin(angle)) for angle in angles])


def _turned(offsets: list[Point], degrees: float) -> list[Point]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(x * c - y * s, x * s + y * c) for x, y in offsets]


def _cross(half: float, thick: float) -> list[Point]:
    t = thick / 2
    return [
        (-half, -t), (-t, -t), (-t, -half), (t, -half), (t, -t), (half, -t),
        (half, t), (t, t), (t, half), (-t, half), (-t, t), (-half, t),
    ]  # fmt: skip


CHECK = _around([(-4.4, 0.2), (-2.9, -1.3), (-1.1, 0.5), (2.9, -3.5), (4.4, -2), (-1.1, 3.5)])
ARROW = _around([(0, -4.8), (4.2, -0.4), (1.2, -0.4), (1.2, 4.4), (-1.2, 4.4), (-1.2, -0.4), (-4.2, -0.4)])
PULSE = _around([
    (-5.2, 1.2), (-3.2, 1.2), (-3.2, -3.6), (1.2, -3.6), (1.2, 1.4), (3.2, 1.4), (3.2, -0.6), (5.2, -0.6),
    (5.2, 3.4), (-0.8, 3.4), (-0.8, -1.6), (-1.2, -1.6), (-1.2, 3.2), (-5.2, 3.2),
])  # fmt: skip
PAUSE = _rectangle(-3.6, -3.8, 2.6, 7.6) + " " + _rectangle(1, -3.8, 2.6, 7.6)
TRIANGLE = _around([(0, -8.2), (8.6, 7), (-8.6, 7)])
EXCLAMATION = _rectangle(-1.1, -3.4, 2.2, 5.6) + " " + _rectangle(-1.1, 3.3, 2.2, 2.2)
SQUARE = _rectangle(-7, -7, 14, 14)
SLASH = _around(_turned([(-1.2, -4.2), (1.2, -4.2), (1.2, 4.2), (-1.2, 4.2)], 45))

#: state: (badge with its hole, colour on light panels, colour on dark panels)
STATES = {
    "idle": (f"{_disc()} {CHECK}", "#1a7f37", "#3fb950"),
    "syncing": (f"{_disc()} {ARROW}", "#0969da", "#58a6ff"),
    "waiting": (f"{_disc()} {PULSE}", "#6639ba", "#b392f0"),
    "paused": (f"{SQUARE} {PAUSE}", "#57606a", "#9aa4af"),
    "attention": (f"{TRIANGLE} {EXCLAMATION}", "#9a6700", "#e3b341"),
    "error": (f"{_octagon()} {_around(_turned(_cross(5.4, 2.3), 45))}", "#cf222e", "#ff7b72"),
    "offline": (f"{_disc()} {_disc(5.4)} {SLASH}", "#57606a", "#9aa4af"),
}
INK = {"light": "#24292f", "dark": "#f0f3f6", "mask": "#000000"}
TITLES = {
    "idle": "Everything is archived",
    "syncing": "Datasets are on their way",
    "waiting": "A measurement is running; the rest waits",
    "paused": "Paused",
    "attention": "Something needs attention",
    "error": "Something does not work",
    "offline": "Not reachable",
}

BOX = (
    '<rect x="3" y="4" width="26" height="6.5" rx="1.8" fill="{ink}"/>'
    '<path d="M5.2 12.5 V23.5 A3.3 3.3 0 0 0 8.5 26.8 H13 M26.8 12.5 V13" '
    'fill="none" stroke="{ink}" stroke-width="2.4" stroke-linecap="round"/>'
    '<path d="M11 15 H14.5" fill="none" stroke="{ink}" stroke-width="2.4" stroke-linecap="round"/>'
)
FULL_BOX = (
    '<rect x="3" y="4" width="26" height="6.5" rx="1.8" fill="#24292f"/>'
    '<path d="M5 10.5 H27 V24.7 A3.3 3.3 0 0 1 23.7 28 H8.3 A3.3 3.3 0 0 1 5 24.7 Z" fill="#f0f3f6" '
    'stroke="#24292f" stroke-width="2"/>'
    '<path d="M8 22.5 H11 C14.5 22.5 13.8 14.5 16 14.5 S17.5 22.5 21 22.5 H24" fill="none" stroke="#1a7f37" '
    'stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>'
)


def _svg(title: str, body: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">'
        f"<title>{title}</title>{body}</svg>\n"
    )


def pictures() -> dict[str, str]:
    """Every icon: its path below resources/icons and its SVG text."""
    drawn = {"app.svg": _svg("etiket-gui", FULL_BOX)}
    for state, (badge, on_light, on_dark) in STATES.items():
        for variant, ink in INK.items():
            colour = {"light": on_light, "dark": on_dark, "mask": ink}[variant]
            sign = f'<path d="{badge}" fill="{colour}" fill-rule="evenodd"/>'
            drawn[f"{variant}/{state}.svg"] = _svg(TITLES[state], BOX.format(ink=ink) + sign)
    return drawn


def main() -> int:
    """Write all icons."""
    for name, text in pictures().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
