"""Colours of the pictures and the page: one name, one colour on light paper and one on dark.

Hues are from Okabe and Ito's palette, which people with any common colour blindness tell apart (https://jfly.uni-koeln.de/color/);
the dark column lightens them until text and thin lines keep their contrast. Every light value is unique, because the page
finds a picture's colours by value to make them follow the reader's theme.
"""

from __future__ import annotations

THEME: dict[str, tuple[str, str]] = {
    "ink": ("#1f2933", "#e4e8ec"),
    "muted": ("#5b6773", "#a3afba"),
    "rule": ("#d9dfe5", "#38424c"),
    "paper": ("#fdfdfc", "#14191e"),
    "band": ("#d3dce6", "#3a4856"),
    "line": ("#475569", "#b4c0cc"),
    "equity": ("#0b6ba8", "#62b5ec"),
    "target": ("#0072b2", "#56b4e9"),
    "stop": ("#d55e00", "#f28c45"),
    "time": ("#7a5195", "#c39be0"),
    "hand": ("#6f6f6f", "#c9c9c9"),
    "entry": ("#007f5f", "#3fc79a"),
}
LIGHT: dict[str, str] = {name: light for name, (light, _) in THEME.items()}


def css_variables(column: int) -> str:
    """Declarations for a style sheet: column 0 is light, 1 is dark."""
    return "".join(f"--{name}:{pair[column]};" for name, pair in THEME.items())


def follow_theme(svg: str) -> str:
    """Replace this palette's colours in an inlined SVG by the page's variables."""
    for name, light in LIGHT.items():
        svg = svg.replace(light, f"var(--{name})")
    return svg
