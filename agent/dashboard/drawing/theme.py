"""Colours of the charts: one palette that people with any colour vision tell apart, for light and for dark.

The hues are those of M. Okabe and K. Ito, "Color Universal Design" (2008). The values as published are too light for a
white page, or too dark for a black one, so each hue has a value for either with a contrast of 3:1 and more. Charts are
drawn as SVG and name the colours as CSS variables: a page that goes dark repaints them without a word to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Hue:
    """One colour of the palette.

    Args:
        light: on a light page, as #rrggbb.
        dark: on a dark page.
    """

    light: str
    dark: str


SURFACE = Hue("#ffffff", "#1a1f24")
"""What charts lie on, for the check of their contrast; the pages' own tokens are in ``labwright.css``."""

PALETTE: Mapping[str, Hue] = MappingProxyType(
    {
        "blue": Hue("#0072b2", "#56b4e9"),
        "vermillion": Hue("#d55e00", "#f08a4b"),
        "green": Hue("#00815f", "#2fc79b"),
        "purple": Hue("#a8537f", "#d893b8"),
        "orange": Hue("#a86f00", "#e69f00"),
        "yellow": Hue("#7d7400", "#f0e442"),
        "grey": Hue("#6f7780", "#98a1aa"),
    }
)
"""By name: Okabe and Ito's, each for light and for dark; grey is for what does not count."""


def colour(name: str) -> str:
    """A colour of the palette, as charts name it.

    Raises:
        KeyError: there is no such colour.
    """
    if name not in PALETTE:
        raise KeyError(name)
    return f"var(--lw-c-{name})"


INK = "var(--lw-ink)"
SOFT = "var(--lw-ink-2)"
LINE = "var(--lw-line)"
SURFACE_NOW = "var(--lw-surface)"


def css() -> str:
    """The palette as CSS: what ``static/charts.css`` begins with."""
    light = "".join(f"  --lw-c-{name}: {hue.light};\n" for name, hue in PALETTE.items())
    dark = "".join(f"  --lw-c-{name}: {hue.dark};\n" for name, hue in PALETTE.items())
    return f":root {{\n{light}}}\nbody.body--dark {{\n{dark}}}\n"
